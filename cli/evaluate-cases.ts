/** The cases of `hub evaluate`, each with its reference: NIfTI files, and folders of DICOM or ParaVision. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { HubError } from '../core/errors.ts';
import { type CaseRow, parseCasesTable, type Strata, subjectOf } from '../evaluation/cases-table.ts';
import { type Grid, inOrderOf } from '../pixels/voxel-grid.ts';
import { type EvaluatedLabel, masksOfLabelMap, masksOfSegments, type ReferenceMasks } from '../evaluation/labels.ts';
import type { CaseEntry, OpenedCase } from '../evaluation/run.ts';
import { readSegmentation, SEGMENTATION_STORAGE } from '../pixels/segmentation-reader.ts';
import { channelContrasts } from '../processors/segment/channels.ts';
import { contrastsOf } from '../processors/segment/fit.ts';
import type { Model } from '../processors/segment/model.ts';
import { fitAmong } from '../processors/segment/segment-volumes.ts';
import { speciesOf } from '../processors/segment/species.ts';
import { assembleVolumes } from '../processors/volumes/assemble.ts';
import { readNifti } from '../processors/volumes/nifti.ts';
import type { Volume } from '../processors/volumes/volume.ts';
import { asContrast, type CaseScan, channelFiles, digestOf, isCalled } from './evaluate-scan.ts';
import { commandFailure } from './failure.ts';
import { openFile, openLocalFiles } from './local-files.ts';
import { readNiftiFile } from './nifti-files.ts';

export interface CaseFolders {
  readonly cases: string;
  readonly references: string;
  /** Instead of cases.csv or cases.tsv among the cases. */
  readonly table: string | undefined;
  readonly subjectPattern: RegExp;
}

const NIFTI = /\.nii(\.gz)?$/i;
/** What a reference may be called beside its case's name. */
const REFERENCE_ENDING = /[-_](mask|seg|segmentation|label|labels|dseg|reference)$/i;
/** What lies beside scans and is none. */
const BESIDE = new Set(['.json', '.csv', '.tsv', '.txt', '.md', '.bval', '.bvec', '.pdf', '.html', '.png']);
/** Of a case with many series that are not for the model. */
const MOST_REASONS = 3;
const TABLES = ['cases.csv', 'cases.tsv'];

/** In order of their names. @throws {HubError} `file.failed` when a folder or the table cannot be read, or a name stands for two cases */
export async function findCases(
  { cases, references, table, subjectPattern }: CaseFolders,
  model: Model,
): Promise<readonly CaseEntry<CaseScan>[]> {
  const rows = await readTable(cases, table);
  const found = await namedScans(cases);
  for (const name of rows.keys())
    if (!found.has(name))
      throw new HubError('file.failed', { detail: `the table names the case ${name}, which ${cases} does not hold` });
  const drawn = await namedScans(references);
  const beside = new Map([...found.keys()].map((name) => [name, channelFiles(name, found, model.manifest)]));
  const seenBeside = new Set([...beside.values()].flat().map(({ name }) => name));
  return [...found]
    .filter(([name]) => !isReferenceOfAnother(name, found) && !seenBeside.has(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, path]) => {
      const row = rows.get(name);
      return {
        name,
        subject: subjectOf(name, row, subjectPattern),
        strata: row?.strata ?? {},
        open: (signal) => {
          const reference = referencePath(name, path, row, references, drawn);
          return openCase(path, beside.get(name) ?? [], reference, model, signal);
        },
      };
    });
}

async function readTable(cases: string, given: string | undefined): Promise<ReadonlyMap<string, CaseRow>> {
  const entries = await readdir(cases).catch((error: unknown) => {
    throw commandFailure(error);
  });
  const name = TABLES.find((each) => entries.includes(each));
  const file = given ?? (name === undefined ? undefined : join(cases, name));
  if (file === undefined) return new Map();
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw commandFailure(error);
  });
  return parseCasesTable(text, file);
}

/** NIfTI files anywhere below, other files and folders right below, by the name they go by. */
async function namedScans(root: string): Promise<ReadonlyMap<string, string>> {
  const all = await readdir(root, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw commandFailure(error);
  });
  const files = all
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name));
  const nifti = files.filter((path) => NIFTI.test(path));
  const topOf = (path: string): string => relative(root, path).split(sep)[0] ?? '';
  const withNifti = new Set(nifti.map(topOf));
  const others = files.filter((path) => !withNifti.has(topOf(path)) && !BESIDE.has(extname(path).toLowerCase()));
  const scans = [...nifti, ...new Set(others.map((path) => join(root, topOf(path))))];
  const named = new Map<string, string>();
  for (const path of scans) {
    const name = basename(path)
      .replace(NIFTI, '')
      .replace(/\.dcm$/i, '');
    const other = named.get(name);
    if (other !== undefined)
      throw new HubError('file.failed', { detail: `${other} and ${path} have the same name: ${name}` });
    named.set(name, path);
  }
  return named;
}

function isReferenceOfAnother(name: string, scans: ReadonlyMap<string, string>): boolean {
  return REFERENCE_ENDING.test(name) && scans.has(name.replace(REFERENCE_ENDING, ''));
}

function referencePath(
  name: string,
  scan: string,
  row: CaseRow | undefined,
  references: string,
  drawn: ReadonlyMap<string, string>,
): string {
  if (row?.reference !== undefined) {
    const path = resolve(references, row.reference);
    if (relative(references, path).startsWith('..')) throw unusable('its reference lies outside of --reference');
    return path;
  }
  const possible = [...drawn]
    .filter(
      ([each, path]) =>
        (each === name || each.replace(REFERENCE_ENDING, '') === name) && resolve(path) !== resolve(scan),
    )
    .map(([, path]) => path);
  const [only, second] = possible;
  if (only === undefined) throw unusable('it has no reference');
  if (second !== undefined)
    throw unusable(`it has several references: ${possible.map((path) => basename(path)).join(', ')}`);
  return only;
}

async function openCase(
  path: string,
  channels: ReturnType<typeof channelFiles<string>>,
  referenceAt: string,
  model: Model,
  signal: AbortSignal,
): Promise<OpenedCase<CaseScan>> {
  const { scan, findings } = NIFTI.test(path)
    ? await niftiCase(path, channels, model)
    : { scan: await scanBelow(path, model, signal), findings: [] };
  const { volume } = scan;
  const grid: Grid = {
    dims: [volume.dims[0], volume.dims[1], volume.dims[2]],
    spacingMm: volume.spacingMm,
    affine: volume.affine,
  };
  const voxels = grid.dims[0] * grid.dims[1] * grid.dims[2];
  const { masks, notes, sha256 } = await readReference(referenceAt, grid, volume.data, model.manifest.labels);
  const { header } = volume;
  const isDicom = volume.slices.length > 0;
  return {
    scan,
    grid,
    scanSha256: digestOf(scan),
    referenceSha256: sha256,
    reference: new Map(model.manifest.labels.map(({ index }, n) => [index, masks[n] ?? new Uint8Array(voxels)])),
    strata: strataOf(volume),
    ...(isDicom ? { isMarkedDeidentified: header.string('PatientIdentityRemoved') === 'YES' } : {}),
    notes: [...findings, ...notes],
  };
}

async function niftiCase(
  path: string,
  channels: ReturnType<typeof channelFiles<string>>,
  { manifest }: Model,
): Promise<{ readonly scan: CaseScan; readonly findings: readonly string[] }> {
  const first = await sizedNifti(path);
  const [own] = channelContrasts(manifest);
  if (own === undefined || !isCalled(basename(path).replace(NIFTI, ''), own))
    return { scan: { volume: first.volume, beside: [] }, findings: first.findings };
  const others = await Promise.all(
    channels.map(async ({ contrast, path: file }) => ({ contrast, ...(await sizedNifti(file)) })),
  );
  const beside = await Promise.all(others.map(({ volume, contrast }) => asContrast(volume, contrast, manifest)));
  return {
    scan: { volume: await asContrast(first.volume, own, manifest), beside },
    findings: [
      ...first.findings,
      ...others.flatMap(({ contrast, findings }) => findings.map((message) => `${contrast}: ${message}`)),
    ],
  };
}

/** @throws {HubError} `dataset.unreadable` too where nothing says how large a voxel is: scores are in millimetres */
async function sizedNifti(path: string): Promise<{ readonly volume: Volume; readonly findings: readonly string[] }> {
  const { volume, findings } = await readNiftiFile(path);
  const unsized = findings.find(({ code }) => code === 'spacing-unknown');
  if (unsized !== undefined) throw unusable(unsized.message);
  return { volume, findings: findings.map(({ message }) => message) };
}

async function scanBelow(path: string, { manifest }: Model, signal: AbortSignal): Promise<CaseScan> {
  const files = await openLocalFiles(path, () => ({ update: () => undefined, stop: () => undefined }));
  const { volumes, findings } = await assembleVolumes(files.instances, files.store, signal);
  const taken = volumes.filter((volume) => fitAmong(volume, volumes, manifest).fit.isTaken);
  const [one, second] = taken;
  if (second !== undefined) throw unusable(`it holds ${String(taken.length)} series the model takes: one a case`);
  const volume = one ?? (volumes.length === 1 ? volumes[0] : undefined);
  if (volume !== undefined) return { volume, beside: volumes.filter((each) => each !== volume) };
  const why = findings.map(({ message }) => message).join(' ');
  if (volumes.length === 0) throw unusable(`it holds no volume. ${why}`.trim());
  const fits = volumes.map((each) => fitAmong(each, volumes, manifest).fit.because);
  throw unusable(`none of its series is for the model: ${[...new Set(fits)].slice(0, MOST_REASONS).join('; ')}`);
}

async function readReference(
  path: string,
  grid: Grid,
  scan: Float32Array,
  labels: readonly EvaluatedLabel[],
): Promise<ReferenceMasks & { readonly sha256: string }> {
  if (!NIFTI.test(path)) return readSegments(path, grid, labels);
  const bytes = await fileBytes(path);
  const drawn = readNifti(bytes);
  if (drawn.dims[3] > 1) throw unusable('its reference has several repetitions');
  const from: Grid = {
    dims: [drawn.dims[0], drawn.dims[1], drawn.dims[2]],
    spacingMm: drawn.spacingMm,
    affine: drawn.affine,
  };
  const values = inOrderOf(grid, from, drawn.data);
  if (values === undefined)
    throw unusable(
      `its reference lies on another grid (${from.dims.join(' × ')}; the scan ${grid.dims.join(' × ')}): it is not resampled`,
    );
  // Somebody named the folder of scans twice: whole numbers would pass for labels.
  if (values.every((value, n) => value === scan[n])) throw unusable('its reference is the scan itself');
  const masks = masksOfLabelMap(values, labels);
  if (masks === undefined) throw unusable('its reference holds values that are no whole numbers: it is no mask');
  return { ...masks, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** A Segmentation, or a folder that holds one. */
async function readSegments(path: string, grid: Grid, labels: readonly EvaluatedLabel[]) {
  const { instances } = await openLocalFiles(path, () => ({ update: () => undefined, stop: () => undefined }));
  const [only, second] = instances.filter(({ sopClassUid }) => sopClassUid === SEGMENTATION_STORAGE);
  if (only === undefined) throw unusable('its reference is neither NIfTI nor a DICOM Segmentation');
  if (second !== undefined) throw unusable('its reference holds several Segmentations');
  const source = await openFile(only.path);
  try {
    const segments = await readSegmentation(source, grid);
    const sha256 = createHash('sha256')
      .update(await fileBytes(only.path))
      .digest('hex');
    return { ...masksOfSegments(segments, labels, grid.dims[0] * grid.dims[1] * grid.dims[2]), sha256 };
  } finally {
    await source.close();
  }
}

/** Codes and product names only: descriptions are free text. */
function strataOf(volume: Volume): Strata {
  const { header } = volume;
  const species = speciesOf(header);
  const scanner = header.string('ManufacturerModelName');
  const sequence = contrastsOf(volume).join(' ');
  return {
    ...(species === undefined ? {} : { species }),
    ...(scanner === undefined ? {} : { scanner }),
    ...(sequence === '' || volume.slices.length === 0 ? {} : { sequence }),
  };
}

async function fileBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw commandFailure(error);
  });
}

const unusable = (reason: string): HubError => new HubError('dataset.unreadable', { reason });
