/** A range of a pack in the bucket. What is read first lies at the beginning nearly always, so opening brings that along. */
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { type ErrorFields, HubError } from '../../../core/errors.ts';
import { rangedSource } from '../../../core/ranged-source.ts';
import { type BlobRef, type ByteSource, parseBlobRef } from '../../../core/store.ts';
import type { Bucket } from './client.ts';
import { refusal } from './refusal.ts';

const CHUNK_BYTES = 1024 * 1024;
/** Brought along by opening: the header of any instance, and most instances whole. */
const FIRST_BYTES = CHUNK_BYTES;
/** Of a stream; one is read ahead while the one before is used. */
const WINDOW_BYTES = 4 * CHUNK_BYTES;
/** A body that breaks off is asked for again; the SDK repeats only what has no answer yet. */
const ATTEMPTS = 3;

/** One request, which also says whether all of it is there. @throws {HubError} `store.missing`, `store.unreachable` … */
export async function openS3Blob(bucket: Bucket, ref: BlobRef): Promise<ByteSource> {
  const { pack, offset: start, length: sizeBytes } = parseBlobRef(ref);
  const closing = new AbortController();
  const fetch = (offset: number, length: number) =>
    rangeOf(
      bucket,
      { pack, start: start + offset, length, isAllOf: start + sizeBytes, signal: closing.signal },
      { ref },
    );
  if (sizeBytes === 0) await requireLength(bucket, pack, start, { ref });
  const first = sizeBytes === 0 ? Buffer.alloc(0) : joined(await fetch(0, Math.min(FIRST_BYTES, sizeBytes)));

  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    if (length === 0) return new Uint8Array(0);
    if (offset + length <= first.length) return Uint8Array.prototype.slice.call(first, offset, offset + length);
    return joined(await fetch(offset, length));
  };
  const close = () => {
    closing.abort();
    return Promise.resolve();
  };
  return {
    ...rangedSource(sizeBytes, read, close),
    async *stream(offset = 0, length = sizeBytes - offset) {
      const end = Math.min(sizeBytes, offset + length);
      let at = Math.min(offset, end);
      if (at < Math.min(first.length, end)) {
        const chunk = Uint8Array.prototype.slice.call(first, at, Math.min(first.length, end));
        at += chunk.length;
        yield chunk;
      }
      const window = (from: number) => (from < end ? fetch(from, Math.min(WINDOW_BYTES, end - from)) : undefined);
      let next = window(at);
      while (next !== undefined) {
        const chunks = await next;
        at += WINDOW_BYTES;
        next = window(at);
        // Whoever stops early never waits for it; who goes on gets the failure above.
        next?.catch(() => undefined);
        yield* chunks;
      }
    },
  };
}

interface Range {
  readonly pack: string;
  readonly start: number;
  readonly length: number;
  /** The pack is at least so long, or bytes are missing. */
  readonly isAllOf: number;
  readonly signal: AbortSignal;
}

/** Exactly the range, in chunks of at most 1 MiB, each a buffer of its own. */
async function rangeOf(bucket: Bucket, range: Range, fields: ErrorFields): Promise<readonly Uint8Array[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await rangeOnce(bucket, range);
    } catch (error) {
      const failure = refusal(error, fields);
      const isWorthIt = failure.code === 'store.unreachable' && !range.signal.aborted && isBroken(error);
      if (!isWorthIt || attempt >= ATTEMPTS) throw failure;
    }
  }
}

/** The answer began and did not end: nothing below has tried it again. */
class BrokenBody extends Error {
  readonly code = 'ECONNRESET';
}

const isBroken = (error: unknown): boolean => error instanceof BrokenBody;

async function rangeOnce(
  bucket: Bucket,
  { pack, start, length, isAllOf, signal }: Range,
): Promise<readonly Uint8Array[]> {
  const answer = await bucket.client.send(
    new GetObjectCommand({ Bucket: bucket.name, Key: bucket.key(pack), Range: `bytes=${start}-${start + length - 1}` }),
    { abortSignal: signal },
  );
  const body = answer.Body as NodeJS.ReadableStream & { destroy(error?: Error): void };
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange ?? '') ?? [];
  if (Number(from) !== start || Number(total) < isAllOf) {
    body.destroy();
    const detail = from === undefined ? 'the store answers no ranges' : 'the pack is shorter than that';
    throw new HubError(from === undefined ? 'store.failed' : 'store.missing', { pack, detail });
  }
  return await chunksOf(body, length, bucket.idleTimeoutMs, signal);
}

async function chunksOf(
  body: NodeJS.ReadableStream & { destroy(error?: Error): void },
  length: number,
  idleTimeoutMs: number,
  signal: AbortSignal,
): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  let filled = 0;
  // The SDK watches a connection until the answer begins; from there on it is watched here.
  const idle = setTimeout(() => body.destroy(new BrokenBody('silent for too long')), idleTimeoutMs);
  const end = () => body.destroy(new BrokenBody('given up'));
  signal.addEventListener('abort', end, { once: true });
  try {
    for await (const piece of body) {
      idle.refresh();
      const bytes = piece as Buffer;
      for (let taken = 0; taken < bytes.length;) {
        const inChunk = filled % CHUNK_BYTES;
        if (inChunk === 0) chunks.push(new Uint8Array(Math.min(CHUNK_BYTES, Math.max(0, length - filled))));
        const some = bytes.subarray(taken, taken + CHUNK_BYTES - inChunk);
        chunks.at(-1)?.set(some, inChunk);
        filled += some.length;
        taken += some.length;
      }
    }
  } catch (error) {
    throw error instanceof BrokenBody ? error : new BrokenBody('the answer broke off', { cause: error });
  } finally {
    clearTimeout(idle);
    signal.removeEventListener('abort', end);
  }
  if (filled !== length) throw new BrokenBody('the answer ended early');
  return chunks;
}

async function requireLength(bucket: Bucket, pack: string, sizeBytes: number, fields: ErrorFields): Promise<void> {
  try {
    const { ContentLength = 0 } = await bucket.client.send(
      new HeadObjectCommand({ Bucket: bucket.name, Key: bucket.key(pack) }),
    );
    if (ContentLength < sizeBytes)
      throw new HubError('store.missing', { ...fields, detail: 'the pack is shorter than that' });
  } catch (error) {
    throw refusal(error, fields);
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  return Uint8Array.from(Buffer.concat(chunks));
}
