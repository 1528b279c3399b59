/** The folders a door works in: whether they are there, and what it means when they are not. */
import { access, constants, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { errorCode } from '../spool/storage-failure.ts';
import { isVanished } from './file-errors.ts';
import type { WhenTaken } from './put-away.ts';

/**
 * Asked before each look, so that nothing is taken that could not be put away.
 *
 * @returns the folder's own path, without links
 * @throws when it is not there, or cannot be worked in
 */
export async function checkPlaces(path: string, whenTaken: WhenTaken): Promise<string> {
  const root = await stat(path);
  await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  // A rename never leaves a file system; a copy would be neither there nor not there while it is made.
  if (whenTaken.kind === 'keep' && (await deviceOf(whenTaken.folder)) !== root.dev) {
    throw new HubError('folder.unavailable', { reason: 'the folder for taken files is on another file system' });
  }
  return await realpath(path);
}

/** For the operator: no path, no file name. */
export function problemOf(error: unknown): string {
  if (error instanceof HubError && typeof error.fields['reason'] === 'string') return error.fields['reason'];
  if (isVanished(error)) return 'the folder is not there';
  return `the folder cannot be used: ${errorCode(error)}`;
}

/** Of the folder, or of the nearest one above it that is there. */
async function deviceOf(folder: string): Promise<number> {
  try {
    return (await stat(folder)).dev;
  } catch (error) {
    if (!isVanished(error) || dirname(folder) === folder) throw error;
    return await deviceOf(dirname(folder));
  }
}
