/**
 * New identifiers from old ones by keyed hash: without state, so any worker, order, retry or machine that has the key
 * comes to the same names; without the key nobody can try names until one fits (PS3.15 Section E.1.1).
 */
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import type { Mapped } from './mapped.ts';

export interface Pseudonyms {
  /** `2.25.` and a UUID (PS3.5 Section B.2). */
  uid(original: string): string;
  patientId(issuer: string, id: string): string;
  accessionNumber(original: string): string;
  studyId(original: string): string;
  /** Whole days to add to every date of one patient: -3650 … -1, never 0. */
  shiftDays(issuer: string, id: string): number;
  /** Told what gets a new name here. */
  readonly mapped?: Mapped | undefined;
}

/** Longest the uid cache may grow: a study has an instance UID a file and a few hundred others. */
const CACHE_LIMIT = 200_000;
const SHIFT_RANGE_DAYS = 3650;
/** Crockford's digits: no I, L, O, U to misread. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * @param secret - 32 bytes, the same on every start
 * @param partner - two partners get different names for one patient and cannot join their data
 */
export function createPseudonyms(secret: Uint8Array, partner: string, mapped?: Mapped): Pseudonyms {
  const keyFor = (purpose: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `imaging-hub deidentify\0${partner}\0${purpose}`, 32)));
  const keys = {
    uid: keyFor('uid'),
    patient: keyFor('patient'),
    accession: keyFor('accession'),
    study: keyFor('study-id'),
    dates: keyFor('dates'),
  };
  // A study has one patient and names the same few hundred UIDs in each of its instances.
  const known = new Map<string, string>();
  const remembered = (purpose: keyof typeof keys, original: string, make: (digest: Buffer) => string) => {
    const name = `${purpose}/${original}`;
    const before = known.get(name);
    if (before !== undefined) return before;
    const made = make(createHmac('sha256', keys[purpose]).update(original).digest());
    if (known.size >= CACHE_LIMIT) known.clear();
    known.set(name, made);
    return made;
  };
  const told = (original: string, made: string) => {
    mapped?.text(original, made);
    return made;
  };
  const shift = (digest: Buffer) => String(-1 - (digest.readUIntBE(0, 6) % SHIFT_RANGE_DAYS));
  return {
    mapped,
    uid: (original) =>
      remembered('uid', original, (digest) => {
        const made = `2.25.${uuidNumber(digest)}`;
        mapped?.uid(original, made);
        return made;
      }),
    patientId: (issuer, id) =>
      remembered('patient', JSON.stringify([issuer, id]), (digest) => told(id, `P${digits(digest, 15)}`)),
    accessionNumber: (original) =>
      remembered('accession', original, (digest) => told(original, `A${digits(digest, 15)}`)),
    studyId: (original) => remembered('study', original, (digest) => told(original, `S${digits(digest, 15)}`)),
    shiftDays: (issuer, id) => Number(remembered('dates', JSON.stringify([issuer, id]), shift)),
  };
}

/** The first 128 bits as a UUID of version 8 (RFC 9562), in decimal. */
function uuidNumber(digest: Buffer): string {
  const bytes = Buffer.from(digest.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return BigInt(`0x${bytes.toString('hex')}`).toString();
}

function digits(digest: Buffer, length: number): string {
  return Array.from(digest.subarray(0, length), (byte) => DIGITS[byte % 32] ?? '0').join('');
}
