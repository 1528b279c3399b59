import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { sweepAbandoned } from '../../../processors/segment/abandoned-folders.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('folders of inference processes whose hub was killed', () => {
  const temporary = temporaryFolder();

  it('are removed when they are old and empty, and nothing else is', async () => {
    const root = temporary.path;
    const now = Date.now();
    for (const name of ['hub-segment-old', 'hub-segment-new', 'hub-segment-full', 'somebody-else'])
      await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, 'hub-segment-full', 'kept'), 'x');
    await writeFile(join(root, 'hub-segment-file'), 'x');
    const yesterday = new Date(now - 24 * 60 * 60 * 1000);
    for (const name of ['hub-segment-old', 'hub-segment-full', 'hub-segment-file', 'somebody-else'])
      await utimes(join(root, name), yesterday, yesterday);

    const removed = await sweepAbandoned(root, now);

    expect(removed).to.equal(1);
    expect((await readdir(root)).toSorted()).to.deep.equal([
      'hub-segment-file',
      'hub-segment-full',
      'hub-segment-new',
      'somebody-else',
    ]);
  });

  it('cost nothing where there is no folder to look into', async () => {
    expect(await sweepAbandoned(join(temporary.path, 'not', 'there'))).to.equal(0);
  });
});
