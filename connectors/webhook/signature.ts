/**
 * Signs as Standard Webhooks 1.0.0 says, over `id.timestamp.body`: `v1,` and the base64 of an HMAC-SHA256, which whoever has
 * the secret can make too; `v1a,` and the base64 of an Ed25519 signature, which only the hub can.
 */
import { createHmac, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { HubError } from '../../core/errors.ts';

const SECRET_PREFIX = 'whsec_';
const PRIVATE_PREFIX = 'whsk_';
const PUBLIC_PREFIX = 'whpk_';
const MIN_BYTES = 24;
const MAX_BYTES = 64;
/** RFC 8410 Section 7: what stands before the 32 bytes of an Ed25519 seed in PKCS #8. */
const PKCS8_OF_SEED = Buffer.from('302e020100300506032b657004220420', 'hex');
const ED25519_BYTES = 32;

/** Keys of one age: the secret that both sides have, and the key pair that only the hub has whole. */
export interface SigningKeys {
  readonly hmac: Buffer;
  readonly ed25519?: KeyObject;
}

/** Bytes of a `whsec_` secret. @throws {HubError} `config.invalid`; the secret is not in it */
export function parseSecret(text: string): Buffer {
  const encoded = text.trim();
  const bytes = Buffer.from(encoded.slice(SECRET_PREFIX.length), 'base64');
  if (!encoded.startsWith(SECRET_PREFIX) || bytes.byteLength < MIN_BYTES || bytes.byteLength > MAX_BYTES) {
    throw new HubError('config.invalid', {
      detail: `a webhook's secret is ${SECRET_PREFIX} and the base64 of ${MIN_BYTES} to ${MAX_BYTES} random bytes`,
    });
  }
  return bytes;
}

/** An Ed25519 key as Standard Webhooks writes it: `whsk_` and the base64 of its seed. @throws {HubError} `config.invalid` */
export function parseSigningKey(text: string): KeyObject {
  const encoded = text.trim();
  const bytes = Buffer.from(encoded.slice(PRIVATE_PREFIX.length), 'base64');
  // Some write the public key behind the seed.
  if (!encoded.startsWith(PRIVATE_PREFIX) || ![ED25519_BYTES, 2 * ED25519_BYTES].includes(bytes.byteLength)) {
    throw new HubError('config.invalid', {
      detail: `a webhook's signing key is ${PRIVATE_PREFIX} and the base64 of ${ED25519_BYTES} random bytes`,
    });
  }
  return ed25519Key(bytes.subarray(0, ED25519_BYTES));
}

export function formatSecret(bytes: Uint8Array): string {
  return SECRET_PREFIX + Buffer.from(bytes).toString('base64');
}

/** @param seed - 32 random bytes */
export function ed25519Key(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_OF_SEED, seed]), format: 'der', type: 'pkcs8' });
}

/** `whpk_…`, by which anybody can verify `v1a` signatures. */
export function publicKeyOf(key: KeyObject): string {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return PUBLIC_PREFIX + spki.subarray(-ED25519_BYTES).toString('base64');
}

/**
 * @param keys - the current ones first; while they are being changed the old ones sign too
 * @param timestamp - seconds since 1970; receivers refuse what is older than five minutes, so each attempt has its own
 */
export function signedHeaders(
  keys: readonly SigningKeys[],
  id: string,
  timestamp: number,
  body: string,
): Readonly<Record<string, string>> {
  const content = Buffer.from(`${id}.${timestamp}.${body}`);
  const hmacs = keys.map(({ hmac }) => `v1,${createHmac('sha256', hmac).update(content).digest('base64')}`);
  const signatures = keys.flatMap(({ ed25519 }) =>
    ed25519 === undefined ? [] : [`v1a,${sign(null, content, ed25519).toString('base64')}`],
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': [...hmacs, ...signatures].join(' '),
  };
}
