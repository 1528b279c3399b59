/** A DICOMweb service as we come to it: its base, our credentials and certificate, and one renewal of a token that is refused. */
import type { TlsIdentity } from '../../peers/tls-identity.ts';
import { type Answer, exchange } from '../exchange.ts';
import type { TokenSource } from './token.ts';

export interface Service {
  /** Base of the DICOMweb service, without a slash at its end. */
  readonly url: string;
  readonly hasCredentials: boolean;
  readonly tls: TlsIdentity | undefined;
  readonly connectTimeoutMs: number;
  ask(request: ServiceRequest): Promise<Answer>;
  /** Gets a token, where the service wants one of a token server. @throws {HubError} `partner.…` when there is none */
  readonly authorize: ((signal: AbortSignal) => Promise<void>) | undefined;
}

export interface ServiceRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** With one it is a POST. Made anew for each try. */
  readonly body?: () => {
    readonly sizeBytes: number;
    readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  };
  readonly signal: AbortSignal;
}

export interface ServiceOptions extends Omit<Service, 'ask' | 'authorize' | 'hasCredentials'> {
  /** Sent with each request: the configured ones, and credentials that do not change. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tokens: TokenSource | undefined;
  readonly answerTimeoutMs: number;
}

const UNAUTHORIZED = 401;

export function serviceOf(options: ServiceOptions): Service {
  const { tokens, tls, connectTimeoutMs } = options;
  const send = async (request: ServiceRequest, token: string | undefined) =>
    await exchange({
      method: request.body === undefined ? 'GET' : 'POST',
      url: request.url,
      headers: {
        ...options.headers,
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...request.headers,
      },
      body: request.body?.() ?? { sizeBytes: 0, chunks: [] },
      connectTimeoutMs,
      idleTimeoutMs: options.answerTimeoutMs,
      signal: request.signal,
      ...(tls === undefined ? {} : { tls }),
    });
  return {
    url: options.url,
    hasCredentials: tokens !== undefined || 'Authorization' in options.headers,
    ...{ tls, connectTimeoutMs },
    authorize:
      tokens === undefined
        ? undefined
        : async (signal) => {
            await tokens.token(signal);
          },
    ask: async (request) => {
      if (tokens === undefined) return await send(request, undefined);
      const token = await tokens.token(request.signal);
      const answer = await send(request, token);
      if (answer.status !== UNAUTHORIZED) return answer;
      // Revoked before its time, or its keys were changed: a new one, once. A second refusal is an answer.
      tokens.forget(token);
      return await send(request, await tokens.token(request.signal));
    },
  };
}
