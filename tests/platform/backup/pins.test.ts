import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { pinFiles } from '../../../platform/backup/pins.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('the files of a data folder while they are copied', () => {
  const folder = temporaryFolder();
  const put = async (path: string, text: string) => {
    const to = join(folder.path, path);
    await mkdir(dirname(to), { recursive: true });
    await writeFile(to, text);
  };

  it('stay though the hub removes them, and what has come since is added', async () => {
    await put('spool/1.seg', 'one');
    await put('store/results/a.pack', 'a');
    await put('store/results/b.pack.tmp', 'half');
    await put('backup.pins/spool/0.seg', 'left by a backup that was killed');

    const pins = await pinFiles(folder.path);
    await rm(join(folder.path, 'spool', '1.seg'));
    await put('spool/2.seg', 'two');
    await pins.again();

    const contents = new Map<string, string>();
    for (const [path, from] of pins.list()) contents.set(path, await readFile(from, 'utf8'));
    expect([...contents].toSorted()).to.deep.equal([
      ['spool/1.seg', 'one'],
      ['spool/2.seg', 'two'],
      ['store/results/a.pack', 'a'],
    ]);
    await pins.remove();
  });
});
