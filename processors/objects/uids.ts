/** Identifiers of what is made here: they follow from what it is made of, so a second run makes the same object. */
import { createHash } from 'node:crypto';

/** PS3.5 Section B.2: 2.25. and the decimal of 128 bits. */
export function derivedUid(parts: readonly string[]): string {
  const digest = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
  return `2.25.${BigInt(`0x${digest}`).toString()}`;
}

/** For the identity of an object: one UID never stands for two contents. */
export function digestOf(...contents: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content);
  return hash.digest('hex');
}
