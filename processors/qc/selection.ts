/** Order among hundreds of thousands of numbers by their bits: what a sort by comparison does in ten times the time. */

/** Of the upper word of a float64: sign, exponent and four binary digits; of few values two, for buckets are emptied each time. */
const BUCKET_BITS = 16;
const FEW_BUCKET_BITS = 14;
const BUCKETS = 2 ** BUCKET_BITS;
/** Fewer are selected by comparison alone. */
const BUCKETED_FROM = 4_096;
const SIGN = 0x8000_0000;
const RADIX_BITS = 11;
const RADIX = 1 << RADIX_BITS;

/** Scratch of a thread, filled with zeros by whoever takes it. */
const counts = new Uint32Array(BUCKETS);

/**
 * The value of rank `rank`, from 0, and the one of the rank behind it; NaN behind the last.
 *
 * @param values - their order may be changed
 */
export function neighbours(values: Float64Array, rank: number): readonly [number, number] {
  if (values.length < BUCKETED_FROM) return among(values, rank);
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const bits = values.length < BUCKETS ? FEW_BUCKET_BITS : BUCKET_BITS;
  const shift = 32 - bits;
  const buckets = 2 ** bits;
  counts.fill(0, 0, buckets);
  for (let i = 1; i < words.length; i += 2) {
    const bucket = turned(words[i] ?? 0) >>> shift;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  let bucket = 0;
  let below = 0;
  while (below + (counts[bucket] ?? 0) <= rank) below += counts[bucket++] ?? 0;
  // The rank behind may stand in a later bucket: then it is the least of that one.
  let last = bucket;
  let size = counts[bucket] ?? 0;
  while (below + size <= rank + 1 && last < buckets - 1) size += counts[++last] ?? 0;
  const near = new Float64Array(size);
  for (let i = 0, n = 0; i < values.length; i++) {
    const at = turned(words[2 * i + 1] ?? 0) >>> shift;
    if (at >= bucket && at <= last) near[n++] = values[i] ?? 0;
  }
  return among(near, rank - below);
}

function among(values: Float64Array, rank: number): readonly [number, number] {
  const value = smallest(values, rank);
  // What stands behind the place is not smaller: the next one is the least of it.
  let next = Infinity;
  for (let i = rank + 1; i < values.length; i++) next = Math.min(next, values[i] ?? Infinity);
  return [value, rank + 1 < values.length ? next : Number.NaN];
}

/** Puts the value of rank `rank` to its place, smaller ones before it, larger ones behind (Hoare's selection). */
function smallest(values: Float64Array, rank: number): number {
  let from = 0;
  let to = values.length - 1;
  while (from < to) {
    const pivot = values[(from + to) >> 1] ?? 0;
    let i = from;
    let j = to;
    while (i <= j) {
      while ((values[i] ?? 0) < pivot) i++;
      while ((values[j] ?? 0) > pivot) j--;
      if (i > j) break;
      const held = values[i] ?? 0;
      values[i] = values[j] ?? 0;
      values[j] = held;
      i++;
      j--;
    }
    if (rank <= j) to = j;
    else if (rank >= i) from = i;
    else break;
  }
  return values[rank] ?? Number.NaN;
}

/** Sorts values that float32 can hold, eleven bits at a time. @returns the same array */
export function sortedPixels(values: Float64Array): Float64Array {
  if (values.length < BUCKETED_FROM) return values.sort();
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = turned(bits[i] ?? 0);
  let [from, to] = [bits, new Uint32Array(bits.length)];
  for (let shift = 0; shift < 32; shift += RADIX_BITS) {
    counts.fill(0, 0, RADIX);
    for (let i = 0; i < from.length; i++) {
      const digit = ((from[i] ?? 0) >>> shift) & (RADIX - 1);
      counts[digit] = (counts[digit] ?? 0) + 1;
    }
    let place = 0;
    for (let digit = 0; digit < RADIX; digit++) {
      const count = counts[digit] ?? 0;
      counts[digit] = place;
      place += count;
    }
    for (let i = 0; i < from.length; i++) {
      const value = from[i] ?? 0;
      const digit = (value >>> shift) & (RADIX - 1);
      const at = counts[digit] ?? 0;
      counts[digit] = at + 1;
      to[at] = value;
    }
    [from, to] = [to, from];
  }
  for (let i = 0; i < from.length; i++) from[i] = turnedBack(from[i] ?? 0);
  values.set(new Float32Array(from.buffer));
  return values;
}

/** In the order of the numbers: all bits of a negative one are turned, of a positive one the sign. */
const turned = (bits: number): number => bits ^ (-(bits >>> 31) | SIGN);
const turnedBack = (bits: number): number => bits ^ (((bits >>> 31) - 1) | SIGN);
