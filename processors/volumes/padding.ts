/** Pixels that are no part of the picture: Pixel Padding Value and Pixel Padding Range Limit (PS3.3 Section C.7.5.1.1.2). */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { PixelFormat } from './pixels.ts';

/** Stored values, both counted in. */
export interface PaddingRange {
  readonly low: number;
  readonly high: number;
}

/** @returns undefined where the header names none */
export function paddingOf(
  header: DataSet,
  { bitsAllocated, isSigned, isFloat }: PixelFormat,
): PaddingRange | undefined {
  if (isFloat) return undefined;
  // Of implicit VR little endian nobody says which sign they have: they have that of the pixels.
  const signed = (value: number) =>
    isSigned && value >= 2 ** (bitsAllocated - 1) ? value - 2 ** bitsAllocated : value;
  const padding = header.number('PixelPaddingValue');
  if (padding === undefined || !Number.isFinite(padding)) return undefined;
  const limit = header.number('PixelPaddingRangeLimit') ?? padding;
  const [one, other] = [signed(padding), signed(limit)];
  return { low: Math.min(one, other), high: Math.max(one, other) };
}

/**
 * Sets padding to 0, as a scanner has air.
 *
 * @param values - of one slice, as stored × slope + intercept; changed in place
 * @returns how many of them were not 0
 */
export function clearPadding(
  values: Float32Array,
  { low, high }: PaddingRange,
  { slope, intercept }: { readonly slope: number; readonly intercept: number },
): number {
  const ends = [Math.fround(low * slope + intercept), Math.fround(high * slope + intercept)] as const;
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  let cleared = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (value < least || value > most || value === 0) continue;
    values[i] = 0;
    cleared += 1;
  }
  return cleared;
}
