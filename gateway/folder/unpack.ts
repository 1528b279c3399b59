/**
 * Unpacks entries of an archive into a folder made for nothing else. Names in an archive are a stranger's: what would lead out
 * of the folder, or over something that is there already, is not written.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { errorCode, storageFailure } from '../spool/storage-failure.ts';
import type { Archive, ArchiveEntry } from './archive.ts';
import { isOfTheSystem } from './file-errors.ts';

export interface Unpacking {
  /** Absolute, and there. Whoever made it removes it. */
  readonly into: string;
  /** Where an entry goes, relative to it; undefined: nowhere. */
  readonly placeOf: (entry: ArchiveEntry) => string | undefined;
  /** One that is damaged keeps no other from it. */
  readonly onRefused: (entry: ArchiveEntry, error: HubError) => void;
  /** Looks on while an entry is read. @throws to end it */
  readonly watched: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

/** The file system does not take the name, or has the name of a file for a folder or the other way round. */
const ABOUT_NAMES = new Set(['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EINVAL', 'EILSEQ']);

/**
 * Nothing is synced: the archive stands where it stood until what was made of it is durable.
 *
 * @throws {HubError} `store.full`, `store.failed`, of the folder; the archive's own disk's errors as they are
 */
export async function unpack(archive: Archive, { into, placeOf, onRefused, watched }: Unpacking): Promise<void> {
  for await (const entry of archive.entries()) {
    const place = placeOf(entry);
    if (place === undefined) continue;
    const path = resolve(into, place);
    try {
      if (place.includes('\0') || !path.startsWith(into + sep)) throw misnamed(entry);
      await write(entry, path, watched(entry.body));
    } catch (error) {
      if (!(error instanceof HubError) || !error.code.startsWith('archive.')) throw error;
      onRefused(entry, error);
    }
  }
}

async function write(entry: ArchiveEntry, path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    .then(async () => open(path, 'wx', 0o600))
    .catch((error: unknown) => {
      throw ABOUT_NAMES.has(errorCode(error)) ? misnamed(entry, error) : storageFailure(error);
    });
  try {
    for await (const chunk of body)
      await file.appendFile(chunk).catch((error: unknown) => {
        throw storageFailure(error);
      });
  } catch (error) {
    // Half a file is none.
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

function misnamed({ number }: ArchiveEntry, cause?: unknown): HubError {
  const reason = 'its name is that of another, or cannot be one here';
  return new HubError('archive.unreadable', { entry: number, reason }, cause);
}

/** Removes what is in a folder for unpacking, and makes the folder where there is none. */
export async function emptyFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw isOfTheSystem(error) ? storageFailure(error) : error;
  }
}
