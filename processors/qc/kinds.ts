/** Writes down the measures that belong to one kind of scan: functional, diffusion, mapping, phantom. */
import type { Volume } from '../volumes/volume.ts';
import { aidaqcTemporalSnr } from './aidaqc.ts';
import {
  b0DriftPercent,
  b0Noise,
  b0SignalToNoise,
  neighbourCorrelation,
  schemeOf,
  spikesPerMillion,
  tensorMeasures,
} from './diffusion.ts';
import { planeOf, repetition } from './grid.ts';
import { inside } from './head-mask.ts';
import { fitDecay, fitRecovery, missingTimes, risingFraction, snrByEcho, type Weighting } from './mapping.ts';
import { firstSteady } from './mutual-information.ts';
import {
  diameters,
  discOf,
  integralUniformity,
  signalGhosting,
  sliceThickness,
  snrBySmoothing,
  snrBySubtraction,
  uniformSlice,
} from './phantom.ts';
import { noiseDeviation } from './noise-deviation.ts';
import { realigned } from './realigned.ts';
import { framewiseDisplacement, realign } from './realignment.ts';
import type { Curves, Maps, Scan } from './scan.ts';
import { barLengthDifference } from './slice-position.ts';
import { temporalSnr } from './stability.ts';
import { mean, median } from './statistics.ts';
import {
  driftPercent,
  dummies,
  dvarsOf,
  globalCorrelation,
  globalSignal,
  meansBySlice,
  outlierFractions,
  qualityIndices,
  seriesOf,
  spikeFraction,
  tsnrMap,
} from './time-series.ts';

/** By what the head is as large as a ball of, in mm. Rodents scaled from their mean brain diameter (note: not of Power 2012). */
const RADII: readonly (readonly [RegExp, number])[] = [
  [/homo|human/i, 50],
  [/rattus|\brat\b/i, 9],
  [/mus\b|mouse/i, 5],
];
const HUMAN_RADIUS_MM = 50;
const HUMAN_THRESHOLD_MM = 0.2;

export function measureFunctional(scan: Scan): { readonly curves: Partial<Curves>; readonly maps: Partial<Maps> } {
  const { volume, regions, sheet } = scan;
  const repetitions = volume.dims[3];
  const first = firstSteady(repetitions);
  const few = 'there are too few repetitions';
  sheet.set(
    'tsnr_db',
    scan.mode === 'aidaqc' ? aidaqcTemporalSnr(volume) : temporalSnr(volume),
    'a voxel of the central sphere never changes',
  );
  const movement = repetitions - first >= 3 ? realign(volume, regions.mask, first) : undefined;
  const radiusMm = scan.fdRadiusMm ?? radiusOf(volume, regions.maskVoxels);
  const displacement = movement === undefined ? undefined : framewiseDisplacement(movement, radiusMm);
  const threshold =
    radiusMm >= HUMAN_RADIUS_MM ? HUMAN_THRESHOLD_MM : 0.5 * Math.min(volume.spacingMm[0], volume.spacingMm[1]);
  const moved = displacement?.filter((value) => value > threshold).length;
  const still = 'there are too few repetitions, or nothing to hold on to';
  sheet.set('fd_radius_mm', radiusMm, '');
  sheet.set('fd_mean_mm', displacement === undefined ? undefined : mean(displacement), still);
  sheet.set('fd_max_mm', displacement === undefined ? undefined : Math.max(...displacement), still);
  sheet.set('fd_num', moved, still);
  // The first steady repetition has no step and counts as still.
  sheet.set('fd_perc', moved === undefined ? undefined : (100 * moved) / (repetitions - first), still);

  // What AIDAqc computes, it computes on the series as it is.
  const corrected =
    movement === undefined || scan.mode === 'aidaqc' ? undefined : realigned(volume, regions.mask, first, movement);
  const tsnr = corrected?.tsnr ?? (repetitions - first >= 3 ? tsnrMap(volume, regions.mask, first) : undefined);
  const ratios = tsnr === undefined ? [] : inside(tsnr, regions.mask, regions.maskVoxels).filter((value) => value > 0);
  sheet.set('tsnr', median(ratios), few);
  const series = corrected?.series ?? seriesOf(volume, regions.mask, first);
  const dvars = dvarsOf(series);
  sheet.set('dvars_nstd', dvars === undefined ? undefined : mean(dvars.plain), few);
  sheet.set('dvars_std', dvars === undefined ? undefined : mean(dvars.standardized), few);
  sheet.set('gcor', series.repetitions < 4 ? undefined : globalCorrelation(series), few);
  const outliers = outlierFractions(series);
  sheet.set('aor', outliers === undefined ? undefined : mean(outliers), few);
  const quality = qualityIndices(series);
  sheet.set('aqi', quality === undefined ? undefined : mean(quality), few);
  const signal = globalSignal(series);
  sheet.set('drift_percent', signal.length < 10 ? undefined : driftPercent(signal), few);
  sheet.set(
    'dummy_volumes',
    repetitions < 10 ? undefined : dummies(globalSignal(seriesOf(volume, regions.mask, 0))),
    few,
  );
  sheet.set(
    'spike_fraction',
    spikeFraction(meansBySlice(volume, regions.air)),
    'there is too little air, or too few repetitions',
  );
  return {
    curves: {
      globalSignal: signal,
      ...(movement === undefined ? {} : { movement }),
      ...(displacement === undefined ? {} : { framewiseDisplacement: displacement }),
      ...(dvars === undefined ? {} : { dvars: dvars.plain, dvarsStandardized: dvars.standardized }),
      ...(outliers === undefined ? {} : { outlierFraction: outliers }),
      ...(quality === undefined ? {} : { qualityIndex: quality }),
    },
    maps: tsnr === undefined ? {} : { tsnr },
  };
}

function radiusOf({ header, spacingMm: [x, y, z] }: Volume, maskVoxels: number): number {
  const [code] = header.items('PatientSpeciesCodeSequence');
  const species = `${header.string('PatientSpeciesDescription') ?? ''} ${code?.string('CodeMeaning') ?? ''}`;
  const known = RADII.find(([pattern]) => pattern.test(species));
  return known?.[1] ?? ((3 * maskVoxels * x * y * z) / (4 * Math.PI)) ** (1 / 3);
}

export function measureDiffusion({ volume, regions, sheet }: Scan): Partial<Curves> {
  const { diffusion } = volume;
  const spikes = spikeFraction(meansBySlice(volume, regions.air));
  sheet.set('spike_fraction', spikes, 'there is too little air, or too few repetitions');
  sheet.set(
    'noise_sigma',
    noiseDeviation(volume),
    'too few voxels hold only noise, or there are fewer than four repetitions',
  );
  if (diffusion === undefined || diffusion.bValues.length !== volume.dims[3]) {
    for (const name of ['b0_volumes', 'directions', 'snr_b0', 'ndc', 'tensor_residual'])
      sheet.set(name, undefined, 'the header does not say how the repetitions were weighted');
    return {};
  }
  const scheme = schemeOf(diffusion);
  sheet.set('b0_volumes', scheme.b0Volumes.length, '');
  sheet.set('directions', scheme.weightedVolumes.length, '');
  sheet.set('shells', scheme.shells.length, '');
  sheet.set('b_max', scheme.shells[0]?.bValue, 'nothing is weighted');
  sheet.set('missing_directions', scheme.missingDirections, '');
  sheet.set('doubled_directions', scheme.doubledDirections, '');
  sheet.set('snr_b0', b0SignalToNoise(volume, scheme, regions), 'there is no repetition without weighting, or no air');
  sheet.set(
    'b0_drift_percent',
    b0DriftPercent(volume, scheme, regions.mask),
    'there are fewer than three without weighting',
  );
  const noise = b0Noise(volume, scheme, regions);
  for (const [i, name] of ['b0_air_p05', 'b0_air_p50', 'b0_air_p95'].entries())
    sheet.set(name, noise?.[i], 'there is no repetition without weighting, or no air');
  const neighbours = neighbourCorrelation(volume, diffusion, scheme, regions.mask);
  sheet.set('ndc', neighbours?.average, 'there are fewer than six directions');
  sheet.set('ndc_min', neighbours?.lowest, 'there are fewer than six directions');
  sheet.set('spikes_ppm', spikesPerMillion(volume, scheme, regions.mask), 'no shell has six repetitions');
  const sigma = sheet.measures['noise_sigma'] ?? undefined;
  const tensor = tensorMeasures(volume, diffusion, scheme, regions.mask, sigma);
  const noTensor = 'a tensor needs six directions and one repetition without weighting';
  sheet.set('fa_median', tensor?.anisotropy, noTensor);
  sheet.set('fa_nan_ppm', tensor?.nanPerMillion, noTensor);
  sheet.set('fa_degenerate_ppm', tensor?.degeneratePerMillion, noTensor);
  sheet.set('tensor_residual', tensor?.residual, noTensor);
  const noCallosum = 'no corpus callosum was found, or the noise is not known';
  sheet.set('snr_cc_b0', tensor?.callosum?.b0, noCallosum);
  sheet.set('snr_cc_worst', tensor?.callosum?.worst, noCallosum);
  sheet.set('snr_cc_best', tensor?.callosum?.best, noCallosum);
  return neighbours === undefined ? {} : { neighbourCorrelation: neighbours.each };
}

export function measureMapping({ siblings, regions, sheet }: Scan): Partial<Maps> {
  const echoes = weightings(siblings, (volume) => volume.echoTimeMs ?? volume.header.number('EchoTime'));
  const inversions = weightings(siblings, (volume) => volume.header.number('InversionTime'));
  const isRecovery = new Set(inversions.map(({ timeMs }) => timeMs)).size > 1;
  const used = isRecovery ? inversions : echoes;
  const times = used.map(({ timeMs }) => timeMs);
  sheet.set('echoes', new Set(times).size, '');
  sheet.set('missing_echoes', missingTimes(times), '');
  const hasAir = regions.airVoxels >= 500;
  const snr = hasAir && !isRecovery && echoes.length > 0 ? snrByEcho(echoes, regions.mask, regions.air) : undefined;
  sheet.set('snr_first_echo', snr?.[0], 'there is not enough air, or no echo time');
  sheet.set(
    'echo_rise_fraction',
    snr === undefined ? undefined : risingFraction(snr),
    'there is not enough air, or no echo time',
  );
  const fit = isRecovery ? fitRecovery(inversions, regions.mask) : fitDecay(echoes, regions.mask);
  const noFit = 'a fit needs three echo times or four inversion times';
  sheet.set('fit_r2', fit?.rSquared, noFit);
  sheet.set('fit_failed_fraction', fit?.failedFraction, noFit);
  sheet.set('map_median_ms', fit?.medianMs, noFit);
  sheet.set('map_p05_ms', fit?.p05Ms, noFit);
  sheet.set('map_p95_ms', fit?.p95Ms, noFit);
  return fit === undefined ? {} : { relaxationMs: fit.map };
}

function weightings(volumes: readonly Volume[], timeOf: (volume: Volume) => number | undefined): readonly Weighting[] {
  return volumes.flatMap((volume) => {
    const timeMs = timeOf(volume);
    return timeMs === undefined ? [] : [{ timeMs, data: repetition(volume, 0).data }];
  });
}

export function measurePhantom({ volume, first, sheet }: Scan): void {
  const slice = uniformSlice(first);
  const plane = planeOf(first, slice);
  const pixel = { x: volume.spacingMm[0], y: volume.spacingMm[1] };
  const disc = discOf(plane);
  const noDisc = 'nothing in the slice has the shape of a phantom';
  const within = <Value>(compute: (found: NonNullable<typeof disc>) => Value): Value | undefined =>
    disc === undefined ? undefined : compute(disc);
  sheet.set(
    'piu_percent',
    within((found) => integralUniformity(plane, found, pixel)),
    noDisc,
  );
  sheet.set(
    'psg_percent',
    within((found) => signalGhosting(plane, found, pixel)),
    'there is not enough air around the phantom',
  );
  sheet.set(
    'snr_smoothing',
    within((found) => snrBySmoothing(plane, found)),
    noDisc,
  );
  const second = volume.dims[3] > 1 ? planeOf(repetition(volume, 1), slice) : undefined;
  sheet.set(
    'snr_subtraction',
    second === undefined ? undefined : within((found) => snrBySubtraction(plane, second, found)),
    'it needs the same scan twice',
  );
  const width = within((found) => diameters(plane, found, pixel));
  sheet.set('diameter_horizontal_mm', width?.horizontal, noDisc);
  sheet.set('diameter_vertical_mm', width?.vertical, noDisc);
  const ramps = planeOf(first, 0);
  const rampDisc = volume.dims[2] === 11 ? discOf(ramps) : undefined;
  sheet.set(
    'slice_thickness_mm',
    rampDisc === undefined ? undefined : sliceThickness(ramps, rampDisc, pixel),
    'only the ACR phantom of eleven slices has the ramps',
  );
  for (const number of [1, 11]) {
    const wedges = planeOf(first, number - 1);
    const wedgeDisc = volume.dims[2] === 11 ? discOf(wedges) : undefined;
    sheet.set(
      `slice_position_${number}_mm`,
      wedgeDisc === undefined ? undefined : barLengthDifference(wedges, wedgeDisc, pixel),
      'only the ACR phantom of eleven slices, its wedges at the top, has the bars',
    );
  }
}
