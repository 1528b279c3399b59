/** Access tokens by OAuth 2.0 client credentials (RFC 6749 Section 4.4): asked for once, shared, renewed before they end. */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import type { TlsIdentity } from '../../peers/tls-identity.ts';
import { exchange, refusalOf } from '../exchange.ts';

export interface TokenOptions {
  readonly tokenUrl: URL;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
  /** RFC 6749 Section 2.3.1: in the Authorization header, or in the form. */
  readonly credentialsIn: 'header' | 'form';
  readonly tls: TlsIdentity | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** So long before its end a token is renewed, or after four fifths of its life where that is later. */
const RENEW_BEFORE_MS = 60_000;
const USED_PART = 0.8;

/** RFC 6749 Section 5.1 */
const answerSchema = z.looseObject({
  access_token: z.string().regex(/^[\x21-\x7e]{1,16384}$/),
  token_type: z.string(),
  expires_in: z.coerce.number().positive().optional(),
});
/** RFC 6749 Section 5.2: the codes there are; anything else may be what the server made up. */
const refusalSchema = z.looseObject({
  error: z.enum([
    'invalid_request',
    'invalid_client',
    'invalid_grant',
    'unauthorized_client',
    'unsupported_grant_type',
    'invalid_scope',
    'invalid_target',
  ]),
});

interface Token {
  readonly value: string;
  /** Of `performance.now()`. */
  readonly renewAtMs: number;
}

export class TokenSource {
  readonly #options: TokenOptions;
  #token: Token | undefined;
  #underWay: Promise<Token> | undefined;

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** One that is good for a while yet. @throws {HubError} `partner.…` when the token server gives none */
  async token(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#token !== undefined && performance.now() < this.#token.renewAtMs) return this.#token.value;
    // One question for all deliveries that wait; an end of one of them is not the end of the others.
    this.#underWay ??= this.#ask().finally(() => (this.#underWay = undefined));
    this.#underWay.catch(() => undefined);
    const { value } = await untilAborted(this.#underWay, signal);
    return value;
  }

  /** Somebody refused it before its time. */
  forget(value: string): void {
    if (this.#token?.value === value) this.#token = undefined;
  }

  async #ask(): Promise<Token> {
    const { tokenUrl, clientId, clientSecret, scope, audience, credentialsIn, tls } = this.#options;
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope === undefined ? {} : { scope }),
      ...(audience === undefined ? {} : { audience }),
      ...(credentialsIn === 'form' ? { client_id: clientId, client_secret: clientSecret } : {}),
    });
    const body = Buffer.from(form.toString());
    const askedAtMs = performance.now();
    const answer = await exchange({
      method: 'POST',
      url: tokenUrl,
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Accept: 'application/json',
        ...(credentialsIn === 'form' ? {} : { Authorization: basicOf(clientId, clientSecret) }),
      },
      body: { sizeBytes: body.byteLength, chunks: [body] },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      idleTimeoutMs: ANSWER_TIMEOUT_MS,
      totalTimeoutMs: ANSWER_TIMEOUT_MS,
      signal: new AbortController().signal,
      ...(tls === undefined ? {} : { tls }),
    }).catch((error: unknown) => {
      // Nobody got anything of the study yet: what is not known here may be tried again.
      const failure = error instanceof HubError ? error.fields : {};
      throw new HubError('partner.unreachable', { ...failure, detail: 'the token server does not answer' }, error);
    });
    const json = parseJson(answer.body);
    if (answer.status !== 200) {
      const refused = refusalSchema.safeParse(json);
      const { code, fields } = refusalOf(answer);
      const why = refused.success ? `: ${refused.data.error}` : '';
      throw new HubError(code, { ...fields, detail: `the token server gives no token${why}` });
    }
    const given = answerSchema.safeParse(json);
    if (!given.success || given.data.token_type.toLowerCase() !== 'bearer')
      throw new HubError('partner.refused', { detail: 'the answer of the token server is none of OAuth 2.0' });
    const lifeMs = (given.data.expires_in ?? Infinity) * 1_000;
    const renewAtMs = askedAtMs + Math.max(lifeMs - RENEW_BEFORE_MS, lifeMs * USED_PART);
    return (this.#token = { value: given.data.access_token, renewAtMs });
  }
}

/** RFC 6749 Section 2.3.1: both are form-encoded first. */
function basicOf(clientId: string, clientSecret: string): string {
  const encoded = (text: string) => new URLSearchParams({ _: text }).toString().slice(2);
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')}`;
}

async function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const ended = Promise.withResolvers<never>();
  const onAbort = (): void => {
    ended.reject(signal.reason instanceof Error ? signal.reason : new HubError('command.interrupted'));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // Not JSON: the schema refuses undefined.
    return undefined;
  }
}
