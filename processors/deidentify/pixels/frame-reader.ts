/** The frames of one instance, one at a time, with everything checked that could make half of it go unseen. */
import { encodingOf, requireTransferSyntax } from '../../../core/dicom/data-set.ts';
import { fragments, type Part10Header, type PixelDataPlace } from '../../../core/dicom/part10.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { HubError } from '../../../core/errors.ts';
import type { ByteSource } from '../../../core/store.ts';
import { beginsCodestream } from '../../../pixels/codestream.ts';
import { decodeFrame, type DecodedFrame } from '../../../pixels/decode.ts';
import { codecOf } from '../../../pixels/decodable.ts';
import {
  describePixels,
  isSubsampled,
  storedNativeFrameBits,
  type PixelDescription,
} from '../../../pixels/description.ts';
import { framePlaces, readFrameBytes, type FramePlaces } from '../../../pixels/frame-places.ts';
import type { StoredImage } from './cleaning.ts';
import type { StoredLayout } from './blanking.ts';

export interface FrameReader {
  readonly image: StoredImage;
  readonly description: PixelDescription;
  readonly place: PixelDataPlace;
  readonly isNative: boolean;
  /** Of native frames as stored. */
  readonly layout: StoredLayout;
  /** Behind the last native frame: at most the byte that makes the length even. */
  readonly paddingBytes: number;
  /** As stored. @param frame - from 0 */
  stored(frame: number): Promise<Uint8Array>;
  /** Samples as they are shown, little endian, interleaved. */
  decoded(stored: Uint8Array): Promise<DecodedFrame>;
}

/** Why its frames cannot be cleaned; fixed words. */
export class FramesUnfit extends Error {}

/**
 * @throws {FramesUnfit} when a frame could go unseen or could not be written again
 * @throws {HubError} when the source fails
 */
export async function openFrames(image: StoredImage): Promise<FrameReader> {
  const { header, source } = image;
  const place = header.pixelData;
  if (place === undefined) throw new FramesUnfit('no pixel data');
  if (place.tag !== TAG.PixelData) throw new FramesUnfit('pixel data of floating point cannot be cleaned');
  if (codecOf(header.transferSyntaxUid) === undefined)
    throw new FramesUnfit('pixel data in a transfer syntax that is not decoded');
  const description = await asUnfit(async () => describePixels(header.dataSet, place.tag));
  const { bitsAllocated, columns } = description;
  if (bitsAllocated !== 8 && bitsAllocated !== 16)
    throw new FramesUnfit(`pixel data of ${bitsAllocated} bits allocated cannot be cleaned`);
  const { bigEndian } = encodingOf(requireTransferSyntax(header.transferSyntaxUid));
  const isNative = place.length !== undefined;
  if (isNative && bigEndian && bitsAllocated === 8 && place.vr === 'OW')
    throw new FramesUnfit('bytes in big endian words cannot be cleaned');
  const isSub = isNative && isSubsampled(description);
  if (isSub && columns % 2 === 1)
    throw new FramesUnfit('subsampled colour of an odd number of columns cannot be cleaned');
  const places = await asUnfit(() => framePlaces(source, header, description));
  const paddingBytes = isNative ? nativePadding(place.length, description) : 0;
  if (!isNative) await refuseSpareFragments(source, header, place, places);
  return {
    image,
    description,
    place,
    isNative,
    layout: { layout: isSub ? 'subsampled' : description.isPlanar ? 'planar' : 'interleaved', bigEndian },
    paddingBytes,
    stored: (frame) => asUnfit(() => readFrameBytes(source, header, description, places, frame)),
    decoded: (stored) => asUnfit(() => decodeFrame(stored, header.transferSyntaxUid, description)),
  };
}

/** More bytes than Number of Frames says are frames that nobody would look at. */
function nativePadding(length: number | undefined, description: PixelDescription): number {
  const expected = (storedNativeFrameBits(description) / 8) * description.numberOfFrames;
  const padding = (length ?? 0) - expected;
  if (padding !== expected % 2) throw new FramesUnfit('the pixel data is longer than its header says');
  return padding;
}

async function refuseSpareFragments(
  source: ByteSource,
  header: Part10Header,
  place: PixelDataPlace,
  places: FramePlaces,
): Promise<void> {
  const used = new Set<number>();
  for (let frame = 0; frame < places.numberOfFrames; frame++)
    for (const { offset } of places.of(frame)) used.add(offset);
  let isOffsetTable = true;
  let beginnings = 0;
  for await (const { offset, length } of fragments(source, header, place)) {
    if (!isOffsetTable && length > 0 && !used.has(offset))
      throw new FramesUnfit('the pixel data has fragments that belong to no frame');
    // A frame in several fragments has one beginning: a second one is a picture that no frame counts.
    if (!isOffsetTable && beginsCodestream(await source.read(offset, Math.min(4, length)))) beginnings += 1;
    isOffsetTable = false;
  }
  if (beginnings > places.numberOfFrames) throw new FramesUnfit('the pixel data has more frames than its header says');
}

/** Content that cannot be read is held with a reason; a source that fails is the source's failure. */
async function asUnfit<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    if (!error.code.startsWith('pixels.') && !error.code.startsWith('dataset.')) throw error;
    // Its details are ours: numbers and names of codecs.
    const detail = error.fields['detail'];
    throw new FramesUnfit(
      typeof detail === 'string' ? `pixel data cannot be read: ${detail}` : 'pixel data cannot be read',
    );
  }
}
