/** One scan on its way through the measures: what they share, and the sheet that they write on. */
import type { Volume } from '../volumes/volume.ts';
import type { Grid } from './grid.ts';
import type { Regions } from './head-mask.ts';

/** `null`: not defined for this scan, as SNR without noise around the head; why stands beside it. */
export type Measures = Readonly<Record<string, number | null>>;

/** For pictures: courses over time. One entry a steady repetition, or a step between two. */
export interface Curves {
  /** First repetition that they begin with, from 0. */
  readonly firstRepetition: number;
  /** In mm, a step. */
  readonly framewiseDisplacement?: readonly number[];
  /** Six parameters a repetition: mm along the axes of the grid, radians around them. */
  readonly movement?: readonly (readonly number[])[];
  /** A step. */
  readonly dvars?: readonly number[];
  readonly dvarsStandardized?: readonly number[];
  readonly globalSignal?: readonly number[];
  readonly outlierFraction?: readonly number[];
  readonly qualityIndex?: readonly number[];
  /** Mutual information with the first steady repetition. */
  readonly mutualInformation?: readonly number[];
  /** Of each weighted repetition with its neighbour in q-space. */
  readonly neighbourCorrelation?: readonly number[];
  /** Mean of each slice (outer) in each repetition (inner), all repetitions. */
  readonly sliceSignal?: readonly (readonly number[])[];
}

/** For pictures: values on the grid of one repetition. */
export interface Maps {
  /** 1 in the head, or in the brain where a mask was given. */
  readonly mask: Uint8Array;
  readonly maskKind: 'brain' | 'head';
  readonly air: Uint8Array;
  /** Linear; 0 outside of the mask. */
  readonly tsnr?: Float32Array;
  /** T1 or T2 in ms; 0 outside of the mask and where the fit failed. */
  readonly relaxationMs?: Float32Array;
}

/** `null` and its reason where there is no number. */
export interface Sheet {
  /** @param why - there is none: a clause for people, said when `value` is not a number */
  set(name: string, value: number | undefined, why: string): void;
  readonly measures: Record<string, number | null>;
  readonly reasons: Record<string, string>;
}

export function openSheet(): Sheet {
  const measures: Record<string, number | null> = {};
  const reasons: Record<string, string> = {};
  return {
    measures,
    reasons,
    set(name, value, why) {
      const isNumber = value !== undefined && Number.isFinite(value);
      measures[name] = isNumber ? rounded(value) : null;
      if (!isNumber) reasons[name] = why;
    },
  };
}

/** Eight digits: more than any measure is worth, and the same on every machine. */
function rounded(value: number): number {
  return Number(value.toPrecision(8));
}

export interface Scan {
  readonly volume: Volume;
  /** First repetition. */
  readonly first: Grid;
  readonly regions: Regions;
  readonly sheet: Sheet;
  readonly mode: 'hub' | 'aidaqc';
  /** For framewise displacement; else by species, else by the mask's size. */
  readonly fdRadiusMm: number | undefined;
  /** Other echoes or inversion times of the series, this one included. */
  readonly siblings: readonly Volume[];
}
