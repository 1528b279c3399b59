import { expect } from 'chai';
import { FileMemory } from '../../../gateway/folder/file-memory.ts';
import { ignoring } from '../../../gateway/folder/ignore.ts';

describe('FileMemory', () => {
  it('calls a file still when it was seen unchanged for long enough', () => {
    const memory = new FileMemory(100);

    const seen = [
      memory.observe('a', '1', 0),
      memory.observe('a', '1', 99),
      memory.observe('a', '2', 100),
      memory.observe('a', '2', 199),
      memory.observe('a', '2', 200),
    ];

    expect(seen).to.deep.equal(['waiting', 'waiting', 'waiting', 'waiting', 'still']);
  });

  it('takes files that only appear whole at once', () => {
    expect(new FileMemory(0).observe('a', '1', 5)).to.equal('still');
  });

  it('remembers what became of a file until it changes', () => {
    const memory = new FileMemory(10);
    memory.observe('a', '1', 0);
    memory.settle('a', '1', 'refused');

    expect(memory.observe('a', '1', 100)).to.equal('refused');
    expect(memory.observe('a', '2', 100)).to.equal('waiting');
    expect(memory.observe('a', '1', 200)).to.equal('waiting');
  });

  it('forgets what a whole look did not see', () => {
    const memory = new FileMemory(10);
    memory.observe('a', '1', 0);
    memory.endLook();
    memory.endLook();

    expect(memory.observe('a', '1', 100)).to.equal('waiting');
  });

  it('watches a bounded number of files, and the next when those are gone', () => {
    const memory = new FileMemory(10);
    for (let n = 0; n < 25_000; n += 1) memory.observe(String(n), '1', 0);

    const late = (nowMs: number) => memory.observe('24999', '1', nowMs);
    expect([late(20), late(40)]).to.deep.equal(['waiting', 'waiting']);
    for (let n = 0; n < 10; n += 1) memory.forget(String(n));
    expect([late(50), late(70)]).to.deep.equal(['waiting', 'still']);
  });

  it('settles a bounded number of files, the oldest being looked into again', () => {
    const memory = new FileMemory(0);
    for (let n = 0; n < 50_001; n += 1) memory.settle(String(n), '1', 'other');

    expect([memory.observe('0', '1', 0), memory.observe('50000', '1', 0)]).to.deep.equal(['still', 'other']);
  });
});

describe('the globs of names to ignore', () => {
  for (const [glob, matches, others] of [
    ['Thumbs.db', ['Thumbs.db', 'a/b/THUMBS.DB'], ['xThumbs.db', 'Thumbsxdb']],
    ['.*', ['.part', 'a/.DS_Store'], ['a.part', 'a/b']],
    ['*.tmp', ['x.tmp', 'a/x.tmp', '.tmp'], ['tmp', 'x.tmp.dcm']],
    ['IM?', ['IM1', 'a/IM2'], ['IM', 'IM12', 'IM/1']],
    ['raw/*', ['raw/a'], ['raw/a/b', 'x/raw/a']],
    ['**/raw/**', ['raw/a', 'x/raw/a/b'], ['x/rawa']],
    ['$RECYCLE.BIN', ['$RECYCLE.BIN'], ['RECYCLE.BIN']],
    ['(a|b)[c]{1}', ['(a|b)[c]{1}'], ['ac', 'a']],
  ] as const) {
    it(`${glob} means ${matches.join(', ')}`, () => {
      const isIgnored = ignoring([glob]);

      expect(matches.map((name) => isIgnored(name))).to.deep.equal(matches.map(() => true));
      expect(others.map((name) => isIgnored(name))).to.deep.equal(others.map(() => false));
    });
  }

  it('ignore nothing when there are none', () => {
    expect(ignoring([])('a')).to.equal(false);
  });
});
