import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { SameUidRule } from '../../core/ledger/instances.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../support/raw-association.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../support/running-gateway.ts';
import { waitFor } from '../support/wait-for.ts';

describe('other bytes under a known SOP Instance UID', function () {
  this.timeout(30_000);
  let hub: RunningGateway;

  const start = async (rule: SameUidRule, settings: GatewaySettings = {}) => {
    hub = await startGateway({ ...settings, options: { sameUid: { rule }, ...settings.options } });
  };
  afterEach(async () => {
    await hub.remove();
  });

  const RULES: readonly {
    readonly rule: SameUidRule;
    readonly status: number;
    readonly entries: number;
    readonly kept: boolean;
    readonly current: 'first' | 'second';
    readonly outcome: string;
  }[] = [
    { rule: 'quarantine', status: 0x0111, entries: 1, kept: true, current: 'first', outcome: 'conflict' },
    { rule: 'reject', status: 0x0111, entries: 0, kept: false, current: 'first', outcome: 'rejected' },
    { rule: 'keep-both-as-revision', status: 0, entries: 0, kept: true, current: 'second', outcome: 'revised' },
  ];
  for (const { rule, status, entries, kept, current, outcome } of RULES) {
    for (const when of ['before', 'after'] as const) {
      it(`${rule}: answers ${status.toString(16)} ${when} the ledger knows the first, and keeps what it says`, async () => {
        await start(rule);
        const [first, second] = versions();

        expect(await stored(hub, first)).to.equal(0);
        if (when === 'after') await known(hub.ledger, first);
        expect(await stored(hub, second)).to.equal(status);
        expect(await stored(hub, first)).to.equal(0);
        await settled(hub);

        expect(await currentOf(hub, first)).to.equal(digestOf(current === 'first' ? first : second));
        expect(await hub.ledger.quarantine.list({ limit: 10 })).to.have.length(entries);
        expect((await spooled(hub)).includes(Buffer.from('the second version'))).to.equal(kept);
        expect(await hub.metrics()).to.contain(`outcome="${outcome}"} 1\n`);
      });
    }

    it(`${rule}: two associations at once come to the same, with nothing lost and nothing twice`, async () => {
      await start(rule);
      const [first, second] = versions();

      const statuses = await Promise.all(
        Array.from({ length: 8 }, async (_, n) => stored(hub, n % 2 === 0 ? first : second)),
      );
      await settled(hub);

      const stores = [0, 1].map((which) => statuses.filter((status, n) => n % 2 === which && status === 0).length);
      const all = await hub.ledger.instances.versions(parseSopInstanceUid(first.sopInstanceUid));
      if (rule === 'keep-both-as-revision') {
        expect(stores).to.deep.equal([4, 4]);
        expect(all).to.have.length(2);
      } else {
        expect(stores.toSorted()).to.deep.equal([0, 4]);
        expect(statuses.filter((each) => each !== 0)).to.deep.equal([0x0111, 0x0111, 0x0111, 0x0111]);
        expect(all).to.have.length(1);
      }
      // One an association: each was told that its copy is kept.
      const held = await hub.ledger.quarantine.list({ limit: 10 });
      const copies = held.flatMap(({ items, repeats = 0 }) => [items.length, repeats]);
      expect(copies).to.deep.equal(rule === 'quarantine' ? [1, 3] : []);
    });
  }

  it('asks for the rule of the source', async () => {
    await start('quarantine', { options: { sameUid: { rule: 'quarantine', sources: { loopback: 'reject' } } } });
    const [first, second] = versions();
    await stored(hub, first);

    expect(await stored(hub, second)).to.equal(0x0111);

    await settled(hub);
    expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);
  });

  it('keeps under the rule to reject what had its Success while the ledger could not be asked', async () => {
    let isDown = true;
    await start('reject', {
      ledger: (real) => ({
        ...real,
        instances: {
          ...real.instances,
          known: async (...uids) => (isDown ? Promise.reject(new Error('down')) : real.instances.known(...uids)),
        },
      }),
    });
    const [first, second] = versions();
    isDown = false;
    expect(await stored(hub, first)).to.equal(0);
    await known(hub.ledger, first);
    isDown = true;

    expect(await stored(hub, second)).to.equal(0); // Nobody knew better: from here on it is a promise.

    await waitFor('its quarantine entry', async () => (await hub.ledger.quarantine.list({ limit: 10 })).length === 1);
    expect((await spooled(hub)).includes(Buffer.from('the second version'))).to.be.true;
  });

  it('knows versions for what they are after a restart that came before the ledger knew them', async () => {
    await start('keep-both-as-revision', {
      ledger: (real) => ({
        ...real,
        instances: { ...real.instances, record: async () => Promise.reject(new Error('down')) },
      }),
    });
    const [first, second] = versions();
    expect([await stored(hub, first), await stored(hub, second)]).to.deep.equal([0, 0]);
    await hub.gateway.stop(100);
    await hub.ledger.close();

    // Under another rule by now: what was promised stands in the records.
    hub = await startGateway({ dataDir: hub.dataDir });
    expect([await stored(hub, first), await stored(hub, second)]).to.deep.equal([0, 0]);
    await settled(hub);

    expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);
    expect(await hub.ledger.instances.versions(parseSopInstanceUid(first.sopInstanceUid))).to.have.length(2);
  });

  it('holds a version of another patient, as it holds any other', async () => {
    await start('keep-both-as-revision');
    const [first] = versions();
    await stored(hub, first);
    await known(hub.ledger, first);

    expect(await stored(hub, mrInstance({ ...first.attributes, PatientID: 'RAT-8' }))).to.equal(0xa900);

    const [entry] = await waitFor('the entry', async () => {
      const list = await hub.ledger.quarantine.list({ limit: 10 });
      return list.length > 0 ? list : undefined;
    });
    expect(entry).to.include({ reason: 'dataset.patient-mismatch', holdsStudy: true });
  });
});

function versions(): readonly [MrInstance, MrInstance] {
  const first = mrInstance({ SOPInstanceUID: newUid(), SeriesDescription: 'the first version' });
  return [first, mrInstance({ ...first.attributes, SeriesDescription: 'the second version' })];
}

const digestOf = ({ dataSet }: MrInstance): string => createHash('sha256').update(dataSet).digest('hex');

async function currentOf({ ledger }: RunningGateway, instance: MrInstance): Promise<string | undefined> {
  return (await known(ledger, instance)).dataSetSha256;
}

async function known(ledger: Ledger, { sopInstanceUid, studyInstanceUid }: MrInstance) {
  return waitFor('the ledger to know it', async () => {
    const found = await ledger.instances.known(
      parseSopInstanceUid(sopInstanceUid),
      parseStudyInstanceUid(studyInstanceUid),
    );
    return found.dataSetSha256 === undefined ? undefined : found;
  });
}

/** The ledger knows everything the spool has. */
async function settled(hub: RunningGateway): Promise<void> {
  await waitFor('the pump', async () => /^hub_spool_pending_bytes 0$/m.test(await hub.metrics()));
}

async function stored({ port }: RunningGateway, instance: MrInstance): Promise<number | undefined> {
  const peer = await RawPeer.associate(port);
  peer.send(storeRequest(instance, instance.dataSet));
  const status = statusOf(await peer.next());
  peer.destroy();
  return status;
}

async function spooled({ dataDir }: RunningGateway): Promise<Buffer> {
  const folder = join(dataDir, 'spool');
  return Buffer.concat(await Promise.all((await readdir(folder)).map(async (name) => readFile(join(folder, name)))));
}
