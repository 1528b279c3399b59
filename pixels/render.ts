/**
 * One frame as a picture of 8 bits: modality values, window or VOI LUT, palette, colour space (the pipeline of
 * PS3.4 Section N.2), then the part and the size that were asked for. Pure; runs in a pixel worker only.
 */
import { HubError } from '../core/errors.ts';
import type { DecodedFrame } from './decode.ts';
import type { PixelDescription } from './description.ts';
import type { LookupTable, Presentation, Window } from './presentation.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array;
}

export function renderFrame(
  frame: DecodedFrame,
  description: PixelDescription,
  presentation: Presentation,
  asked: Window | undefined,
): Picture {
  const { columns: width, rows: height, samplesPerPixel } = description;
  if (samplesPerPixel === 3) {
    return { width, height, channels: 3, pixels: colour(frame, description) };
  }
  const stored = storedValues(frame.samples, description);
  if (presentation.palette !== undefined) {
    return { width, height, channels: 3, pixels: throughPalette(stored, presentation.palette) };
  }
  return { width, height, channels: 1, pixels: grey(stored, presentation, asked) };
}

/** The numbers of a frame of one sample a pixel. PS3.5 Section 8.1.1: what stands outside Bits Stored may be anything (old overlays). */
export function storedValues(samples: Uint8Array, description: PixelDescription): Float64Array {
  const { rows, columns, bitsAllocated, bitsStored, highBit, isSigned, isFloat } = description;
  const values = new Float64Array(rows * columns);
  const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
  if (isFloat) {
    for (let i = 0; i < values.length; i++)
      values[i] = bitsAllocated === 64 ? view.getFloat64(i * 8, true) : view.getFloat32(i * 4, true);
    return values;
  }
  if (bitsAllocated === 1) {
    for (let i = 0; i < values.length; i++) values[i] = ((samples[i >> 3] ?? 0) >> (i & 7)) & 1;
    return values;
  }
  const left = 31 - highBit;
  const right = 32 - bitsStored;
  for (let i = 0; i < values.length; i++) {
    const raw =
      bitsAllocated === 8
        ? (samples[i] ?? 0)
        : bitsAllocated === 16
          ? view.getUint16(i * 2, true)
          : view.getUint32(i * 4, true);
    const shifted = raw << left;
    values[i] = isSigned ? shifted >> right : shifted >>> right;
  }
  return values;
}

function grey(stored: Float64Array, presentation: Presentation, asked: Window | undefined): Uint8Array {
  const { slope, intercept, modalityLut, padding, isInverse } = presentation;
  const isPadding = (value: number): boolean => padding !== undefined && value >= padding[0] && value <= padding[1];
  const modality = (value: number): number =>
    modalityLut === undefined ? value * slope + intercept : through(modalityLut, value);
  const window = asked ?? presentation.window;
  const voiLut = asked === undefined ? presentation.voiLut : undefined;
  const toGrey =
    voiLut === undefined
      ? windowing(window ?? rangeOf(stored, modality, isPadding))
      : (value: number) => (through(voiLut, value) / voiLut.maximum) * 255;
  const pixels = new Uint8Array(stored.length);
  for (let i = 0; i < stored.length; i++) {
    const value = stored[i] ?? 0;
    if (isPadding(value)) continue;
    const shade = Math.round(Math.min(255, Math.max(0, toGrey(modality(value)))));
    pixels[i] = isInverse ? 255 - shade : shade;
  }
  return pixels;
}

/** PS3.3 Sections C.11.2.1.2.1 to C.11.2.1.3.2, to the range 0 … 255. */
function windowing({ center, width, function: shape }: Window): (value: number) => number {
  switch (shape) {
    case 'linear': {
      const span = width - 1;
      // A width of 1 is a threshold.
      return span <= 0
        ? (value) => (value <= center - 0.5 ? 0 : 255)
        : (value) => ((value - (center - 0.5)) / span + 0.5) * 255;
    }
    case 'linear-exact':
      return (value) => ((value - center) / width + 0.5) * 255;
    case 'sigmoid':
      return (value) => 255 / (1 + Math.exp((-4 * (value - center)) / width));
    default:
      return shape satisfies never;
  }
}

/** Where nobody says how to show it: from the smallest value to the largest. */
function rangeOf(
  stored: Float64Array,
  modality: (value: number) => number,
  isPadding: (value: number) => boolean,
): Window {
  let low = Infinity;
  let high = -Infinity;
  for (const value of stored) {
    if (isPadding(value) || !Number.isFinite(value)) continue;
    const shown = modality(value);
    if (shown < low) low = shown;
    if (shown > high) high = shown;
  }
  if (!(high > low)) return { center: Number.isFinite(low) ? low : 0, width: 1, function: 'linear-exact' };
  return { center: (low + high) / 2, width: high - low, function: 'linear-exact' };
}

function through({ first, entries }: LookupTable, value: number): number {
  const index = Math.min(entries.length - 1, Math.max(0, Math.round(value) - first));
  return entries[index] ?? 0;
}

function throughPalette(stored: Float64Array, palette: readonly [LookupTable, LookupTable, LookupTable]): Uint8Array {
  const pixels = new Uint8Array(stored.length * 3);
  palette.forEach((table, channel) => {
    const scale = 255 / table.maximum;
    for (let i = 0; i < stored.length; i++)
      pixels[i * 3 + channel] = Math.round(Math.min(255, through(table, stored[i] ?? 0) * scale));
  });
  return pixels;
}

/** PS3.3 Section C.7.6.3.1.2: the colour spaces a decoder leaves. */
function colour({ samples, photometricInterpretation }: DecodedFrame, description: PixelDescription): Uint8Array {
  const { bitsAllocated, bitsStored } = description;
  const eight = bitsAllocated === 8 ? samples : toEightBits(samples, bitsStored);
  if (photometricInterpretation === 'RGB') return eight;
  if (!photometricInterpretation.startsWith('YBR_FULL'))
    throw new HubError('pixels.unsupported', { detail: `photometric interpretation ${photometricInterpretation}` });
  const pixels = new Uint8Array(eight.length);
  for (let i = 0; i + 2 < eight.length; i += 3) {
    const y = eight[i] ?? 0;
    const cb = (eight[i + 1] ?? 0) - 128;
    const cr = (eight[i + 2] ?? 0) - 128;
    pixels[i] = clamp(y + 1.402 * cr);
    pixels[i + 1] = clamp(y - 0.344136 * cb - 0.714136 * cr);
    pixels[i + 2] = clamp(y + 1.772 * cb);
  }
  return pixels;
}

function toEightBits(samples: Uint8Array, bitsStored: number): Uint8Array {
  const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
  const shift = Math.max(0, bitsStored - 8);
  return Uint8Array.from({ length: samples.length / 2 }, (_, i) => (view.getUint16(i * 2, true) >> shift) & 0xff);
}

function clamp(value: number): number {
  return Math.round(Math.min(255, Math.max(0, value)));
}
