/** Mistakes in bytes: flipped, cut, repeated, stretched, with lengths that lie. */
import { integer, pick, type Random } from '../seeded.ts';

/** Values that lengths and numbers are taken for by careless code. */
const EVIL = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0xfe, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

type Mutation = (bytes: Buffer, random: Random) => Buffer;

/** One change of the bytes; a name, so that a failure says what was done. */
const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip: (bytes, random) => {
    const copy = Buffer.from(bytes);
    for (let n = 1 + integer(random, 4); n > 0 && copy.length > 0; n -= 1) {
      const at = integer(random, copy.length);
      copy.writeUInt8(copy.readUInt8(at) ^ (1 << integer(random, 8)), at);
    }
    return copy;
  },
  noise: (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = integer(random, copy.length + 1);
    for (let n = at; n < Math.min(copy.length, at + 1 + integer(random, 32)); n += 1) {
      copy.writeUInt8(integer(random, 256), n);
    }
    return copy;
  },
  cut: (bytes, random) => bytes.subarray(0, integer(random, bytes.length + 1)),
  'take out': (bytes, random) => {
    const at = integer(random, bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + integer(random, 16))]);
  },
  'put in': (bytes, random) => {
    const at = integer(random, bytes.length + 1);
    const more = Buffer.from(Array.from({ length: 1 + integer(random, 16) }, () => integer(random, 256)));
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
  },
  repeat: (bytes, random) => {
    const from = integer(random, bytes.length + 1);
    const to = Math.min(bytes.length, from + 1 + integer(random, 64));
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to)]);
  },
  'lie, 16 bits': (bytes, random) => lie(bytes, random, 2),
  'lie, 32 bits': (bytes, random) => lie(bytes, random, 4),
};

export interface Mutated {
  readonly bytes: Buffer;
  readonly how: string;
}

/** One or two mistakes. */
export function mutate(bytes: Buffer, random: Random): Mutated {
  const names = Object.keys(MUTATIONS);
  const first = pick(random, names);
  const once = MUTATIONS[first]?.(bytes, random) ?? bytes;
  if (random() < 0.7) return { bytes: once, how: first };
  const second = pick(random, names);
  return { bytes: MUTATIONS[second]?.(once, random) ?? once, how: `${first}, ${second}` };
}

function lie(bytes: Buffer, random: Random, size: 2 | 4): Buffer {
  if (bytes.length < size) return bytes;
  const copy = Buffer.from(bytes);
  const at = integer(random, copy.length - size + 1);
  const evil = pick(random, EVIL) % 2 ** (8 * size);
  if (random() < 0.5) copy.writeUIntBE(evil, at, size);
  else copy.writeUIntLE(evil, at, size);
  return copy;
}
