/** The store as one destination may read from it: counted for the attempt that reads, and no faster than allowed. */
import type { ByteSource, ObjectStore } from '../core/store.ts';
import { attemptNotes } from './attempt-notes.ts';

/** A tenth of a second's worth at once: a peer sees a slow stream, not a stream that stands still. */
const SLICES_A_SECOND = 10;
const LEAST_SLICE_BYTES = 4_096;

/** @param bytesPerSecond - of all readers of this store together; undefined: as fast as they can */
export function meteredStore(store: ObjectStore, bytesPerSecond: number | undefined): ObjectStore {
  const pace = bytesPerSecond === undefined ? undefined : new Pace(bytesPerSecond);
  return {
    createPack: (name) => store.createPack(name),
    open: async (ref) => metered(await store.open(ref), pace),
  };
}

function metered(source: ByteSource, pace: Pace | undefined): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    read: async (offset, length) => {
      const bytes = await source.read(offset, length);
      await taken(bytes.byteLength, pace);
      return bytes;
    },
    // What may not go faster comes in slices.
    ...(pace === undefined && source.readInto !== undefined ? { readInto: meteredReadInto(source.readInto) } : {}),
    stream: (offset, length) => meteredStream(source.stream(offset, length), pace),
    close: () => source.close(),
  };
}

function meteredReadInto(readInto: NonNullable<ByteSource['readInto']>): NonNullable<ByteSource['readInto']> {
  return async (bytes, offset) => {
    await readInto(bytes, offset);
    await taken(bytes.byteLength, undefined);
  };
}

async function* meteredStream(chunks: AsyncIterable<Uint8Array>, pace: Pace | undefined): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (pace === undefined) {
      await taken(chunk.byteLength, pace);
      yield chunk;
      continue;
    }
    for (let at = 0; at < chunk.byteLength; at += pace.sliceBytes) {
      const slice = chunk.subarray(at, at + pace.sliceBytes);
      await taken(slice.byteLength, pace);
      yield slice;
    }
  }
}

async function taken(bytes: number, pace: Pace | undefined): Promise<void> {
  const notes = attemptNotes();
  if (notes !== undefined) notes.sizeBytes += bytes;
  await pace?.take(bytes, notes?.signal);
}

/** A token bucket that holds one slice: who takes waits until what was taken before has had its time. */
class Pace {
  readonly sliceBytes: number;
  readonly #bytesPerMs: number;
  /** When everything that was promised so far has had its time. */
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.sliceBytes = Math.max(LEAST_SLICE_BYTES, Math.floor(bytesPerSecond / SLICES_A_SECOND));
  }

  /** In the order asked, so that deliveries at the same time share alike. */
  async take(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + bytes / this.#bytesPerMs;
    const waitMs = this.#freeAtMs - nowMs;
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, waitMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
