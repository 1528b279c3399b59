/** Deflated Explicit VR Little Endian (PS3.5 Section A.5): the whole data set is one raw deflate stream. */
import { promisify } from 'node:util';
import { constants, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';
import { unreadable } from './walker.ts';

/** A bound on what a small file may grow to; the largest deflated objects in use are report documents and masks. */
const INFLATED_LIMIT_BYTES = 512 * 1024 * 1024;

/** @throws {HubError} `dataset.unreadable` when it is no deflate stream or inflates beyond 512 MiB */
export function inflateDataSet(bytes: Uint8Array): Uint8Array {
  try {
    // A writer may pad the stream with a byte to even length; what follows the final block is not looked at.
    return inflateRawSync(bytes, { maxOutputLength: INFLATED_LIMIT_BYTES });
  } catch (error) {
    throw refusal(error);
  }
}

const inflateElsewhere = promisify(inflateRaw);

/** The same, while the calling thread does something else. */
export async function inflateAside(bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await inflateElsewhere(bytes, { maxOutputLength: INFLATED_LIMIT_BYTES });
  } catch (error) {
    throw refusal(error);
  }
}

function refusal(error: unknown): Error {
  const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
  return unreadable(isTooLarge ? 'inflates-too-far' : 'not-a-deflate-stream', 0);
}

/** Deflated and padded to even length. The same bytes in give the same bytes out. */
export function deflateDataSet(bytes: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(bytes, { level: constants.Z_DEFAULT_COMPRESSION });
  if (deflated.length % 2 === 0) return deflated;
  const padded = new Uint8Array(deflated.length + 1);
  padded.set(deflated);
  return padded;
}
