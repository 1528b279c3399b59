/** From stored values to what they mean. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { privateNumber, type PrivatePlace } from './private-values.ts';

export interface Rescale {
  readonly slope: number;
  readonly intercept: number;
  /** The header's numbers are none, or a slope of 0 that would leave nothing of the picture. */
  readonly isDamaged: boolean;
}

const PHILIPS_SCALE_SLOPE: PrivatePlace = {
  creator: 'Philips MR Imaging DD 001',
  group: 0x2005,
  element: 0x0e,
  vr: 'FL',
};

/**
 * Rescale Slope and Intercept (PS3.3 Section C.11.1). Philips stretches each image to the full range of its numbers;
 * its private Scale Slope takes that back, so that values of one scan can be compared (Chenevert et al. 2014, Errors in
 * quantitative image analysis due to platform-dependent image scaling): (stored × RS + RI) / (RS × SS).
 *
 * @param rescale - where Rescale Slope and Intercept stand
 * @param maker - where the private elements of the same frame stand
 */
export function rescaleOf(rescale: DataSet | undefined, maker: DataSet | undefined): Rescale {
  const numberOr = (keyword: string, otherwise: number): number =>
    rescale?.strings(keyword)[0] === undefined || rescale.strings(keyword)[0] === ''
      ? otherwise
      : (rescale.number(keyword) ?? Number.NaN);
  const slope = numberOr('RescaleSlope', 1);
  const intercept = numberOr('RescaleIntercept', 0);
  if (!Number.isFinite(slope) || slope === 0 || !Number.isFinite(intercept))
    return { slope: 1, intercept: 0, isDamaged: true };
  const scaleSlope = maker === undefined ? undefined : privateNumber(maker, PHILIPS_SCALE_SLOPE);
  if (scaleSlope === undefined || !Number.isFinite(scaleSlope) || scaleSlope === 0)
    return { slope, intercept, isDamaged: false };
  return { slope: 1 / scaleSlope, intercept: intercept / (slope * scaleSlope), isDamaged: false };
}
