import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** A file system of its own that is soon full. */
export interface SmallDisk {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** @returns the disk, or the reason why this machine gives none */
export async function mountSmallDisk(sizeBytes: number): Promise<SmallDisk | string> {
  const path = await mkdtemp(join(tmpdir(), 'small-disk-'));
  try {
    await exec('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  } catch (error) {
    await rm(path, { recursive: true });
    return `a small disk cannot be mounted here (${error instanceof Error ? (error.message.split('\n')[1] ?? '') : ''})`;
  }
  return {
    path,
    async remove() {
      await exec('umount', [path]);
      await rm(path, { recursive: true });
    },
  };
}
