import { expect } from 'chai';
import { restartNeeded } from '../../config/live.ts';
import { loadConfig } from '../../config/loader.ts';
import { configShapes } from '../../wiring/shapes.ts';

function read(text: object) {
  const loaded = loadConfig({ text: JSON.stringify(text), env: {}, shapes: configShapes() });
  if (loaded.mistakes !== undefined) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded;
}
const needed = (before: object, after: object) => restartNeeded(read(before).config, read(after).config);
const said = (key: string) => `${key} cannot change while the hub runs: restart it for that`;

describe('what a running hub can take', () => {
  it('is what studies meet on their way', () => {
    const after = {
      policies: [{ name: 'p', profile: 'basic' }],
      partners: [{ name: 'p' }],
      destinations: [{ name: 'out', type: 'folder', path: './o', partner: 'p' }],
      routes: [{ name: 'r', when: {}, process: [{ deidentify: 'p' }], deliver: ['out'] }],
      models: [{ name: 'm', path: './m' }],
      gateway: {
        completion: { quiet: '9s' },
        sameUid: 'reject',
        dimse: { sources: [{ name: 's', aeTitle: 'S', hosts: ['127.0.0.1'] }] },
      },
      processors: { timeLimit: '9m', timeLimits: { qc: '1m' } },
    };

    expect(needed({}, after)).to.deep.equal([]);
  });

  it('is nothing that was opened at the start, each key by its name', () => {
    const after = {
      hub: { name: 'other', data: './elsewhere', stopGrace: '9s' },
      log: { level: 'debug' },
      gateway: { dimse: { port: 1 }, http: { port: 2 }, folders: [{ name: 'f', path: './f' }] },
      processors: { workers: 3 },
    };

    expect(needed({}, after)).to.have.members([
      said('hub.name'),
      said('hub.data'),
      said('hub.stopGrace'),
      said('log.level'),
      said('gateway.dimse.port'),
      said('gateway.http.port'),
      said('gateway.folders'),
      said('processors.workers'),
    ]);
  });
});

describe('the version of a configuration', () => {
  it('is the same on every node, and after its document is read again', () => {
    const one = read({ hub: { node: 'one' }, routes: [{ name: 'r', when: {} }] });
    const other = read({ hub: { node: 'other' }, routes: [{ name: 'r', when: {} }] });
    const again = loadConfig({ document: JSON.parse(JSON.stringify(one.document)), env: {}, shapes: configShapes() });

    expect(other.config.version).to.equal(one.config.version);
    expect(again.config?.version).to.equal(one.config.version);
  });

  it('is none where a document has mistakes, which are told without a place in a file', () => {
    const { mistakes } = loadConfig({ document: { routes: [{ name: 'r' }] }, env: {}, shapes: configShapes() });

    expect(mistakes).to.deep.equal([{ pointer: '/routes/0/when', message: mistakes?.[0]?.message }]);
  });
});
