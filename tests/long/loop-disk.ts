import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/**
 * A file system in a file, so that the power can be cut: what the file holds at a moment is what the disk would hold,
 * while what only the kernel's memory holds is lost.
 */
export interface LoopDisk {
  readonly path: string;
  /** Mounts what would be left if the power failed now; replays the file system's journal as a restart does. */
  readonly cutPower: () => Promise<LoopDisk>;
  readonly remove: () => Promise<void>;
}

/** @returns the disk, or the reason why this machine gives none */
export async function mountLoopDisk(sizeMiB: number): Promise<LoopDisk | string> {
  const folder = await mkdtemp(join(tmpdir(), 'loop-disk-'));
  const image = join(folder, 'image');
  try {
    await exec('truncate', ['-s', `${sizeMiB}M`, image]);
    await exec('mkfs.ext4', ['-q', '-F', image]);
    return await mount(folder, image);
  } catch (error) {
    await rm(folder, { recursive: true });
    return `no file system in a file can be mounted here (${error instanceof Error ? error.message.split('\n').slice(0, 2).join(' ') : ''})`;
  }
}

async function mount(folder: string, image: string): Promise<LoopDisk> {
  const path = `${image}.mounted`;
  await mkdir(path);
  // The journal's own timer must not save what nobody has synced.
  await exec('mount', ['-o', 'loop,commit=300', image, path]);
  let cuts = 0;
  return {
    path,
    async cutPower() {
      cuts += 1;
      const copy = `${image}.cut-${cuts}`;
      // `cp`, not copyFile: that one may share blocks that the loop device is still going to write.
      await exec('cp', ['--sparse=always', '--reflink=never', image, copy]);
      return mount(folder, copy);
    },
    async remove() {
      await exec('umount', [path]);
      await rm(path, { recursive: true });
      await rm(image);
      if (!/\.cut-\d+$/.test(image)) await rm(folder, { recursive: true });
    },
  };
}
