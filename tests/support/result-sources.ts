import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openLocalFiles } from '../../cli/local-files.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { HUB } from '../../processors/objects/hub.ts';
import { QualityResults } from '../../processors/objects/quality-results.ts';
import { QUALITY_OUTPUTS } from '../../processors/qc/outputs.ts';
import type { ResultObject } from '../../processors/objects/result-object.ts';
import type { SegmentationObject } from '../../processors/objects/segmentation.ts';
import { type NewScan, SegmentResults } from '../../processors/objects/segment-results.ts';
import { examine } from '../../processors/qc/examine.ts';
import { parseQcOptions } from '../../processors/qc/options.ts';
import { openModel } from '../../processors/segment/open-model.ts';
import { SEGMENT_OUTPUTS, type SegmentOutput } from '../../processors/segment/outputs.ts';
import { assembleVolumes } from '../../processors/volumes/assemble.ts';
import type { Volume } from '../../processors/volumes/volume.ts';

// What results are made from: one series of each way that MR comes in, and masks whose every voxel is known.

const MRI = resolve(import.meta.dirname, '../../../shared/mri');
const never = new AbortController().signal;

export const SOURCES = {
  'classic MR, made here': '',
  'classic MR': join(MRI, 'phantom/acr/GE_Signa_Artist_1.5T_T1'),
  'enhanced MR': join(MRI, 'dicom/siemens_xa10_enhanced'),
  'a mosaic': join(MRI, 'dicom/siemens_mosaic_orientation/cor/corasc35'),
  'a ParaVision study': join(MRI, 'rodent/bruker_pv5_banana/bru_banana'),
} as const;

/** Its quality is measured in less than a second. */
const SMALL = { columns: 48, rows: 40, slices: 8, spacingMm: [0.4, 2, 0.4] as const };

export interface ResultSource {
  /** Its largest volume, of the largest series. */
  readonly volume: Volume;
  /** Of all its instances. */
  readonly files: readonly Uint8Array[];
}

export async function openSource(name: keyof typeof SOURCES): Promise<ResultSource> {
  const path = SOURCES[name];
  if (path !== '') return await openPath(path);
  const folder = await mkdtemp(join(tmpdir(), 'hub-source-'));
  try {
    for (const [index, { bytes }] of phantomStudy(SMALL).entries())
      await writeFile(join(folder, `${index}.dcm`), bytes);
    return await openPath(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function openPath(path: string): Promise<ResultSource> {
  const { instances, store } = await openLocalFiles(path);
  const { volumes } = await assembleVolumes(instances, store, never);
  const [volume] = volumes.toSorted((one, other) => other.dims[2] - one.dims[2]);
  if (volume === undefined) throw new TypeError(`no volume below ${path}`);
  const files: Uint8Array[] = [];
  for (const { blob } of instances) {
    const source = await store.open(blob);
    files.push(await source.read(0, source.sizeBytes));
    await source.close();
  }
  return { volume, files };
}

/** Two labels that do not overlap, on some slices only, none of them symmetric. */
function twoLabels(volume: Volume): NewScan {
  const [nx, ny, nz] = volume.dims;
  const size = nx * ny * nz;
  const [first, last] = nz > 3 ? [1, nz - 2] : [0, nz - 1];
  const made = [0, 1].map((which) => {
    const mask = new Uint8Array(size);
    for (let z = first; z <= Math.max(first, last - which); z += 1)
      for (let y = 0; y < ny; y += 1)
        for (let x = 0; x < nx; x += 1) {
          const u = (x / nx - 0.45) / 0.3;
          const v = (y / ny - 0.4 - 0.01 * z) / 0.2;
          const isInside = u * u + v * v < 1;
          if (isInside && (x > 0.45 * nx ? 1 : 0) === which) mask[(z * ny + y) * nx + x] = 1;
        }
    return mask;
  });
  const [label] = model().labels;
  const voxelMm3 = volume.spacingMm[0] * volume.spacingMm[1] * volume.spacingMm[2];
  const labels = made.map((mask, which) => {
    const voxels = mask.reduce((sum, value) => sum + value, 0);
    const rgb = which === 0 ? ([230, 140, 60] as const) : ([60, 140, 230] as const);
    const named = { ...label, index: which + 1, name: which === 0 ? 'Brain' : 'Cerebral cortex', rgb };
    const type = which === 0 ? label.type : { scheme: 'SCT', code: '40146001', meaning: 'Cerebral cortex' };
    return { label: { ...named, type }, mask, voxels, volumeMm3: voxels * voxelMm3, confidence: 0.875 };
  });
  const labelMap = new Uint8Array(size);
  for (const { label: of, mask } of labels) for (let n = 0; n < size; n += 1) if (mask[n] === 1) labelMap[n] = of.index;
  const mask = labelMap.map((value) => (value === 0 ? 0 : 1));
  const reasons = ['the edge is blurred: entropy 0.53 is above 0.5'];
  return { volume, labels, mask, labelMap, reliability: { verdict: 'unreliable', reasons } };
}

export function model() {
  return openModel('rodent-brain', { models: [] }).manifest;
}

/** All that segmentation and quality control make of a volume, by what it is called here. */
export interface AllResults {
  readonly scan: NewScan;
  readonly segmentation: SegmentationObject;
  readonly objects: Readonly<Record<string, ResultObject>>;
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  readonly measures: Readonly<Record<string, number | null>>;
}

export async function allResults(
  volume: Volume,
  outputs: readonly SegmentOutput[] = SEGMENT_OUTPUTS,
): Promise<AllResults> {
  const scan = twoLabels(volume);
  const results = new SegmentResults({
    model: { ...model(), manifestSha256: 'c'.repeat(64) },
    ...{ hub: HUB, outputs, subject: () => 'x1', quality: new Map() },
  });
  const { segmentation, capture, files } = await results.add(scan);
  const { report, document, pdf, files: more } = await results.finish();
  const quality = new QualityResults({ hub: HUB, outputs: QUALITY_OUTPUTS, volumes: undefined });
  const { seriesInstanceUid } = volume;
  const [examined] = await examine({
    ...{ seriesInstanceUid, volumes: [volume], findings: [], options: parseQcOptions(undefined) },
  });
  if (segmentation === undefined || examined === undefined) throw new TypeError('a volume of DICOM makes both');
  const page = quality.add(volume, examined.report);
  const { report: measures, document: paper } = await quality.finish('warn', ['A scan is missing.']);
  const all = {
    Segmentation: segmentation,
    'report of volumes': report,
    'page of outlines': capture,
    'document of volumes': document,
    'report of quality': measures,
    'page of quality': page,
    'document of quality': paper,
  };
  const objects: Record<string, ResultObject> = {};
  for (const [name, object] of Object.entries(all)) if (object !== undefined) objects[name] = object;
  return {
    ...{ scan, segmentation, objects, measures: examined.report.measures },
    files: [...files, ...more, ...(pdf === undefined ? [] : [{ path: 'report.pdf', bytes: pdf }])],
  };
}
