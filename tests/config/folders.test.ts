import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../config/loader.ts';
import { configShapes } from '../../wiring/shapes.ts';

function load(config: unknown) {
  return loadConfig({ text: JSON.stringify(config), env: {}, shapes: configShapes() });
}

function mistakes(...folders: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return mistakesOf({ gateway: { folders } });
}

function mistakesOf(config: unknown): readonly string[] {
  const loaded = load(config);
  return (loaded.mistakes ?? []).map(({ pointer, message }) => `${pointer}: ${message}`);
}

describe('gateway.folders', () => {
  it('needs a name and a path, and knows the rest', () => {
    const { config } = load({ gateway: { folders: [{ name: 'pv', path: './in' }] } });

    const [folder] = config?.gateway.folders ?? [];
    expect(folder).to.deep.include({
      name: 'pv',
      path: resolve('in'),
      scanMs: 5_000,
      minAgeMs: 10_000,
      removeEmptyMs: 86_400_000,
      whenTaken: { kind: 'keep', folder: resolve('in/done') },
      archives: { maxEntries: 100_000, maxBytes: 50e9, maxRatio: 100 },
    });
    expect(folder?.ignore).to.include.members(['Thumbs.db', '*.part', '.*']);
  });

  it('keeps ParaVision studies where taken files are kept, also where those are deleted, unless told otherwise', () => {
    const studies = (over: Readonly<Record<string, unknown>>) =>
      load({ gateway: { folders: [{ name: 'pv', path: './in', ...over }] } }).config?.gateway.folders[0]?.studies;

    expect(studies({})).to.deep.equal({ kind: 'keep', folder: resolve('in/done') });
    expect(studies({ whenTaken: 'delete', keepIn: 'old' })).to.deep.equal({ kind: 'keep', folder: resolve('in/old') });
    expect(studies({ paravision: { whenTaken: 'leave' } })).to.deep.equal({ kind: 'leave' });
    expect(studies({ paravision: { whenTaken: 'ignore' } })).to.equal(undefined);
  });

  it('keeps taken files where it is told, or keeps none', () => {
    const { config } = load({
      gateway: {
        folders: [
          { name: 'a', path: '/srv/a', keepIn: '/srv/kept/a' },
          { name: 'b', path: '/srv/b', whenTaken: 'delete' },
        ],
      },
    });

    expect(config?.gateway.folders.map(({ whenTaken }) => whenTaken)).to.deep.equal([
      { kind: 'keep', folder: '/srv/kept/a' },
      { kind: 'delete' },
    ]);
  });

  for (const [title, found, ...expected] of [
    ['folders apart', mistakes({ name: 'a', path: '/srv/a' }, { name: 'b', path: '/srv/ab' })],
    [
      'the data folder, from in and outside',
      mistakesOf({
        hub: { data: '/srv/data' },
        gateway: {
          folders: [
            { name: 'a', path: '/srv/data/in' },
            { name: 'b', path: '/srv' },
          ],
        },
      }),
      "/gateway/folders/0/path: inside the hub's own data folder (hub.data)",
      "/gateway/folders/1/path: holds the hub's own data folder (hub.data)",
      '/gateway/folders/1/path: holds the folder of a, which is watched by itself',
    ],
    [
      'folders in folders',
      mistakes({ name: 'a', path: '/srv/a' }, { name: 'b', path: '/srv/a/b' }, { name: 'c', path: '/srv/a/' }),
      '/gateway/folders/1/path: inside the folder of a, which is watched with all in it',
      '/gateway/folders/2/path: the folder of a: a file would come from one or the other',
      '/gateway/folders/2/path: holds the folder of b, which is watched by itself',
    ],
    [
      'taken files that stay',
      mistakes({ name: 'a', path: '/srv/a', keepIn: '.' }, { name: 'b', path: '/srv/b/c', keepIn: '..' }),
      '/gateway/folders/0/keepIn: taken files would stay in the watched folder',
      '/gateway/folders/1/keepIn: taken files would stay in the watched folder',
    ],
    [
      'taken files that another folder would take again',
      mistakes({ name: 'a', path: '/srv/a', keepIn: '/srv/b/from-a' }, { name: 'b', path: '/srv/b' }),
      '/gateway/folders/0/keepIn: inside the folder of b, which would take the files again',
    ],
    [
      'taken files beside those of another folder',
      mistakes({ name: 'a', path: '/srv/a', keepIn: '/srv/b/done/a' }, { name: 'b', path: '/srv/b' }),
    ],
    [
      'two folders that keep in one place',
      mistakes({ name: 'a', path: '/srv/a', keepIn: '/srv/kept' }, { name: 'b', path: '/srv/b', keepIn: '/srv/kept/' }),
      '/gateway/folders/1/keepIn: where a keeps its files: one could take the place of another',
    ],
    [
      'deliveries that would come in again',
      mistakesOf({
        destinations: [{ name: 'out', type: 'folder', path: '/srv/a/out' }],
        gateway: { folders: [{ name: 'a', path: '/srv/a' }] },
      }),
      '/destinations/0/path: inside the watched folder of a: what is delivered would come in again',
    ],
    [
      'one name for two',
      mistakes({ name: 'a', path: '/srv/a' }, { name: 'a', path: '/srv/b' }),
      '/gateway/folders/1/name: the name a is taken by an entry above',
    ],
    [
      'two rules for one source',
      mistakesOf({
        gateway: {
          dimse: { sources: [{ name: 'pv', aeTitle: 'PV', hosts: ['127.0.0.1'], completion: { quiet: '5s' } }] },
          folders: [{ name: 'pv', path: '/srv/a', completion: { quiet: '9s' } }],
        },
      }),
      '/gateway/folders/0/completion: the source pv has its completion under gateway.dimse.sources',
    ],
    [
      'values that are none',
      mistakes({ name: 'a', path: '/srv/a', scan: '1ms', minAge: 5, zip: { maxRatio: 0 }, whenTaken: 'move' }),
      '/gateway/folders/0/scan: at least 100ms',
      '/gateway/folders/0/minAge: a number without its unit: write a duration like 500ms, 60s, 90m, 2h or 7d',
      '/gateway/folders/0/zip/maxRatio: at least 1',
      '/gateway/folders/0/whenTaken: not one of keep, delete',
    ],
  ] as const) {
    it(`${expected.length === 0 ? 'accepts' : 'finds'} ${title}`, () => {
      expect([...found].toSorted()).to.deep.equal([...expected].toSorted());
    });
  }

  it('warns of a folder that is not there, and of none that is', () => {
    const there = mkdtempSync(join(tmpdir(), 'hub-watched-'));
    const loaded = load({
      gateway: {
        folders: [
          { name: 'a', path: there },
          { name: 'b', path: `${there}-not-yet` },
        ],
      },
      routes: [{ name: 'r', when: { source: 'b' }, process: ['qc'] }],
    });

    if (loaded.mistakes !== undefined) throw new Error(loaded.mistakes.map(({ message }) => message).join());
    expect(loaded.warnings.map(({ pointer, message }) => `${pointer}: ${message}`)).to.deep.equal([
      '/gateway/folders/1/path: there is no such folder here, or not yet',
    ]);
    rmSync(there, { recursive: true });
  });
});
