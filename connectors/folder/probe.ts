/** Tries a folder as a delivery would use it: a file written, synced, renamed, its name synced, removed again. */
import { randomBytes } from 'node:crypto';
import { rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { type Diagnosis, fine, warning, wrong } from '../../core/diagnosis.ts';
import { syncFolder, writeAtomically } from './atomic-file.ts';

const TEST_BYTES = 64 * 1024;
const LOW_BYTES = 1024 ** 3;
const SLOW_SYNC_MS = 500;

export async function* probeFolder(root: string): AsyncGenerator<Diagnosis> {
  const folder = await nearestFolder(root);
  if (typeof folder !== 'string') {
    yield folder;
    return;
  }
  yield folder === root
    ? fine('folder', `${root} is there`)
    : fine('folder', `${root} is not there yet; the first delivery makes it below ${folder}`);
  const space = await statfs(folder);
  const freeBytes = space.bavail * space.bsize;
  // Deliveries come to a stop when the last byte is gone; whoever is told earlier can still act.
  yield freeBytes >= LOW_BYTES
    ? fine('space', `${gigabytes(freeBytes)} are free`)
    : warning(
        'space',
        `Only ${gigabytes(freeBytes)} are free`,
        'A study of a few hundred MB more, and deliveries wait for room.',
        `Free space on the disk of ${folder}: "df -h ${folder}".`,
      );
  yield await writes(folder);
}

/** The folder, or what is there of the way to it. */
async function nearestFolder(root: string): Promise<string | Diagnosis> {
  for (let path = root; ; path = dirname(path)) {
    try {
      if ((await stat(path)).isDirectory()) return path;
      return wrong(
        'folder',
        `${path} is not a folder`,
        'A file of this name is in the way.',
        'Rename it, or name another folder.',
      );
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || path === dirname(path)) return failed('folder', path, error);
    }
  }
}

async function writes(folder: string): Promise<Diagnosis> {
  const name = `.hub-doctor-${randomBytes(6).toString('hex')}`;
  const path = join(folder, name);
  const startedMs = performance.now();
  try {
    await writeAtomically(path, 'test', [randomBytes(TEST_BYTES)]);
    await syncFolder(folder);
  } catch (error) {
    return failed('write', folder, error);
  } finally {
    await rm(path, { force: true });
  }
  const tookMs = performance.now() - startedMs;
  const what = `A file can be written, synced and renamed (${tookMs.toFixed(0)} ms)`;
  if (tookMs < SLOW_SYNC_MS) return fine('write', what);
  return warning(
    'write',
    what,
    'That is slow for 64 KiB: each file of a delivery takes as long.',
    'Look at the disk or the share: "iostat -x 1".',
  );
}

/** @throws what is no answer of the file system */
function failed(id: string, path: string, error: unknown): Diagnosis {
  const what = `${path} cannot be ${id === 'write' ? 'written' : 'looked at'}`;
  const user = `user ${process.getuid?.() ?? ''} (the one who runs this command; the hub must run as the same)`;
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return wrong(
        id,
        what,
        `The permissions do not allow it for ${user}.`,
        `Give the hub's user write permission: "ls -ld ${path}".`,
      );
    case 'EROFS':
      return wrong(
        id,
        what,
        'It is mounted read-only.',
        `Mount it for writing; a disk that failed is often made read-only by the system: look at "dmesg". "findmnt -T ${path}" shows the mount.`,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return wrong(id, what, 'The disk or the quota is full.', `Free space: "df -h ${path}" and "df -i ${path}".`);
    case 'ESTALE':
    case 'EIO':
      return wrong(
        id,
        what,
        `The disk or the share does not answer (${codeOf(error)}).`,
        'Look at "dmesg"; mount the share again.',
      );
    default: {
      if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
      return wrong(
        id,
        what,
        `${getSystemErrorMessage(error.errno)} (${codeOf(error)}).`,
        'Check the path and its disk.',
      );
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
