/** A simulated head scan on a grid: partial volumes, coil shading, blur and Rician noise, as a scanner would give it. */
import { animal } from './anatomy.ts';
import { randomFrom, smoothNoise } from './random.ts';

export interface HeadOptions {
  /** The same seed gives the same voxels. */
  readonly seed?: number;
  readonly species?: 'mouse' | 'rat';
  /** Voxels from left to right (columns of a coronal slice). */
  readonly columns?: number;
  /** Voxels from top to bottom (rows of a coronal slice). */
  readonly rows?: number;
  /** Coronal slices, from the back of the head to the front. */
  readonly slices?: number;
  /** Left to right, back to front, bottom to top. */
  readonly spacingMm?: readonly [number, number, number];
  /** Standard deviation of the noise in each channel, relative to cerebrospinal fluid; 0 for none. */
  readonly noise?: number;
  /** How strongly the surface coil shades from top to bottom; 0 for none, 1 is typical. */
  readonly shading?: number;
}

export interface Head {
  /** x fastest; x to the right, y to the front, z upwards (RAS). Cerebrospinal fluid is about 1. */
  readonly voxels: Float32Array;
  /** 1 in the brain. */
  readonly mask: Uint8Array;
  readonly dims: readonly [number, number, number];
  readonly spacingMm: readonly [number, number, number];
  readonly seed: number;
  readonly species: 'mouse' | 'rat';
}

/** A rat's brain is about 1.6 times as long as a mouse's. */
const SCALE = { mouse: 1, rat: 1.6 } as const;
/** The field of view reaches a little further forward than back of the cerebrum's middle, in mm of a mouse. */
const CENTRE_MM = { x: 0, y: -0.6, z: -1.2 } as const;
const MAX_VOXELS = 64 * 1024 * 1024;

/**
 * Simulates a rodent's head in a T2-weighted scan of thick coronal slices.
 *
 * @throws {RangeError} for a grid that is empty or larger than 64 M voxels
 */
export function generateHead(options: HeadOptions = {}): Head {
  const species = options.species ?? 'mouse';
  const scale = SCALE[species];
  const seed = options.seed ?? 1;
  const dims = [options.columns ?? 128, options.slices ?? 32, options.rows ?? 96] as const;
  const spacingMm = options.spacingMm ?? ([0.15 * scale, 0.5 * scale, 0.15 * scale] as const);
  const [nx, ny, nz] = dims;
  if (!dims.every((n) => Number.isInteger(n) && n > 0) || nx * ny * nz > MAX_VOXELS)
    throw new RangeError(`not a grid: ${dims.join('x')}`);

  const { signal, mask } = sample(seed, dims, spacingMm, scale);
  blurInPlane(signal, dims);
  shade(
    signal,
    dims,
    spacingMm.map((mm) => mm / scale),
    seed,
    options.shading ?? 1,
  );
  const noise = options.noise ?? 0.02;
  if (noise > 0) addRicianNoise(signal, noise, seed);
  return { voxels: signal, mask, dims, spacingMm, seed, species };
}

/** Thick slices average over their thickness: three samples of it, weighted like a slice profile. */
const PROFILE = [
  [-0.33, 0.25],
  [0, 0.5],
  [0.33, 0.25],
] as const;

function sample(
  seed: number,
  [nx, ny, nz]: Head['dims'],
  [sx, sy, sz]: Head['spacingMm'],
  scale: number,
): { signal: Float32Array; mask: Uint8Array } {
  const tissueAt = animal(seed);
  const signal = new Float32Array(nx * ny * nz);
  const mask = new Uint8Array(nx * ny * nz);
  for (let k = 0, voxel = 0; k < nz; k++) {
    const z = CENTRE_MM.z + ((k - (nz - 1) / 2) * sz) / scale;
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++, voxel++) {
        const x = CENTRE_MM.x + ((i - (nx - 1) / 2) * sx) / scale;
        let sum = 0;
        let brain = 0;
        for (const [offset, weight] of PROFILE) {
          const y = CENTRE_MM.y + ((j + offset - (ny - 1) / 2) * sy) / scale;
          const tissue = tissueAt(x, y, z);
          sum += weight * tissue.signal;
          if (tissue.isBrain) brain += weight;
        }
        signal[voxel] = sum;
        mask[voxel] = brain >= 0.5 ? 1 : 0;
      }
    }
  }
  return { signal, mask };
}

/** The point spread of the read-out: [1 6 1]/8 along both axes of the slice. */
function blurInPlane(signal: Float32Array, [nx, ny, nz]: Head['dims']): void {
  for (const [count, stride, length] of [
    [ny * nz, 1, nx],
    [nx * ny, nx * ny, nz],
  ] as const) {
    const line = new Float32Array(length);
    for (let n = 0; n < count; n++) {
      const start = stride === 1 ? n * nx : n;
      for (let i = 0; i < length; i++) line[i] = signal[start + i * stride] ?? 0;
      for (let i = 0; i < length; i++) {
        const here = line[i] ?? 0;
        signal[start + i * stride] = ((line[i - 1] ?? here) + 6 * here + (line[i + 1] ?? here)) / 8;
      }
    }
  }
}

/** A surface coil above the head, and a smooth field of a few centimetres. */
function shade(
  signal: Float32Array,
  [nx, ny, nz]: Head['dims'],
  [sx = 1, sy = 1, sz = 1]: readonly number[],
  seed: number,
  strength: number,
): void {
  const field = smoothNoise(seed ^ 0x632be5ab);
  for (let k = 0, voxel = 0; k < nz; k++) {
    const z = (k - (nz - 1) / 2) * sz;
    for (let j = 0; j < ny; j++) {
      const y = (j - (ny - 1) / 2) * sy;
      for (let i = 0; i < nx; i++, voxel++) {
        const x = (i - (nx - 1) / 2) * sx;
        const coil = Math.exp(0.045 * strength * (z - 0.02 * (x * x + 0.5 * y * y)));
        const gain = coil * (1 + 0.06 * strength * field(x / 6, y / 6, z / 6));
        signal[voxel] = (signal[voxel] ?? 0) * gain;
      }
    }
  }
}

/** Magnitude of a complex signal with noise of the same strength in both channels. */
function addRicianNoise(signal: Float32Array, sigma: number, seed: number): void {
  const random = randomFrom(seed ^ 0x7f4a7c15);
  for (let i = 0; i < signal.length; i++)
    signal[i] = Math.hypot((signal[i] ?? 0) + sigma * random.normal(), sigma * random.normal());
}
