/**
 * The hub's signature under a report: Ed25519 (RFC 8032) over the report's canonical JSON (RFC 8785) without the member
 * `signature`. A partner can prove years later what was said, with openssl and the hub's public key.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import * as z from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { HubError } from '../../core/errors.ts';

/** Purpose of the secret the key is made from: `keys/report-signing.key`, or `HUB_REPORT_SIGNING_KEY`. */
export const SIGNING_PURPOSE = 'report-signing';

/** PKCS #8 around the 32 bytes of an Ed25519 private key (RFC 8410 Section 7). */
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex');

const signatureSchema = z.object({
  algorithm: z.literal('Ed25519'),
  canonicalization: z.literal('RFC 8785'),
  /** SHA-256 of the public key as SubjectPublicKeyInfo, hexadecimal: tells keys apart, proves nothing. */
  keyId: z.string(),
  /** Base64. */
  value: z.base64(),
});
export type ReportSignature = z.infer<typeof signatureSchema>;

/** Signs as it was when the hub said it; the same report and key give the same signature. */
export interface ReportSigner {
  readonly keyId: string;
  /** SubjectPublicKeyInfo in PEM, for partners. */
  readonly publicKeyPem: string;
  sign<Report extends object>(report: Report): Report & { readonly signature: ReportSignature };
}

/** @param secret - 32 bytes, the same on every start */
export function createReportSigner(secret: Uint8Array): ReportSigner {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, secret]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key);
  const keyId = keyIdOf(publicKey);
  return {
    keyId,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (report) => {
      const value = sign(undefined, Buffer.from(canonicalJson(report), 'utf8'), key).toString('base64');
      return { ...report, signature: { algorithm: 'Ed25519', canonicalization: 'RFC 8785', keyId, value } };
    },
  };
}

/** `unsigned` has no signature to look at; `other-key` was signed with another key than the one given. */
export type SignatureVerdict = 'valid' | 'changed' | 'other-key' | 'unsigned';

/**
 * @param document - a signed report, parsed
 * @param publicKeyPem - of the hub that is said to have written it, got from that hub and not from the report
 * @throws {HubError} `command.usage` when it is no Ed25519 public key
 */
export function verifyReport(document: unknown, publicKeyPem: string): SignatureVerdict {
  const key = parsePublicKey(publicKeyPem);
  if (typeof document !== 'object' || document === null || !('signature' in document)) return 'unsigned';
  const { signature, ...report } = document;
  const stated = signatureSchema.safeParse(signature);
  if (!stated.success) return 'unsigned';
  if (stated.data.keyId !== keyIdOf(key)) return 'other-key';
  const isValid = verify(
    undefined,
    Buffer.from(canonicalJson(report), 'utf8'),
    key,
    Buffer.from(stated.data.value, 'base64'),
  );
  return isValid ? 'valid' : 'changed';
}

function parsePublicKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw new HubError('command.usage', { detail: 'the key is no public key in PEM' }, error);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new HubError('command.usage', { detail: 'the key is no Ed25519 key' });
  return key;
}

function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
