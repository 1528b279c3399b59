/** NIfTI on disk: `.nii`, and pairs of a `.hdr` and an `.img`, plain or gzip. */
import { open, readFile, stat } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { constants } from 'node:zlib';
import { HubError } from '../core/errors.ts';
import { type OpenedNifti, openNifti } from '../processors/volumes/nifti.ts';
import { isHeader } from '../processors/volumes/nifti-header.ts';
import { commandFailure } from './failure.ts';

const SINGLE = /\.nii(\.gz)?$/i;
const HEADER = /\.hdr(\.gz)?$/i;
const VOXELS = /\.img(\.gz)?$/i;
/** What a file in memory may be: beyond it nothing of 256 million voxels is left. */
const MAX_FILE_BYTES = 2 ** 31;
/** Enough to unpack four bytes from. */
const FIRST_BYTES = 64;

/** The name without what says that it is NIfTI: `sub-1_T2w` of `sub-1_T2w.nii.gz`. */
export function stemOf(file: string): string {
  return file.replace(SINGLE, '').replace(HEADER, '');
}

export interface SortedFiles {
  /** A pair by its header. */
  readonly nifti: readonly string[];
  readonly others: readonly string[];
}

/** Which of the files are NIfTI: `.hdr` and `.img` are names of other formats too, so the header is looked into. */
export async function niftiAmong(paths: readonly string[]): Promise<SortedFiles> {
  const nifti: string[] = [];
  const ofPairs = new Set<string>();
  for (const path of paths) {
    if (SINGLE.test(path)) nifti.push(path);
    const header = VOXELS.test(path) ? await headerBeside(path) : path;
    if (header === undefined || !HEADER.test(header) || !(await beginsAsHeader(header))) continue;
    ofPairs.add(path);
    // An `.img` that was asked for alone stands for its pair.
    if (header === path || !paths.includes(header)) nifti.push(header);
  }
  return { nifti, others: paths.filter((path) => !SINGLE.test(path) && !ofPairs.has(path)) };
}

/** @throws {HubError} `dataset.unreadable`, `file.failed` */
export async function readNiftiFile(path: string): Promise<OpenedNifti> {
  const file = await bytesOf(path);
  if (!HEADER.test(path)) return openNifti(file);
  const voxels = await voxelsBeside(path);
  return openNifti(file, voxels === undefined ? undefined : await bytesOf(voxels));
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new HubError('dataset.unreadable', { reason: 'it is larger than 2 GiB' });
    return await readFile(path);
  } catch (error) {
    throw commandFailure(error);
  }
}

async function voxelsBeside(header: string): Promise<string | undefined> {
  const stem = header.replace(HEADER, '');
  return await firstThere([`${stem}.img`, `${stem}.img.gz`, `${stem}.IMG`]);
}

async function headerBeside(voxels: string): Promise<string | undefined> {
  const stem = voxels.replace(VOXELS, '');
  return await firstThere([`${stem}.hdr`, `${stem}.hdr.gz`, `${stem}.HDR`]);
}

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths)
    if (
      await stat(path).then(
        (found) => found.isFile(),
        () => false,
      )
    )
      return path;
  return undefined;
}

async function beginsAsHeader(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read({ buffer: new Uint8Array(FIRST_BYTES) });
      const bytes = buffer.subarray(0, bytesRead);
      const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
      return isHeader(isGzip ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes);
    } finally {
      await file.close();
    }
  } catch {
    // What cannot be opened or unpacked is told of where other files are.
    return false;
  }
}
