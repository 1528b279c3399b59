/**
 * The files of a data folder as they are at one moment, kept by second names (hard links) while they are copied: a hub
 * that runs on removes what is delivered, and joins what is half empty, and neither may take away what the copy needs.
 */
import { link, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HubError } from '../../core/errors.ts';

/** In the data folder: links do not reach over file systems. */
const PINS = 'backup.pins';
const PINNED_FOLDERS = ['spool', 'store'] as const;
/** Being written under another name until it is whole; nothing in the ledger names it. */
const UNFINISHED = /\.(?:tmp|copy|part)$/;

export interface Pins {
  /** Relative to the data folder, with `/`; where the file is found. */
  list(): ReadonlyMap<string, string>;
  /** Adds what has come since. */
  again(): Promise<void>;
  remove(): Promise<void>;
}

/** @throws {HubError} `store.failed` when the file system knows no hard links */
export async function pinFiles(dataDir: string): Promise<Pins> {
  const folder = join(dataDir, PINS);
  // Of a backup that was killed.
  await rm(folder, { recursive: true, force: true });
  const pinned = new Map<string, string>();
  const again = async (): Promise<void> => {
    for (const name of PINNED_FOLDERS) {
      for (const path of await filesBelow(dataDir, name)) {
        if (pinned.has(path)) continue;
        const pin = join(folder, path);
        await mkdir(dirname(pin), { recursive: true, mode: 0o700 });
        if (await linked(join(dataDir, path), pin)) pinned.set(path, pin);
      }
    }
  };
  try {
    await again();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return { list: () => pinned, again, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function filesBelow(dataDir: string, folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(dataDir, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesBelow(dataDir, path)));
    else if (entry.isFile() && !UNFINISHED.test(entry.name)) found.push(path);
  }
  return found;
}

/** False when it was removed since it was listed. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw new HubError('store.failed', { detail: 'a file of the data folder cannot be given a second name' }, error);
  }
}
