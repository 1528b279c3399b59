import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { waitFor } from './wait-for.ts';

/**
 * Runs the work while no other process runs work under the same lock file.
 *
 * A lock whose holder is dead is taken over, so a killed run blocks nobody. Two processes that take over at the very same
 * instant may both go on: what is done under the lock has to end in one atomic rename all the same.
 */
export async function withFileLock<T>(path: string, deadlineMs: number, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  await waitFor(`the lock ${path}`, () => take(path), deadlineMs);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    if (!(await isHeld(path))) await rm(path, { force: true });
    return false;
  }
}

async function isHeld(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, 'utf8'));
    // Empty: the holder is between creating the file and writing its number.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: alive, but another user's. ESRCH: dead. ENOENT: just released.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
