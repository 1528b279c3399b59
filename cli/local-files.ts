/** Files below a path, as the commands take them: read in place, nothing copied, nothing changed. A ParaVision study counts as what it becomes. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { headerAttributes } from '../core/dicom/attributes.ts';
import { HeaderRoom, MEDIA_STORAGE_DIRECTORY, type Part10Header, readHeader } from '../core/dicom/part10.ts';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import type { Attributes } from '../core/ledger/common.ts';
import { type ByteSource, formatBlobRef, type InstanceItem, type ObjectStore, parseBlobRef } from '../core/store.ts';
import { fileRange, letOthersIn } from '../platform/store/file-range.ts';
import { commandFailure, remedyOf, sentenceOf } from './failure.ts';
import { localStudies } from './local-studies.ts';
import { niftiAmong } from './nifti-files.ts';
import { progressBar } from './progress.ts';

/** How many files a command names before it only counts them. */
const MOST_NAMED = 5;

export interface LocalFiles {
  readonly instances: readonly LocalInstance[];
  /** Opens the instances; keeps nothing. */
  readonly store: ObjectStore;
  readonly series: readonly LocalSeries[];
  readonly niftiFiles: readonly string[];
  /** DICOM, or not to be read at all: what a command cannot take though it should. */
  readonly damaged: readonly DamagedFile[];
  /** What could be read and is worth a look nevertheless, in lines for a person. */
  readonly remarks: readonly string[];
  /** Neither DICOM nor NIfTI, relative to the path; most folders hold some. */
  readonly otherFiles: readonly string[];
}

/** Its `sha256` is empty: nothing offline asks for it, and it would cost reading every byte. */
export interface LocalInstance extends InstanceItem {
  /** Of its file, or of the file it is made of. */
  readonly path: string;
}

export interface LocalSeries {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** SeriesDescription, else ProtocolName, else the folder, for people. */
  readonly name: string;
  /** Of its first instance, for routing. */
  readonly attributes: Attributes;
  readonly instances: number;
}

export interface DamagedFile {
  readonly path: string;
  /** Relative to the path that was asked for. */
  readonly name: string;
  readonly error: HubError;
  /** When that much of it can be read. */
  readonly studyInstanceUid?: string;
}

/** @param showing - what it shows while it reads. @throws {HubError} `file.failed` when there is no such path */
export async function openLocalFiles(root: string, showing = progressBar): Promise<LocalFiles> {
  const all = await filesBelow(root);
  const studies = await localStudies(root, all).catch((error: unknown) => {
    throw commandFailure(error);
  });
  const paths = all.filter((path) => studies.isApart(path));
  const { nifti: niftiFiles, others: dicomFiles } = await niftiAmong(paths);
  const candidates: readonly Candidate[] = [
    ...dicomFiles.map((path) => ({ path, open: () => openFile(path) })),
    ...studies.made,
  ];
  const instances: LocalInstance[] = [];
  const series = new Map<string, LocalSeries>();
  const damaged: DamagedFile[] = [];
  const otherFiles: string[] = [...studies.others];
  const room = new HeaderRoom();
  const nameOf = (path: string) => relative(root, path) || basename(path);
  const bar = showing('reading', candidates.length);
  try {
    for (const [index, candidate] of candidates.entries()) {
      bar.update(index + 1);
      const { path } = candidate;
      const name = nameOf(path);
      const read = await readFile(candidate, index, room);
      if (read.kind === 'instance') {
        instances.push(read.instance);
        addToSeries(series, read.instance, read.header);
      } else if (read.kind === 'damaged') {
        const { error, studyInstanceUid } = read;
        damaged.push({ path, name, error, ...(studyInstanceUid === undefined ? {} : { studyInstanceUid }) });
      } else otherFiles.push(name);
    }
  } finally {
    bar.stop();
  }
  damaged.push(...studies.broken.map(({ path, error }) => ({ path, name: nameOf(path), error })));
  const remarks = studies.remarks.map(({ path, text }) => `${nameOf(path)}: ${text}`);
  const store = readOnlyStore(candidates);
  return { instances, store, series: [...series.values()], niftiFiles, damaged, remarks, otherFiles };
}

/** What was left out of a folder, and why, and what is worth a look, in lines for a person. */
export function leftOutLines({
  damaged,
  remarks,
  otherFiles,
}: Pick<LocalFiles, 'damaged' | 'remarks' | 'otherFiles'>): readonly string[] {
  const more = damaged.length - MOST_NAMED;
  const remedies = new Set(damaged.slice(0, MOST_NAMED).flatMap(({ error }) => remedyOf(error) ?? []));
  return [
    ...damaged.slice(0, MOST_NAMED).map(({ name, error }) => `cannot be taken: ${name}: ${sentenceOf(error)}`),
    ...(more > 0 ? [`cannot be taken: ${count(more, 'more file')}`] : []),
    ...[...remedies].map((remedy) => `what to do: ${remedy}`),
    ...remarks.slice(0, MOST_NAMED).map((remark) => `worth a look: ${remark}`),
    ...(remarks.length > MOST_NAMED ? [`worth a look: ${remarks.length - MOST_NAMED} more`] : []),
    ...(otherFiles.length === 0
      ? []
      : [`left out, not DICOM: ${count(otherFiles.length, 'file')}, such as ${otherFiles[0] ?? ''}`]),
  ];
}

/** For people: what it was called on the scanner, else its UID. */
export function seriesName({ series }: Pick<LocalFiles, 'series'>, seriesInstanceUid: string): string {
  return series.find((each) => each.seriesInstanceUid === seriesInstanceUid)?.name ?? seriesInstanceUid;
}

/** A file for reading by ranges. */
export async function openFile(path: string): Promise<ByteSource> {
  // A command has one thing to do, and may be interrupted between two files.
  await letOthersIn('at-once');
  const file = openSync(path, 'r');
  try {
    return fileRange({
      read: (bytes, offset, length, position) => readSync(file, bytes, offset, length, position),
      start: 0,
      sizeBytes: fstatSync(file).size,
      close: async () => closeSync(file),
      failed: (cause) =>
        cause === undefined
          ? new HubError('file.failed', { detail: `${path}: it became shorter while it was read` })
          : commandFailure(cause),
    });
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** In order of their names; the path itself when it is a file. A link to a file counts, one to a folder may lead in a circle. */
async function filesBelow(root: string): Promise<readonly string[]> {
  const found = await stat(root).catch((error: unknown) => {
    throw commandFailure(error);
  });
  if (!found.isDirectory()) return [root];
  const paths: string[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isLinkToFile = async () => (await stat(path).catch(() => undefined))?.isFile() === true;
    if (entry.isFile() || (entry.isSymbolicLink() && (await isLinkToFile()))) paths.push(path);
  }
  return paths.toSorted();
}

type ReadFile =
  | { readonly kind: 'instance'; readonly instance: LocalInstance; readonly header: Part10Header }
  | { readonly kind: 'damaged'; readonly error: HubError; readonly studyInstanceUid?: string | undefined }
  | { readonly kind: 'other' };

/** A file, or what makes one. */
interface Candidate {
  readonly path: string;
  readonly open: () => Promise<ByteSource>;
}

async function readFile({ path, open: openIt }: Candidate, index: number, room: HeaderRoom): Promise<ReadFile> {
  let header: Part10Header | undefined;
  try {
    const source = await openIt();
    try {
      header = await readHeader(source, room);
      if (header.meta.string('MediaStorageSOPClassUID') === MEDIA_STORAGE_DIRECTORY) return { kind: 'other' };
      return { kind: 'instance', instance: instanceOf(path, index, source.sizeBytes, header), header };
    } finally {
      await source.close();
    }
  } catch (thrown) {
    const error = commandFailure(thrown);
    if (error.code === 'internal.unexpected') throw thrown;
    const isOther = error.code === 'dataset.empty' || error.fields['detail'] === 'not-a-part-10-file';
    if (isOther) return { kind: 'other' };
    return { kind: 'damaged', error, studyInstanceUid: header?.dataSet.string('StudyInstanceUID') };
  }
}

function instanceOf(path: string, index: number, sizeBytes: number, header: Part10Header): LocalInstance {
  const uid = (keyword: string): string => {
    const value = header.dataSet.string(keyword);
    if (value === undefined) throw new HubError('dataset.uid-missing', { attribute: keyword });
    return value;
  };
  return {
    kind: 'instance',
    path,
    blob: formatBlobRef(`local/${index}`, 0, sizeBytes),
    sizeBytes,
    sha256: '',
    studyInstanceUid: uid('StudyInstanceUID'),
    seriesInstanceUid: uid('SeriesInstanceUID'),
    sopInstanceUid: uid('SOPInstanceUID'),
    sopClassUid: uid('SOPClassUID'),
    transferSyntaxUid: header.transferSyntaxUid,
  };
}

function addToSeries(series: Map<string, LocalSeries>, instance: LocalInstance, { dataSet }: Part10Header): void {
  const { studyInstanceUid, seriesInstanceUid, path } = instance;
  // Both: a damaged export may use one series UID in two studies.
  const key = `${studyInstanceUid} ${seriesInstanceUid}`;
  const known = series.get(key) ?? {
    studyInstanceUid,
    seriesInstanceUid,
    name: dataSet.string('SeriesDescription') ?? dataSet.string('ProtocolName') ?? basename(dirname(path)),
    attributes: headerAttributes(dataSet),
    instances: 0,
  };
  series.set(key, { ...known, instances: known.instances + 1 });
}

function readOnlyStore(candidates: readonly Candidate[]): ObjectStore {
  return {
    open: async (ref) => {
      const candidate = candidates[Number(parseBlobRef(ref).pack.replace('local/', ''))];
      if (candidate === undefined) throw new HubError('store.missing', { ref });
      return await candidate.open();
    },
    createPack: () => Promise.reject(new TypeError('files of a command are read only')),
  };
}
