/** How a source proves who it is beyond its AE title and address: its client certificate, its user identity. Pure. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { HubError } from '../../core/errors.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import type { UserIdentity } from './association-request.ts';

/** A certificate that a trusted authority has signed. */
export interface PeerCertificate {
  /** One attribute a line, as `X509Certificate.subject` has it: `O=Hospital\nCN=pv-7t`. */
  readonly subject: string;
  /** SHA-256 of the whole certificate, hexadecimal, with or without colons. */
  readonly sha256: string;
}

/** Both must hold where both are given. */
export interface CertificateRule {
  /** `CN=pv-7t, O=Hospital`: each attribute must stand in the certificate's subject; a comma in a value is written `\,`, as RFC 2253 has it. */
  readonly subject?: string | undefined;
  /** Any one of these fingerprints. */
  readonly sha256?: readonly string[] | undefined;
}

export interface IdentityRule {
  readonly username: string;
  /** Absent: the name alone is enough. */
  readonly passcode?: string | undefined;
}

/** PS3.7 Table D.3-14 */
const USERNAME = 1;
const USERNAME_AND_PASSCODE = 2;

/** @throws {HubError} `config.invalid` */
export function certificateRule(rule: CertificateRule): (shown: PeerCertificate | undefined) => boolean {
  const wanted = rule.subject === undefined ? undefined : parseSubject(rule.subject);
  const fingerprints = rule.sha256?.map(plainHex);
  if (wanted === undefined && fingerprints === undefined) {
    throw new HubError('config.invalid', { detail: 'a certificate is known by subject, sha256 or both' });
  }
  return (shown) => {
    if (shown === undefined) return false;
    const attributes = new Set(shown.subject.split('\n'));
    const isNamed = wanted?.every((attribute) => attributes.has(attribute)) ?? true;
    return isNamed && (fingerprints?.includes(plainHex(shown.sha256)) ?? true);
  };
}

/** `CN=a, O=b` as its attributes. @throws {HubError} `config.invalid` */
function parseSubject(subject: string): readonly string[] {
  const attributes = subject.split(/(?<!\\),/).map((part) => part.trim());
  if (attributes.every((attribute) => /^[A-Za-z][A-Za-z0-9.]*=.+$/.test(attribute))) return attributes;
  throw new HubError('config.invalid', { detail: `${subject} is no subject like CN=pv-7t, O=Hospital` });
}

/** Compared in constant time: how long a wrong passcode takes to be refused says nothing about it. */
export function identityRule({ username, passcode }: IdentityRule): (given: UserIdentity | undefined) => boolean {
  const name = digest(Buffer.from(username, 'utf8'));
  const code = passcode === undefined ? undefined : digest(Buffer.from(passcode, 'utf8'));
  return (given) => {
    if (given?.type !== USERNAME_AND_PASSCODE && (code !== undefined || given?.type !== USERNAME)) return false;
    const isName = timingSafeEqual(digest(given.primary), name);
    const isCode = code === undefined || timingSafeEqual(digest(given.secondary), code);
    return isName && isCode;
  };
}

/** UTF-8 (PS3.7 Table D.3-14); some peers pad with a NUL or a space to even length. */
function digest(bytes: Uint8Array): Buffer {
  const text = withoutTrailingPadding(Buffer.from(bytes).toString('utf8'));
  return createHash('sha256').update(text).digest();
}

function plainHex(fingerprint: string): string {
  return fingerprint.replaceAll(/[:\s]/g, '').toLowerCase();
}
