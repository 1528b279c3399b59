/**
 * One signed request to an endpoint that may be anything: a server that hangs, answers without end, or sends us elsewhere.
 * The status decides; of the body only so much is read as lets the connection be used again.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { HubError } from '../../core/errors.ts';
import type { Answer } from '../exchange.ts';
import { firstAnswer } from '../first-answer.ts';
import type { AddressGuard } from './address-guard.ts';

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Until the status is there. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type Posted = Pick<Answer, 'status' | 'headers'>;

export interface Poster {
  /**
   * Redirects are not followed: their status is the answer.
   *
   * @throws {HubError} `partner.refused` when the address may not be called, `partner.unreachable`, `partner.timeout`
   */
  post(request: Post): Promise<Posted>;
  close(): void;
}

/** A body up to here is read, for that long, so that its connection can be used again; any other ends with its head. */
const READ_BYTES = 16 * 1024;
const READ_MS = 1_000;
const IDLE_SOCKET_MS = 4_000;
const MAX_SOCKETS = 16;
const MAX_FREE_SOCKETS = 4;

/** With connections of its own, which `guard` lets through: a name is asked for whenever one is made. */
export function createPoster(guard: AddressGuard): Poster {
  const options = {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    maxFreeSockets: MAX_FREE_SOCKETS,
    timeout: IDLE_SOCKET_MS,
    scheduling: 'lifo',
  } as const;
  const agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) };

  const attempt = async (given: Post, isFresh: boolean): Promise<Posted> => {
    const { url, headers, body, timeoutMs, signal } = given;
    const isTls = url.protocol === 'https:';
    const payload = Buffer.from(body);
    let isConnected = false;
    const request = (isTls ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Length': String(payload.byteLength) },
      agent: isFresh ? false : isTls ? agents['https:'] : agents['http:'],
      lookup: guard.lookup,
      signal,
    });
    const late = setTimeout(() => {
      request.destroy(
        new HubError(isConnected ? 'partner.timeout' : 'partner.unreachable', { detail: 'no answer in time' }),
      );
    }, timeoutMs);
    request.once('socket', (socket) => {
      if (socket.connecting) socket.once(isTls ? 'secureConnect' : 'connect', () => (isConnected = true));
      else isConnected = true;
    });
    // Also after the answer: what it fails with then has been decided.
    request.on('error', () => undefined);
    try {
      const answered = firstAnswer(request);
      request.end(payload);
      const response = await answered;
      discard(response);
      return { status: response.statusCode ?? 0, headers: response.headers };
    } catch (error) {
      signal.throwIfAborted();
      // Closed by the other side just when it was to be used again: nobody has read the request, or it is seen by its id.
      if (request.reusedSocket && isReset(error)) return await attempt(given, true);
      throw translate(error, isConnected);
    } finally {
      clearTimeout(late);
    }
  };

  return {
    post: async (given) => {
      given.signal.throwIfAborted();
      guard.checkUrl(given.url);
      return await attempt(given, false);
    },
    close: () => {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

/** Reads on in the background, within bounds. */
function discard(response: IncomingMessage): void {
  let left = READ_BYTES;
  const late = setTimeout(() => response.destroy(), READ_MS);
  response.on('data', (part: Buffer) => {
    left -= part.byteLength;
    if (left < 0) response.destroy();
  });
  response.on('error', () => undefined);
  response.once('close', () => clearTimeout(late));
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function translate(error: unknown, isConnected: boolean): unknown {
  if (error instanceof HubError) return error;
  if (!(error instanceof Error)) return error;
  // What the system says may name addresses: only its code is passed on.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const detail = isConnected ? 'the connection broke' : 'no connection';
  return new HubError('partner.unreachable', { reason: code, detail }, error);
}
