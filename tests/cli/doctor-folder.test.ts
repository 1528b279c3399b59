import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdir, readdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mountSmallDisk, type SmallDisk } from '../platform/small-disk.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { examineDestination } from './doctor-run.ts';

const DISK_BYTES = 1024 * 1024;

describe('hub doctor on a folder', () => {
  const folder = temporaryFolder();
  const examine = (path: string) => examineDestination(folder.path, { type: 'folder', path });

  it('finds a good one good, and leaves nothing in it', async () => {
    const path = join(folder.path, 'out');
    await mkdir(path);

    const ran = await examine(path);

    expect([ran.code, ran.check('write')?.verdict, await readdir(path)]).to.deep.equal([0, 'fine', []]);
  });

  it('makes nothing of one that is not there yet', async () => {
    const ran = await examine(join(folder.path, 'later', 'out'));

    expect([ran.code, ran.check('folder')?.verdict]).to.deep.equal([0, 'fine']);
    expect(await readdir(folder.path)).not.to.include('later');
  });

  it('says that a file is in the way', async () => {
    const path = join(folder.path, 'file');
    await writeFile(path, '');

    const ran = await examine(path);

    expect([ran.code, ran.wrong]).to.deep.equal([1, ['folder']]);
  });

  describe('on a disk of its own', () => {
    let disk: SmallDisk | undefined;
    before(async function () {
      const mounted = await mountSmallDisk(DISK_BYTES);
      if (typeof mounted === 'string') skip(this, mounted);
      disk = mounted;
    });
    after(async () => disk?.remove());

    it('says that the disk is full', async () => {
      const path = disk?.path ?? '';
      const { bavail, bsize } = await statfs(path);
      await writeFile(join(path, 'filler'), Buffer.alloc(bavail * bsize));

      const ran = await examine(path);

      expect([ran.code, ran.wrong]).to.deep.equal([1, ['write']]);
      expect(ran.check('write')?.why).to.equal('The disk or the quota is full.');
      expect(await readdir(path)).to.deep.equal(['filler']);
    });

    it('says that it is mounted read-only', async () => {
      const path = disk?.path ?? '';
      await promisify(execFile)('mount', ['-o', 'remount,ro', path]);

      const ran = await examine(path);

      expect(ran.wrong).to.deep.equal(['write']);
      expect(ran.check('write')?.why).to.equal('It is mounted read-only.');
    });
  });
});
