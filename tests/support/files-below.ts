import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface FoundFile {
  /** Relative to the folder, with forward slashes. */
  readonly path: string;
  readonly bytes: Buffer;
}

/** Where the files below a folder lie, in any depth, sorted: none when there is no such folder yet. */
export async function pathsBelow(folder: string): Promise<readonly string[]> {
  const entries = (await readdir(folder, { recursive: true, withFileTypes: true }).catch(gone)) ?? [];
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** Every file below a folder in use, without those that get their final name meanwhile. */
export async function filesBelow(folder: string): Promise<readonly FoundFile[]> {
  const files: FoundFile[] = [];
  for (const path of await pathsBelow(folder)) {
    const bytes = await readFile(path).catch(gone);
    if (bytes !== undefined) files.push({ path: path.slice(folder.length + 1), bytes });
  }
  return files;
}

function gone(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
