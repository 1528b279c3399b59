/** Where each frame of an instance stands in its bytes: native ones by arithmetic, encapsulated ones by their fragments (PS3.5 Section A.4). */
import { fragments, type FragmentPlace, type Part10Header } from '../core/dicom/part10.ts';
import { TAG } from '../core/dicom/tags.ts';
import { HubError } from '../core/errors.ts';
import type { ByteSource } from '../core/store.ts';
import { beginsCodestream } from './codestream.ts';
import { damaged, MAX_FRAME_BYTES, storedNativeFrameBits, type PixelDescription } from './description.ts';

/** A run of bytes in the source, or in `inflated` where the transfer syntax is deflated. */
export type BytePlace = FragmentPlace;

export interface FramePlaces {
  readonly numberOfFrames: number;
  /** Runs that are one frame when put together; for frames of single bits, the bytes that hold it. @param frame - from 0 */
  of(frame: number): readonly BytePlace[];
}

/** Each is a read and a place in memory; the largest series of compressed frames have some ten thousand. */
const MAX_FRAGMENTS = 500_000;
/** Offset and length of an item's header, which stands before each fragment. */
const ITEM_HEADER_BYTES = 8;

/** @throws {HubError} `pixels.damaged` when the frames cannot be told apart, `dataset.unreadable` for broken fragments */
export async function framePlaces(
  source: ByteSource,
  header: Part10Header,
  description: PixelDescription,
): Promise<FramePlaces> {
  const { numberOfFrames } = description;
  const pixelData = header.pixelData;
  if (pixelData === undefined) throw damaged('there is no pixel data');
  if (pixelData.length !== undefined) return nativePlaces(pixelData.offset, pixelData.length, description);
  const placesOf = await encapsulatedPlaces(source, header, numberOfFrames);
  return { numberOfFrames, of: (frame) => checked(placesOf[frame] ?? []) };
}

/** One frame's bytes. Single bits are moved so that the frame begins at a byte. */
export async function readFrameBytes(
  source: ByteSource,
  header: Part10Header,
  description: PixelDescription,
  places: FramePlaces,
  frame: number,
): Promise<Uint8Array> {
  const read = async ({ offset, length }: BytePlace): Promise<Uint8Array> =>
    header.inflated?.slice(offset, offset + length) ?? (await source.read(offset, length));
  const parts: Uint8Array[] = [];
  for (const place of places.of(frame)) parts.push(await read(place));
  const bytes = parts.length === 1 && parts[0] !== undefined ? parts[0] : Uint8Array.from(Buffer.concat(parts));
  const isNative = header.pixelData?.length !== undefined;
  return isNative && description.bitsAllocated === 1 ? fromBit(bytes, description, frame) : bytes;
}

function nativePlaces(offset: number, length: number, description: PixelDescription): FramePlaces {
  const { numberOfFrames } = description;
  const bits = storedNativeFrameBits(description);
  if (bits * numberOfFrames > length * 8) throw damaged('the pixel data is shorter than its header says');
  return {
    numberOfFrames,
    of: (frame) => {
      // PS3.5 Section 8.1.1: frames of single bits are packed without a gap.
      const start = Math.floor((frame * bits) / 8);
      return [{ offset: offset + start, length: Math.ceil(((frame + 1) * bits) / 8) - start }];
    },
  };
}

function fromBit(bytes: Uint8Array, description: PixelDescription, frame: number): Uint8Array {
  const bits = storedNativeFrameBits(description);
  const shift = (frame * bits) % 8;
  const moved = new Uint8Array(Math.ceil(bits / 8));
  for (let i = 0; i < moved.length; i++) moved[i] = ((bytes[i] ?? 0) >> shift) | ((bytes[i + 1] ?? 0) << (8 - shift));
  const spare = moved.length * 8 - bits;
  // The bits behind the last pixel belong to the next frame.
  moved[moved.length - 1] = (moved[moved.length - 1] ?? 0) & (0xff >> spare);
  return moved;
}

async function encapsulatedPlaces(
  source: ByteSource,
  header: Part10Header,
  numberOfFrames: number,
): Promise<readonly (readonly BytePlace[])[]> {
  const pixelData = header.pixelData;
  if (pixelData === undefined) return [];
  const all: FragmentPlace[] = [];
  for await (const fragment of fragments(source, header, pixelData)) {
    if (all.push(fragment) > MAX_FRAGMENTS)
      throw new HubError('pixels.too-large', { detail: `more than ${MAX_FRAGMENTS} fragments` });
  }
  const [table, ...rest] = all;
  if (table === undefined || rest.length === 0) throw damaged('there is no fragment');
  if (numberOfFrames === 1) return [rest];
  if (rest.length === numberOfFrames) return rest.map((fragment) => [fragment]);
  if (rest.length < numberOfFrames) throw damaged('there are fewer fragments than frames');
  const starts =
    extendedOffsets(header, numberOfFrames) ??
    (await basicOffsets(source, table, numberOfFrames)) ??
    (await markedOffsets(source, rest, table));
  return grouped(rest, table, starts, numberOfFrames);
}

/** PS3.3 Section C.7.6.3.1.8: Extended Offset Table, of 64-bit offsets. Only one fragment a frame is allowed with it. */
function extendedOffsets(header: Part10Header, numberOfFrames: number): readonly number[] | undefined {
  const value = header.dataSet.element(TAG.ExtendedOffsetTable)?.value;
  if (value?.length !== numberOfFrames * 8) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: numberOfFrames }, (_, n) => Number(view.getBigUint64(n * 8, true)));
}

/** PS3.5 Section A.4: the first item, of 32-bit offsets from the first byte of the first fragment's item. */
async function basicOffsets(
  source: ByteSource,
  table: FragmentPlace,
  numberOfFrames: number,
): Promise<readonly number[] | undefined> {
  if (table.length !== numberOfFrames * 4) return undefined;
  const value = await source.read(table.offset, table.length);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: numberOfFrames }, (_, n) => view.getUint32(n * 4, true));
}

/** Without a table: a frame begins where a fragment begins with the first marker of a codestream. */
async function markedOffsets(
  source: ByteSource,
  rest: readonly FragmentPlace[],
  table: FragmentPlace,
): Promise<readonly number[]> {
  const starts: number[] = [];
  for (const fragment of rest)
    if (beginsCodestream(await source.read(fragment.offset, Math.min(4, fragment.length))))
      starts.push(distance(fragment, table));
  return starts;
}

function grouped(
  rest: readonly FragmentPlace[],
  table: FragmentPlace,
  starts: readonly number[],
  numberOfFrames: number,
): readonly (readonly BytePlace[])[] {
  const frameAt = new Map(starts.map((start, frame) => [start, frame]));
  const frames: BytePlace[][] = Array.from({ length: numberOfFrames }, () => []);
  let current = -1;
  for (const fragment of rest) {
    const begins = frameAt.get(distance(fragment, table));
    if (begins !== undefined) current = begins;
    frames[current]?.push(fragment);
  }
  if (starts.length !== numberOfFrames || frames.some((frame) => frame.length === 0))
    throw damaged('offset table and fragments do not make as many frames as the header says');
  return frames;
}

function distance(fragment: FragmentPlace, table: FragmentPlace): number {
  return fragment.offset - ITEM_HEADER_BYTES - (table.offset + table.length);
}

function checked(places: readonly BytePlace[]): readonly BytePlace[] {
  const length = places.reduce((sum, place) => sum + place.length, 0);
  if (length === 0) throw damaged('a frame has no bytes');
  if (length > MAX_FRAME_BYTES) throw damaged('a compressed frame is larger than any decoded one may be');
  return places;
}
