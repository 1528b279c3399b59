/**
 * What measures of quality are called in a structured report: by a code of DICOM or SNOMED where one means the same, else
 * by the measure's own name in the hub's scheme. Which is which stands in docs/results.md.
 */
import { MEASURES } from '../qc/measures.ts';
import type { Verdict } from '../qc/verdict.ts';
import { type Code, dcm, own, sct, ucum } from './codes.ts';

const KNOWN: Readonly<Record<string, Code>> = {
  // PS3.16 CID 4243: mean over standard deviation of a region, as MRIQC has it.
  snr: dcm('111787', 'Signal to Noise Ratio'),
  brain_volume_mm3: sct('118565006', 'Volume'),
};
/** VR SH: a Code Value has at most 16 characters, and not every reader knows Long Code Value. */
const SHORT: Readonly<Record<string, string>> = {
  nonfinite_fraction: 'nonfinite_frac',
  drop_out_fraction: 'drop_out_frac',
  brain_edge_fraction: 'brain_edge_frac',
  missing_directions: 'missing_dirs',
  doubled_directions: 'doubled_dirs',
  fa_degenerate_ppm: 'fa_degen_ppm',
  echo_rise_fraction: 'echo_rise_frac',
  fit_failed_fraction: 'fit_failed_frac',
  diameter_horizontal_mm: 'diameter_h_mm',
  diameter_vertical_mm: 'diameter_v_mm',
  slice_thickness_mm: 'slice_thick_mm',
  slice_position_1_mm: 'slice_pos_1_mm',
  slice_position_11_mm: 'slice_pos_11_mm',
};
/** UCUM for the units of the table of measures. */
const UNITS: Readonly<Record<string, Code>> = {
  '': ucum('1', 'no units'),
  '%': ucum('%', 'percent'),
  '‰': ucum('[ppth]', 'parts per thousand'),
  ppm: ucum('[ppm]', 'parts per million'),
  dB: ucum('dB', 'decibel'),
  nat: ucum('{nat}', 'nat'),
  voxels: ucum('{voxels}', 'voxels'),
  σ: ucum('{sigma}', 'standard deviations'),
  mm: ucum('mm', 'millimeter'),
  'mm³': ucum('mm3', 'cubic millimeter'),
  ms: ucum('ms', 'millisecond'),
  's/mm²': ucum('s/mm2', 'seconds per square millimeter'),
};

export interface MeasureConcept {
  readonly concept: Code;
  readonly unit: Code;
}

/** @returns undefined for what is no measure of the table */
export function conceptOf(measure: string): MeasureConcept | undefined {
  const row = MEASURES.get(measure);
  const unit = row === undefined ? undefined : UNITS[row.unit];
  if (row === undefined || unit === undefined) return undefined;
  return { concept: KNOWN[measure] ?? own(SHORT[measure] ?? measure, row.name), unit };
}

/** PS3.16: what a reader of mammograms says of a picture's quality, said of a scan. */
export const QUALITY_ASSESSMENT = dcm('111050', 'Quality Assessment');

export const VERDICT_CODES: Readonly<Record<Verdict, Code>> = {
  pass: own('pass', 'Pass'),
  warn: own('warn', 'Warn: look at it before it is used'),
  fail: own('fail', 'Fail: repeat it or leave it out'),
  'not-enough-history': own('no-history', 'Not enough history to judge it by'),
};
