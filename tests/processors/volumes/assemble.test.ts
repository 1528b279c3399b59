import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { openLocalFiles } from '../../../cli/local-files.ts';
import { generateHead } from '../../../demo/phantom/head.ts';
import { phantomStudy, type PhantomInstance } from '../../../demo/phantom/study.ts';
import { assembleVolumes } from '../../../processors/volumes/assemble.ts';
import { readNifti } from '../../../processors/volumes/nifti.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import { skip } from '../../support/skip.ts';

const MRI = resolve(import.meta.dirname, '../../../../shared/mri');
const signal = new AbortController().signal;
const SMALL = { seed: 3, columns: 24, rows: 20, slices: 8, spacingMm: [0.8, 2, 0.8] as const, noise: 0 };

const assemble = async (instances: readonly PhantomInstance[]) => {
  const { items, store } = memoryInstances(instances);
  return await assembleVolumes(items, store, signal);
};

const fromFolder = async (folder: string) => {
  const { instances, store } = await openLocalFiles(resolve(MRI, folder));
  return await assembleVolumes(instances, store, signal);
};

describe('assembling volumes', () => {
  it('puts the slices of a simulated head back in place, whatever their order and numbers', async () => {
    const instances = phantomStudy(SMALL);
    const shuffled = phantomStudy({ ...SMALL, attributes: { InstanceNumber: 7 } }).toReversed();
    const head = generateHead(SMALL);

    const { volumes, findings } = await assemble(instances);
    const { volumes: fromShuffled } = await assemble(shuffled);

    expect(findings).to.deep.equal([]);
    expect(volumes).to.have.length(1);
    const volume = volumes[0];
    expect(volume?.dims).to.deep.equal([24, 20, 8, 1]);
    expect(volume?.spacingMm.map((mm) => Math.round(mm * 1000) / 1000)).to.deep.equal([0.8, 0.8, 2]);
    expect(volume?.kind).to.equal('anatomical');
    expect(fromShuffled[0]?.data).to.deep.equal(volume?.data);
    expect(largestError(volume, head)).to.be.below(1 / 12_000);
  });

  it('names what is missing when a slice in the middle is lost', async () => {
    const instances = phantomStudy(SMALL).toSpliced(3, 1);

    const { volumes, findings } = await assemble(instances);

    expect(findings.map(({ code, message }) => ({ code, message }))).to.deep.equal([
      { code: 'slices-missing', message: 'Slices are missing: 1 of 8.' },
    ]);
    expect(volumes[0]?.isRegular).to.equal(false);
    expect(volumes[0]?.dims[2]).to.equal(7);
  });

  it('makes a repetition of what stands at the same place and drops one that is incomplete, saying so', async () => {
    const once = phantomStudy(SMALL);
    const again = phantomStudy({ ...SMALL, seed: 4, attributes: uidsOf(once, { AcquisitionNumber: 2 }) });
    const cutOff = phantomStudy({ ...SMALL, seed: 5, attributes: uidsOf(once, { AcquisitionNumber: 3 }) }).slice(0, 3);

    const { volumes, findings } = await assemble([...cutOff, ...again, ...once].map((one) => sameSeries(one, once)));

    expect(volumes.map(({ dims }) => dims)).to.deep.equal([[24, 20, 8, 2]]);
    expect(findings.map(({ message }) => message)).to.deep.equal([
      'The last repetition is incomplete: 2 of 3 are whole.',
    ]);
    expect(volumes[0]?.data.subarray(0, 24 * 20 * 8)).to.deep.equal((await assemble(once)).volumes[0]?.data);
  });

  it('keeps echoes apart', async () => {
    const once = phantomStudy(SMALL);
    const later = phantomStudy({ ...SMALL, attributes: { ...uidsOf(once), EchoTime: 72 } });

    const { volumes } = await assemble([...once, ...later].map((one) => sameSeries(one, once)));

    expect(volumes.map(({ dims }) => dims)).to.deep.equal([
      [24, 20, 8, 1],
      [24, 20, 8, 1],
    ]);
  });

  it('applies slope and intercept, and reads signed values', async () => {
    const plain = (await assemble(phantomStudy(SMALL))).volumes[0];
    const rescaled = (
      await assemble(phantomStudy({ ...SMALL, attributes: { RescaleSlope: 0.5, RescaleIntercept: -3 } }))
    ).volumes[0];

    expect(rescaled?.data[2000]).to.be.closeTo((plain?.data[2000] ?? 0) * 0.5 - 3, 1e-3);
  });

  it('says that colour images and broken geometry cannot be used instead of guessing', async () => {
    const colour = await assemble(phantomStudy({ ...SMALL, attributes: { SamplesPerPixel: 3 } }));
    const nowhere = await assemble(phantomStudy({ ...SMALL, attributes: { ImagePositionPatient: '' } }));

    expect(colour.volumes).to.deep.equal([]);
    expect(colour.findings.map(({ code }) => code)).to.deep.equal(['pixels-colour']);
    expect(nowhere.findings.map(({ code }) => code)).to.deep.equal(['geometry-missing']);
  });

  describe('from real scanners', () => {
    before(function () {
      if (!existsSync(MRI)) skip(this, '../shared/mri is not here');
    });

    it('reads the same pixels from every native encoding, RLE, JPEG 2000 and JPEG-LS', async () => {
      const pixels = new Map<string, Float32Array | undefined>();
      for (const encoding of ['', '_RLE', '_jp2klossless', '_jpeg_ls_lossless', '_bigendian', '_implicit', '_padded'])
        pixels.set(encoding, (await fromFolder(`dicom/pydicom_small/MR_small${encoding}.dcm`)).volumes[0]?.data);

      const reference = pixels.get('');
      expect(reference).to.have.length(64 * 64);
      for (const [encoding, data] of pixels) expect(data, encoding).to.deep.equal(reference);
    });

    it('says that a truncated instance has no pixels', async () => {
      const { findings } = await fromFolder('dicom/pydicom_small/MR_truncated.dcm');

      expect(findings.map(({ code }) => code)).to.deep.equal(['slice-single', 'pixels-unreadable']);
    });

    it('unfolds a Siemens mosaic as dcm2niix does', async () => {
      const folder = 'dicom/siemens_mosaic_orientation/ax/axasc35';
      const reference = readNifti(readFileSync(globSync(`${MRI}/${folder}/*.nii`)[0] ?? ''));

      const { volumes } = await fromFolder(folder);

      const volume = volumes[0];
      expect(volume?.dims).to.deep.equal(reference.dims);
      // dcm2niix turns the rows of each slice round; the places of the voxels in space are the same.
      for (const [x, y, z] of [
        [0, 0, 0],
        [63, 0, 0],
        [10, 20, 5],
        [40, 50, 34],
      ] as const) {
        const turned = 63 - y;
        expect(valueAt(volume, x, y, z)).to.equal(valueAt(reference, x, turned, z));
        const here = placeOf(volume, x, y, z);
        placeOf(reference, x, turned, z).forEach((mm, axis) => expect(mm).to.be.closeTo(here[axis] ?? 0, 0.02));
      }
    });

    it('stacks interleaved GE slices by place into repetitions', async () => {
      const { volumes, findings } = await fromFolder('dicom/ge_epi_interleaved');

      expect(findings).to.deep.equal([]);
      expect(volumes.map(({ dims, kind }) => ({ dims, kind }))).to.deep.equal([
        { dims: [64, 64, 15, 10], kind: 'functional' },
      ]);
    });

    it('reads enhanced multi-frame instances, one or several to a series', async () => {
      const t1 = await fromFolder('dicom/siemens_xa30_enhanced_T1w');
      const several = await fromFolder('dicom/siemens_xa10_enhanced');

      expect(t1.volumes[0]?.dims).to.deep.equal([128, 128, 96, 1]);
      expect(t1.volumes[0]?.slices[5]?.frameNumber).to.be.a('number');
      expect(several.volumes[0]?.dims).to.deep.equal([64, 64, 6, 4]);
      expect([...t1.findings, ...several.findings]).to.deep.equal([]);
    });
  });
});

function uidsOf(instances: readonly PhantomInstance[], more: Record<string, number> = {}) {
  return {
    StudyInstanceUID: instances[0]?.studyInstanceUid,
    SeriesInstanceUID: instances[0]?.seriesInstanceUid,
    ...more,
  };
}

function sameSeries(instance: PhantomInstance, others: readonly PhantomInstance[]): PhantomInstance {
  const { studyInstanceUid = '', seriesInstanceUid = '' } = others[0] ?? {};
  return { ...instance, studyInstanceUid, seriesInstanceUid };
}

function valueAt(volume: Volume | undefined, x: number, y: number, z: number): number | undefined {
  const [nx, ny] = volume?.dims ?? [0, 0];
  return volume?.data[x + nx * (y + ny * z)];
}

function placeOf(volume: Volume | undefined, x: number, y: number, z: number): readonly number[] {
  const a = volume?.affine ?? [];
  return [0, 4, 8].map((r) => (a[r] ?? 0) * x + (a[r + 1] ?? 0) * y + (a[r + 2] ?? 0) * z + (a[r + 3] ?? 0));
}

/** Compares voxel by voxel through the affine: RAS of the head against LPS of the volume. */
function largestError(volume: Volume | undefined, head: ReturnType<typeof generateHead>): number {
  const [nx, ny, nz] = head.dims;
  let worst = 0;
  for (let z = 0; z < 8; z++)
    for (let y = 0; y < 20; y++)
      for (let x = 0; x < 24; x++) {
        const [l = 0, p = 0, s = 0] = placeOf(volume, x, y, z);
        const i = Math.round(-l / head.spacingMm[0] + (nx - 1) / 2);
        const j = Math.round(-p / head.spacingMm[1] + (ny - 1) / 2);
        const k = Math.round(s / head.spacingMm[2] + (nz - 1) / 2);
        const simulated = head.voxels[i + nx * (j + ny * k)] ?? Number.NaN;
        worst = Math.max(worst, Math.abs((valueAt(volume, x, y, z) ?? Number.NaN) / 12_000 - simulated));
      }
  return worst;
}
