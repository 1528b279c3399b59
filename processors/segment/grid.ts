/**
 * Between a volume as it was scanned and the fixed grid a network sees: RAS axes, the network's spacing, centred where
 * asked. Sampling is trilinear; when the network's grid is coarser than the scan, the scan is blurred first so that
 * thin structures do not alias.
 */
import type { Volume } from '../volumes/volume.ts';

export type Triple = readonly [number, number, number];

export interface ModelGrid {
  readonly shape: Triple;
  readonly spacingMm: Triple;
  /** The middle of the grid in patient coordinates, LPS mm. */
  readonly centreLps: Triple;
}

/** A 3-D scalar field, x fastest. */
export interface Field {
  readonly dims: Triple;
  readonly data: Float32Array;
}

/** Patient position (LPS mm) of a voxel, by the volume's affine. */
export function voxelToLps(affine: readonly number[], x: number, y: number, z: number): Triple {
  const row = (r: number): number =>
    at(affine, 4 * r) * x + at(affine, 4 * r + 1) * y + at(affine, 4 * r + 2) * z + at(affine, 4 * r + 3);
  return [row(0), row(1), row(2)];
}

/** LPS mm → voxel, the inverse of the affine's upper 3 × 4. @throws {RangeError} when it is singular */
function invertAffine(affine: readonly number[]): readonly number[] {
  const [a, b, c, tx, d, e, f, ty, g, h, i, tz] = affine as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  if (!Number.isFinite(det) || Math.abs(det) < 1e-12) throw new RangeError('the volume has no usable geometry');
  const m = [
    e * i - f * h,
    c * h - b * i,
    b * f - c * e,
    f * g - d * i,
    a * i - c * g,
    c * d - a * f,
    d * h - e * g,
    b * g - a * h,
    a * e - b * d,
  ].map((v) => v / det);
  const translate = (r: number): number => -(at(m, 3 * r) * tx + at(m, 3 * r + 1) * ty + at(m, 3 * r + 2) * tz);
  return [
    at(m, 0),
    at(m, 1),
    at(m, 2),
    translate(0),
    at(m, 3),
    at(m, 4),
    at(m, 5),
    translate(1),
    at(m, 6),
    at(m, 7),
    at(m, 8),
    translate(2),
    0,
    0,
    0,
    1,
  ];
}

/** The middle of the field of view, LPS mm. */
export function centreOf(volume: Volume): Triple {
  const [nx, ny, nz] = volume.dims;
  return voxelToLps(volume.affine, (nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2);
}

/** The first time point of a volume on the network's grid; outside the field of view is 0. */
export function toModelGrid(volume: Volume, grid: ModelGrid): Float32Array {
  const [nx, ny, nz] = volume.dims;
  const dims: Triple = [nx, ny, nz];
  const source = blurForDownsampling(
    { dims, data: volume.data.subarray(0, nx * ny * nz) },
    volume.spacingMm,
    grid.spacingMm,
  );
  const inverse = invertAffine(volume.affine);
  const [gx, gy, gz] = grid.shape;
  const out = new Float32Array(gx * gy * gz);
  let n = 0;
  // The network's tensor is [x][y][z] with z fastest; axes run to R→L … in RAS: +x right, +y anterior, +z superior.
  for (let x = 0; x < gx; x += 1) {
    for (let y = 0; y < gy; y += 1) {
      for (let z = 0; z < gz; z += 1) {
        const lps = gridToLps(grid, x, y, z);
        out[n] = sample(source, inverse, lps);
        n += 1;
      }
    }
  }
  return out;
}

/** A field of the network's grid (z fastest) at every voxel of the volume (x fastest). Outside the grid is 0. */
export function fromModelGrid(values: Float32Array, grid: ModelGrid, volume: Volume): Float32Array {
  const [gx, gy, gz] = grid.shape;
  const [nx, ny, nz] = volume.dims;
  const out = new Float32Array(nx * ny * nz);
  let n = 0;
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      for (let x = 0; x < nx; x += 1) {
        const [l, p, s] = voxelToLps(volume.affine, x, y, z);
        const i = (-l + grid.centreLps[0]) / grid.spacingMm[0] + (gx - 1) / 2;
        const j = (-p + grid.centreLps[1]) / grid.spacingMm[1] + (gy - 1) / 2;
        const k = (s - grid.centreLps[2]) / grid.spacingMm[2] + (gz - 1) / 2;
        out[n] = trilinear(values, gz, gy, gx, k, j, i);
        n += 1;
      }
    }
  }
  return out;
}

/** Where the weight of a probability field lies, LPS mm; undefined when there is none. */
export function centreOfMass(values: Float32Array, grid: ModelGrid, threshold: number): Triple | undefined {
  const [gx, gy, gz] = grid.shape;
  let total = 0;
  const sum = [0, 0, 0];
  for (let x = 0, n = 0; x < gx; x += 1) {
    for (let y = 0; y < gy; y += 1) {
      for (let z = 0; z < gz; z += 1, n += 1) {
        const weight = at(values, n);
        if (weight < threshold) continue;
        total += weight;
        sum[0] = at(sum, 0) + weight * x;
        sum[1] = at(sum, 1) + weight * y;
        sum[2] = at(sum, 2) + weight * z;
      }
    }
  }
  return total === 0 ? undefined : gridToLps(grid, at(sum, 0) / total, at(sum, 1) / total, at(sum, 2) / total);
}

function gridToLps(grid: ModelGrid, x: number, y: number, z: number): Triple {
  const [gx, gy, gz] = grid.shape;
  const [cl, cp, cs] = grid.centreLps;
  return [
    cl - (x - (gx - 1) / 2) * grid.spacingMm[0],
    cp - (y - (gy - 1) / 2) * grid.spacingMm[1],
    cs + (z - (gz - 1) / 2) * grid.spacingMm[2],
  ];
}

function sample(field: Field, inverse: readonly number[], [l, p, s]: Triple): number {
  const [x, y, z] = voxelToLps(inverse, l, p, s);
  const [nx, ny, nz] = field.dims;
  return trilinear(field.data, nx, ny, nz, x, y, z);
}

/**
 * Value between the samples of an array whose first index runs fastest. A single-slice axis is extended by half a
 * sample on both sides, like the outermost samples of every axis; beyond that the value is 0.
 */
function trilinear(data: Float32Array, nx: number, ny: number, nz: number, x: number, y: number, z: number): number {
  if (!(x >= -0.5 && y >= -0.5 && z >= -0.5 && x <= nx - 0.5 && y <= ny - 0.5 && z <= nz - 0.5)) return 0;
  const x0 = Math.min(Math.max(Math.floor(x), 0), nx - 1);
  const y0 = Math.min(Math.max(Math.floor(y), 0), ny - 1);
  const z0 = Math.min(Math.max(Math.floor(z), 0), nz - 1);
  const x1 = Math.min(x0 + 1, nx - 1);
  const y1 = Math.min(y0 + 1, ny - 1);
  const z1 = Math.min(z0 + 1, nz - 1);
  const fx = Math.min(Math.max(x - x0, 0), 1);
  const fy = Math.min(Math.max(y - y0, 0), 1);
  const fz = Math.min(Math.max(z - z0, 0), 1);
  const line = (yy: number, zz: number): number => {
    const base = (zz * ny + yy) * nx;
    return at(data, base + x0) * (1 - fx) + at(data, base + x1) * fx;
  };
  const plane = (zz: number): number => line(y0, zz) * (1 - fy) + line(y1, zz) * fy;
  return plane(z0) * (1 - fz) + plane(z1) * fz;
}

/** Gaussian of σ = 0.4 × ratio voxels along each voxel axis that the network sees more coarsely. */
function blurForDownsampling(field: Field, from: Triple, to: Triple): Field {
  let data = field.data;
  // Axes of the scan are not those of the network: the coarsest network spacing is the safe choice for every axis.
  const target = Math.min(...to);
  for (const axis of [0, 1, 2] as const) {
    const ratio = target / from[axis];
    if (ratio > 1.1 && field.dims[axis] > 2) data = blurAxis(data, field.dims, axis, 0.4 * ratio);
  }
  return { dims: field.dims, data };
}

function blurAxis(data: Float32Array, dims: Triple, axis: 0 | 1 | 2, sigma: number): Float32Array {
  const radius = Math.max(1, Math.ceil(3 * sigma));
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((a, b) => a + b, 0);
  const stride = axis === 0 ? 1 : axis === 1 ? dims[0] : dims[0] * dims[1];
  const length = dims[axis];
  const out = new Float32Array(data.length);
  for (let n = 0; n < data.length; n += 1) {
    const position = Math.floor(n / stride) % length;
    let value = 0;
    for (let k = -radius; k <= radius; k += 1) {
      const clamped = Math.min(Math.max(position + k, 0), length - 1);
      value += at(kernel, k + radius) * at(data, n + (clamped - position) * stride);
    }
    out[n] = value / total;
  }
  return out;
}

/** An index that the loop bounds keep inside; typed arrays and fixed matrices have no holes. */
function at(array: ArrayLike<number>, index: number): number {
  return array[index] ?? 0;
}
