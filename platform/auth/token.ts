/** The text of a token, and what of it is kept: `hub_<id>_<secret>`, stored as the SHA-256 of the whole. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 6;
const SECRET_BYTES = 32;
/** base64url of 32 bytes is 43 characters; it may hold `_`, so the id is what stands before the second one. */
const TOKEN = /^hub_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

export interface FreshToken {
  readonly tokenId: string;
  /** The only time the secret is seen. */
  readonly token: string;
  readonly secretSha256: string;
}

export function createToken(): FreshToken {
  const tokenId = randomBytes(ID_BYTES).toString('hex');
  const token = `hub_${tokenId}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { tokenId, token, secretSha256: digestOf(token) };
}

/** Id and stored digest of a token as a caller sent it; undefined when it has not the shape of one. */
export function parseToken(text: string): { readonly tokenId: string; readonly secretSha256: string } | undefined {
  const tokenId = TOKEN.exec(text)?.[1];
  return tokenId === undefined ? undefined : { tokenId, secretSha256: digestOf(text) };
}

/** Compares in a time that says nothing about where two texts differ. */
export function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(sha256(one), sha256(other));
}

/** 256 random bits cannot be guessed, so a plain digest is enough; a slow password hash would only slow every request. */
const digestOf = (token: string): string => sha256(token).toString('hex');
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
