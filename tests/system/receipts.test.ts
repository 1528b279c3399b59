/**
 * Nothing is called done before it is: each place where the hub gives a receipt, or lets go of what it has, is held up or
 * broken at the step before, and must then not say so. What other tests hold already stands in the table of
 * docs/architecture.md, whose titles are looked up here.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import express from 'express';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { expect } from 'chai';
import { open as openFolder } from '../../connectors/folder/connector.ts';
import { folder as folderDestination } from '../../connectors/folder/index.ts';
import { HubError } from '../../core/errors.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { ProcessorPlugin } from '../../core/plugins.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { type FromWorker, parseFromWorker, type WorkOrder } from '../../processors/work-messages.ts';
import { work } from '../../processors/work.ts';
import { mountSmallDisk, type SmallDisk } from '../platform/small-disk.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { RawPeer, statusOf, storeRequest } from '../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../support/running-gateway.ts';
import { skip } from '../support/skip.ts';
import { StubbornDisk } from '../support/stubborn-disk.ts';
import { thrownBy } from '../support/thrown.ts';
import { waitFor } from '../support/wait-for.ts';
import { watch, type Watched } from '../gateway/folder/watched.ts';

/** Long enough for an answer that does not wait for the disk; an answer that does takes for ever here. */
const ANSWER_MS = 300;
const SMALL_DISK_BYTES = 1024 * 1024;
/** A step that writes something. */
const WRITES: ProcessorPlugin = {
  name: 'writes',
  resolve: () => undefined,
  load: () =>
    Promise.resolve({
      run: async ({ pack }) => {
        await pack.append(Buffer.from('a result'));
        return { outcome: 'done', items: [], events: [] };
      },
    }),
};
const ORDER: WorkOrder = {
  processor: WRITES.name,
  options: undefined,
  runId: 'run',
  route: 'all',
  studyInstanceUid: '1.2.3',
  revision: 1,
  items: [],
  packName: 'one',
};

describe('a receipt', function () {
  this.timeout(30_000);

  describe('of what was received', () => {
    let disk: StubbornDisk;
    let hub: RunningGateway;
    let server: Server;
    let url: string;

    beforeEach(async () => {
      disk = new StubbornDisk();
      hub = await startGateway({ files: disk.files });
      server = express().use('/', hub.gateway.stowRouter).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/studies`;
      // The first segment is there and synced: what is held up from now on are acknowledgements.
      expect(await stored(hub, mrInstance())).to.equal(0);
    });
    afterEach(async () => {
      disk.release();
      server.closeAllConnections();
      server.close();
      await hub.remove();
    });

    it('is no C-STORE Success before the sync', async () => {
      disk.hold();
      const answer = stored(hub, mrInstance());
      await waitFor('the sync', () => disk.waiting > 0);

      const early = await Promise.race([answer, delay(ANSWER_MS, 'none yet')]);
      disk.release();

      expect([early, await answer]).to.deep.equal(['none yet', 0]);
    });

    it('is no Success for a repeat while its first copy is not durable', async () => {
      disk.hold();
      const instance = mrInstance();
      const first = stored(hub, instance);
      await waitFor('the sync', () => disk.waiting > 0);
      const repeat = stored(hub, instance);

      const early = await Promise.race([repeat, delay(ANSWER_MS, 'none yet')]);
      disk.release();

      expect([early, await first, await repeat]).to.deep.equal(['none yet', 0, 0]);
    });

    it('is no Success for a repeat whose first copy was lost: it becomes the first itself', async () => {
      disk.hold();
      const instance = mrInstance();
      const first = stored(hub, instance);
      await waitFor('the sync', () => disk.waiting > 0);
      const repeat = stored(hub, instance);
      await delay(ANSWER_MS);
      disk.release('failed');

      expect([await first, await repeat]).to.deep.equal([0xa700, 0]);
      const study = parseStudyInstanceUid(instance.studyInstanceUid);
      await waitFor('the ledger', async () => (await hub.ledger.instances.ofStudy(study)).length === 1);
    });

    it('is no 200 of STOW-RS before the sync, nor for a part that could not be kept', async () => {
      disk.hold();
      const [lost, refused] = [mrInstance(), Buffer.from('no DICOM at all')];
      const answer = stow(url, [lost.part10]);
      await waitFor('the sync', () => disk.waiting > 0);

      const early = await Promise.race([answer, delay(ANSWER_MS, 'none yet')]);
      disk.release('failed');
      const { status, body } = await answer;

      expect(early).to.equal('none yet');
      expect(status).to.equal(507);
      expect(body).to.contain('00081198').and.not.to.contain('00081199');
      const kept = await stow(url, [lost.part10, refused]);
      expect(kept.status).to.equal(202);
      expect(kept.body).to.contain('00081199').and.to.contain(lost.sopInstanceUid);
    });
  });

  describe('of a watched folder', () => {
    let hub: Watched;
    afterEach(async () => hub.remove());

    it('is no file put away before the sync, and none at all when the sync fails', async () => {
      const disk = new StubbornDisk();
      hub = await watch({}, { files: disk.files });
      await hub.put('first.dcm', mrInstance().part10);
      await hub.holds(join('done', 'first.dcm'));
      disk.hold();
      await hub.put('second.dcm', mrInstance().part10);
      await waitFor('the sync', () => disk.waiting > 0);

      await delay(ANSWER_MS);
      const early = await hub.files();
      disk.release('failed');

      expect(early).to.deep.equal([join('done', 'first.dcm'), 'second.dcm']);
      // It stands where it stood, and is taken again.
      await hub.holds(join('done', 'first.dcm'), join('done', 'second.dcm'));
      expect(await hub.metrics()).to.match(/door="folder",source="pv-export",outcome="failed"\} 1\n/);
    });
  });

  describe('of a step of a run', () => {
    for (const how of ['durable', 'failed'] as const) {
      it(`is no result before its pack is ${how === 'durable' ? 'committed' : 'committed, and none when it cannot be'}`, async () => {
        const folder = await mkdtemp(join(tmpdir(), 'hub-receipts-'));
        await mkdir(join(folder, 'store'));
        const real = openFileStore(folder);
        let settle: () => void = () => undefined;
        const isSettled = new Promise<void>((resolve) => (settle = resolve));
        let isCommitting = false;
        const createPack = async (name: string) => {
          const pack = await real.createPack(name);
          const commit = async () => {
            isCommitting = true;
            await isSettled;
            if (how === 'failed') throw new HubError('store.full');
            await pack.commit();
          };
          return { append: pack.append.bind(pack), abort: pack.abort.bind(pack), commit };
        };
        const { port1: runner, port2: worker } = new MessageChannel();
        const said: FromWorker[] = [];
        runner.on('message', (message) => said.push(parseFromWorker(message)));
        work(worker, {
          plugins: [WRITES],
          store: { ...real, createPack },
          secret: () => Promise.reject(new Error('none')),
        });

        runner.postMessage({ kind: 'work', order: ORDER });
        await waitFor('the commit', () => isCommitting);
        await delay(ANSWER_MS);
        const early = [...said];
        settle();
        const last = await waitFor('the answer', () => said.at(-1));
        runner.close();
        const packs = await readdir(join(folder, 'store'));
        await rm(folder, { recursive: true });

        expect(early).to.deep.equal([]);
        expect([last.kind, packs]).to.deep.equal(how === 'durable' ? ['finished', ['one.pack']] : ['failed', []]);
      });
    }
  });

  describe('of a folder destination', () => {
    let disk: SmallDisk;
    before(async function () {
      const mounted = await mountSmallDisk(SMALL_DISK_BYTES);
      if (typeof mounted === 'string') skip(this, mounted);
      disk = mounted;
    });
    after(async () => disk.remove());

    it('is nothing when the disk is full at the last file: no success, no manifest, no part of a file', async () => {
      const out = join(disk.path, 'out');
      await mkdir(out);
      const store = new MemoryStore();
      const small = await store.instance(mrImage(1));
      const large = await store.instance(
        mrImage(2, { PixelData: { vr: 'OW', value: new Uint8Array(2 * SMALL_DISK_BYTES) } }),
      );
      const connector = openFolder(
        folderDestination.options.parse({ name: 'full', type: 'folder', path: out }),
        contextOf(store),
      );

      const error = await thrownBy(connector.deliver(orderOf([small, large]), () => undefined));

      expect(error.row.retry).to.equal('transient');
      const files = await readdir(out, { recursive: true });
      expect(files.filter((name) => /manifest|\.part$|2\.dcm$/.test(name))).to.deep.equal([]);
    });
  });

  it('has a test for each place that the table in docs/architecture.md names', async () => {
    const root = resolve(import.meta.dirname, '../..');
    const page = await readFile(join(root, 'docs/architecture.md'), 'utf8');
    const [, section = ''] = page.split('## Receipts and the tests that hold them');
    const rows = [...section.matchAll(/^\|[^|]+\| `(tests\/[^`]+)` +\| (.+?) +\|$/gm)];

    expect(rows.length).to.be.greaterThan(20);
    for (const [, file = '', title = ''] of rows) {
      const titles = titlesIn(await readFile(join(root, file), 'utf8'));
      expect(
        titles.some((each) => each.test(title)),
        `${file}: ${title}`,
      ).to.equal(true);
    }
  });
});

/** What the tests of a file are called; parts that are put in when they run may be anything. */
function titlesIn(source: string): readonly RegExp[] {
  return [...source.matchAll(/\bit\(\s*(?:'((?:[^'\\]|\\.)+)'|"([^"]+)"|`([^`]+)`)/g)].map(
    ([, single, double, template]) => {
      const text = (single ?? double ?? template ?? '').replaceAll("\\'", "'");
      const parts = text.split(/\$\{[^}]*\}/).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
      return new RegExp(`^${parts.join('.+')}$`);
    },
  );
}

async function stored(hub: RunningGateway, instance: ReturnType<typeof mrInstance>): Promise<number> {
  const peer = await RawPeer.associate(hub.port);
  try {
    peer.send(storeRequest(instance, instance.dataSet));
    return statusOf(await peer.next());
  } finally {
    peer.destroy();
  }
}

async function stow(url: string, parts: readonly Uint8Array[]): Promise<{ status: number; body: string }> {
  const body = Buffer.concat([
    ...parts.flatMap((part) => [
      Buffer.from('--receipts\r\nContent-Type: application/dicom\r\n\r\n'),
      part,
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--receipts--\r\n'),
  ]);
  const headers = { 'Content-Type': 'multipart/related; type="application/dicom"; boundary=receipts' };
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, body: await response.text() };
}
