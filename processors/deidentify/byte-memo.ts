/** What was made of the same bytes before: the instances of a series have nearly all their elements in common. Bounded. */

/** A study has a few series at a time. */
const VARIANTS = 4;
/** Longer elements are compared for longer than it takes to treat most of them. */
const LONGEST_BYTES = 64 * 1024;
const LIMIT_BYTES = 16 * 1024 * 1024;
/** Of an entry besides its bytes: what was made of them, roughly. */
const ENTRY_BYTES = 512;
/** An attribute that was another one so often in a row is one of each instance's own: it is kept now and then only. */
const MISSES = 16;
/** From here on a call into native code costs less than comparing byte by byte. */
const FEW_BYTES = 48;

interface Variant<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

interface Slot<T> {
  readonly variants: Variant<T>[];
  misses: number;
}

export class ByteMemo<T> {
  readonly #slots = new Map<number, Slot<T>>();
  #sizeBytes = 0;

  /** What was kept for an element of this tag, if all of its bytes are the same. */
  find(tag: number, bytes: Uint8Array, start: number, end: number): T | undefined {
    const slot = this.#slots.get(tag);
    if (slot === undefined) return undefined;
    const { variants } = slot;
    for (let at = variants.length - 1; at >= 0; at--) {
      const variant = variants[at];
      if (variant === undefined || !isEqual(variant.bytes, bytes, start, end)) continue;
      slot.misses = 0;
      return variant.value;
    }
    slot.misses += 1;
    return undefined;
  }

  /** Whether it is worth keeping what is made of this element. */
  isWorth(tag: number, sizeBytes: number): boolean {
    if (sizeBytes > LONGEST_BYTES) return false;
    const misses = this.#slots.get(tag)?.misses ?? 0;
    return misses < MISSES || misses % MISSES === 0;
  }

  /** @param bytes - of the element; kept, so they must not change */
  keep(tag: number, bytes: Uint8Array, value: T): void {
    if (this.#sizeBytes + bytes.length + ENTRY_BYTES > LIMIT_BYTES) this.#clear();
    let slot = this.#slots.get(tag);
    if (slot === undefined) this.#slots.set(tag, (slot = { variants: [], misses: 0 }));
    if (slot.variants.length >= VARIANTS) this.#sizeBytes -= (slot.variants.shift()?.bytes.length ?? 0) + ENTRY_BYTES;
    slot.variants.push({ bytes, value });
    this.#sizeBytes += bytes.length + ENTRY_BYTES;
  }

  #clear(): void {
    this.#slots.clear();
    this.#sizeBytes = 0;
  }
}

function isEqual(one: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = one;
  if (length !== end - start) return false;
  if (length > FEW_BYTES) return Buffer.compare(one, bytes.subarray(start, end)) === 0;
  for (let at = 0; at < length; at++) if (one[at] !== bytes[start + at]) return false;
  return true;
}
