import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { LOCAL_RESULTS, openFileShelf } from '../../../platform/store/file-shelf.ts';
import { removeResultPacks } from '../../../platform/store/sweeps.ts';

describe('sweeping packs of results', () => {
  let dir: string;
  let store: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sweeps-'));
    store = join(dir, 'store');
    await mkdir(store);
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('removes packs that were never committed and are old enough, and nothing else', async () => {
    for (const name of ['a.pack', 'b.pack.tmp', 'c.pack.tmp', 'young.pack.tmp']) await writeFile(join(store, name), '');
    for (const name of ['a.pack', 'b.pack.tmp', 'c.pack.tmp']) await utimes(join(store, name), 1, 1);

    const removed = await openFileShelf(dir).removeUnfinished(new Date(Date.now() - 60_000));

    expect(removed).to.equal(2);
    expect(await readdir(store)).to.deep.equal(['a.pack', 'young.pack.tmp']);
  });

  it('removes the packs that nothing refers to, however many there are', async () => {
    const names = Array.from({ length: 1_201 }, (_, n) => `pack-${n}`);
    for (const name of [...names.map((each) => `${each}.pack`), 'other.txt', 'half.pack.tmp'])
      await writeFile(join(store, name), '');
    const asked: string[] = [];

    const removed = await removeResultPacks(openFileShelf(dir), LOCAL_RESULTS, (some) => {
      asked.push(...some);
      return Promise.resolve(some.filter((name) => name.endsWith('7')));
    });

    expect(asked.toSorted()).to.deep.equal(names.toSorted());
    expect(removed).to.equal(120);
    const left = await readdir(store);
    expect(left)
      .to.have.length(1_201 - 120 + 2)
      .and.include.members(['other.txt', 'half.pack.tmp', 'pack-8.pack']);
  });

  it('does not ask about packs that are too young to be nobody’s', async () => {
    await writeFile(join(store, 'young.pack'), '');

    const removed = await removeResultPacks(
      openFileShelf(dir),
      LOCAL_RESULTS,
      (names) => Promise.resolve(names),
      new Date(Date.now() - 60_000),
    );

    expect(removed).to.equal(0);
    expect(await readdir(store)).to.deep.equal(['young.pack']);
  });
});
