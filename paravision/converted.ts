/**
 * A reconstruction as a Part 10 file that is made while it is read: the header is in memory, of the pixels one plane at a
 * time. Whoever wants all of it streams it; whoever wants a range, a reader of headers for one, gets that range.
 */
import { encodeDataSet } from '../core/dicom/encode.ts';
import { fileMeta } from '../core/dicom/part10.ts';
import { TAG } from '../core/dicom/tags.ts';
import { longHeader } from '../core/dicom/to-explicit.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../core/errors.ts';
import { rangedSource } from '../core/ranged-source.ts';
import type { ByteSource } from '../core/store.ts';
import { requireByteOrder } from './byte-order.ts';
import { ENHANCED_MR_IMAGE_STORAGE, enhancedMrAttributes, type Pixels } from './enhanced-mr.ts';
import { type Place, uidsOf } from './identity.ts';
import { extremesOf, type Extremes, formatOf, pixelsOf, scaledTo16Bits } from './pixel-values.ts';
import type { Reconstruction } from './reconstruction.ts';

/** Readers of this hub hold a header in memory, and 64 MiB of it at most. */
const MAX_HEADER_BYTES = 60 * 1024 * 1024;
/** What 32 bits of length can say, and an even number. */
const MAX_PIXEL_BYTES = 0xfffffffe;
/** A few hundred bytes of header each. */
const MAX_PLANES = 200_000;

export interface Converted {
  /** Closes `images` when it is closed. */
  readonly source: ByteSource;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly frames: number;
}

/**
 * @param images - `2dseq`; the caller's until this resolves
 * @throws {HubError} `paravision.*`; the disk's errors as they are
 */
export async function convert(
  reconstruction: Reconstruction,
  place: Place,
  images: ByteSource,
  signal: AbortSignal,
): Promise<Converted> {
  const { planes, grid } = reconstruction;
  if (planes > MAX_PLANES) throw new HubError('paravision.unsupported', { reason: 'too many frames for one object' });
  await requireByteOrder(reconstruction, images, signal);
  const pixels = await pixelsFor(reconstruction, images, signal);
  const planeBytes = (grid.columns * grid.rows * pixels.format.bits) / 8;
  const pixelBytes = planes * planeBytes;
  if (pixelBytes > MAX_PIXEL_BYTES)
    throw new HubError('paravision.unsupported', { reason: 'more than 4 GiB of pixels' });
  const uids = uidsOf(reconstruction.parameters, place);
  const padding = pixelBytes % 2;
  const header = Buffer.concat([
    fileMeta({
      sopClassUid: ENHANCED_MR_IMAGE_STORAGE,
      sopInstanceUid: uids.sopInstanceUid,
      transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
    }),
    encodeDataSet(enhancedMrAttributes(reconstruction, place, uids, pixels)),
    longHeader(TAG.PixelData, pixels.format.bits === 8 ? 'OB' : 'OW', pixelBytes + padding),
  ]);
  if (header.length > MAX_HEADER_BYTES)
    throw new HubError('paravision.unsupported', { reason: 'too many frames for one object' });

  let held: { readonly index: number; readonly bytes: Uint8Array } | undefined;
  const planeAt = async (index: number): Promise<Uint8Array> => {
    if (held?.index === index) return held.bytes;
    const stored = await reconstruction.readPlane(images, index);
    const { wordType, isLittleEndian } = reconstruction;
    const bytes = pixelsOf(stored, wordType, isLittleEndian, pixels.scalingOf(index));
    held = { index, bytes };
    return bytes;
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    const fromHeader = header.subarray(offset, offset + length);
    bytes.set(fromHeader);
    let filled = Math.max(0, fromHeader.length);
    while (filled < length) {
      const at = offset + filled - header.length;
      // The byte behind an odd number of pixels.
      if (at >= pixelBytes) break;
      const plane = await planeAt(Math.floor(at / planeBytes));
      const part = plane.subarray(at % planeBytes, (at % planeBytes) + length - filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  };
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = uids;
  return {
    source: rangedSource(header.length + pixelBytes + padding, read, () => images.close()),
    ...{ studyInstanceUid, seriesInstanceUid, sopInstanceUid },
    frames: planes,
  };
}

/** 32 bits are looked through first: what they span decides how they are kept. */
async function pixelsFor(reconstruction: Reconstruction, images: ByteSource, signal: AbortSignal): Promise<Pixels> {
  const { wordType, isLittleEndian, planes, grid } = reconstruction;
  const frameOf = (index: number) => Math.floor(index / grid.planes);
  const format = formatOf(wordType);
  if (format !== undefined)
    return {
      format,
      scalingOf: (index) => {
        const { slope, offset } = reconstruction.scaleOf(frameOf(index));
        return { slope, intercept: offset };
      },
    };
  const extremes: Extremes[] = [];
  for (let index = 0; index < planes; index++) {
    signal.throwIfAborted();
    extremes.push(extremesOf(await reconstruction.readPlane(images, index), wordType, isLittleEndian));
  }
  const scaled = scaledTo16Bits(extremes, (plane) => reconstruction.scaleOf(frameOf(plane)));
  return {
    format: scaled.format,
    scalingOf: (index) => scaled.scalings[index] ?? { slope: 1, intercept: 0 },
  };
}
