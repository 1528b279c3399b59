/** Folders that a command writes into. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { HubError } from '../core/errors.ts';
import { commandFailure } from './failure.ts';

/**
 * Makes a folder and those above it. Not `recursive`: in a place where nothing can be made, such as `/proc`, it never ends.
 *
 * @throws {HubError} `file.failed` with the path
 */
export async function makeFolder(folder: string): Promise<void> {
  if (folder.trim() === '') throw new HubError('file.failed', { detail: 'a folder without a name' });
  const missing: string[] = [];
  for (let path = resolve(folder); ; path = dirname(path)) {
    const made = await tryToMake(path);
    if (made === 'made') break;
    missing.unshift(path);
    if (path === dirname(path)) break;
  }
  for (const path of missing)
    if ((await tryToMake(path)) === 'no-parent')
      throw new HubError('file.failed', { detail: `${path}: no folder can be made there` });
}

/** Ends well where there is one already. */
async function tryToMake(path: string): Promise<'made' | 'no-parent'> {
  try {
    await mkdir(path);
    return 'made';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return 'no-parent';
    const isThere = code === 'EEXIST' || code === 'EISDIR';
    if (isThere && (await stat(path).catch(() => undefined))?.isDirectory() === true) return 'made';
    throw commandFailure(error);
  }
}
