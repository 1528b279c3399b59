/** Signs as Standard Webhooks 1.0.0 says: `v1,<base64 HMAC-SHA256 of id.timestamp.body>`. */
import { createHmac } from 'node:crypto';
import { HubError } from '../../core/errors.ts';

const PREFIX = 'whsec_';
const MIN_BYTES = 24;
const MAX_BYTES = 64;

/** Bytes of a `whsec_` secret. @throws {HubError} `config.invalid`; the secret is not in it */
export function parseSecret(text: string): Buffer {
  const encoded = text.trim();
  const bytes = Buffer.from(encoded.slice(PREFIX.length), 'base64');
  if (!encoded.startsWith(PREFIX) || bytes.byteLength < MIN_BYTES || bytes.byteLength > MAX_BYTES) {
    throw new HubError('config.invalid', {
      detail: `a webhook's secret is ${PREFIX} and the base64 of ${MIN_BYTES} to ${MAX_BYTES} random bytes`,
    });
  }
  return bytes;
}

/**
 * @param secrets - the current one first; while a secret is being changed the old one signs too
 * @param timestamp - seconds since 1970; receivers refuse what is older than five minutes, so each attempt has its own
 */
export function signedHeaders(
  secrets: readonly Buffer[],
  id: string,
  timestamp: number,
  body: string,
): Readonly<Record<string, string>> {
  const sign = (secret: Buffer) => createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': secrets.map((secret) => `v1,${sign(secret)}`).join(' '),
  };
}
