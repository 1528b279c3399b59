/** Which host keys a server may show: pinned by fingerprint, or listed in a file of OpenSSH's `known_hosts` (sshd(8)). */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Answers to a key as the server shows it (RFC 4253 Section 6.6). */
export interface HostKeys {
  accepts(key: Buffer): boolean;
  /** Types of the keys that are known; undefined: not known by type. */
  readonly types: ReadonlySet<string> | undefined;
}

/** As `ssh-keygen -l` prints it. */
export const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

export function keyTypeOf(key: Buffer): string {
  return key.byteLength < 4 ? '' : key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

export function pinnedKeys(fingerprints: readonly string[]): HostKeys {
  return { accepts: (key) => fingerprints.includes(fingerprintOf(key)), types: undefined };
}

/** Lines of the host only. Certificate authorities are not followed; a revoked key is never accepted. */
export function knownHosts(text: string, host: string, port: number): HostKeys {
  const name = port === DEFAULT_PORT ? host.toLowerCase() : `[${host.toLowerCase()}]:${String(port)}`;
  const accepted: Buffer[] = [];
  const revoked: Buffer[] = [];
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined;
    const [patterns = '', , key = ''] = fields;
    if (patterns === '' || patterns.startsWith('#') || key === '' || !isFor(patterns, name)) continue;
    if (marker === undefined) accepted.push(Buffer.from(key, 'base64'));
    if (marker === '@revoked') revoked.push(Buffer.from(key, 'base64'));
  }
  const isIn = (keys: readonly Buffer[], key: Buffer) => keys.some((each) => each.equals(key));
  return {
    accepts: (key) => isIn(accepted, key) && !isIn(revoked, key),
    types: new Set(accepted.map((key) => keyTypeOf(key))),
  };
}

/** By type of the key: with RSA the signature is SHA-2, never SHA-1. In the order in which they are asked for. */
const ALGORITHMS = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const;
type KeyType = keyof typeof ALGORITHMS;

/** What to ask the server for: it shows the first of its keys that is asked for. @param without - types that were seen and are not pinned */
export function algorithmsFor({ types }: HostKeys, without: ReadonlySet<string>) {
  const known = (Object.keys(ALGORITHMS) as KeyType[]).filter(
    (type) => !without.has(type) && (types?.has(type) ?? true),
  );
  return known.flatMap((type) => [...ALGORITHMS[type]]);
}

const DEFAULT_PORT = 22;

/** A list of patterns, of which one with ! in front excludes; or one name that is hashed (`|1|salt|hash`). */
function isFor(patterns: string, name: string): boolean {
  const [, , salt, hash] = patterns.startsWith('|1|') ? patterns.split('|') : [];
  if (salt !== undefined && hash !== undefined) {
    const own = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
    const theirs = Buffer.from(hash, 'base64');
    return own.byteLength === theirs.byteLength && timingSafeEqual(own, theirs);
  }
  const list = patterns.toLowerCase().split(',');
  const matches = (pattern: string) => {
    const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
    return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
  };
  if (list.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))) return false;
  return list.some((pattern) => !pattern.startsWith('!') && matches(pattern));
}
