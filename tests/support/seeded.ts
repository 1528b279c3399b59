/** Chance that a seed repeats: a failure names its seed, and the seed brings it back. */

/** @returns 0 ≤ number < 1, each call the next one */
export type Random = () => number;

/** mulberry32: small, fast and good enough to choose moments and mistakes. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 … below − 1. */
export function integer(random: Random, below: number): number {
  return Math.floor(random() * below);
}

/** One of them. @throws {RangeError} when there is none */
export function pick<T>(random: Random, among: readonly T[]): T {
  const chosen = among[integer(random, among.length)];
  if (chosen === undefined) throw new RangeError('nothing to choose from');
  return chosen;
}
