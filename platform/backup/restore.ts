/** Puts a backup where a hub can start on it, byte by byte as it was taken. */
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { syncFolder, syncFolders } from '../sync-folder.ts';
import { copyFile } from './copy-file.ts';
import { type BackupManifest, readManifest } from './manifest.ts';

export interface RestoreOrder {
  readonly backup: string;
  /** Not there yet, or empty. */
  readonly dataDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, ofBytes: number) => void;
}

/**
 * Copies, never links: a hub changes its files, and the backup must stay what it is.
 *
 * @returns what the backup says of itself
 * @throws {HubError} `backup.unusable` when it is damaged, or something is where it is to go: then nothing is left there
 */
export async function restoreBackup(order: RestoreOrder): Promise<BackupManifest> {
  const { backup, dataDir, signal } = order;
  const manifest = await readManifest(backup);
  const ofBytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  await requireEmpty(dataDir);
  // Whole or not at all: half a data folder has a hub deliver again, or refuse what it has promised.
  const unfinished = `${dataDir}.restoring`;
  await rm(unfinished, { recursive: true, force: true });
  try {
    let doneBytes = 0;
    for (const folder of ['', 'spool', 'store', 'keys'])
      await mkdir(join(unfinished, folder), { recursive: true, mode: 0o700 });
    for (const { path, sizeBytes, sha256 } of manifest.files) {
      signal.throwIfAborted();
      const copied = await copyFile(join(backup, path), join(unfinished, path), {
        sizeBytes: Infinity,
        onBytes: (bytes) => order.onProgress((doneBytes += bytes), ofBytes),
        signal,
      }).catch((error: unknown) => {
        throw damaged(path, error);
      });
      if (copied.sizeBytes !== sizeBytes || copied.sha256 !== sha256) throw damaged(path);
    }
    await syncFolders(unfinished);
    await rmdir(dataDir).catch(() => undefined); // Not there, most likely; if it is not empty by now, the rename says so.
    await rename(unfinished, dataDir);
    await syncFolder(dirname(dataDir));
    return manifest;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

function damaged(path: string, cause?: unknown): unknown {
  if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT'))
    return new HubError('store.full', { detail: 'where the backup is to go' }, cause);
  if (cause instanceof Error && cause.name === 'AbortError') return cause;
  return new HubError('backup.unusable', { detail: `${path} is not what was backed up: take another backup` }, cause);
}

async function requireEmpty(dataDir: string): Promise<void> {
  const inside = await readdir(dataDir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  if (inside.length > 0)
    throw new HubError('backup.unusable', { detail: `${dataDir} is not empty: move away what is there` });
}
