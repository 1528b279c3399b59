/** Keys of webhooks that partners manage: made here, shown once, and kept where only the hub's own key opens them. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { HubError } from '../../core/errors.ts';
import type { NewWebhookSecret } from '../../core/ledger/webhooks.ts';
import { ed25519Key, formatSecret, publicKeyOf, type SigningKeys } from './signature.ts';

/** The purpose of the hub's key, and so the name of its file under `keys/`. */
export const WEBHOOKS_PURPOSE = 'webhooks';

const SECRET_BYTES = 32;
const SEED_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
/** Opened ones, of as many webhooks as are busy. */
const KEPT = 1_000;

export interface FreshWebhookKeys {
  /** `whsec_…`: the only time it is seen. */
  readonly secret: string;
  /** For the ledger. */
  readonly kept: NewWebhookSecret;
}

export interface KeyBox {
  make(webhookId: string): FreshWebhookKeys;
  /** @throws {HubError} `config.invalid` when the hub's key is not the one it was sealed with */
  open(webhookId: string, sealed: string): SigningKeys;
}

/** @param key - 32 secret bytes, the same on every start and for every replica */
export function createKeyBox(key: Uint8Array): KeyBox {
  const opened = new Map<string, SigningKeys>();
  return {
    make: (webhookId) => {
      const plain = randomBytes(SECRET_BYTES + SEED_BYTES);
      const nonce = randomBytes(NONCE_BYTES);
      // The id is sealed in: a row that is copied to another webhook does not open there.
      const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(webhookId));
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      const sealed = Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
      const publicKey = publicKeyOf(ed25519Key(plain.subarray(SECRET_BYTES)));
      return { secret: formatSecret(plain.subarray(0, SECRET_BYTES)), kept: { sealed, publicKey } };
    },
    open: (webhookId, sealed) => {
      const name = `${webhookId} ${sealed}`;
      const known = opened.get(name);
      if (known !== undefined) return known;
      const plain = unseal(key, webhookId, sealed);
      const keys = { hmac: plain.subarray(0, SECRET_BYTES), ed25519: ed25519Key(plain.subarray(SECRET_BYTES)) };
      const [oldest] = opened.keys();
      if (opened.size >= KEPT && oldest !== undefined) opened.delete(oldest);
      opened.set(name, keys);
      return keys;
    },
  };
}

function unseal(key: Uint8Array, webhookId: string, sealed: string): Buffer {
  const bytes = Buffer.from(sealed, 'base64');
  const text = bytes.subarray(NONCE_BYTES + TAG_BYTES);
  try {
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(webhookId))
      .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch (error) {
    const detail = `keys/${WEBHOOKS_PURPOSE}.key is not the key that the webhooks of partners were made with`;
    throw new HubError('config.invalid', { detail }, error);
  }
}
