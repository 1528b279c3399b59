import { mkdtempSync, rmSync, writeFileSync, copyFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readDataSet } from '../../../core/dicom/part10.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { HubError } from '../../../core/errors.ts';
import { generateHead } from '../../../demo/phantom/head.ts';
import { phantomStudy } from '../../../demo/phantom/study.ts';
import { HUB } from '../../../processors/objects/hub.ts';
import { openInference } from '../../../processors/segment/inference.ts';
import { maskNifti } from '../../../processors/segment/mask-nifti.ts';
import { openModel } from '../../../processors/segment/open-model.ts';
import { packFrames, type SegmentMask, segmentationObject } from '../../../processors/objects/segmentation.ts';
import { segmentVolumes } from '../../../processors/segment/segment-volumes.ts';
import { assembleVolumes } from '../../../processors/volumes/assemble.ts';
import { readNifti } from '../../../processors/volumes/nifti.ts';
import { volumeToNifti } from '../../../processors/volumes/to-nifti.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { run } from '../../support/child-process.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import { dciodvfy } from '../../support/peers.ts';

const BUNDLED = fileURLToPath(new URL('../../../processors/segment/models/rodent-brain/', import.meta.url));
const NOTHING = { models: [] };
const never = (): AbortSignal => new AbortController().signal;

async function phantomVolume(): Promise<{ volume: Volume; truth: Uint8Array }> {
  const { items, store } = memoryInstances(phantomStudy());
  const { volumes } = await assembleVolumes(items, store, never());
  const [volume] = volumes;
  if (volume === undefined) throw new TypeError('the phantom makes one volume');
  return { volume, truth: generateHead().mask };
}

/** As the bundled model's one label. */
function masks(mask: Uint8Array): readonly SegmentMask[] {
  return [{ label: openModel('rodent-brain', NOTHING).manifest.labels[0], mask }];
}

/** Twice the overlap over the sum. */
function dice(one: Uint8Array, other: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (const [n, value] of one.entries()) {
    both += value & (other[n] ?? 0);
    sum += value + (other[n] ?? 0);
  }
  return (2 * both) / sum;
}

describe('segmentation', function () {
  this.timeout(60_000);
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hub-segmentation-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives the same mask on every run', async () => {
    const { volume } = await phantomVolume();
    const masks: Uint8Array[] = [];

    for (let round = 0; round < 2; round += 1) {
      for await (const { segmented } of segmentVolumes([volume], openModel('rodent-brain', NOTHING), never())) {
        if (segmented !== undefined) masks.push(segmented.mask);
      }
    }

    expect(masks).to.have.length(2);
    expect(Buffer.compare(masks[0] ?? Buffer.alloc(0), masks[1] ?? Buffer.alloc(1))).to.equal(0);
  });

  it('becomes a Segmentation that dciodvfy accepts, on the geometry of its source', async () => {
    const { volume } = await phantomVolume();
    const mask = Uint8Array.from(volume.data, (value, n) => (value > 0 && n % 7 === 0 ? 1 : 0)).subarray(
      0,
      volume.dims[0] * volume.dims[1] * volume.dims[2],
    );
    const object = segmentationObject(volume, masks(mask), openModel('rodent-brain', NOTHING).manifest, HUB);
    const file = join(folder, 'segmentation.dcm');
    writeFileSync(file, object.bytes);

    const verifier = (await dciodvfy()).command('dciodvfy');
    const { stderr, stdout } = await run(verifier, [file]);

    expect(`${stdout}${stderr}`).to.not.match(/^Error/m);
    const { dataSet } = await readDataSet(bytesAsSource(object.bytes));
    const [first] = dataSet.items('PerFrameFunctionalGroupsSequence');
    expect(dataSet.string('StudyInstanceUID')).to.equal(volume.studyInstanceUid);
    expect(first?.items('PlanePositionSequence')[0]?.numbers('ImagePositionPatient')).to.deep.equal(
      volume.header.numbers('ImagePositionPatient'),
    );
    expect(
      first?.items('DerivationImageSequence')[0]?.items('SourceImageSequence')[0]?.string('ReferencedSOPInstanceUID'),
    ).to.equal(volume.slices[0]?.sopInstanceUid);
  });

  it('becomes a segment a label, with a frame a slice it is in, and says that segments overlap', async () => {
    const { volume } = await phantomVolume();
    const plane = volume.dims[0] * volume.dims[1];
    const [label] = openModel('rodent-brain', NOTHING).manifest.labels;
    const maskOf = (...slices: readonly number[]) => {
      const mask = new Uint8Array(plane * volume.dims[2]);
      for (const slice of slices) mask[slice * plane + 7] = 1;
      return mask;
    };
    const named = (name: string, mask: Uint8Array): SegmentMask => ({ label: { ...label, name }, mask });

    const { bytes } = segmentationObject(
      volume,
      [named('Brain', maskOf(2, 3, 5)), named('Absent', maskOf()), named('Cortex', maskOf(3))],
      openModel('rodent-brain', NOTHING).manifest,
      HUB,
    );

    const { dataSet } = await readDataSet(bytesAsSource(bytes));
    expect(dataSet.items('SegmentSequence').map((item) => item.string('SegmentLabel'))).to.deep.equal([
      'Brain',
      'Cortex',
    ]);
    const frames = dataSet.items('PerFrameFunctionalGroupsSequence');
    expect(
      frames.map((frame) => frame.items('FrameContentSequence')[0]?.numbers('DimensionIndexValues')),
    ).to.deep.equal([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 2],
    ]);
    expect(dataSet.string('SegmentsOverlap')).to.equal('YES');
    expect(dataSet.number('NumberOfFrames')).to.equal(4);
  });

  it('packs frames whose size is no multiple of eight without a gap between them', () => {
    const dims = [23, 38, 3, 1] as const;
    const mask = new Uint8Array(23 * 38 * 3);
    mask[23 * 38] = 1; // the first pixel of the second frame: bit 874 of the stream
    const volume = { dims } as unknown as Volume;

    const bytes = packFrames(
      volume,
      [0, 1, 2].map((slice) => ({ mask, slice })),
    );

    expect(bytes).to.have.length(328);
    expect(bytes[874 >> 3]).to.equal(1 << (874 & 7));
    expect(bytes.reduce((a, b) => a + b, 0)).to.equal(1 << (874 & 7));
  });

  it('gives the mask as NIfTI, voxel for voxel on the grid the scan is written on', async () => {
    const { volume } = await phantomVolume();
    const series: Volume = { ...volume, dims: [...volume.dims.slice(0, 3), 2] as unknown as Volume['dims'] };
    for (const scan of [volume, { ...series, data: Float32Array.from([...volume.data, ...volume.data]) }]) {
      const mask = Uint8Array.from(volume.data, (value) => (value > 3000 ? 1 : 0));
      const parts: Uint8Array[] = [];
      for await (const part of volumeToNifti(scan)) parts.push(part);

      const written = readNifti(await maskNifti(scan, mask));

      const asScan = readNifti(Buffer.concat(parts));
      expect(written.dims.slice(0, 3)).to.deep.equal(asScan.dims.slice(0, 3));
      expect(written.affine).to.deep.equal(asScan.affine);
      expect(written.data.every((value, n) => (value === 1) === (asScan.data[n] ?? 0) > 3000)).to.equal(true);
    }
  });

  it('leaves a human head out and says why', async () => {
    const { volume } = await phantomVolume();
    const large: Volume = { ...volume, spacingMm: [2, 2, 2] };

    const results = [];
    for await (const result of segmentVolumes([large], openModel('rodent-brain', NOTHING), never()))
      results.push(result);

    expect(results.map(({ fit }) => fit)).to.deep.equal([
      { isTaken: false, because: 'a field of view of 256 mm is no mouse or rat', leftOut: 'field-of-view' },
    ]);
  });

  it('does not write a patient value into the object beyond those of its study', async () => {
    const { volume } = await phantomVolume();
    const mask = new Uint8Array(volume.dims[0] * volume.dims[1] * volume.dims[2]).fill(1);

    const { bytes } = segmentationObject(volume, masks(mask), openModel('rodent-brain', NOTHING).manifest, HUB);

    const text = Buffer.from(bytes).toString('utf8');
    expect(text).to.include(volume.header.string('PatientID'));
    expect(text).to.not.include(volume.header.string('OperatorsName') ?? 'no operator');
  });

  describe('a model that is not what it should be', () => {
    function copyModel(change: (manifest: Record<string, unknown>) => void, onnx?: Uint8Array): void {
      const manifest = JSON.parse(readFileSync(join(BUNDLED, 'model.json'), 'utf8')) as Record<string, unknown>;
      change(manifest);
      writeFileSync(join(folder, 'model.json'), JSON.stringify(manifest));
      if (onnx === undefined) copyFileSync(join(BUNDLED, 'model.onnx'), join(folder, 'model.onnx'));
      else writeFileSync(join(folder, 'model.onnx'), onnx);
    }
    const open = (): unknown => openModel('mine', { models: [{ name: 'mine', path: folder }] });

    it('is refused when it is not there', () => {
      expect(() => openModel('nobody-has-it', NOTHING)).to.throw(HubError, /no model/);
    });

    it('is refused when its file is another than the manifest says', () => {
      copyModel(() => undefined, Buffer.from('not a network'));

      expect(open).to.throw(HubError).with.property('code', 'model.invalid');
    });

    it('is refused when the manifest has a mistake, with its place', () => {
      copyModel((manifest) => {
        manifest['geometry'] = { layout: 'NCXYZ', axes: 'RAS', spacing_mm: [0.25, 0.25] };
      });

      expect(open).to.throw(HubError, /geometry\/spacing_mm/);
    });

    it('is refused when its output is not what the manifest promises', async () => {
      const model = openModel('rodent-brain', NOTHING);
      const lying = {
        ...model,
        manifest: {
          ...model.manifest,
          network_data_format: {
            ...model.manifest.network_data_format,
            outputs: {
              brain: {
                num_channels: 3,
                spatial_shape: [64, 96, 64] as [number, number, number],
                dtype: 'float32' as const,
              },
            },
          },
        },
      };
      const session = await openInference(lying, 1, never());

      const failure = await session
        .run(new Float32Array(64 * 96 * 64), [1, 1, 64, 96, 64], [1, 3, 64, 96, 64])
        .catch((error: unknown) => error);
      await session.close();

      expect(failure).to.be.instanceOf(HubError).with.property('code', 'model.invalid');
    });

    it('is ended when it takes longer than its manifest allows', async () => {
      const model = openModel('rodent-brain', NOTHING);
      const hasty = {
        ...model,
        manifest: { ...model.manifest, limits: { ...model.manifest.limits, max_seconds: 0.001 } },
      };

      const failure = await openInference(hasty, 1, never()).then(
        (session) => session.close(),
        (error: unknown) => error,
      );

      expect(failure).to.be.instanceOf(HubError).with.property('code', 'processor.timeout');
    });
  });

  it('overlaps the truth of the simulated head', async () => {
    const { volume, truth } = await phantomVolume();
    const [nx, ny, nz] = volume.dims;
    // The head is x left to right, y back to front, z up; the volume has rows from the top and slices from front to back.
    const head = generateHead();
    const [hx, hy, hz] = head.dims;
    const expected = new Uint8Array(nx * ny * nz);
    for (let s = 0; s < nz; s += 1)
      for (let r = 0; r < ny; r += 1)
        for (let c = 0; c < nx; c += 1)
          expected[(s * ny + r) * nx + c] = truth[((hz - 1 - r) * hy + (hy - 1 - s)) * hx + c] ?? 0;

    for await (const { segmented } of segmentVolumes([volume], openModel('rodent-brain', NOTHING), never())) {
      const mask = segmented?.mask ?? new Uint8Array(expected.length);
      const mirrored = mask.map((_, n) => mask[n - (n % nx) + (nx - 1 - (n % nx))] ?? 0);
      expect(Math.max(dice(mask, expected), dice(mirrored, expected))).to.be.greaterThan(0.93);
    }
  });
});
