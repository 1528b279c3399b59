/** The files of a study folder, read in place: never through a link, and nothing that is not a regular file. */
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from '../core/errors.ts';
import { rangedSource } from '../core/ranged-source.ts';
import type { ByteSource } from '../core/store.ts';
import { type JcampFile, parseJcamp } from './jcamp.ts';

/** Larger than any that ParaVision writes. */
const MAX_PARAMETER_FILE_BYTES = 64 * 1024 * 1024;
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Names in a folder; none when it is not there or is no folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (isGone(error)) return [];
    throw error;
  });
}

/** True for a folder itself, false for a link to one: what it leads to may be of another study, or nobody's to read. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/**
 * Opens a file for reading by ranges.
 *
 * @returns undefined when there is no such file
 * @throws the disk's errors as they are; {HubError} `paravision.incomplete` when it becomes shorter while it is read
 */
export async function openInPlace(path: string): Promise<ByteSource | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (isGone(error)) return undefined;
      throw error;
    },
  );
  if (handle === undefined) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      await handle.close();
      return undefined;
    }
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      for (let filled = 0; filled < length;) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0)
          throw new HubError('paravision.incomplete', { reason: 'a file became shorter while it was read' });
        filled += bytesRead;
      }
      return bytes;
    };
    return rangedSource(stats.size, read, () => handle.close());
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads a parameter file whole.
 *
 * @param name - for messages: relative to the study
 * @returns undefined when there is no such file
 * @throws {HubError} `paravision.parameters-unreadable`
 */
export async function readParameters(folder: string, name: string): Promise<JcampFile | undefined> {
  const source = await openInPlace(join(folder, name));
  if (source === undefined) return undefined;
  try {
    if (source.sizeBytes > MAX_PARAMETER_FILE_BYTES)
      throw new HubError('paravision.parameters-unreadable', { at: name, reason: 'it is too large' });
    return parseJcamp(textOf(await source.read(0, source.sizeBytes)), name);
  } finally {
    await source.close();
  }
}

/** True when the file begins like a parameter file of ParaVision's. */
export async function isParameterFile(path: string): Promise<boolean> {
  const source = await openInPlace(path);
  if (source === undefined) return false;
  try {
    const beginning = await source.read(0, Math.min(source.sizeBytes, 64));
    return Buffer.from(beginning).toString('latin1').startsWith('##TITLE=');
  } finally {
    await source.close();
  }
}

/** UTF-8 since Linux consoles are; what is not is of an older one. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Not UTF-8: each byte is a character of Latin-1.
    return Buffer.from(bytes).toString('latin1');
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && GONE.has(error.code);
}
