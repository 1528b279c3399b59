/** How a retrieve is answered: streamed with back-pressure, so that a study of any size passes through a few chunks of memory. */
import { createHash, randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { HubError } from '../../core/errors.ts';

export interface OutgoingPart {
  readonly contentType: string;
  readonly location?: string;
  readonly body: AsyncIterable<Uint8Array>;
}

const CRLF = '\r\n';
const OF_THE_RESOURCE = ['ETag', 'Accept-Ranges', 'Content-Range', 'Content-Disposition'];

/**
 * Sends a body. It is asked for its first chunk before a header goes out, so that what fails at once is still
 * answered as a problem; what fails later cuts the connection, for half an answer must not look like a whole one.
 */
export async function sendStream(
  request: Request,
  response: Response,
  contentType: string,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  if (request.method === 'HEAD') {
    response.setHeader('Content-Type', contentType);
    response.end();
    return;
  }
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next().catch((error: unknown) => {
    // They are the resource's, and a problem is sent instead of it: a client that kept it by them would be told for ever
    // after that nothing has changed.
    for (const name of OF_THE_RESOURCE) response.removeHeader(name);
    throw error;
  });
  response.setHeader('Content-Type', contentType);
  try {
    await pipeline(async function* () {
      try {
        if (first.done !== true) yield first.value;
        for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
      } finally {
        await chunks.return?.();
      }
    }, response);
  } catch (error) {
    // A viewer that turns to the next study hangs up: nobody is there to be told.
    if (!hasHungUp(error)) throw error;
  }
}

/** PS3.18 Section 8.6.1.2.2: multipart/related. @param type - of the parts, for the `type` parameter */
export async function sendMultipart(
  request: Request,
  response: Response,
  type: string,
  parts: AsyncIterable<OutgoingPart> | Iterable<OutgoingPart>,
): Promise<void> {
  const boundary = `hub-${randomUUID()}`;
  await sendStream(
    request,
    response,
    `multipart/related; type="${type}"; boundary=${boundary}`,
    framed(parts, boundary),
  );
}

async function* framed(
  parts: AsyncIterable<OutgoingPart> | Iterable<OutgoingPart>,
  boundary: string,
): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const { contentType, location, body } of parts) {
    const lines = [
      `${isFirst ? '' : CRLF}--${boundary}`,
      `Content-Type: ${contentType}`,
      ...(location === undefined ? [] : [`Content-Location: ${location}`]),
      '',
      '',
    ];
    isFirst = false;
    // The header goes out with the first bytes: a part that cannot be made has not begun.
    let header = Buffer.from(lines.join(CRLF), 'latin1');
    for await (const chunk of body) {
      if (header.length > 0) yield header;
      header = Buffer.alloc(0);
      yield chunk;
    }
    if (header.length > 0) yield header;
  }
  yield Buffer.from(`${isFirst ? '' : CRLF}--${boundary}--${CRLF}`, 'latin1');
}

/** A body that is there already. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** A resource whose bytes can be read from anywhere, whole or by one range (RFC 9110 Section 14). */
export async function sendRange(
  request: Request,
  response: Response,
  contentType: string,
  sizeBytes: number,
  read: (offset: number, length: number) => AsyncIterable<Uint8Array>,
): Promise<void> {
  response.setHeader('Accept-Ranges', 'bytes');
  const range = rangeOf(request, sizeBytes, response);
  const { offset, length } = range ?? { offset: 0, length: sizeBytes };
  response.setHeader('Content-Length', String(length));
  if (range !== undefined) {
    response.status(206);
    response.setHeader('Content-Range', `bytes ${offset}-${offset + length - 1}/${sizeBytes}`);
  }
  await sendStream(request, response, contentType, read(offset, length));
}

/** One range, of GET; several, or what is not understood, may be ignored, and the whole is sent. @throws {HubError} `request.range` */
function rangeOf(
  request: Request,
  sizeBytes: number,
  response: Response,
): { readonly offset: number; readonly length: number } | undefined {
  // RFC 9110 Section 14.2: of another method a range means nothing.
  if (request.method !== 'GET') return undefined;
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/i.exec(request.headers.range ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  // Section 14.1.1: not a range at all, as one that ends before it begins.
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== response.getHeader('ETag')) return undefined;
  const offset = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (offset > end) {
    response.setHeader('Content-Range', `bytes */${sizeBytes}`);
    throw new HubError('request.range', { detail: `the resource has ${sizeBytes} bytes` });
  }
  return { offset, length: end - offset + 1 };
}

export interface Freshness {
  /** Digests of the bytes the answer is made from. */
  readonly of: readonly string[];
  /** What of the request changes the answer: transfer syntax, window, … */
  readonly variant: string;
}

/** Sets the headers of a private cache. @returns true when the client has it already: it has been answered 304 */
export function isFresh(request: Request, response: Response, { of, variant }: Freshness): boolean {
  const digest = createHash('sha256');
  for (const one of of) digest.update(one);
  const etag = `"${digest.update(variant).digest('hex').slice(0, 32)}"`;
  response.setHeader('ETag', etag);
  // Patient data: for the one who asked, never for a cache that others share; and to be asked about each time, for a
  // study grows, and where it is configured so a later instance takes the place of one with its UID.
  response.setHeader('Cache-Control', 'private, no-cache');
  response.vary('Accept').vary('Authorization');
  const known = request.headers['if-none-match'];
  if (known === undefined) return false;
  if (known.trim() !== '*' && !known.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)) return false;
  response.status(304).end();
  return true;
}

function hasHungUp(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE';
}
