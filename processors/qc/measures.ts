/**
 * Every measure there is: what it says, how it is computed, which side of it is bad, where it comes from, and what a
 * technician does about it. Names are a contract; this table is the reference that docs/quality-control.md prints.
 */
import type { VolumeKind } from '../volumes/volume.ts';

/** Which values are good: high ones, low ones, those of before; `note`: none, it only describes. */
export type Better = 'high' | 'low' | 'same' | 'note';

export interface MeasureRow {
  readonly name: string;
  readonly unit: string;
  readonly better: Better;
  readonly formula: string;
  readonly source: string;
  readonly act: string;
  /** Kinds of scan whose verdict it may decide by history. */
  readonly decides: readonly VolumeKind[];
  /** The smallest change that means anything: a history steadier than this is taken to scatter so much. */
  readonly resolution: number;
}

type Row = readonly [
  key: string,
  name: string,
  unit: string,
  better: Better,
  formula: string,
  source: string,
  act: string,
  decides?: readonly VolumeKind[],
  resolution?: number,
];

const ANY: readonly VolumeKind[] = ['anatomical', 'diffusion', 'functional', 'mapping', 'phantom', 'unknown'];
const LIVING: readonly VolumeKind[] = ['anatomical', 'diffusion', 'functional'];
const ANATOMICAL: readonly VolumeKind[] = ['anatomical'];
const FUNCTIONAL: readonly VolumeKind[] = ['functional'];
const DIFFUSION: readonly VolumeKind[] = ['diffusion'];
const MAPPING: readonly VolumeKind[] = ['mapping'];
const PHANTOM: readonly VolumeKind[] = ['phantom'];

const AIDAQC = 'AIDAqc (doi 10.1162/imag_a_00317)';
const MRIQC = 'MRIQC (doi 10.1371/journal.pone.0184661)';
const ACR = 'ACR large phantom guidance';
const HUB = 'this hub';

const COIL = 'Check coil, tuning and matching, then the position of the head; repeat the scan.';
const NOISE = 'Look at the noise picture; check coil connection, receiver gain and the shield of the room.';
const MOTION = 'Check how the head is held and the depth of anaesthesia; repeat the scan.';
const GHOST = 'Repeat the reference or phase correction scan and the shim; check the trigger.';
const GRADIENTS = 'Compare the gradient table with the protocol; repeat the scan if directions are missing.';
const PROTOCOL = 'Compare with the protocol; load it anew rather than mend it by hand.';
const SERVICE = 'Repeat once; if it stays, tell whoever is responsible for the scanner.';
const NOTHING = 'Nothing; it explains other measures.';
const SEGMENT = 'Look at the contour of the brain mask: a wrong mask makes a wrong number.';

const ROWS: readonly Row[] = [
  ['slices', 'Number of slices', '', 'same', 'slices of one repetition', HUB, PROTOCOL],
  ['repetitions', 'Number of repetitions', '', 'same', 'whole repetitions', HUB, 'The scan may have been stopped: repeat it.'],
  ['voxel_x_mm', 'Voxel along rows', 'mm', 'same', 'from the header', HUB, PROTOCOL],
  ['voxel_y_mm', 'Voxel along columns', 'mm', 'same', 'from the header', HUB, PROTOCOL],
  ['voxel_z_mm', 'Distance of slices', 'mm', 'same', 'from the positions of the slices', HUB, PROTOCOL],
  ['nonfinite_fraction', 'Share of voxels without a number', '', 'low', 'NaN or infinite voxels / all', HUB, 'Export the scan again; the reconstruction failed.'],
  ['clipped_fraction', 'Share of voxels at the highest value', '', 'low', 'voxels equal to the maximum / all, 0 for a single one', HUB, 'Lower the receiver gain and repeat the scan.', ANY, 5e-4],
  ['fov_cut_fraction', 'Share of the object cut off by the field of view', '', 'low', 'largest cross-section on a side of the picture / largest cross-section', HUB, 'Move or enlarge the field of view and repeat the scan.', ['anatomical', 'diffusion', 'functional', 'mapping'], 0.05],
  ['snr_chang_db', 'Signal to noise (Chang)', 'dB', 'high', '20 log10(mean of slice / σ), σ the most frequent grey value of a kernel density; four central slices', AIDAQC, COIL, ['anatomical', 'diffusion'], 0.5],
  ['snr_normal_db', 'Signal to noise (centre over corners)', 'dB', 'high', '20 log10(mean of a sphere at the centre of mass / σ of the eight corners)', AIDAQC, COIL, ['anatomical', 'diffusion'], 0.5],
  ['tsnr_db', 'Temporal signal to noise', 'dB', 'high', 'mean over a central sphere of 20 log10(mean over time / σ over time)', AIDAQC, MOTION, FUNCTIONAL, 0.5],
  ['lmv', 'Movement between repetitions (LMV)', 'nat', 'low', 'σ of the mutual information of the brightest slice with the first repetition', AIDAQC, MOTION, FUNCTIONAL, 0.01],
  ['gmv', 'Movement between repetitions (GMV)', 'nat', 'low', 'maximum − minimum of the same', AIDAQC, MOTION],
  ['ghosting', 'Repetition at half the field of view', '', 'low', 'mutual information of the central slice with itself moved by half a field of view, above its neighbours; 0 or 1 in the mode aidaqc', `${HUB}; ${AIDAQC}`, GHOST],
  ['ghost_to_signal', 'Ghost to signal', '', 'low', '(mean of air where a ghost would be − mean of other air) / mean of object, central slice', HUB, GHOST, LIVING, 0.01],
  ['gsr_x', 'Ghost to signal along rows', '', 'low', '(mean of the mask moved by half along x − mean of other background) / median of foreground', `${MRIQC}; Giannelli 2010`, GHOST, [], 0.01],
  ['gsr_y', 'Ghost to signal along columns', '', 'low', 'the same along y', `${MRIQC}; Giannelli 2010`, GHOST, [], 0.01],
  ['drop_out_fraction', 'Share of slices with signal loss', '', 'low', 'slices darker than 80 % of their usual signal (over time; where the weighting changes, at that level), or half of both neighbours / all', HUB, 'Look at the slices named; repeat the scan if they matter.', LIVING, 0.01],
  ['efc', 'Entropy focus criterion', '', 'low', '(1/Emax) Σ (x/b) ln((x + 1e-16)/b), b = √Σx², Emax = √N ln(1/√N)', `${MRIQC}; Atkinson 1997`, MOTION, ANATOMICAL, 0.01],
  ['snr', 'Signal to noise within the mask', '', 'high', 'μ / (σ √(n/(n−1)))', MRIQC, COIL],
  ['snrd', 'Signal to noise (Dietrich)', '', 'high', '0.6551364 · median of mask / MAD of air', `${MRIQC}; Dietrich 2007`, COIL, ANATOMICAL, 0.5],
  ['fber', 'Foreground to background energy', '', 'high', 'median x² in the mask / median x² outside; −1 below 1e-3', MRIQC, NOISE],
  ['fwhm_x', 'Smoothness along rows', 'voxels', 'same', '2.35482 √(−1/(4 ln(1 − s²diff/(2 s²))))', `${MRIQC}; AFNI 3dFWHMx`, MOTION],
  ['fwhm_y', 'Smoothness along columns', 'voxels', 'same', 'the same along y', `${MRIQC}; AFNI 3dFWHMx`, MOTION],
  ['fwhm_z', 'Smoothness through slices', 'voxels', 'same', 'the same along z', `${MRIQC}; AFNI 3dFWHMx`, MOTION],
  ['fwhm_avg', 'Smoothness', 'voxels', 'low', 'mean of the three', `${MRIQC}; AFNI 3dFWHMx`, MOTION, [], 0.1],
  ['inu_med', 'Evenness of the field (median)', '', 'same', 'median / mean of a second-degree field through ln(P75 of blocks)', `after ${MRIQC}, without N4`, COIL],
  ['inu_range', 'Evenness of the field (range)', '', 'low', '(P95 − P5) / mean of the same field', `after ${MRIQC}, without N4`, COIL, ANATOMICAL, 0.05],
  ['qi_1', 'Structured signal in the air', '', 'low', 'artefact voxels / air voxels; artefact: > 10 MAD above the median, opened', `${MRIQC}; Mortamet 2009`, NOISE, ANATOMICAL, 1e-3],
  ['qi_2', 'Distribution of the noise', '', 'low', 'mean |kernel density − χ² fit| on the falling side of the air’s intensities, P99 = 100', `${MRIQC}; Mortamet 2009`, NOISE, [], 1e-3],
  ['rf_line_z', 'Lines of interference', 'σ', 'low', 'row or column of air that is brightest against the six on each side, in robust σ of all', HUB, 'Close the door of the room; look for what is switched on inside of the shield.', LIVING, 2],
  ['kspace_spike', 'Spikes in k-space', '', 'low', 'brightest point of outer k-space / its median, worst of nine slices', HUB, SERVICE, [], 1],
  ['cnr', 'Contrast of white and grey matter', '', 'high', '|WM − GM| / √(σ²air + σ²WM + σ²GM)', MRIQC, COIL],
  ['cjv', 'Joint variation of white and grey matter', '', 'low', '(MAD WM + MAD GM) / |WM − GM|', `${MRIQC}; Ganzetti 2016`, MOTION],
  ['wm2max', 'White matter to maximum', '', 'same', 'median WM / P99.95 of all', MRIQC, NOTHING],
  ['icvs_csf', 'Share of fluid in the brain', '', 'same', 'Σ class share / Σ all shares', MRIQC, SEGMENT],
  ['icvs_gm', 'Share of grey matter in the brain', '', 'same', 'Σ class share / Σ all shares', MRIQC, SEGMENT],
  ['icvs_wm', 'Share of white matter in the brain', '', 'same', 'Σ class share / Σ all shares', MRIQC, SEGMENT],
  ['rpve_csf', 'Residual partial volume of fluid', '', 'low', 'mean distance to the further of 0 and 1, P2 to P98', `after ${MRIQC}`, NOTHING],
  ['rpve_gm', 'Residual partial volume of grey matter', '', 'low', 'mean distance to the further of 0 and 1, P2 to P98', `after ${MRIQC}`, NOTHING],
  ['rpve_wm', 'Residual partial volume of white matter', '', 'low', 'mean distance to the further of 0 and 1, P2 to P98', `after ${MRIQC}`, NOTHING],
  ['brain_volume_mm3', 'Volume of the brain', 'mm³', 'same', 'voxels of the brain mask × voxel volume', HUB, SEGMENT, ANATOMICAL, 10],
  ['brain_edge_fraction', 'Share of the brain at the edge of the field of view', '', 'low', 'mask voxels on a side / mask voxels', HUB, 'Move the field of view and repeat the scan.', ANATOMICAL, 0.005],
  ['tsnr', 'Temporal signal to noise', '', 'high', 'median over the mask of mean / σ over time, motion and a straight line taken out', MRIQC, MOTION, FUNCTIONAL, 1],
  ['fd_radius_mm', 'Radius that rotations are measured on', 'mm', 'note', 'human 50, rat 9, mouse 5, else of a sphere of the mask’s volume', 'Power 2012, scaled', NOTHING],
  ['fd_mean_mm', 'Framewise displacement', 'mm', 'low', 'mean of Σ|Δ shift| + r Σ|Δ angle| of a rigid body from repetition to repetition', `${MRIQC}; Power 2012`, MOTION, FUNCTIONAL, 0.005],
  ['fd_max_mm', 'Largest framewise displacement', 'mm', 'low', 'maximum of the same', HUB, MOTION],
  ['fd_num', 'Repetitions that moved', '', 'low', 'displacements above 0.2 mm (human) or half a voxel', MRIQC, MOTION],
  ['fd_perc', 'Share of repetitions that moved', '%', 'low', '100 fd_num / repetitions', MRIQC, MOTION, FUNCTIONAL, 1],
  ['dvars_nstd', 'Change between repetitions', '‰', 'low', 'mean √(mean over mask of (x_t − x_t−1)²), motion taken out, signal scaled to a median of 1000', `${MRIQC}; Power 2012`, MOTION],
  ['dvars_std', 'Change between repetitions, standardised', '', 'low', 'the same over what the voxels’ own IQR and AR(1) let expect; 1 is steady', `${MRIQC}; Nichols 2013`, MOTION, FUNCTIONAL, 0.05],
  ['gcor', 'Global correlation', '', 'low', 'mean over time of (mean standardised course)², motion taken out', `${MRIQC}; Saad 2013`, 'Check breathing and heart rate; look for spikes.', [], 0.01],
  ['aor', 'Outlier voxels', '', 'low', 'mean share of voxels beyond √(π/2) Φ⁻¹(1 − 0.001/n) MAD, motion and fifth-order trend taken out', `${MRIQC}; AFNI 3dToutcount`, MOTION, FUNCTIONAL, 0.002],
  ['aqi', 'Distance from the median repetition', '', 'low', 'mean of 1 − Spearman correlation with the median repetition, motion taken out', `${MRIQC}; AFNI 3dTqual`, MOTION, [], 0.002],
  ['drift_percent', 'Drift of the signal', '%', 'low', '|slope of the global signal| × length / mean', HUB, 'Let the scanner warm up; check the shim and the temperature of the animal.', FUNCTIONAL, 0.5],
  ['dummy_volumes', 'Repetitions before the signal is steady', '', 'note', 'leading repetitions beyond 3.5 robust σ of the later ones', MRIQC, 'Leave them out of the analysis.'],
  ['spike_fraction', 'Share of slices with a spark', '', 'low', 'slices whose air jumps by > 8 robust σ of its own course / all', `after ${MRIQC}`, SERVICE, ['functional', 'diffusion'], 0.002],
  ['b0_volumes', 'Repetitions without diffusion weighting', '', 'same', 'b < 50 s/mm²', HUB, GRADIENTS],
  ['directions', 'Weighted repetitions', '', 'same', 'b ≥ 50 s/mm²', HUB, GRADIENTS],
  ['shells', 'b-values', '', 'same', 'groups of b within 5 %', HUB, GRADIENTS],
  ['b_max', 'Highest b-value', 's/mm²', 'same', 'from the header', HUB, GRADIENTS],
  ['missing_directions', 'Repetitions without a direction', '', 'low', 'weighted, while others have one', HUB, GRADIENTS],
  ['doubled_directions', 'Directions measured twice', '', 'low', 'pairs of a shell within 1°', HUB, GRADIENTS],
  ['snr_b0', 'Signal to noise without weighting', '', 'high', 'median over the mask of mean / σ of three or more b = 0; of fewer 0.655 median / MAD of air', `after ${MRIQC}`, COIL, DIFFUSION, 0.5],
  ['b0_drift_percent', 'Drift of b = 0', '%', 'low', '|slope of their means| × length / mean', HUB, 'Let the gradients warm up before the scan.', DIFFUSION, 0.5],
  ['b0_air_p05', 'Noise without weighting, P5', '', 'note', 'of the air of the first b = 0', MRIQC, NOTHING],
  ['b0_air_p50', 'Noise without weighting, P50', '', 'note', 'of the air of the first b = 0', MRIQC, NOTHING],
  ['b0_air_p95', 'Noise without weighting, P95', '', 'note', 'of the air of the first b = 0', MRIQC, NOTHING],
  ['noise_sigma', 'Standard deviation of the noise (PIESNO)', '', 'low', 'probabilistic identification of noise-only voxels over repetitions', `${MRIQC}; Koay 2009`, NOISE],
  ['ndc', 'Correlation of neighbouring directions', '', 'high', 'mean correlation of each weighted repetition with its nearest in q-space', `${MRIQC}; Yeh 2019`, MOTION, DIFFUSION, 0.01],
  ['ndc_min', 'Lowest correlation of neighbouring directions', '', 'high', 'minimum of the same', HUB, MOTION, DIFFUSION, 0.02],
  ['spikes_ppm', 'Spikes', 'ppm', 'low', 'values > 10 robust σ above their voxel’s shell', `after ${MRIQC}`, SERVICE, DIFFUSION, 50],
  ['fa_median', 'Fractional anisotropy', '', 'same', 'median over the mask, tensor by least squares on ln(signal)', HUB, NOTHING],
  ['fa_nan_ppm', 'Tensors without a number', 'ppm', 'low', 'voxels of the mask', MRIQC, GRADIENTS, [], 100],
  ['fa_degenerate_ppm', 'Impossible tensors', 'ppm', 'low', 'voxels of the mask with an eigenvalue below 0', MRIQC, NOISE, [], 1000],
  ['tensor_residual', 'What the tensor leaves unexplained', '', 'low', 'median over the mask of RMS residual / mean signal', HUB, MOTION, DIFFUSION, 0.005],
  ['snr_cc_b0', 'Signal to noise in the corpus callosum', '', 'high', 'mean there / noise_sigma, b = 0', MRIQC, COIL],
  ['snr_cc_worst', 'The same, direction along the fibres', '', 'high', 'lowest of the weighted', MRIQC, COIL],
  ['snr_cc_best', 'The same, direction across the fibres', '', 'high', 'highest of the weighted', MRIQC, COIL],
  ['echoes', 'Echo or inversion times', '', 'same', 'distinct times of the series', HUB, PROTOCOL],
  ['missing_echoes', 'Missing echo times', '', 'low', 'gaps in an even list', HUB, 'Export the scan again; if the times are really missing, repeat it.', MAPPING, 0.5],
  ['snr_first_echo', 'Signal to noise of the first echo', '', 'high', '0.655 median of mask / MAD of its air', HUB, COIL, MAPPING, 0.5],
  ['echo_rise_fraction', 'Steps on which the signal grows with echo time', '', 'low', 'steps with > 5 % more signal to noise / all', HUB, PROTOCOL, MAPPING, 0.05],
  ['fit_r2', 'Goodness of the fit', '', 'high', 'median R² over the mask', HUB, MOTION, MAPPING, 0.005],
  ['fit_failed_fraction', 'Share of voxels without a physical value', '', 'low', 'T2 outside of 5 … 500 ms, T1 of 50 … 5000 ms', HUB, NOISE, MAPPING, 0.01],
  ['map_median_ms', 'Median of the map', 'ms', 'same', 'over the mask', HUB, NOTHING, MAPPING, 1],
  ['map_p05_ms', 'P5 of the map', 'ms', 'same', 'over the mask', HUB, NOTHING],
  ['map_p95_ms', 'P95 of the map', 'ms', 'same', 'over the mask', HUB, NOTHING],
  ['piu_percent', 'Percent integral uniformity', '%', 'high', '100 (1 − (max − min)/(max + min)) of 1 cm² means within 200 cm²', ACR, SERVICE, PHANTOM, 0.5],
  ['psg_percent', 'Percent signal ghosting', '%', 'low', '100 |(top + bottom) − (left + right)| / (2 · signal)', ACR, SERVICE, PHANTOM, 0.1],
  ['snr_subtraction', 'Signal to noise (two scans)', '', 'high', '√2 mean / σ of the difference, five squares', 'NEMA MS 1', SERVICE, PHANTOM, 1],
  ['snr_smoothing', 'Signal to noise (one scan)', '', 'high', 'mean / σ of what a moving average takes out, five squares', 'McCann 2013', SERVICE, PHANTOM, 1],
  ['diameter_horizontal_mm', 'Width of the phantom', 'mm', 'same', 'between half heights of its edges', ACR, SERVICE, PHANTOM, 0.5],
  ['diameter_vertical_mm', 'Height of the phantom', 'mm', 'same', 'between half heights of its edges', ACR, SERVICE, PHANTOM, 0.5],
  ['slice_thickness_mm', 'Thickness of the slice', 'mm', 'same', '0.2 · a · b / (a + b) of the two ramps’ widths, slice 1 of the ACR phantom', ACR, SERVICE, PHANTOM, 0.1],
  ['slice_position_1_mm', 'Difference of the bars, slice 1', 'mm', 'same', 'right minus left bar of the crossed wedges: twice what the slice is off its place', ACR, 'Above 5 mm: place the phantom and the slices again and repeat.'],
  ['slice_position_11_mm', 'Difference of the bars, slice 11', 'mm', 'same', 'right minus left bar of the crossed wedges: twice what the slice is off its place', ACR, 'Above 5 mm: place the phantom and the slices again and repeat.'],
]; // prettier-ignore

/** By name, in the order of the report. */
export const MEASURES: ReadonlyMap<string, MeasureRow> = new Map(
  ROWS.map(([key, name, unit, better, formula, source, act, decides = [], resolution = 0]) => [
    key,
    { name, unit, better, formula, source, act, decides, resolution },
  ]),
);

/** For sentences: its name, else the key itself. */
export function nameOf(measure: string): string {
  return MEASURES.get(measure)?.name ?? measure;
}

/** With its unit. */
export function titleOf(measure: string): string {
  const row = MEASURES.get(measure);
  if (row === undefined) return measure;
  return row.unit === '' ? row.name : `${row.name} (${row.unit})`;
}

/** In its unit, rounded for people. */
export function inItsUnit(measure: string, value: number): string {
  const { unit = '' } = MEASURES.get(measure) ?? {};
  return `${Number(value.toPrecision(4))}${unit === '' ? '' : ` ${unit}`}`;
}
