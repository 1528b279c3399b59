import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { generateHead, type HeadOptions } from '../../../demo/phantom/head.ts';
import { measure } from '../../../processors/qc/measure.ts';
import { ghosting, ghostToSignal } from '../../../processors/qc/mutual-information.ts';
import { readNifti } from '../../../processors/volumes/nifti.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { emptyHeader } from '../../support/empty-header.ts';
import { skip } from '../../support/skip.ts';

const RODENT = resolve(import.meta.dirname, '../../../../shared/mri/rodent');

/** What AIDAqc and MRIQC, unmodified, say about the same files. */
const REFERENCE: readonly (readonly [string, Readonly<Record<string, number | null>>])[] = [
  ['mouse_T1w_head/sherm-1_T1w', { snr_chang_db: 45.158, snr_normal_db: 6.526, efc: 0.8154 }],
  ['mouse_template_head_300um/anat', { snr_chang_db: null, snr_normal_db: 16.328, efc: 0.5867 }],
  ['mouse_EPI_head/emory-mouse1_EPI_forward0', { snr_chang_db: null, snr_normal_db: 51.311, efc: 0.4291 }],
  ['rat_T2w_head/nirodents-sub-15_T2w', { snr_chang_db: 20.856, snr_normal_db: 28.011, efc: 0.6284 }],
  ['mouse_invivo_T2w_stripped/FVB-1_T2w', { snr_chang_db: null, snr_normal_db: null, efc: 0.3499 }],
  ['mouse_template_head_300um/func', { tsnr_db: null, lmv: 0.064, gmv: 0.128, efc: 0.527 }],
];
const TOLERANCE: Readonly<Record<string, number>> = { snr_chang_db: 0.01, snr_normal_db: 0.01, lmv: 1e-4, gmv: 1e-4 };

describe('the measures of quality control', () => {
  for (const [file, expected] of REFERENCE)
    it(`agree with the published tools on ${file}`, function () {
      const path = resolve(RODENT, `${file}.nii.gz`);
      if (!existsSync(path)) skip(this, '../shared/mri is not here');

      const { measures } = measure(readNifti(readFileSync(path)));

      for (const [name, value] of Object.entries(expected)) {
        if (value === null) expect(measures[name], name).to.equal(null);
        // The function's EFC is published with three places only.
        else
          expect(measures[name], name).to.be.closeTo(value, TOLERANCE[name] ?? (file.endsWith('func') ? 5e-4 : 1e-4));
      }
    });

  it('see no slice lose signal where a negative scale makes all of them dark', () => {
    const volume = volumeOf([head({ noise: 0.02 })]);
    const turned = { ...volume, data: volume.data.map((value) => 10 - 2 * value) };

    expect(measure(turned).measures['drop_out_fraction']).to.equal(0);
  });

  it('see more noise as less signal to noise, and nothing else as wrong', () => {
    const quiet = measure(volumeOf([head({ noise: 0.02 })])).measures;
    const noisy = measure(volumeOf([head({ noise: 0.06 })])).measures;

    expect(noisy['snr_normal_db']).to.be.below((quiet['snr_normal_db'] ?? 0) - 5);
    expect(noisy['snr_chang_db']).to.be.below((quiet['snr_chang_db'] ?? 0) - 3);
    expect(noisy['efc']).to.be.above(quiet['efc'] ?? 1);
    expect([quiet['drop_out_fraction'], noisy['drop_out_fraction']]).to.deep.equal([0, 0]);
  });

  it('see a ghost at half the field of view, more of a stronger one, and none where there is none', () => {
    const plane = (ghost: number) => centralSlice(head({ noise: 0.01 }), ghost);

    const ratios = [0, 0.05, 0.1, 0.2].map((ghost) => ghostToSignal(plane(ghost), 1) ?? Number.NaN);

    expect(ratios).to.deep.equal(ratios.toSorted((a, b) => a - b));
    expect(ratios[0]).to.be.below(0.02);
    expect(ratios[2]).to.be.above(0.05);
    expect(ghosting(plane(0), 1)).to.be.below(0.25);
    expect(ghosting(plane(0.2), 1)).to.be.above(0.25);
  });

  it('name the slice that lost its signal, among slices and over time', () => {
    const dark = head({ noise: 0.01 });
    const [nx, ny, nz] = sizeOf(dark);
    for (let i = 0; i < nx * ny; i++) dark.data[10 * nx * ny + i] = (dark.data[10 * nx * ny + i] ?? 0) * 0.2;
    const series = [1, 2, 3, 4, 5, 6].map(() => head({ noise: 0.01 }));
    const third = series[2];
    if (third !== undefined)
      for (let i = 0; i < nx * ny; i++) third.data[4 * nx * ny + i] = (third.data[4 * nx * ny + i] ?? 0) * 0.7;

    const alone = measure(volumeOf([dark]));
    const overTime = measure(volumeOf(series));

    expect(alone.droppedSlices).to.deep.equal([11]);
    expect(overTime.droppedSlices).to.deep.equal([5]);
    expect(overTime.measures['drop_out_fraction']).to.be.closeTo(1 / (6 * nz), 1e-6);
  });

  it('see motion between repetitions and a steady series as steady', () => {
    const still = [1, 2, 3, 4, 5].map((seed) => withNoise(head({ noise: 0 }), seed));
    const moving = still.map((one, t) => (t === 3 ? shifted(one, 5) : one));

    const steady = measure(volumeOf(still)).measures;
    const moved = measure(volumeOf(moving)).measures;

    expect(moved['gmv']).to.be.above(3 * (steady['gmv'] ?? 1));
    expect(moved['tsnr']).to.be.below(steady['tsnr'] ?? 0);
  });

  it('see a clipped receiver', () => {
    const loud = head({ noise: 0.01 });
    loud.data.forEach((value, i) => (loud.data[i] = Math.min(value, 0.5)));

    expect(measure(volumeOf([loud])).measures['clipped_fraction']).to.be.above(0.01);
    expect(measure(volumeOf([head({})])).measures['clipped_fraction']).to.equal(0);
  });
});

interface Stored {
  readonly data: Float32Array;
  readonly dims: readonly [number, number, number];
}
const sizeOf = ({ dims }: Stored) => dims;

/** A simulated head as a scanner stores it: columns, rows, coronal slices. */
function head(options: HeadOptions): Stored {
  const { voxels, dims } = generateHead({ columns: 64, rows: 48, slices: 20, spacingMm: [0.3, 0.7, 0.3], ...options });
  const [nx, ny, nz] = dims;
  const data = new Float32Array(voxels.length);
  for (let k = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++) data[i + nx * (nz - 1 - k + nz * j)] = voxels[i + nx * (j + ny * k)] ?? 0;
  return { data, dims: [nx, nz, ny] };
}

function volumeOf(repetitions: readonly Stored[]): Volume {
  const [nx, ny, nz] = repetitions[0]?.dims ?? [0, 0, 0];
  const data = new Float32Array(nx * ny * nz * repetitions.length);
  repetitions.forEach((one, t) => data.set(one.data, t * nx * ny * nz));
  return {
    studyInstanceUid: '2.25.1',
    seriesInstanceUid: '2.25.2',
    dims: [nx, ny, nz, repetitions.length],
    spacingMm: [0.3, 0.3, 0.7],
    data,
    affine: [0.3, 0, 0, 0, 0, 0, 0.7, 0, 0, -0.3, 0, 0, 0, 0, 0, 1],
    isRegular: true,
    slices: [],
    header: emptyHeader(),
    kind: repetitions.length > 1 ? 'functional' : 'anatomical',
  };
}

function centralSlice({ data, dims: [nx, ny, nz] }: Stored, ghost: number) {
  const plane = data.subarray((nz >> 1) * nx * ny, ((nz >> 1) + 1) * nx * ny);
  const pixels = plane.map((value, i) => {
    const from = (Math.floor(i / nx) + (ny >> 1)) % ny;
    return value + ghost * (plane[from * nx + (i % nx)] ?? 0);
  });
  return { pixels, columns: nx, rows: ny };
}

/** A little noise that differs from repetition to repetition and repeats from run to run. */
function withNoise({ data, dims }: Stored, seed: number): Stored {
  return { dims, data: data.map((value, i) => value + 0.02 * Math.abs(Math.sin(i * 12.9898 + seed * 78.233))) };
}

function shifted({ data, dims }: Stored, columns: number): Stored {
  return { dims, data: data.map((_, i) => data[i - columns] ?? 0) };
}
