import { readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../../../../core/identifiers.ts';
import { freePort } from '../../../support/child-process.ts';
import { startCommitmentScu, type CommitmentRequestOptions } from '../../../support/commitment-scu.ts';
import { mrInstance, newUid, type MrInstance } from '../../../support/mr-instance.ts';
import { MR, RawPeer, statusOf, storeRequest } from '../../../support/raw-association.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../../../support/running-gateway.ts';
import { waitFor } from '../../../support/wait-for.ts';

const PV7T = { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] };
const FAILED = 0x0110;

/** A promise makes a scanner delete what may be the only copy: of what it sent last under a UID. */
describe('what a storage commitment promises', function () {
  this.timeout(60_000);
  let hub: RunningGateway;
  const scus: { stop(): Promise<void> }[] = [];

  const start = async (settings: GatewaySettings = {}) => {
    hub = await startGateway({ ...settings, dimse: { sources: [PV7T], ...settings.dimse } });
  };
  const ask = async (options: CommitmentRequestOptions) => {
    const scu = await startCommitmentScu(options);
    scus.push(scu);
    return scu;
  };
  const result = async (...instances: readonly MrInstance[]) => {
    const items = instances.map(({ sopInstanceUid }) => [MR, sopInstanceUid] as const);
    const scu = await ask({ port: hub.port, items, transaction: newUid(), wait: 'same' });
    const [told] = await scu.results();
    return { committed: told?.committed, failed: told?.failed };
  };
  const failure = ({ sopInstanceUid }: MrInstance) => ({ committed: [], failed: [[sopInstanceUid, FAILED]] });

  afterEach(async () => {
    for (const scu of scus.splice(0)) await scu.stop();
    await hub.remove();
  });

  it('is no segment that was cut off, and every other instance of it', async () => {
    await start();
    const [first, last] = await storeAll(mrInstance(), mrInstance());
    const file = await segment();
    await truncate(file, lastByteIn(await readFile(file)));

    expect(await result(first, last)).to.deep.equal({
      committed: [first.sopInstanceUid],
      failed: [[last.sopInstanceUid, FAILED]],
    });
  });

  it('is no instance whose bytes are not those that were received', async () => {
    await start();
    const [first, last] = await storeAll(mrInstance(), mrInstance());
    const file = await segment();
    const bytes = await readFile(file);
    const at = lastByteIn(bytes);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(file, bytes);

    expect(await result(first, last)).to.deep.equal({
      committed: [first.sopInstanceUid],
      failed: [[last.sopInstanceUid, FAILED]],
    });
  });

  it('is not the first copy when a refused one is on its way to quarantine', async () => {
    const gate = gated();
    await start({
      ledger: (real) => ({
        ...real,
        instances: {
          ...real.instances,
          record: async (...args) => {
            await gate.passed();
            return real.instances.record(...args);
          },
        },
      }),
    });
    const [first] = await storeAll(mrInstance());
    gate.close();
    expect(await send(another(first))).to.equal(0x0111);
    const asking = result(first);
    await waitFor('the request', async () => (await hub.ledger.commitments.list({ limit: 1 })).length === 1);

    gate.open();

    expect(await asking).to.deep.equal(failure(first));
  });

  it('is not the first copy when another one was taken while the ledger could not be asked', async () => {
    const gate = gated();
    let isDown = false;
    await start({
      ledger: (real) => ({
        ...real,
        instances: {
          ...real.instances,
          known: async (...args) => (isDown ? Promise.reject(new Error('down')) : real.instances.known(...args)),
          record: async (...args) => {
            await gate.passed();
            return real.instances.record(...args);
          },
        },
      }),
    });
    const [first] = await storeAll(mrInstance());
    gate.close();
    isDown = true;
    expect(await send(another(first))).to.equal(0);
    const asking = result(first);
    await waitFor('the request', async () => (await hub.ledger.commitments.list({ limit: 1 })).length === 1);

    gate.open();

    expect(await asking).to.deep.equal(failure(first));
  });

  it('is not the first copy when another one was rejected, over a restart too', async () => {
    const options = { sameUid: { rule: 'reject' } } as const;
    await start({ options });
    const [first] = await storeAll(mrInstance());
    expect(await send(another(first))).to.equal(0x0111);
    const before = await result(first);
    await hub.stop();
    await start({ options, dataDir: hub.dataDir });

    expect([before, await result(first)]).to.deep.equal([failure(first), failure(first)]);
  });

  it('is the version that came last where both are kept', async () => {
    await start({ options: { sameUid: { rule: 'keep-both-as-revision' } } });
    const [first] = await storeAll(mrInstance());
    expect(await send(another(first))).to.equal(0);

    expect(await result(first)).to.deep.equal({ committed: [first.sopInstanceUid], failed: [] });
  });

  it('is looked at again before it is told late', async () => {
    const listen = await freePort();
    const address = { host: '127.0.0.1', port: listen, tls: false };
    const retry = { firstDelayMs: 50, maxDelayMs: 100, attempts: 1000 };
    await start({
      dimse: {
        sources: [{ ...PV7T, storageCommitment: { address, triesSameAssociation: true } }],
        commitment: { retry },
      },
    });
    const [first] = await storeAll(mrInstance());
    await ask({ port: hub.port, items: [[MR, first.sopInstanceUid]], transaction: newUid() });
    await waitFor('an attempt', async () => ((await hub.ledger.commitments.list({ limit: 1 }))[0]?.attempts ?? 0) > 0);
    expect(await send(another(first))).to.equal(0x0111);
    await waitFor('the quarantine', async () => (await hub.ledger.quarantine.list({ limit: 1 })).length === 1);

    const [told] = await (await ask({ listen })).results();

    expect({ committed: told?.committed, failed: told?.failed }).to.deep.equal(failure(first));
    expect((await hub.ledger.commitments.list({ limit: 1 }))[0]).to.include({ failures: 1 });
  });

  it('is told in one result on the association that asked, however many instances it is about', async () => {
    await start();
    const items = Array.from({ length: 50_000 }, () => [MR, newUid()] as const);

    const scu = await ask({ port: hub.port, items, transaction: newUid(), wait: 'same', pdu: 16_384 });

    const [told] = await scu.results(1, 50_000);
    expect(told?.failed).to.have.length(50_000);
  });

  async function storeAll<Instances extends readonly MrInstance[]>(...instances: Instances): Promise<Instances> {
    for (const instance of instances) {
      expect(await send(instance)).to.equal(0);
      const [sop, study] = [
        parseSopInstanceUid(instance.sopInstanceUid),
        parseStudyInstanceUid(instance.studyInstanceUid),
      ];
      await waitFor(
        'the ledger',
        async () => (await hub.ledger.instances.known(sop, study)).dataSetSha256 !== undefined,
      );
    }
    return instances;
  }

  async function send(instance: MrInstance): Promise<number> {
    const peer = await RawPeer.associate(hub.port, { calling: 'PV7T' });
    peer.send(storeRequest(instance, instance.dataSet));
    const status = statusOf(await peer.next());
    peer.destroy();
    return status;
  }

  async function segment(): Promise<string> {
    const folder = join(hub.dataDir, 'spool');
    const [name = ''] = (await readdir(folder)).filter((each) => each.endsWith('.seg'));
    return join(folder, name);
  }
});

function another({ attributes }: MrInstance): MrInstance {
  return mrInstance({ ...attributes, StudyDescription: 'another' });
}

/** Open until it is closed. */
function gated(): { passed(): Promise<void>; close(): void; open(): void } {
  let closed = Promise.resolve();
  let open: () => void = () => undefined;
  return {
    passed: async () => closed,
    close: () => {
      closed = new Promise((resolve) => (open = resolve));
    },
    open: () => open(),
  };
}

/** Where the last record says something: zeros are laid behind those that are small. */
function lastByteIn(segment: Uint8Array): number {
  return segment.findLastIndex((byte) => byte !== 0);
}
