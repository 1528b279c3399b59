/** What is measured in which kind of scan. */
import type { Volume } from '../volumes/volume.ts';
import { planeOf, repetition } from './grid.ts';
import { displacement, ghosting, ghostToSignal } from './mutual-information.ts';
import { snrChang, snrNormal } from './signal-to-noise.ts';
import { clippedFraction, dropOut, entropyFocusCriterion, temporalSnr } from './stability.ts';

/** `null`: not defined for this scan, as SNR without noise around the head. */
export type Measures = Readonly<Record<string, number | null>>;

export interface Measured {
  readonly measures: Measures;
  /** From 1. */
  readonly droppedSlices: readonly number[];
}

/** Repetitions from which on SNR leaves out the first five and the last two, as AIDAqc does. */
const SNR_REPETITIONS = 10;

export function measure(volume: Volume): Measured {
  const [, , slices, repetitions] = volume.dims;
  const first = repetition(volume, 0);
  const geometry: Measures = {
    slices,
    repetitions,
    voxel_x_mm: rounded(volume.spacingMm[0]),
    voxel_y_mm: rounded(volume.spacingMm[1]),
    voxel_z_mm: rounded(volume.spacingMm[2]),
  };
  // Computed tomography has no magnitude: what follows is about magnetic resonance.
  if (volume.header.string('Modality') === 'CT') return { measures: geometry, droppedSlices: [] };

  // The signal-to-noise ratio of a map, or of an inversion series, says nothing about the scan.
  const hasSnr = volume.kind !== 'mapping';
  const central = planeOf(first, Math.floor(slices / 2));
  const drop = dropOut(volume);
  const moved = displacement(volume);
  const temporal = temporalSnr(volume);
  return {
    measures: {
      ...geometry,
      snr_chang_db: hasSnr ? rounded(averageSnrChang(volume)) : null,
      snr_normal_db: hasSnr ? rounded(snrNormal(first)) : null,
      efc: rounded(entropyFocusCriterion(first)),
      ghosting: rounded(ghosting(central, phaseAxis(volume))),
      ghost_to_signal: rounded(ghostToSignal(central, phaseAxis(volume))),
      tsnr_db: rounded(temporal?.decibels),
      tsnr: rounded(temporal?.linear),
      lmv: rounded(moved?.lmv),
      gmv: rounded(moved?.gmv),
      drop_out_fraction: rounded(drop.fraction),
      clipped_fraction: rounded(clippedFraction(first)),
    },
    droppedSlices: drop.slices,
  };
}

function averageSnrChang(volume: Volume): number | undefined {
  const repetitions = volume.dims[3];
  const [from, to] = repetitions >= SNR_REPETITIONS ? [5, repetitions - 2] : [0, repetitions];
  const values: number[] = [];
  for (let t = from; t < to; t++) {
    const value = snrChang(repetition(volume, t));
    if (value !== undefined) values.push(value);
  }
  return values.length === 0 ? undefined : values.reduce((a, b) => a + b) / values.length;
}

/** AIDAqc takes the second axis for phase encoding; a header that says ROW is believed. */
function phaseAxis(volume: Volume): 0 | 1 {
  return volume.header.string('InPlanePhaseEncodingDirection') === 'ROW' ? 0 : 1;
}

function rounded(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Math.round(value * 1e6) / 1e6;
}
