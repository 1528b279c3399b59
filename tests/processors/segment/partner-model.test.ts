/** The example of docs/models.md, built and run as a partner would; and partners' models that are slower, flatter or worse. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { Attributes } from '../../../core/dicom/encode.ts';
import { HubError } from '../../../core/errors.ts';
import type { ProcessorResult } from '../../../core/plugins.ts';
import { formatBlobRef } from '../../../core/store.ts';
import { phantomStudy } from '../../../demo/phantom/study.ts';
import { segment } from '../../../processors/segment/index.ts';
import { run as runSegment } from '../../../processors/segment/step.ts';
import { checkModel, readModel } from '../../../processors/segment/model.ts';
import { segmentVolumes, type VolumeOutcome } from '../../../processors/segment/segment-volumes.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import { linearNetwork, node, onnxModel, tensor, valueInfo, writeModelFolder } from '../../support/onnx-model.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { headerWith, madeVolume } from './made-volume.ts';

const PAGE = resolve(import.meta.dirname, '../../../docs/models.md');
const SMALL = { columns: 24, rows: 24, slices: 6, spacingMm: [0.4, 1.2, 0.4] as const };
const never = (): AbortSignal => new AbortController().signal;

/** The page's manifest, for an ONNX file. */
function exampleManifest({ onnx }: Record<string, unknown>): Record<string, unknown> {
  const [, text = ''] = /```json\n([\s\S]+?)```/.exec(readFileSync(PAGE, 'utf8')) ?? [];
  const manifest = JSON.parse(text) as Record<string, unknown>;
  return { ...manifest, onnx: { ...(manifest['onnx'] as object), sha256: (onnx as { sha256: string }).sha256 } };
}

const isLesion = (x: number, y: number, z: number): boolean =>
  x >= 20 && x < 30 && y >= 30 && y < 44 && z >= 4 && z < 9;

/** Tissue with a bright box, and a bright speck that is none. */
function ratScan(changes: Partial<Volume> = {}): Volume {
  const isSpeck = (x: number, y: number, z: number) => x === 50 && y === 10 && z === 3;
  return madeVolume([64, 60, 14], (x, y, z) => (isLesion(x, y, z) || isSpeck(x, y, z) ? 1000 : 400 + ((x + y) % 5)), {
    spacingMm: [0.25, 0.25, 0.5],
    ...changes,
  });
}

async function outcomesOf(folder: string, volumes: readonly Volume[]): Promise<readonly VolumeOutcome[]> {
  const outcomes: VolumeOutcome[] = [];
  for await (const outcome of segmentVolumes(volumes, readModel(folder), never())) outcomes.push(outcome);
  return outcomes;
}

describe('a partner’s model', function () {
  this.timeout(30_000);
  const temporary = temporaryFolder();

  /** Channel 1 wins from 0.7 of the brightest on. */
  function exampleFolder(): string {
    const folder = join(temporary.path, 'example');
    writeModelFolder(folder, linearNetwork([-10, 10], [7, -7], [32, 32, 'Z'], 'lesion'), exampleManifest);
    return folder;
  }

  it('is usable as docs/models.md packages it, and finds what it is for, window by window', async () => {
    const folder = exampleFolder();
    expect(checkModel(folder).problems).to.deep.equal([]);
    const scan = ratScan();

    const [outcome] = await outcomesOf(folder, [scan]);

    const expected = madeVolume([64, 60, 14], (x, y, z) => (isLesion(x, y, z) ? 1 : 0)).data;
    const [lesion] = outcome?.segmented?.labels ?? [];
    expect(lesion?.label.name).to.equal('Lesion');
    expect([...(lesion?.mask ?? [])]).to.deep.equal([...expected]);
    expect(lesion?.volumeMm3).to.be.closeTo(10 * 14 * 5 * 0.25 * 0.25 * 0.5, 1e-9);
  });

  it('is given the series it is for, and says of the others why not', async () => {
    const of = async (attributes: Attributes, changes: Partial<Volume> = {}) =>
      ratScan({ header: await headerWith(attributes), ...changes });
    const RAT = { PatientSpeciesDescription: 'Rattus norvegicus' };
    const volumes = [
      await of({ ...RAT, SeriesDescription: 'T2_TurboRARE' }),
      await of({ ...RAT, ScanningSequence: 'SE', EchoTime: '33', RepetitionTime: '2500' }),
      await of({ ...RAT, SeriesDescription: 'something new' }),
      await of({ PatientSpeciesDescription: 'Mus musculus' }),
      await of({ ...RAT, SeriesDescription: 'T1_FLASH_3D' }),
      await of({ ...RAT, ScanningSequence: ['EP', 'SE'] }),
      await of({ ...RAT, Modality: 'CT' }),
      await of(RAT, { kind: 'diffusion' }),
      await of(RAT, { isRegular: false }),
      await of(RAT, { dims: [64, 420, 2, 1] }),
      await of(RAT, { data: new Float32Array(64 * 60 * 14).fill(3) }),
    ];

    const outcomes = await outcomesOf(exampleFolder(), volumes);

    expect(outcomes.map(({ fit }) => `${fit.isTaken ? 'taken' : 'left'}: ${fit.because}`)).to.deep.equal([
      'taken: MR, rat, T2w',
      'taken: MR, rat, T2w',
      'taken: MR, rat, contrast not known',
      'left: species mouse; the model is for rat',
      'left: contrast T1w; the model is for T2w',
      'left: contrast EPI; the model is for T2w',
      'left: modality CT; the model is for MR',
      'left: contrast DWI and EPI; the model is for T2w',
      'left: its slices are missing or not equally far apart: a mask would not lie where the scan does',
      'left: not a volume to segment: 64 × 420 × 2',
      'left: every voxel has the same value: there is nothing to see',
    ]);
    expect(outcomes.map(({ segmented }) => segmented !== undefined).filter(Boolean)).to.have.length(3);
  });

  it('leaves out scans whose voxels are too far from its own, where it says so', async () => {
    const folder = join(temporary.path, 'reject');
    writeModelFolder(folder, linearNetwork([1], [0]), (manifest) => ({
      ...manifest,
      geometry: { layout: 'NCXYZ', axes: 'scanner', spacing_mm: [0.25, 0.25, 0.5], spacing_policy: 'reject>10%' },
      intensity: [{ op: 'minmax' }],
    }));

    const [close, far] = await outcomesOf(folder, [
      ratScan({ spacingMm: [0.26, 0.25, 0.5] }),
      ratScan({ spacingMm: [0.3, 0.3, 0.5] }),
    ]);

    expect(close?.segmented).to.not.equal(undefined);
    expect(far?.fit.because).to.equal(
      'voxels of 0.3 × 0.3 × 0.5 mm; the model is for 0.25 × 0.25 × 0.5 mm, 10 % more or less',
    );
  });

  it('may be one of slices, given one after the other along the axis its layout leaves out', async () => {
    const folder = join(temporary.path, 'slices');
    writeModelFolder(folder, linearNetwork([1], [0], ['Z', 'X']), (manifest) => {
      const slice = { num_channels: 1, spatial_shape: ['16*n', '16*n'], dtype: 'float32' };
      return {
        ...manifest,
        network_data_format: { inputs: { image: slice }, outputs: { brain: slice } },
        geometry: { layout: 'NCZX', axes: 'RAS', spacing_policy: 'native' },
        intensity: [{ op: 'minmax' }],
        output: { activation: 'none', decode: 'threshold', threshold: 0.9, postprocess: ['largest_component'] },
      };
    });
    // The network would say no: a size that is no multiple of 16 never reaches it.
    expect(checkModel(folder).problems).to.deep.equal([]);

    const [outcome] = await outcomesOf(folder, [ratScan()]);

    const expected = madeVolume([64, 60, 14], (x, y, z) => (isLesion(x, y, z) ? 1 : 0)).data;
    expect([...(outcome?.segmented?.mask ?? [])]).to.deep.equal([...expected]);
  });

  /** Divides by the darkest voxel: of a scan with a zero nothing finite comes out. */
  function fragileFolder(): string {
    const folder = join(temporary.path, 'fragile');
    const onnx = onnxModel({
      nodes: [
        node('ReduceMin', ['image'], ['least']),
        node('Div', ['least', 'least'], ['one']),
        node('Mul', ['image', 'one'], ['bright']),
        node('Div', ['bright', 'thousand'], ['brain']),
      ],
      weights: [tensor('thousand', [1], [1000])],
      inputs: [valueInfo('image', [1, 1, 'X', 'Y', 'Z'])],
      outputs: [valueInfo('brain', [1, 1, 'X', 'Y', 'Z'])],
    });
    writeModelFolder(folder, onnx);
    return folder;
  }

  function forOthersFolder(): string {
    const folder = join(temporary.path, 'for-others');
    writeModelFolder(folder, linearNetwork([1], [0]), (manifest) => ({ ...manifest, species: ['guinea pig'] }));
    return folder;
  }

  it('that fails on one series is tried on the next', async () => {
    const bad = ratScan();
    bad.data[7] = 0;

    const outcomes = await outcomesOf(fragileFolder(), [bad, ratScan()]);

    expect(outcomes.map(({ failure }) => failure?.code)).to.deep.equal(['model.invalid', undefined]);
    expect(outcomes[1]?.segmented?.voxels).to.equal(701);
  });

  describe('in a route', () => {
    function runWith(argument: unknown, log = silentLog): Promise<ProcessorResult> {
      const { items, store } = memoryInstances(phantomStudy(SMALL));
      return runSegment({
        options: segment.resolve(argument, {
          policies: [],
          models: [
            { name: 'fragile', path: fragileFolder() },
            { name: 'for-others', path: forOthersFolder() },
          ],
        }),
        runId: '0190c8a0-0000-7000-8000-000000000001',
        route: 'rat-brain',
        studyInstanceUid: '1.2.3',
        revision: 1,
        items,
        store,
        pack: {
          append: (bytes) => {
            kept.push(Buffer.from(bytes as Uint8Array));
            return Promise.resolve({ blob: formatBlobRef('memory/made', 0, 1), sizeBytes: 1, sha256: 'a'.repeat(64) });
          },
          commit: () => Promise.resolve(),
          abort: () => Promise.resolve(),
        },
        secret: () => Promise.reject(new TypeError('no secret is needed')),
        log,
        signal: never(),
        progress: () => undefined,
      });
    }
    const seriesUids = (): readonly string[] =>
      memoryInstances(phantomStudy(SMALL)).items.map(({ seriesInstanceUid }) => seriesInstanceUid);
    let kept: Buffer[] = [];
    beforeEach(() => {
      kept = [];
    });

    it('leaves a finding when it fails, and the study goes on', async () => {
      const result = await runWith('fragile');

      const [event] = result.outcome === 'done' ? result.events : [];
      expect(event?.data).to.include({ model: 'tried', failedSeries: 1 }).and.to.have.property('manifestSha256');
      const report = JSON.parse(kept.at(-1)?.toString() ?? '') as {
        series: Record<string, unknown>[];
        manifestSha256: string;
      };
      expect(report.series.map(({ finding }) => finding)).to.deep.equal([
        'Model cannot be used: its output holds values below 0 or above 1, but the manifest asks for no activation',
      ]);
      expect(report.manifestSha256).to.match(/^[0-9a-f]{64}$/);
      expect(JSON.stringify(report)).to.not.include(temporary.path);
    });

    it('fails the run when the route requires it', async () => {
      const error = await thrownBy(runWith({ model: 'fragile', required: true }));

      expect(error.code).to.equal('model.invalid');
    });

    it('holds the study when no series fits it and the route requires it, and says why of each', async () => {
      const result = await runWith({ model: 'for-others', required: true });

      const [series] = seriesUids();
      expect(result).to.deep.include({
        outcome: 'held',
        reason: 'segmentation.missing',
        detail: `No series was segmented by tried. ${series ?? ''}: the model is for other species.`,
      });
      // What whoever decides about it can look at: the report, and no object.
      const reports = kept.map((bytes) => JSON.parse(bytes.toString()) as { series: unknown[] });
      expect(reports.map((report) => report.series)).to.deep.equal([
        [{ seriesInstanceUid: series, finding: 'species mouse; the model is for guinea pig' }],
      ]);
    });

    it('names the series that it leaves out, and the reason, where the route does not require it', async () => {
      const [left, failed] = [await runWith('for-others'), await runWith('fragile')];

      const saidBy = (result: ProcessorResult) => (result.outcome === 'done' ? result.events[0]?.data : undefined);
      const [seriesInstanceUid] = seriesUids();
      expect(saidBy(left)).to.deep.include({ series: [], leftOut: [{ seriesInstanceUid, reason: 'species' }] });
      expect(saidBy(failed)).to.deep.include({ series: [], leftOut: [{ seriesInstanceUid, reason: 'failed' }] });
    });

    it('is named by a string or by an object, and by nothing else', () => {
      for (const argument of [7, { model: 3 }, { name: 'fragile' }])
        expect(() => segment.resolve(argument, { policies: [], models: [] })).to.throw(HubError, /name of a model/);
    });
  });
});
