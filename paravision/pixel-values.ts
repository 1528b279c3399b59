/**
 * From ParaVision's stored values to those of Pixel Data, which holds no more than 16 bits in the MR objects of DICOM.
 * 8 and 16 bits are kept as they are. 32 bits are kept exactly where the whole numbers of a frame span less than 65,536;
 * else each frame is scaled to all 65,536 steps, so that no value is off by more than half a step of its own frame.
 */
import { readWords, type WordType } from './word-type.ts';

/** How one frame's stored values become Pixel Data, and how Pixel Data is read: `pixel × slope + intercept`. */
export interface FrameScaling {
  readonly slope: number;
  readonly intercept: number;
  /** Pixel = (stored − base) / step, rounded; none where the stored values are kept as they are. */
  readonly map?: { readonly base: number; readonly step: number };
}

export interface PixelFormat {
  readonly bits: 8 | 16;
  readonly isSigned: boolean;
  /** The pixel of what is no number; numbers never use it. */
  readonly padding?: number;
  /** False: steps were rounded. */
  readonly isExact: boolean;
}

/** What was found in the stored values of one plane. */
export interface Extremes {
  min: number;
  max: number;
  isWhole: boolean;
  hasNoNumbers: boolean;
}

const STEPS = 65_536;

export function extremesOf(bytes: Uint8Array, type: WordType, isLittleEndian: boolean): Extremes {
  const found: Extremes = { min: Infinity, max: -Infinity, isWhole: true, hasNoNumbers: false };
  readWords(bytes, type, isLittleEndian, (value) => {
    if (!Number.isFinite(value)) {
      found.hasNoNumbers = true;
      return;
    }
    if (value < found.min) found.min = value;
    if (value > found.max) found.max = value;
    if (found.isWhole && !Number.isInteger(value)) found.isWhole = false;
  });
  return found;
}

/** For 8 and 16 bits. */
export function formatOf({ bytes, kind }: WordType): PixelFormat | undefined {
  return bytes === 4 ? undefined : { bits: bytes === 1 ? 8 : 16, isSigned: kind === 'signed', isExact: true };
}

/** For 32 bits: one map a plane. */
export function scaledTo16Bits(
  planes: readonly Extremes[],
  ofFrame: (plane: number) => { readonly slope: number; readonly offset: number },
): { readonly format: PixelFormat; readonly scalings: readonly FrameScaling[] } {
  const padding = planes.some(({ hasNoNumbers }) => hasNoNumbers) ? 0 : undefined;
  // The first pixel of numbers: 0 is taken where something is none.
  const first = padding === undefined ? 0 : 1;
  const last = STEPS - 1;
  let isExact = true;
  const scalings = planes.map(({ min, max, isWhole }, plane): FrameScaling => {
    const { slope, offset } = ofFrame(plane);
    const low = Number.isFinite(min) ? min : 0;
    const range = Number.isFinite(max) ? max - low : 0;
    const fits = isWhole && range <= last - first;
    if (!fits) isExact = false;
    const step = fits || range === 0 ? 1 : range / (last - first);
    const base = low - first * step;
    return { slope: slope * step, intercept: offset + slope * base, map: { base, step } };
  });
  return { format: { bits: 16, isSigned: false, isExact, ...(padding === undefined ? {} : { padding }) }, scalings };
}

/** The plane as Pixel Data has it, in little endian. */
export function pixelsOf(
  bytes: Uint8Array,
  type: WordType,
  isLittleEndian: boolean,
  scaling: FrameScaling,
): Uint8Array {
  const { map } = scaling;
  if (map === undefined) return type.bytes === 2 && !isLittleEndian ? Buffer.from(bytes).swap16() : bytes;
  const pixels = new Uint8Array((bytes.length / 4) * 2);
  const view = new DataView(pixels.buffer);
  readWords(bytes, type, isLittleEndian, (value, index) => {
    const pixel = Number.isFinite(value) ? Math.round((value - map.base) / map.step) : 0;
    view.setUint16(index * 2, pixel, true);
  });
  return pixels;
}
