/** One HTTP exchange with a destination: streamed out, read back whole within a bound, every failure with its retry class. */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { HubError } from '../core/errors.ts';
import { type TlsIdentity, tlsOptions } from '../peers/tls-identity.ts';
import { attemptNotes } from './attempt-notes.ts';
import { firstAnswer } from './first-answer.ts';

export interface ExchangeOptions {
  readonly method: 'POST' | 'GET';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly sizeBytes: number; readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };
  /** Until the connection stands. */
  readonly connectTimeoutMs: number;
  /** Without a byte in either direction. */
  readonly idleTimeoutMs: number;
  /** The whole exchange; absent: as long as bytes move. */
  readonly totalTimeoutMs?: number;
  readonly signal: AbortSignal;
  /** Resolves names; may refuse addresses. Not asked for addresses that stand in the URL. */
  readonly lookup?: LookupFunction;
  readonly tls?: TlsIdentity;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An answer longer than this is cut: no destination of ours has that much to say. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * Sends a request and reads the answer. Redirects are not followed.
 *
 * @throws {HubError} `partner.unreachable` when no connection came about or it broke, `partner.timeout` when the
 * destination may have the request but did not answer; and whatever reading the body throws
 */
export async function exchange(options: ExchangeOptions): Promise<Answer> {
  const { url, body, signal } = options;
  signal.throwIfAborted();
  const notes = attemptNotes();
  // The path of a webhook may be its secret.
  notes?.asked(`${options.method} ${url.origin}, ${String(body.sizeBytes)} bytes`);
  const stop = new AbortController();
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method: options.method,
    headers: { ...options.headers, 'Content-Length': String(body.sizeBytes) },
    // A connection of its own: one kept open may be closed by the other side just when we use it.
    agent: false,
    signal: AbortSignal.any([signal, stop.signal]),
    ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    ...tlsOptions(options.tls),
  });
  const timers = watch(request, options);
  const answered = firstAnswer(request);
  // The outcome is decided by the answer; a broken connection rejects it too.
  const written = writeBody(request, body.chunks, answered).catch((error: unknown) => {
    request.destroy(error instanceof Error ? error : new Error('body'));
  });
  try {
    const response = await answered;
    const answer = { status: response.statusCode ?? 0, headers: response.headers, body: await readBody(response) };
    notes?.answered(`${String(answer.status)}, ${String(answer.body.byteLength)} bytes`);
    return answer;
  } catch (error) {
    throw translate(error, timers.isConnected());
  } finally {
    timers.stop();
    stop.abort();
    await written;
  }
}

/** What a status that is not a success means. */
export function refusalOf({ status, headers }: Pick<Answer, 'status' | 'headers'>): HubError {
  if (status === 429 || status === 408 || status >= 500) {
    const retryAfterMs = parseRetryAfter(headers['retry-after']);
    return new HubError('partner.busy', { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }
  if (status >= 300 && status < 400) {
    return new HubError('partner.refused', { status, detail: 'redirects are not followed: configure the final URL' });
  }
  return new HubError('partner.refused', { status });
}

export function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  // RFC 9110 Section 10.2.3: seconds or a date
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}

function watch(request: ClientRequest, options: ExchangeOptions): { isConnected: () => boolean; stop: () => void } {
  let isConnected = false;
  const late = (code: 'partner.unreachable' | 'partner.timeout', detail: string) =>
    request.destroy(new HubError(code, { detail }));
  const connecting = setTimeout(() => late('partner.unreachable', 'no connection in time'), options.connectTimeoutMs);
  const total =
    options.totalTimeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          late(isConnected ? 'partner.timeout' : 'partner.unreachable', 'no answer in time');
        }, options.totalTimeoutMs);
  request.once('socket', (socket) => {
    // With TLS the exchange begins after the handshake; what failed before reached nobody.
    socket.once(options.url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      isConnected = true;
      clearTimeout(connecting);
      socket.setTimeout(options.idleTimeoutMs, () => late('partner.timeout', 'no answer in time'));
    });
  });
  return {
    isConnected: () => isConnected,
    stop: () => {
      clearTimeout(connecting);
      clearTimeout(total);
    },
  };
}

async function writeBody(
  request: ClientRequest,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  answered: Promise<unknown>,
): Promise<void> {
  // A refusal may come before the body is through (401, 413): the rest need not be sent.
  const end = new AbortController();
  const over = answered.then(
    () => end.abort(),
    () => end.abort(),
  );
  for await (const chunk of chunks) {
    if (end.signal.aborted) return;
    if (!request.write(chunk)) await Promise.race([new Promise((drained) => request.once('drain', drained)), over]);
  }
  request.end();
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    sizeBytes += part.byteLength;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new HubError('partner.refused', { detail: 'its answer is too long' });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function translate(error: unknown, isConnected: boolean): unknown {
  if (error instanceof HubError) return error;
  if (!(error instanceof Error) || error.name === 'AbortError') return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return new HubError(
    'partner.unreachable',
    { reason: code, detail: isConnected ? 'the connection broke' : 'no connection' },
    error,
  );
}
