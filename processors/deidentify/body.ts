/** The bytes of a released instance: its rewritten header, and its pixel data copied or cleaned. */
import { createHash } from 'node:crypto';
import { deflateDataSet, inflateDataSet } from '../../core/dicom/inflate.ts';
import type { ByteSource } from '../../core/store.ts';
import type { PixelsCleaned, PixelsUntouched, StoredImage } from './pixels/cleaning.ts';
import { SHARED_BYTES, StudyBuffers } from './study-buffers.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface BodyParts {
  readonly meta: Uint8Array;
  /** Rewritten, up to the pixel data. */
  readonly dataSet: Uint8Array;
  /** Of the source: what stands behind the pixel data is left out. */
  readonly pixelDataEnd: number;
  readonly cleaned: PixelsUntouched | PixelsCleaned;
}

export interface Body {
  /** Once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Once `chunks` was read: whether what stands behind the header is what it has to be. */
  readonly isPixelDataEqual: () => Promise<boolean>;
}

/** @param buffers - the study's */
export function bodyOf(image: StoredImage, parts: BodyParts, buffers = new StudyBuffers()): Body {
  const { cleaned, meta, dataSet } = parts;
  const isDeflated = image.header.inflated !== undefined;
  if (cleaned.outcome === 'untouched') return isDeflated ? deflatedCopy(image, parts) : copy(image, parts, buffers);
  const { pixelData } = cleaned;
  const isPixelDataEqual = () => cleaned.isFaithful();
  if (isDeflated) return { chunks: deflatedAnew(meta, dataSet, pixelData), isPixelDataEqual };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([meta, dataSet]);
    yield* pixelData;
  }
  return { chunks: chunks(), isPixelDataEqual };
}

function copy(
  { source, header }: StoredImage,
  { meta, dataSet, pixelDataEnd }: BodyParts,
  buffers: StudyBuffers,
): Body {
  const start = header.pixelData?.elementOffset ?? pixelDataEnd;
  const length = pixelDataEnd - start;
  const pixels =
    length <= SHARED_BYTES ? fewPixels(source, start, length, buffers) : manyPixels(source, start, length, buffers);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([meta, dataSet]);
    yield* pixels.chunks;
  }
  return { chunks: chunks(), isPixelDataEqual: pixels.isPixelDataEqual };
}

/** Compared byte by byte. */
function fewPixels(source: ByteSource, start: number, length: number, buffers: StudyBuffers): Body {
  let written: Uint8Array | undefined;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const pixels = await filled(source, start, buffers.bytes('pixels', length).subarray(0, length));
    if (length > 0) yield pixels;
    written = pixels;
  }
  const isPixelDataEqual = async () => {
    // Read again, by position: a source that ended early or moved shows here.
    const again = await filled(source, start, buffers.bytes('pixels once more', length).subarray(0, length));
    return written !== undefined && Buffer.compare(written, again) === 0;
  };
  return { chunks: chunks(), isPixelDataEqual };
}

/** @returns what was read: `room`, where the source can fill it */
async function filled(source: ByteSource, offset: number, room: Uint8Array): Promise<Uint8Array> {
  if (source.readInto === undefined) return source.read(offset, room.length);
  await source.readInto(room, offset);
  return room;
}

/** Too many to be kept: their digest is. */
function manyPixels(source: ByteSource, start: number, length: number, buffers: StudyBuffers): Body {
  let written: Buffer | undefined;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const digest = createHash('sha256');
    for await (const chunk of inOneRoom(source, start, length, buffers)) {
      digest.update(chunk);
      yield chunk;
    }
    written = digest.digest();
  }
  const isPixelDataEqual = async () => {
    const again = createHash('sha256');
    for await (const chunk of inOneRoom(source, start, length, buffers)) again.update(chunk);
    return written?.equals(again.digest()) === true;
  };
  return { chunks: chunks(), isPixelDataEqual };
}

/** A chunk is good until the next is asked for: gigabytes of fresh memory would be handed out faster than collected. */
async function* inOneRoom(
  source: ByteSource,
  start: number,
  length: number,
  buffers: StudyBuffers,
): AsyncGenerator<Uint8Array> {
  const room = buffers.bytes('pixels', CHUNK_BYTES);
  const end = start + length;
  for (let at = start; at < end; at += CHUNK_BYTES)
    yield await filled(source, at, room.subarray(0, Math.min(CHUNK_BYTES, end - at)));
}

function deflatedCopy({ header }: StoredImage, { meta, dataSet, pixelDataEnd }: BodyParts): Body {
  const start = header.pixelData?.elementOffset ?? pixelDataEnd;
  const pixels = header.inflated?.subarray(start, pixelDataEnd) ?? new Uint8Array(0);
  const deflated = deflateDataSet(Buffer.concat([dataSet, pixels]));
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield meta;
    yield deflated;
  }
  const isPixelDataEqual = async () => Buffer.compare(inflateDataSet(deflated).subarray(dataSet.length), pixels) === 0;
  return { chunks: chunks(), isPixelDataEqual };
}

/** A deflated object was read into memory whole, which bounds what is gathered here. */
async function* deflatedAnew(
  meta: Uint8Array,
  dataSet: Uint8Array,
  pixelData: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const parts = [dataSet];
  for await (const chunk of pixelData) parts.push(chunk);
  yield meta;
  yield deflateDataSet(Buffer.concat(parts));
}
