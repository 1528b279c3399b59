import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubError } from '../../core/errors.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import { openGateway } from '../../gateway/gateway.ts';
import { openSpoolFolder } from '../../gateway/spool/files.ts';
import { packName } from '../../gateway/spool/pack-name.ts';
import { sweepPacks } from '../../gateway/spool/pack-sweep.ts';
import { openSpool } from '../../gateway/spool/spool.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { mrInstance } from '../support/mr-instance.ts';
import {
  RawPeer,
  associateRequest,
  data,
  statusOf,
  storeCommand,
  storeRequest,
  value,
} from '../support/raw-association.ts';
import { startGateway } from '../support/running-gateway.ts';
import { silentLog } from '../support/silent-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';
import { waitFor } from '../support/wait-for.ts';
import { HeldStore } from './spool/shipping-bench.ts';

describe('the gateway', function () {
  this.timeout(30_000);
  const root = temporaryFolder();

  it('answers 0xA700 and keeps nothing when the disk is full, and stores again when it is not', async () => {
    let isFull = true;
    const hub = await startGateway({
      files: (real) => ({
        ...real,
        create: async (name) => {
          const file = await real.create(name);
          return {
            ...file,
            write: async (buffers, position) => {
              if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
              await file.write(buffers, position);
            },
          };
        },
      }),
    });
    const instance = mrInstance();
    const peer = await RawPeer.associate(hub.port);

    peer.send(storeRequest(instance, instance.dataSet));
    const full = statusOf(await peer.next());
    isFull = false;
    peer.send(storeRequest(instance, instance.dataSet));
    const free = statusOf(await peer.next());

    expect([full, free]).to.deep.equal([0xa700, 0]);
    expect(await hub.metrics()).to.match(/outcome="failed"\} 1\n/);
    peer.destroy();
    await hub.remove();
  });

  it('takes nothing, and keeps nothing, of a partner whose access has ended, also on an association that is open', async () => {
    let hasAccess = true;
    const hub = await startGateway({
      hasAccess: (partner) => Promise.resolve(partner !== 'kct' || hasAccess),
      dimse: {
        sources: [
          { name: 'pv-7t', aeTitle: 'PV7T', hosts: [] },
          { name: 'kct-scu', aeTitle: 'KCT', hosts: [], partner: 'kct' },
        ],
      },
      options: {
        returned: {
          partnerOf: (source) => (source === 'kct-scu' ? 'kct' : undefined),
          sourceOf: () => undefined,
          fileName: (_, uid) => `${uid}.1`,
        },
      },
    });
    const [partner, scanner] = [
      await RawPeer.associate(hub.port, { calling: 'KCT' }),
      await RawPeer.associate(hub.port, { calling: 'PV7T' }),
    ];
    const send = async (peer: RawPeer) => {
      const instance = mrInstance();
      peer.send(storeRequest(instance, instance.dataSet));
      return statusOf(await peer.next());
    };

    const before = await send(partner);
    hasAccess = false;
    const after = [await send(partner), await send(scanner)];

    // PS3.7 Section C.5.11: refused, not authorized.
    expect([before, after]).to.deep.equal([0, [0x0124, 0]]);
    expect(await hub.ledger.quarantine.list({ limit: 9 })).to.deep.equal([]);
    partner.destroy();
    scanner.destroy();
    await hub.remove();
  });

  it('rejects associations for now while the disk is low, and never also accepts them', async () => {
    const hub = await startGateway({ options: { disk: { minFreeBytes: Number.MAX_SAFE_INTEGER } } });
    const peer = await RawPeer.connect(hub.port);
    const instance = mrInstance();

    peer.send(associateRequest(), storeRequest(instance, instance.dataSet));
    const said = await peer.untilClosed();

    // PS3.8 Table 9-21: transient, service provider (presentation), local limit exceeded
    expect(said.map(({ type, body }) => [type, ...body])).to.deep.equal([[3, 0, 2, 3, 2]]);
    const scraped = await hub.metrics();
    expect(scraped).to.match(/^hub_gateway_disk_low 1$/m);
    expect(scraped).to.match(/^hub_gateway_disk_min_free_bytes 9007199254740991$/m);
    expect(scraped).to.match(/^hub_gateway_disk_max_used_ratio 0\.75$/m);
    expect(Number(/^hub_gateway_disk_free_bytes (\S+)$/m.exec(scraped)?.[1])).to.be.greaterThan(1e6);
    expect(scraped).to.not.match(/^hub_gateway_certificate_expiry_seconds/m);
    await hub.remove();
  });

  it('lets a message under way end when it stops, tells the ledger, and lets nobody in', async () => {
    const hub = await startGateway();
    const [before, instance, second] = [mrInstance(), mrInstance({}, 64), mrInstance()];
    const idle = await RawPeer.associate(hub.port);
    const busy = await RawPeer.associate(hub.port);
    // In one write: when the first is answered, the beginning of the second is there too.
    busy.send(
      storeRequest(before, before.dataSet),
      data(value(1, 3, storeCommand(instance))),
      data(value(1, 0, instance.dataSet.subarray(0, 4000))),
    );
    expect(statusOf(await busy.next())).to.equal(0);

    const stopped = hub.gateway.stop(10_000);
    const idleEnd = await idle.untilClosed();
    busy.send(
      data(value(1, 2, instance.dataSet.subarray(4000))),
      storeRequest({ ...second, messageId: 2 }, second.dataSet),
    );
    const busyEnd = await busy.untilClosed();
    await stopped;

    // A-ABORT by the service user: the hub wants it so.
    expect(idleEnd.map(({ type, body }) => [type, ...body])).to.deep.equal([[7, 0, 0, 0, 0]]);
    expect(busyEnd.at(-1)?.type).to.equal(7);
    const [first] = busyEnd;
    if (first === undefined) throw new Error('no answer');
    expect(statusOf(first)).to.equal(0);
    const study = await hub.ledger.studies.get(parseStudyInstanceUid(instance.studyInstanceUid));
    expect(study?.instances).to.equal(1);
    await RawPeer.connect(hub.port).then(
      () => expect.fail('the port is open'),
      (error: unknown) => expect(error).to.include({ code: 'ECONNREFUSED' }),
    );
    await hub.remove();
  });

  it('cuts what does not end by the deadline', async () => {
    const hub = await startGateway();
    const peer = await RawPeer.associate(hub.port);
    peer.send(data(value(1, 3, storeCommand(mrInstance()))));
    await waitFor('the association', async () => /hub_gateway_associations 1\n/.test(await hub.metrics()));

    const startedMs = performance.now();
    await hub.gateway.stop(500);

    expect(performance.now() - startedMs).to.be.below(3_000);
    expect((await peer.untilClosed()).filter(({ type }) => type === 4)).to.deep.equal([]);
    await hub.remove();
  });

  it('changes nothing in its spool before it knows that the name is its own', async () => {
    const other = await startGateway();
    const folder = join(root.path, 'spool');
    const files = await openSpoolFolder(folder);
    const limits = { segmentBytes: 1e6, maxInFlightBytes: 1e6, maxObjectBytes: 1e6 };
    const disk = { maxUsedFraction: 1, minFreeBytes: 0 };
    const { spool } = await openSpool(files, [], { disk, ...limits }, silentLog);
    const reception = spool.receive(Buffer.from('the file meta information'));
    reception.push(Buffer.alloc(5_000));
    const { dataSetCrc32 } = await reception.finish();
    const { segment, endOffset } = await reception.commit({
      kind: 'quarantine',
      provenance: { door: 'dimse', source: 'pv-7t', associationId: 'one' },
      receivedAt: new Date().toISOString(),
      dataSetCrc32,
      quarantineId: '7d0f2f4e-3f5c-4a53-8d7b-0f4a2f0d1c11',
      reason: 'dataset.unreadable',
      detail: 'kept for the test',
    });
    await spool.close();
    const received = await readFile(join(folder, segment));
    // As far as the other one's segment of that number is known: it may end anywhere in this one's.
    await other.ledger.instances.record([], { segment, offset: endOffset - 1_000 });
    await other.ledger.leases.acquire('node/gateway-0', 'folder-1', 60_000, new Date());

    const refused = await thrownBy(
      openGateway(
        { ledger: other.ledger, log: silentLog, metrics: createMetrics(), clock: { now: () => new Date() } },
        {
          dataDir: root.path,
          completion: { quietMs: 60_000, forceMs: 60_000 },
          disk,
          replica: { node: 'gateway-0', identity: 'folder-2', leaseMs: 100 },
        },
      ),
    );

    expect(refused.code).to.equal('config.invalid');
    expect((await readFile(join(folder, segment))).equals(received)).to.be.true;
    await other.remove();
  });

  for (const [name, wasTold] of [
    ['disk and ledger were lost', undefined],
    ['its ledger was put back from an older backup', '0000000001.seg'],
  ] as const) {
    it(`leaves the packs alone that a hub of its name had received before ${name}`, async () => {
      const store = new HeldStore();
      const segment = wasTold === undefined ? '0000000001.seg' : '0000000002.seg';
      const earlier = packName({ node: 'hub-0', segment, from: 16, to: 5_000, mark: '0123456789ab' });
      store.packs.set(earlier, Buffer.alloc(5_000));
      const objects = { open: () => Promise.reject(new HubError('store.missing')) };
      const shelf = {
        list: (prefix: string) => store.list(prefix),
        remove: (pack: string) => store.remove(pack),
        removeUnfinished: () => Promise.resolve(0),
      };
      const dataDir = join(root.path, name);
      if (wasTold !== undefined) {
        const before = await startGateway({ dataDir });
        await before.ledger.instances.record([], { segment: wasTold, offset: 5_000 });
        await before.stop();
      }
      const hub = await startGateway({
        dataDir,
        remote: { objects, uploads: store, shelf },
        options: { shipping: { node: 'hub-0', uploads: 1, lingerMs: 1, keepLocalMs: 0 } },
      });
      const instance = mrInstance({}, 64);
      const peer = await RawPeer.associate(hub.port);
      peer.send(storeRequest(instance, instance.dataSet));
      expect(statusOf(await peer.next())).to.equal(0);
      await waitFor('the ledger', async () =>
        (await hub.ledger.instances.spoolPositions()).some((told) => told.segment !== wasTold),
      );

      const files = { list: () => Promise.resolve([]) };
      await sweepPacks({ shelf, files, ledger: hub.ledger, node: 'hub-0' });

      expect(store.packs.size).to.equal(2);
      expect(store.removed).to.deep.equal([]);
      peer.destroy();
      await hub.remove();
    });
  }
});
