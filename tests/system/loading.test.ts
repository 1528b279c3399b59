import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubProcess, type HubSettings } from '../support/hub-process.ts';
import { type Loaded, loadedIn, watchedLoading } from '../support/loading/loaded.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

/** Each is some megabytes of every thread that loads it, and most hubs need none of them. */
const HEAVY = [
  '@aws-sdk/client-s3',
  'dcmjs',
  'dcmjs-codecs',
  'dcmjs-dimse',
  'fontkit',
  'kafkajs',
  'onnxruntime-node',
  'pdfkit',
  'pg',
  'ssh2',
];
const THREADS = ['main', 'ledger-writer', 'backstage', 'digests'];

describe('what a hub loads', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const hubs: HubProcess[] = [];
  const create = async (missing?: string) => {
    const logged = join(folder.path, String(hubs.length));
    const env = { SFTP_PASSWORD: 'secret', ...watchedLoading(logged, missing) };
    const hub = await HubProcess.create({ config: {}, env });
    hubs.push(hub);
    return { hub, loaded: () => loadedIn(logged), out: join(hub.folder, 'out') };
  };

  after(() => Promise.all(hubs.map((hub) => hub.remove())));

  it('is no library that its configuration does not need, in any thread, from the start to a delivery', async () => {
    // Nobody misses what is not needed.
    const { hub, loaded, out } = await create('ssh2');
    await hub.configure(plainFolder(out));
    await hub.start();
    await deliverOne(hub, out);

    const threads = await loaded();

    expect(threads).to.include.keys(THREADS);
    // What they do need was seen, so what was not seen was not there.
    expect(packagesOf(threads, 'main')).to.include.members(['express', 'winston', 'zod']);
    expect(packagesOf(threads, 'backstage')).to.include.members(['prom-client', 'zod']);
    expect([...threads.keys()].flatMap((thread) => heavyIn(threads, thread))).to.deep.equal([]);
  });

  it('is a library where it is needed, and in no other thread', async () => {
    const { hub, loaded } = await create();
    const destinations = [
      { name: 'scp', type: 'c-store', host: '127.0.0.1', port: 104, aeTitle: 'SCP' },
      { name: 'bucket', type: 's3', bucket: 'bucket', region: 'eu-north-1', endpoint: 'http://127.0.0.1:9' },
      sftp,
    ];
    await hub.configure({
      destinations,
      routes: [{ name: 'all', when: {}, process: ['qc'], deliver: destinations.map(({ name }) => name) }],
    });
    await hub.start();

    const threads = await loaded();

    expect(heavyIn(threads, 'main')).to.deep.equal([]);
    expect(heavyIn(threads, 'ledger-writer')).to.deep.equal([]);
    expect(heavyIn(threads, 'backstage')).to.have.members([
      '@aws-sdk/client-s3',
      'dcmjs',
      'dcmjs-codecs',
      'dcmjs-dimse',
      'ssh2',
    ]);
    expect(heavyIn(threads, 'processor')).to.have.members(['fontkit', 'pdfkit']);
    expect(threads.get('backstage')?.own.filter((url) => url.endsWith('/step.ts'))).to.deep.equal([]);
  });

  it('is asked for at the start: a connector or a processor that cannot be loaded is named, and the hub ends', async () => {
    const [{ hub: withSftp }, { hub: withQc }] = [await create('ssh2'), await create('pdfkit')];
    await withSftp.configure({ destinations: [sftp], routes: [{ name: 'all', when: {}, deliver: ['sftp'] }] });
    await withQc.configure({ routes: [{ name: 'all', when: {}, process: ['qc'] }] });

    const [ofSftp, ofQc] = await Promise.all([withSftp, withQc].map(outcomeOf));

    expect(ofSftp).to.match(/cannot be loaded: Cannot find package 'ssh2' \(plugin sftp\)/);
    expect(ofQc).to.match(/cannot be loaded: Cannot find package 'pdfkit' \(plugin qc\)/);
  });
});

const sftp = {
  ...{ name: 'sftp', type: 'sftp', host: '127.0.0.1', user: 'hub', auth: { password: { env: 'SFTP_PASSWORD' } } },
  hostKey: { fingerprints: [`SHA256:${'A'.repeat(43)}`] },
};

function plainFolder(path: string): HubSettings['config'] {
  return {
    gateway: { dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] } },
    destinations: [{ name: 'out', type: 'folder', path }],
    routes: [{ name: 'all', when: {}, deliver: ['out'] }],
  };
}

async function deliverOne(hub: HubProcess, out: string): Promise<void> {
  const file = join(hub.folder, 'one.dcm');
  await writeFile(file, mrInstance().part10);
  const { code, output } = await send(hub.dimsePort, [file]);
  expect(code, output).to.equal(0);
  await waitFor('the delivery', async () => (await readdir(out).catch(() => [])).length > 0);
}

/** What it printed until it ended by itself. */
async function outcomeOf(hub: HubProcess): Promise<string> {
  return hub.start().then(
    () => 'it started',
    () => hub.log(),
  );
}

function heavyIn(threads: Loaded, thread: string): readonly string[] {
  return packagesOf(threads, thread).filter((name) => HEAVY.includes(name));
}

function packagesOf(threads: Loaded, thread: string): readonly string[] {
  return [...(threads.get(thread)?.packages ?? [])];
}
