/** DICOM and NIfTI files below a path, as the offline commands take them: read in place, nothing copied, nothing changed. */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { readHeader } from '../core/dicom/part10.ts';
import { HubError, toHubError } from '../core/errors.ts';
import { type ByteSource, formatBlobRef, type InstanceItem, type ObjectStore, parseBlobRef } from '../core/store.ts';

const CHUNK_BYTES = 1_048_576;
const NIFTI = /\.nii(\.gz)?$/i;

export interface LocalFiles {
  /** Their `sha256` is empty: nothing offline asks for it, and it would cost reading every byte. */
  readonly items: readonly InstanceItem[];
  /** Opens the items; keeps nothing. */
  readonly store: ObjectStore;
  readonly niftiFiles: readonly string[];
  /** SeriesDescription, else ProtocolName, else the series' folder, for people. */
  readonly seriesNames: ReadonlyMap<string, string>;
  /** Files that are neither; most folders hold some. */
  readonly otherFiles: readonly { readonly path: string; readonly reason: string }[];
}

/** @throws {HubError} `resource.not-found` */
export async function openLocalFiles(path: string, onFile: (files: number) => void = () => {}): Promise<LocalFiles> {
  const paths = await filesBelow(path);
  const items: InstanceItem[] = [];
  const seriesNames = new Map<string, string>();
  const otherFiles: { path: string; reason: string }[] = [];
  const niftiFiles = paths.filter((file) => NIFTI.test(file));
  for (const [index, file] of paths.entries()) {
    onFile(index + 1);
    if (NIFTI.test(file)) continue;
    try {
      const { item, name } = await readItem(file, index);
      items.push(item);
      if (!seriesNames.has(item.seriesInstanceUid)) seriesNames.set(item.seriesInstanceUid, name);
    } catch (error) {
      otherFiles.push({ path: relative(path, file) || basename(file), reason: toHubError(error).message });
    }
  }
  const store: ObjectStore = {
    open: async (ref) => {
      const file = paths[Number(parseBlobRef(ref).pack.replace('local/', ''))];
      if (file === undefined) throw new HubError('store.missing', { ref });
      return await openFile(file);
    },
    createPack: () =>
      Promise.reject(new HubError('store.failed', { detail: 'files of an offline command are read only' })),
  };
  return { items, store, niftiFiles, seriesNames, otherFiles };
}

/** All files below a path in order of their names; the path itself when it is a file. @throws {HubError} `resource.not-found` */
export async function filesBelow(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new HubError('resource.not-found', { path });
  if (found.isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

async function readItem(file: string, index: number): Promise<{ item: InstanceItem; name: string }> {
  const source = await openFile(file);
  try {
    const { dataSet, transferSyntaxUid } = await readHeader(source);
    const uid = (keyword: string): string => {
      const value = dataSet.string(keyword);
      if (value === undefined) throw new HubError('dataset.uid-missing', { attribute: keyword });
      return value;
    };
    const item: InstanceItem = {
      kind: 'instance',
      blob: formatBlobRef(`local/${index}`, 0, source.sizeBytes),
      sizeBytes: source.sizeBytes,
      sha256: '',
      studyInstanceUid: uid('StudyInstanceUID'),
      seriesInstanceUid: uid('SeriesInstanceUID'),
      sopInstanceUid: uid('SOPInstanceUID'),
      sopClassUid: uid('SOPClassUID'),
      transferSyntaxUid,
    };
    const name = dataSet.string('SeriesDescription') ?? dataSet.string('ProtocolName') ?? basename(join(file, '..'));
    return { item, name };
  } finally {
    await source.close();
  }
}

/** A file for reading by ranges. */
export async function openFile(file: string): Promise<ByteSource> {
  const handle = await open(file, 'r');
  const { size } = await handle.stat();
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  };
  return {
    sizeBytes: size,
    read,
    async *stream(offset = 0, length = size - offset) {
      const end = Math.min(size, offset + length);
      for (let at = offset; at < end; at += CHUNK_BYTES) yield await read(at, Math.min(CHUNK_BYTES, end - at));
    },
    close: () => handle.close(),
  };
}
