/** Writing RLE Lossless (PS3.5 Annex G); `rle.ts` reads it. */

interface RleFormat {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly samplesPerPixel: number;
}

/** PS3.5 Section G.5: the number of segments and 15 offsets. */
const HEADER_BYTES = 64;
const LONGEST_RUN = 128;
/** A run of two in the middle of literals saves nothing. */
const SHORTEST_RUN = 3;

/** @param native - little endian, the samples of a pixel one behind another */
export function encodeRle(
  native: Uint8Array,
  { rows, columns, bitsAllocated, samplesPerPixel }: RleFormat,
): Uint8Array {
  const bytesPerSample = bitsAllocated / 8;
  const stride = bytesPerSample * samplesPerPixel;
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, stride, true);
  const segments: Uint8Array[] = [];
  let offset = HEADER_BYTES;
  const row = new Uint8Array(columns);
  for (let segment = 0; segment < stride; segment++) {
    // PS3.5 Section G.2: sample by sample, of each the most significant byte of all pixels first.
    const sample = Math.floor(segment / bytesPerSample);
    const first = sample * bytesPerSample + bytesPerSample - 1 - (segment % bytesPerSample);
    const packed = new PackedBytes(rows * columns);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) row[x] = native[(y * columns + x) * stride + first] ?? 0;
      // Section G.3.1: each row of the image is encoded by itself.
      packRow(row, packed);
    }
    const bytes = packed.evenly();
    view.setUint32(4 + 4 * segment, offset, true);
    segments.push(bytes);
    offset += bytes.length;
  }
  return Uint8Array.from(Buffer.concat([header, ...segments]));
}

function packRow(row: Uint8Array, packed: PackedBytes): void {
  let at = 0;
  let literalsFrom = 0;
  while (at < row.length) {
    const run = runAt(row, at);
    if (run < SHORTEST_RUN) {
      at += run;
      continue;
    }
    packed.literals(row, literalsFrom, at);
    packed.run(row[at] ?? 0, run);
    at += run;
    literalsFrom = at;
  }
  packed.literals(row, literalsFrom, row.length);
}

function runAt(row: Uint8Array, start: number): number {
  let end = start + 1;
  while (end < row.length && end - start < LONGEST_RUN && row[end] === row[start]) end += 1;
  return end - start;
}

class PackedBytes {
  #bytes: Uint8Array;
  #length = 0;

  constructor(expected: number) {
    this.#bytes = new Uint8Array(expected + 16);
  }

  run(value: number, count: number): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = 257 - count;
    this.#bytes[this.#length++] = value;
  }

  literals(row: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at += LONGEST_RUN) {
      const part = row.subarray(at, Math.min(to, at + LONGEST_RUN));
      this.#reserve(part.length + 1);
      this.#bytes[this.#length++] = part.length - 1;
      this.#bytes.set(part, this.#length);
      this.#length += part.length;
    }
  }

  /** Section G.4: a segment has an even number of bytes. */
  evenly(): Uint8Array {
    this.#reserve(1);
    this.#bytes[this.#length] = 0;
    return this.#bytes.slice(0, this.#length + (this.#length % 2));
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array((this.#length + more) * 2);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
