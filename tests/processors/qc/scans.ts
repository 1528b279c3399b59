/** Scans for the tests of quality control, made here: a mouse's head as a scanner stores it, and what can be wrong with it. */
import { generateHead, type HeadOptions } from '../../../demo/phantom/head.ts';
import { encodeDataSet, type Attributes } from '../../../core/dicom/encode.ts';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import type { Volume, VolumeKind } from '../../../processors/volumes/volume.ts';
import { seeded } from '../../support/seeded.ts';

/** One repetition: columns, rows, coronal slices. */
export interface Picture {
  readonly data: Float32Array;
  readonly dims: readonly [number, number, number];
}

const SIZE: HeadOptions = { columns: 64, rows: 48, slices: 16, spacingMm: [0.36, 0.7, 0.36] };

/** A head without noise, stored as a scanner does. */
export function head(options: HeadOptions = {}): Picture {
  const { voxels, dims } = generateHead({ ...SIZE, noise: 0, ...options });
  const [nx, ny, nz] = dims;
  const data = new Float32Array(voxels.length);
  for (let k = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++) data[i + nx * (nz - 1 - k + nz * j)] = 1_000 * (voxels[i + nx * (j + ny * k)] ?? 0);
  return { data, dims: [nx, nz, ny] };
}

/** Magnitude of a complex signal with noise in both channels. @param sigma - in the units of the picture */
export function noisy({ data, dims }: Picture, sigma: number, seed = 1): Picture {
  const random = seeded(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return { dims, data: data.map((value) => Math.hypot(value + sigma * normal(), sigma * normal())) };
}

/** A copy half a field of view away, along the columns. */
export function ghosted({ data, dims }: Picture, share: number): Picture {
  const [nx, ny] = dims;
  return {
    dims,
    data: data.map((value, i) => {
      const row = Math.floor(i / nx) % ny;
      const from = i + (((row + (ny >> 1)) % ny) - row) * nx;
      return value + share * (data[from] ?? 0);
    }),
  };
}

/** Moved along rows by a share of a voxel, linear between neighbours. */
export function moved({ data, dims }: Picture, voxels: number): Picture {
  const [nx] = dims;
  return {
    dims,
    data: data.map((_, i) => {
      const x = (i % nx) - voxels;
      const low = Math.floor(x);
      const at = (column: number) => (column < 0 || column >= nx ? 0 : (data[i - (i % nx) + column] ?? 0));
      return at(low) + (at(low + 1) - at(low)) * (x - low);
    }),
  };
}

/** Slices that lost a share of their signal. */
export function dropped({ data, dims }: Picture, slices: readonly number[], share: number): Picture {
  const plane = dims[0] * dims[1];
  return { dims, data: data.map((value, i) => (slices.includes(Math.floor(i / plane)) ? value * (1 - share) : value)) };
}

/** Brighter towards one side, as under a coil that slipped. */
export function biased({ data, dims }: Picture, strength: number): Picture {
  const [nx] = dims;
  return { dims, data: data.map((value, i) => value * Math.exp(strength * ((2 * (i % nx)) / nx - 1))) };
}

/** The object moved out of the field of view, across the columns; nothing comes back on the other side. */
export function cut({ data, dims }: Picture, rows: number): Picture {
  const [nx, ny] = dims;
  return {
    dims,
    data: data.map((_, i) => {
      const row = Math.floor(i / nx) % ny;
      return row + rows < ny ? (data[i + rows * nx] ?? 0) : 0;
    }),
  };
}

export function volumeOf(
  repetitions: readonly Picture[],
  kind: VolumeKind,
  attributes: Attributes = {},
  changes: Partial<Volume> = {},
): Volume {
  const [nx, ny, nz] = repetitions[0]?.dims ?? [0, 0, 0];
  const data = new Float32Array(nx * ny * nz * repetitions.length);
  repetitions.forEach((one, t) => data.set(one.data, t * nx * ny * nz));
  const header = { Modality: 'MR', ProtocolName: 'T2_TurboRARE', RepetitionTime: 3200, EchoTime: 36, FlipAngle: 90 };
  return {
    studyInstanceUid: '2.25.1',
    seriesInstanceUid: '2.25.2',
    dims: [nx, ny, nz, repetitions.length],
    spacingMm: [0.36, 0.36, 0.7],
    data,
    affine: [0.36, 0, 0, 0, 0, 0, 0.7, 0, 0, -0.36, 0, 0, 0, 0, 0, 1],
    isRegular: true,
    slices: [],
    header: parseDataSet(encodeDataSet({ ...header, ...attributes }), '1.2.840.10008.1.2.1'),
    kind,
    ...changes,
  };
}
