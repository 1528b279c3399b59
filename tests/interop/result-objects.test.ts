import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import * as z from 'zod';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readDataSet } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { HUB } from '../../processors/objects/hub.ts';
import { conceptOf } from '../../processors/objects/quality-concepts.ts';
import { segmentationObject } from '../../processors/objects/segmentation.ts';
import { MEASURES } from '../../processors/qc/measures.ts';
import type { Volume } from '../../processors/volumes/volume.ts';
import { run } from '../support/child-process.ts';
import { startOrthanc } from '../support/peer-servers.ts';
import { dcmqi, dcmtk, highdicom } from '../support/peers.ts';
import { type AllResults, allResults, model, openPath, openSource, type SOURCES } from '../support/result-sources.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const READER = resolve(import.meta.dirname, 'result-objects/read.py');
const REFERENCE = resolve(import.meta.dirname, '../../../shared/mri/dicom_seg_sr/dcmqi/23x38x3');

const said = z.object({
  segments: z.array(
    z.object({
      label: z.string(),
      type: z.string(),
      algorithm: z.string(),
      tracking: z.string(),
      shape: z.tuple([z.number(), z.number(), z.number()]),
      affine: z.array(z.array(z.number())),
    }),
  ),
  reports: z.array(
    z.array(
      z.object({
        tracking: z.string(),
        segments: z.array(z.tuple([z.string(), z.array(z.number())])),
        measures: z.record(z.string(), z.tuple([z.number(), z.string()])),
        evaluations: z.record(z.string(), z.string()),
      }),
    ),
  ),
});
type Said = z.infer<typeof said>;

// Nothing that reads here is ours: what others make of our objects is what they are.
describe('what others read of results', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  async function write({ objects }: AllResults, name: string): Promise<(kind: string) => string> {
    const place = join(folder.path, name);
    await mkdir(place, { recursive: true });
    const fileOf = (kind: string) => join(place, `${kind.replaceAll(' ', '-')}.dcm`);
    for (const [kind, { bytes }] of Object.entries(objects)) await writeFile(fileOf(kind), bytes);
    return fileOf;
  }

  type Order = readonly [prefix: string, segmentation: string, reports: readonly string[]];
  async function readByHighdicom(orders: readonly Order[]): Promise<readonly Said[]> {
    const { code, stdout, stderr } = await run(await highdicom(), [READER, JSON.stringify(orders)]);
    expect(code, stderr).to.equal(0);
    return z.array(said).parse(JSON.parse(stdout));
  }

  /** On the grid of the volume, by where each of its voxels lies in the patient. */
  async function maskOf(volume: Volume, prefix: string, number: number, { shape, affine }: Said['segments'][number]) {
    const raw = await readFile(`${prefix}-${String(number)}.raw`);
    const [nx, ny, nz] = volume.dims;
    const mask = new Uint8Array(nx * ny * nz);
    const at = (matrix: readonly number[], index: readonly number[]) =>
      [0, 1, 2].map((row) =>
        index.reduce((sum, n, axis) => sum + (matrix[4 * row + axis] ?? 0) * n, matrix[4 * row + 3] ?? 0),
      );
    const flat = affine.flat();
    for (let k = 0; k < shape[0]; k += 1) {
      const place = at(flat, [k, 0, 0]);
      const distances = Array.from({ length: nz }, (_, z) =>
        Math.hypot(...at(volume.affine, [0, 0, z]).map((mm, axis) => mm - (place[axis] ?? NaN))),
      );
      const z = distances.indexOf(Math.min(...distances));
      expect(distances[z], `slice ${String(k)}`).to.be.lessThan(1e-3);
      mask.set(raw.subarray(k * nx * ny, (k + 1) * nx * ny), z * nx * ny);
    }
    expect([shape[2], shape[1]]).to.deep.equal([nx, ny]);
    return mask;
  }

  describe('with highdicom', () => {
    const SERIES = [
      'classic MR',
      'enhanced MR',
      'a mosaic',
      'a ParaVision study',
    ] as const satisfies (keyof typeof SOURCES)[];
    const prefixOf = (name: string) => join(folder.path, `read-${name.replaceAll(' ', '-')}`);
    const made = new Map<string, { readonly volume: Volume; readonly results: AllResults }>();
    const read = new Map<string, Said>();
    let bits: {
      readonly volume: Volume;
      readonly mask: Uint8Array;
      readonly reference: Uint8Array;
      readonly bytes: Uint8Array;
    };

    before(async () => {
      const orders: Order[] = [];
      for (const source of SERIES) {
        const { volume } = await openSource(source);
        const results = await allResults(volume, ['seg', 'sr']);
        const fileOf = await write(results, source.replaceAll(' ', '-'));
        made.set(source, { volume, results });
        orders.push([
          prefixOf(source),
          fileOf('Segmentation'),
          [fileOf('report of volumes'), fileOf('report of quality')],
        ]);
      }
      bits = await bitsOfReference();
      const file = join(folder.path, 'bits.dcm');
      await writeFile(file, bits.bytes);
      orders.push([prefixOf('bits'), file, []]);
      const all = await readByHighdicom(orders);
      for (const [index, name] of [...SERIES, 'bits'].entries()) {
        const one = all[index];
        if (one !== undefined) read.set(name, one);
      }
    });

    /** @throws {TypeError} when nothing was read */
    function saidOf(name: string): Said {
      const one = read.get(name);
      if (one === undefined) throw new TypeError(`nothing was read of ${name}`);
      return one;
    }

    for (const source of SERIES)
      it(`are the same masks and numbers, made from ${source}`, async () => {
        const { volume, results } = made.get(source) ?? {};
        if (volume === undefined || results === undefined) throw new TypeError('it was made');
        const { segments, reports } = saidOf(source);

        const { labels } = results.scan;
        expect(segments.map(({ label, type }) => [label, type])).to.deep.equal([
          ['Brain', '12738006'],
          ['Cerebral cortex', '40146001'],
        ]);
        for (const [index, segment] of segments.entries()) {
          expect(segment.algorithm).to.equal('rodent-brain');
          const mask = await maskOf(volume, prefixOf(source), index + 1, segment);
          expect(Buffer.compare(mask, labels[index]?.mask ?? Buffer.alloc(0)), segment.label).to.equal(0);
        }
        const [volumes, quality] = reports;
        expect(volumes?.map(({ tracking }) => tracking)).to.deep.equal(segments.map(({ tracking }) => tracking));
        expect(volumes?.map((group) => group.segments)).to.deep.equal([
          [[results.segmentation.sopInstanceUid, [1]]],
          [[results.segmentation.sopInstanceUid, [2]]],
        ]);
        for (const [index, { measures, evaluations }] of (volumes ?? []).entries()) {
          expect(measures['118565006']?.[0]).to.be.closeTo(labels[index]?.volumeMm3 ?? NaN, 1e-9);
          expect(measures['118565006']?.[1]).to.equal('mm3');
          expect(measures['confidence']).to.deep.equal([0.875, '1']);
          expect(evaluations).to.include({ reliability: 'unreliable' });
        }
        const measured = Object.entries(results.measures).filter(([, value]) => value !== null);
        expect(measured.length).to.be.greaterThan(8);
        const [group] = quality ?? [];
        for (const [measure, value] of measured) {
          const { concept, unit } = conceptOf(measure) ?? {};
          expect(group?.measures[concept?.value ?? ''], measure).to.deep.equal([value, unit?.value]);
        }
        expect(Object.keys(group?.measures ?? {})).to.have.length(measured.length);
        expect(group?.evaluations['111050']).to.be.oneOf(['pass', 'warn', 'fail', 'no-history']);
      });

    it('are bits that run on over frames of 23 by 38, as dcmqi writes them', async () => {
      const ours = (await readDataSet(bytesAsSource(bits.bytes))).dataSet.element(TAG.PixelData)?.value;
      const [segment] = saidOf('bits').segments;
      if (segment === undefined) throw new TypeError('one segment');

      expect(ours?.subarray(0, bits.reference.length)).to.deep.equal(bits.reference);
      expect(Buffer.compare(await maskOf(bits.volume, prefixOf('bits'), 1, segment), bits.mask)).to.equal(0);
    });
  });

  describe('of an enhanced MR', () => {
    let results: AllResults;
    let fileOf: (kind: string) => string;
    before(async () => {
      results = await allResults((await openSource('enhanced MR')).volume);
      fileOf = await write(results, 'others');
    });

    it('are trees that DCMTK prints, and data sets it finds nothing wrong with', async () => {
      const programs = await dcmtk();
      for (const kind of Object.keys(results.objects)) {
        const { code, stderr } = await run(programs.command('dcmdump'), ['+E', fileOf(kind)]);
        expect([code, stderr], kind).to.deep.equal([0, '']);
      }

      const { code, stdout } = await run(programs.command('dsrdump'), ['+Pc', fileOf('report of volumes')]);

      expect(code).to.equal(0);
      const [brain] = results.scan.labels;
      expect(stdout).to.include(
        `(118565006,SCT,"Volume")="${String(Number(brain?.volumeMm3.toPrecision(14)))}`.slice(0, 36),
      );
      expect(stdout).to.include('(mm3,UCUM,"cubic millimeter")');
      expect(stdout).to.include('(121191,DCM,"Referenced Segment")=(SG image,,1)');
    });

    it('are segments and numbers to dcmqi', async () => {
      const out = join(folder.path, 'dcmqi');
      await mkdir(out, { recursive: true });
      const report = join(out, 'report.json');

      const reader = await run(await dcmqi('tid1500reader'), [
        ...['--inputDICOM', fileOf('report of volumes'), '--outputMetadata', report],
      ]);
      const converter = await run(await dcmqi('segimage2itkimage'), [
        ...['--inputDICOM', fileOf('Segmentation'), '--outputDirectory', out, '--outputType', 'nii'],
      ]);

      expect([reader.code, converter.code], reader.stderr + converter.stderr).to.deep.equal([0, 0]);
      const { Measurements } = z
        .object({
          Measurements: z.array(
            z.object({
              Finding: z.object({ CodeValue: z.string() }),
              segmentationSOPInstanceUID: z.string(),
              measurementItems: z.array(z.object({ value: z.string() })),
            }),
          ),
        })
        .parse(JSON.parse(await readFile(report, 'utf8')));
      expect(Measurements.map(({ Finding }) => Finding.CodeValue)).to.deep.equal(['12738006', '40146001']);
      for (const [index, each] of Measurements.entries()) {
        expect(each.segmentationSOPInstanceUID).to.equal(results.segmentation.sopInstanceUid);
        expect(Number(each.measurementItems[0]?.value)).to.be.closeTo(
          results.scan.labels[index]?.volumeMm3 ?? NaN,
          1e-6,
        );
      }
      const meta = z
        .object({ segmentAttributes: z.array(z.array(z.object({ SegmentLabel: z.string() }))) })
        .parse(JSON.parse(await readFile(join(out, 'meta.json'), 'utf8')));
      expect(meta.segmentAttributes.flat().map(({ SegmentLabel }) => SegmentLabel)).to.deep.equal([
        'Brain',
        'Cerebral cortex',
      ]);
    });

    it('come back from Orthanc as they were stored', async () => {
      const orthanc = await startOrthanc();
      try {
        for (const [kind, { bytes }] of Object.entries(results.objects)) {
          const stored = await fetch(`${orthanc.url}/instances`, { method: 'POST', body: Buffer.from(bytes) });
          const { ID } = z.object({ ID: z.string() }).parse(await stored.json());
          const returned = await fetch(`${orthanc.url}/instances/${ID}/file`);

          expect(Buffer.compare(Buffer.from(await returned.arrayBuffer()), bytes), kind).to.equal(0);
        }
        const studies = z.array(z.string()).parse(await (await fetch(`${orthanc.url}/studies`)).json());
        expect(studies).to.have.length(1);
      } finally {
        await orthanc.stop();
      }
    });
  });

  it('have a code for every measure, no longer than readers take, and no code twice', () => {
    const codes = [...MEASURES.keys()].map((measure) => conceptOf(measure)?.concept);

    expect(codes.every((code) => code !== undefined && code.value.length <= 16 && code.meaning.length <= 64)).to.be
      .true;
    expect(new Set(codes.map((code) => `${code?.scheme ?? ''} ${code?.value ?? ''}`)).size).to.equal(codes.length);
  });
});

/** dcmqi's Segmentation of frames whose size is no multiple of eight: its mask, its bits, and ours of the same mask. */
async function bitsOfReference() {
  const { volume } = await openPath(join(REFERENCE, 'image'));
  const { dataSet } = await readDataSet(bytesAsSource(await readFile(join(REFERENCE, 'seg/label.seg'))));
  const reference = dataSet.element(TAG.PixelData)?.value ?? new Uint8Array(0);
  const plane = 23 * 38;
  const mask = new Uint8Array(3 * plane);
  for (const [index, frame] of dataSet.items('PerFrameFunctionalGroupsSequence').entries()) {
    const [, , z = NaN] = frame.items('PlanePositionSequence')[0]?.numbers('ImagePositionPatient') ?? [];
    const slice = [0, 1, 2].find((n) => Math.abs((volume.affine[10] ?? 0) * n + (volume.affine[11] ?? 0) - z) < 1e-3);
    for (let n = 0; n < plane; n += 1) {
      const bit = index * plane + n;
      mask[(slice ?? NaN) * plane + n] = ((reference[bit >> 3] ?? 0) >> (bit & 7)) & 1;
    }
  }
  const { bytes } = segmentationObject(volume, [{ label: model().labels[0], mask }], model(), HUB);
  return { volume, mask, reference, bytes };
}
