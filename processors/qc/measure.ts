/** What is measured in which kind of scan. */
import type { Volume } from '../volumes/volume.ts';
import { measureDiffusion, measureFunctional, measureMapping, measurePhantom } from './kinds.ts';
import { aidaqcFirst, aidaqcGhost } from './aidaqc.ts';
import { airDistribution, artefactFraction, interference, spectralSpike } from './background.ts';
import { type Grid, planeMeans, planeOf, repetition } from './grid.ts';
import { regionsOf } from './head-mask.ts';
import { displacement, firstSteady, ghosting, ghostToSignal } from './mutual-information.ts';
import { type Curves, type Maps, type Measures, openSheet, type Scan } from './scan.ts';
import { snrChang, snrNormal } from './signal-to-noise.ts';
import { clippedFraction, dropOut, entropyFocusCriterion } from './stability.ts';
import { mean } from './statistics.ts';
import { measureStructure } from './structure-sheet.ts';

export interface Measured {
  readonly measures: Measures;
  /** Why a measure is `null`, by its name. */
  readonly reasons: Readonly<Record<string, string>>;
  /** From 1. */
  readonly droppedSlices: readonly number[];
  readonly curves: Curves;
  /** Absent where nothing was measured. */
  readonly maps?: Maps;
}

export interface MeasureOptions {
  readonly mode?: 'hub' | 'aidaqc';
  /** 1 in the brain, on the grid of one repetition. */
  readonly brain?: Uint8Array | undefined;
  readonly fdRadiusMm?: number | undefined;
  /** Volumes of the same series and grid that differ in echo or inversion time, this one included. */
  readonly siblings?: readonly Volume[];
}

/** Repetitions from which on SNR leaves out the first five and the last two, as AIDAqc does. */
const SNR_REPETITIONS = 10;
/** A time series is as noisy in its tenth repetition as in its thousandth; AIDAqc does not ask there. */
const SNR_AT_MOST_FUNCTIONAL = 12;

export function measure(given: Volume, options: MeasureOptions = {}): Measured {
  const { volume, nonFinite } = withNumbersOnly(given);
  const [, , slices, repetitions] = volume.dims;
  const sheet = openSheet();
  const geometry = { slices, repetitions, voxel_x_mm: volume.spacingMm[0], voxel_y_mm: volume.spacingMm[1] };
  for (const [name, value] of Object.entries({ ...geometry, voxel_z_mm: volume.spacingMm[2] }))
    sheet.set(name, value, 'the header does not say');
  sheet.set('nonfinite_fraction', nonFinite, '');
  const nothing = { ...sheet, droppedSlices: [], curves: { firstRepetition: 0 } };
  // Computed tomography has no magnitude, a phase no signal: what follows is about the magnitude of magnetic resonance.
  const isMagnitude = volume.component === undefined || volume.component === 'magnitude';
  if (volume.header.string('Modality') === 'CT' || !isMagnitude) return nothing;
  const first = repetition(volume, 0);
  const clipped = clippedFraction(first);
  sheet.set('clipped_fraction', clipped, '');
  if (clipped === 1) return nothing;

  const brain = fitting(options.brain, first);
  const scan: Scan = {
    volume,
    first,
    regions: regionsOf(first, brain),
    sheet,
    mode: options.mode ?? 'hub',
    fdRadiusMm: options.fdRadiusMm,
    siblings: options.siblings ?? [given],
  };
  const mi = measureAnyScan(scan);
  measureStructure(scan);
  const special = specialOf(scan);
  const drop = dropOut(volume);
  sheet.set('drop_out_fraction', drop.fraction, '');
  const { mask, maskKind, air } = scan.regions;
  return {
    measures: sheet.measures,
    reasons: sheet.reasons,
    droppedSlices: drop.slices,
    curves: {
      firstRepetition: firstSteady(repetitions),
      ...(mi === undefined ? {} : { mutualInformation: mi }),
      ...(repetitions > 1 ? { sliceSignal: bySlice(planeMeans(volume)) } : {}),
      ...special.curves,
    },
    maps: { mask, maskKind, air, ...special.maps },
  };
}

/** By slice, then repetition. */
function bySlice(means: readonly (readonly number[])[]): readonly (readonly number[])[] {
  return (means[0] ?? []).map((_, slice) => means.map((row) => row[slice] ?? Number.NaN));
}

/** Measures that need no mask. @returns the curve of mutual information, where there is one */
function measureAnyScan({ volume, first, regions, sheet, mode }: Scan): readonly number[] | undefined {
  const [, , slices, repetitions] = volume.dims;
  // The signal-to-noise ratio of a map, or of an inversion series, says nothing about the scan.
  const isMap = volume.kind === 'mapping';
  const noSnr = isMap ? 'the noise of a map or of a series of echoes is not that of the scan' : undefined;
  sheet.set(
    'snr_chang_db',
    isMap ? undefined : averageSnrChang(volume, mode),
    noSnr ?? 'the most frequent grey value is 0: there is no air in the picture, or it was cut out',
  );
  sheet.set(
    'snr_normal_db',
    isMap ? undefined : snrNormal(first),
    noSnr ?? 'the corners are empty: there is no noise to compare with',
  );
  sheet.set('efc', entropyFocusCriterion(first), 'there is no signal');
  const central = planeOf(first, Math.floor(slices / 2));
  const axis = phaseAxis(volume);
  sheet.set('ghosting', mode === 'aidaqc' ? Number(aidaqcGhost(volume)) : ghosting(central, axis), '');
  sheet.set('ghost_to_signal', ghostToSignal(central, axis), 'there is not enough air around the object');
  const moved = displacement(volume, mode === 'aidaqc' ? aidaqcFirst(repetitions) : firstSteady(repetitions));
  const single = 'there are fewer than three steady repetitions';
  sheet.set('lmv', moved?.lmv, single);
  sheet.set('gmv', moved?.gmv, single);
  const few = 'there is not enough air around the object';
  const hasAir = regions.airVoxels >= 0.1 * first.data.length;
  const surface = 'less than a tenth of the picture is air';
  sheet.set('qi_1', hasAir ? artefactFraction(first, regions) : undefined, surface);
  sheet.set('qi_2', hasAir ? airDistribution(regions) : undefined, surface);
  sheet.set('rf_line_z', regions.airVoxels > 1_000 ? interference(first, regions) : undefined, few);
  sheet.set('kspace_spike', spectralSpike(first), 'the picture is smaller than 16 pixels, or empty');
  return moved?.curve;
}

function specialOf(scan: Scan): { readonly curves: Partial<Curves>; readonly maps: Partial<Maps> } {
  const { kind, dims } = scan.volume;
  const nothing = { curves: {}, maps: {} };
  switch (kind) {
    case 'diffusion':
      return { ...nothing, curves: measureDiffusion(scan) };
    case 'mapping':
      return { ...nothing, maps: measureMapping(scan) };
    case 'phantom':
      measurePhantom(scan);
      return nothing;
    case 'functional':
    case 'anatomical':
    case 'unknown':
      scan.sheet.set('tsnr_db', undefined, 'it is no time series');
      return dims[3] < 2 ? nothing : measureFunctional(scan);
    default:
      return kind satisfies never;
  }
}

function averageSnrChang(volume: Volume, mode: Scan['mode']): number | undefined {
  const repetitions = volume.dims[3];
  const [from, to] = repetitions >= SNR_REPETITIONS ? [5, repetitions - 2] : [0, repetitions];
  const all = Array.from({ length: to - from }, (_, i) => from + i);
  const isThinned = mode === 'hub' && volume.kind === 'functional' && all.length > SNR_AT_MOST_FUNCTIONAL;
  const step = isThinned ? all.length / SNR_AT_MOST_FUNCTIONAL : 1;
  const chosen = all.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const values = chosen.map((t) => snrChang(repetition(volume, t))).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : mean(values);
}

/** AIDAqc takes the second axis for phase encoding; a header that says ROW is believed. */
function phaseAxis(volume: Volume): 0 | 1 {
  return volume.header.string('InPlanePhaseEncodingDirection') === 'ROW' ? 0 : 1;
}

/** A mask of another grid is none. */
function fitting(brain: Uint8Array | undefined, { data }: Grid): Uint8Array | undefined {
  return brain?.length === data.length && brain.includes(1) ? brain : undefined;
}

/** Measures need numbers: what is none becomes 0, and how much of it there was is a measure of its own. */
function withNumbersOnly(volume: Volume): { readonly volume: Volume; readonly nonFinite: number } {
  const given = volume.data;
  let count = 0;
  for (let i = 0; i < given.length; i++) if (!Number.isFinite(given[i])) count++;
  if (count === 0) return { volume, nonFinite: (volume.zeroed ?? 0) / given.length };
  const data = given.map((value) => (Number.isFinite(value) ? value : 0));
  return { volume: { ...volume, data }, nonFinite: count / data.length };
}
