/** The spectrum of a slice. Sizes that are no power of two are filled up with the slice's mean to the next one. */

export interface Spectrum {
  /** `columns × rows`, zero frequency first. */
  readonly magnitude: Float64Array;
  readonly columns: number;
  readonly rows: number;
}

export function spectrum(pixels: Float32Array, columns: number, rows: number): Spectrum {
  const [width, height] = [powerOfTwo(columns), powerOfTwo(rows)];
  const real = new Float64Array(width * height);
  const imaginary = new Float64Array(width * height);
  let sum = 0;
  for (const pixel of pixels) sum += pixel;
  const average = sum / pixels.length;
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      // A Hann window: without it the edges of the picture are the brightest lines of its spectrum.
      const window = hann(x, columns) * hann(y, rows);
      real[y * width + x] = ((pixels[y * columns + x] ?? 0) - average) * window;
    }
  for (let y = 0; y < height; y++) transform(real, imaginary, y * width, 1, width);
  for (let x = 0; x < width; x++) transform(real, imaginary, x, width, height);
  return {
    magnitude: real.map((value, i) => Math.hypot(value, imaginary[i] ?? 0)),
    columns: width,
    rows: height,
  };
}

/** Frequency of a bin as a share of the sampling frequency: −0.5 … 0.5. */
export function centred(bin: number, size: number): number {
  return bin <= size / 2 ? bin / size : bin / size - 1;
}

const hann = (at: number, size: number): number => 0.5 - 0.5 * Math.cos((2 * Math.PI * (at + 0.5)) / size);
const powerOfTwo = (size: number): number => 2 ** Math.ceil(Math.log2(size));

/** In place, `size` values from `start` on, `stride` apart (Cooley and Tukey). */
function transform(real: Float64Array, imaginary: Float64Array, start: number, stride: number, size: number): void {
  const swap = (values: Float64Array, a: number, b: number): void => {
    const held = values[a] ?? 0;
    values[a] = values[b] ?? 0;
    values[b] = held;
  };
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    swap(real, start + i * stride, start + j * stride);
    swap(imaginary, start + i * stride, start + j * stride);
  }
  for (let length = 2; length <= size; length *= 2) {
    const angle = (-2 * Math.PI) / length;
    for (let offset = 0; offset < length / 2; offset++) {
      const [c, s] = [Math.cos(angle * offset), Math.sin(angle * offset)];
      for (let i = offset; i < size; i += length) {
        const a = start + i * stride;
        const b = a + (length / 2) * stride;
        const re = (real[b] ?? 0) * c - (imaginary[b] ?? 0) * s;
        const im = (real[b] ?? 0) * s + (imaginary[b] ?? 0) * c;
        real[b] = (real[a] ?? 0) - re;
        imaginary[b] = (imaginary[a] ?? 0) - im;
        real[a] = (real[a] ?? 0) + re;
        imaginary[a] = (imaginary[a] ?? 0) + im;
      }
    }
  }
}
