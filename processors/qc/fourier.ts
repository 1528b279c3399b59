/** The spectrum of a slice. Sizes that are no power of two are filled up with the slice's mean to the next one. */

export interface Spectrum {
  /** Of one of `columns × rows` frequencies, row by row, zero frequency first. */
  readonly magnitude: (at: number) => number;
  readonly columns: number;
  readonly rows: number;
}

export function spectrum(pixels: Float32Array, columns: number, rows: number): Spectrum {
  const [width, height] = [powerOfTwo(columns), powerOfTwo(rows)];
  const real = new Float64Array(width * height);
  const imaginary = new Float64Array(width * height);
  let sum = 0;
  for (let i = 0; i < pixels.length; i++) sum += pixels[i] ?? 0;
  const average = sum / pixels.length;
  // A Hann window: without it the edges of the picture are the brightest lines of its spectrum.
  const [across, down] = [hann(columns), hann(rows)];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const window = (across[x] ?? 0) * (down[y] ?? 0);
      real[y * width + x] = ((pixels[y * columns + x] ?? 0) - average) * window;
    }
  const [acrossTurns, downTurns] = [turnsOf(width), turnsOf(height)];
  for (let y = 0; y < height; y++) transform(real, imaginary, y * width, 1, acrossTurns);
  // All columns at once: one after the other, each step of one would touch as many cache lines as there are rows.
  transform(real, imaginary, 0, width, downTurns);
  return {
    magnitude: (at) => Math.hypot(real[at] ?? 0, imaginary[at] ?? 0),
    columns: width,
    rows: height,
  };
}

/** Frequency of a bin as a share of the sampling frequency: −0.5 … 0.5. */
export function centred(bin: number, size: number): number {
  return bin <= size / 2 ? bin / size : bin / size - 1;
}

const hann = (size: number): Float64Array =>
  Float64Array.from({ length: size }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (at + 0.5)) / size));
const powerOfTwo = (size: number): number => 2 ** Math.ceil(Math.log2(size));

/** The turns of each step of a transform of `size` values: of length 2, 4, … `size`, one behind the other. */
interface Turns {
  readonly size: number;
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

function turnsOf(size: number): Turns {
  const [cosines, sines] = [new Float64Array(size), new Float64Array(size)];
  for (let half = 1; half < size; half *= 2) {
    const angle = (-2 * Math.PI) / (2 * half);
    for (let offset = 0; offset < half; offset++) {
      cosines[half + offset] = Math.cos(angle * offset);
      sines[half + offset] = Math.sin(angle * offset);
    }
  }
  return { size, cosines, sines };
}

/**
 * In place, as many values as there are turns for, from `start` on (Cooley and Tukey).
 *
 * @param stride - from one to the next; as many transforms side by side are worked
 */
function transform(
  real: Float64Array,
  imaginary: Float64Array,
  start: number,
  stride: number,
  { size, cosines, sines }: Turns,
): void {
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    swap(real, start + i * stride, start + j * stride, stride);
    swap(imaginary, start + i * stride, start + j * stride, stride);
  }
  for (let half = 1; half < size; half *= 2)
    for (let from = 0; from < size; from += 2 * half)
      for (let offset = 0; offset < half; offset++) {
        const c = cosines[half + offset] ?? 0;
        const s = sines[half + offset] ?? 0;
        const by = half * stride;
        const first = start + (from + offset) * stride;
        for (let a = first; a < first + stride; a++) {
          const b = a + by;
          const realA = real[a] ?? 0;
          const realB = real[b] ?? 0;
          const imaginaryA = imaginary[a] ?? 0;
          const imaginaryB = imaginary[b] ?? 0;
          const re = realB * c - imaginaryB * s;
          const im = realB * s + imaginaryB * c;
          real[b] = realA - re;
          imaginary[b] = imaginaryA - im;
          real[a] = realA + re;
          imaginary[a] = imaginaryA + im;
        }
      }
}

function swap(values: Float64Array, a: number, b: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const held = values[a + i] ?? 0;
    values[a + i] = values[b + i] ?? 0;
    values[b + i] = held;
  }
}
