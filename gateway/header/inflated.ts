/**
 * A deflated object as the one it was before it was deflated, in bounded memory: the beginning of the inflated data set,
 * which holds the header, and the length of the rest.
 */
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { fileMeta } from '../../core/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import { rangedSource } from '../../core/ranged-source.ts';
import type { ByteSource } from '../../core/store.ts';

/** What processors inflate at most; a larger one would be taken here and be of no use there. */
const MAX_INFLATED_BYTES = 512 * 1024 * 1024;
/** Longer headers are not read in any transfer syntax. */
const MAX_HEADER_BYTES = 64 * 1024 * 1024;

/**
 * @param dataSetOffset - where the deflated data set begins (PS3.5 Section A.5)
 * @returns an object of Explicit VR Little Endian that has only its first 64 MiB; a read beyond them fails
 * @throws {HubError} `dataset.unreadable` when it is no deflate stream, or inflates beyond 512 MiB
 */
export async function inflated(source: ByteSource, dataSetOffset: number): Promise<ByteSource> {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let totalBytes = 0;
  const count = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      totalBytes += chunk.length;
      if (totalBytes > MAX_INFLATED_BYTES) throw unreadable('inflates-too-far');
      if (keptBytes >= MAX_HEADER_BYTES) continue;
      kept.push(chunk);
      keptBytes += chunk.length;
    }
  };
  try {
    await pipeline(source.stream(dataSetOffset), createInflateRaw({ chunkSize: 256 * 1024 }), count);
  } catch (error) {
    throw error instanceof HubError ? error : unreadable('not-a-deflate-stream', error);
  }
  const meta = fileMeta({ sopClassUid: '', sopInstanceUid: '', transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN });
  const bytes = Buffer.concat([meta, ...kept]);
  return rangedSource(
    meta.length + totalBytes,
    (offset, length) =>
      offset + length > bytes.length
        ? Promise.reject(unreadable('header-too-large'))
        : Promise.resolve(bytes.subarray(offset, offset + length)),
    () => Promise.resolve(),
  );
}

function unreadable(detail: string, cause?: unknown): HubError {
  return new HubError('dataset.unreadable', { detail }, cause);
}
