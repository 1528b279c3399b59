/** Taking pixels out of a frame: in native bytes as they are stored, or in samples as they are decoded. */
import type { DataSet } from '../../../core/dicom/data-set.ts';
import type { PixelDescription } from '../../../pixels/description.ts';
import type { Region } from './cleaning.ts';

/** What goes of one frame. */
export interface FrameMask {
  /** Within the frame. */
  readonly regions: readonly Region[];
  /** One byte a pixel, row by row: not 0 goes. */
  readonly pixels?: Uint8Array | undefined;
}

export type SampleLayout = 'interleaved' | 'planar' | 'subsampled';

export interface StoredLayout {
  readonly layout: SampleLayout;
  readonly bigEndian: boolean;
}

export const DECODED: StoredLayout = { layout: 'interleaved', bigEndian: false };

export function isEmptyMask(mask: FrameMask | undefined): boolean {
  return mask === undefined || (mask.regions.length === 0 && mask.pixels === undefined);
}

/**
 * The samples of a pixel that shows nothing: Pixel Padding Value where there is one, else black.
 *
 * @param photometricInterpretation - of the samples that are blanked, which may be decoded ones
 */
export function fillOf(
  dataSet: DataSet,
  description: PixelDescription,
  photometricInterpretation: string,
): readonly number[] {
  const { bitsStored, highBit, isSigned, samplesPerPixel, bitsAllocated } = description;
  if (samplesPerPixel === 3) {
    // PS3.3 Section C.7.6.3.1.2: no colour is in the middle of the chrominances.
    const middle = 2 ** (bitsStored - 1);
    return photometricInterpretation.startsWith('YBR_FULL') ? [0, middle, middle] : [0, 0, 0];
  }
  const padding = dataSet.number('PixelPaddingValue');
  if (padding !== undefined) return [padding & (2 ** bitsAllocated - 1)];
  const shift = highBit - bitsStored + 1;
  const most = isSigned ? 2 ** (bitsStored - 1) - 1 : 2 ** bitsStored - 1;
  if (photometricInterpretation === 'MONOCHROME1') return [most << shift];
  if (!isSigned) return [0];
  // Of signed values zero may be grey: the smallest of the image, where the header knows it.
  const smallest = dataSet.number('SmallestImagePixelValue');
  const value = smallest === undefined ? 0 : smallest > most ? smallest - 2 ** 16 : Math.min(0, smallest);
  return [(value << shift) & (2 ** bitsAllocated - 1)];
}

/** Blanks in place; nothing outside the mask is touched. Samples of 8 or 16 bits only. */
export function blankFrame(
  bytes: Uint8Array,
  description: PixelDescription,
  mask: FrameMask,
  fill: readonly number[],
  { layout, bigEndian }: StoredLayout = DECODED,
): void {
  const { rows, columns, samplesPerPixel, bitsAllocated } = description;
  const width = bitsAllocated / 8;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const write = (index: number, sample: number) => {
    const value = fill[sample] ?? 0;
    if (width === 1) view.setUint8(index, value);
    else view.setUint16(index * 2, value, !bigEndian);
  };
  const blank = (pixel: number) => {
    if (layout === 'subsampled') {
      // Y1 Y2 Cb Cr: two pixels share a colour, which goes with either of them.
      const pair = (pixel >> 1) * 4;
      write(pair + (pixel & 1), 0);
      write(pair + 2, 1);
      write(pair + 3, 2);
      return;
    }
    for (let sample = 0; sample < samplesPerPixel; sample++)
      write(layout === 'planar' ? sample * rows * columns + pixel : pixel * samplesPerPixel + sample, sample);
  };
  for (const { x, y, width: across, height } of mask.regions)
    for (let row = y; row < y + height; row++)
      for (let column = x; column < x + across; column++) blank(row * columns + column);
  mask.pixels?.forEach((value, pixel) => {
    if (value !== 0) blank(pixel);
  });
}
