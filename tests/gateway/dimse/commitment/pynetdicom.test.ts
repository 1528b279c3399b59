import { expect } from 'chai';
import { HubError } from '../../../../core/errors.ts';
import type { Ledger } from '../../../../core/ledger.ts';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../../../../core/identifiers.ts';
import type { CommitmentRow } from '../../../../core/ledger/commitments.ts';
import { freePort } from '../../../support/child-process.ts';
import {
  startCommitmentScu,
  type CommitmentRequestOptions,
  type CommitmentScu,
} from '../../../support/commitment-scu.ts';
import { mrInstance, newUid, type MrInstance } from '../../../support/mr-instance.ts';
import { MR, RawPeer, statusOf, storeRequest } from '../../../support/raw-association.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../../../support/running-gateway.ts';
import { waitFor } from '../../../support/wait-for.ts';

const CT = '1.2.840.10008.5.1.4.1.1.2';
const EXPLICIT = '1.2.840.10008.1.2.1';
const IMPLICIT = '1.2.840.10008.1.2';
const PV7T = { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] };
const FAST = { firstDelayMs: 50, maxDelayMs: 100, attempts: 5 };

describe('storage commitment with pynetdicom', function () {
  this.timeout(60_000);
  let hub: RunningGateway | undefined;
  const scus: CommitmentScu[] = [];

  const start = async (settings: GatewaySettings = {}) => (hub = await startGateway(settings));
  const ask = async (options: CommitmentRequestOptions) => {
    const scu = await startCommitmentScu(options);
    scus.push(scu);
    return scu;
  };

  afterEach(async () => {
    for (const scu of scus.splice(0)) await scu.stop();
    await hub?.remove();
    hub = undefined;
  });

  for (const [name, syntax] of [
    ['explicit', EXPLICIT],
    ['implicit', IMPLICIT],
  ] as const) {
    it(`promises what it holds on the association that asked, in ${name} VR`, async () => {
      const { port } = await start({ dimse: { sources: [PV7T] } });
      const stored = await store(port, 3);
      const transaction = newUid();

      const scu = await ask({ port, items: stored, transaction, wait: 'same', syntaxes: [syntax] });

      expect(await scu.action()).to.equal(0);
      const [result] = await scu.results();
      expect(result).to.deep.equal({
        event: 1,
        transaction,
        committed: stored.map(([, instance]) => instance),
        failed: [],
        by: 'PV7T',
      });
      const row = await ended(hub, 'reported');
      expect(row).to.include({ source: 'pv-7t', transactionUid: transaction, items: 3, failures: 0, attempts: 1 });
      expect(await hub?.metrics()).to.match(/hub_gateway_commitments_total\{source="pv-7t",outcome="committed"\} 1/);
    });
  }

  it('says of each instance why it cannot promise it, and promises the others', async () => {
    const { port } = await start({ dimse: { sources: [PV7T] } });
    const [[, held] = ['', ''], [, other] = ['', '']] = await store(port, 2);
    const refused = await storeTwice(port);
    const missing = newUid();

    const scu = await ask({
      port,
      transaction: newUid(),
      wait: 'same',
      items: [
        [MR, held],
        [CT, other],
        [MR, missing],
        [MR, refused],
      ],
    });

    const [result] = await scu.results();
    expect(result?.event).to.equal(2);
    expect(result?.committed).to.deep.equal([held]);
    expect(result?.failed).to.deep.equal([
      [other, 0x0119],
      [missing, 0x0112],
      [refused, 0x0110],
    ]);
    expect(await hub?.metrics()).to.match(/hub_gateway_commitments_total\{source="pv-7t",outcome="failures"\} 1/);
  });

  it('tells the result on an association of its own when the one that asked is gone', async () => {
    const listen = await freePort();
    const address = { host: '127.0.0.1', port: listen, tls: false };
    const { held, release } = heldRecords();
    const { port } = await start({
      dimse: { sources: [{ ...PV7T, storageCommitment: { address, triesSameAssociation: true } }] },
      ledger: held,
    });
    // Until they are in the ledger the hub cannot decide, and tell the one that asked.
    const items = await store(port, 2, false);

    const scu = await ask({ port, items, transaction: newUid(), listen });
    await scu.released();
    release();

    const [result] = await scu.results();
    expect(result).to.deep.include({ event: 1, by: 'HUB', committed: items.map(([, instance]) => instance) });
    const row = await ended(hub, 'reported');
    const { history = [] } = (await hub?.ledger.commitments.get(row.commitmentId)) ?? {};
    expect(history.at(-1)).to.include({ way: 'new-association', outcome: 'answered' });
  });

  it('does not use the association that asked when its source does not want it so', async () => {
    const listen = await freePort();
    const address = { host: '127.0.0.1', port: listen, tls: false };
    const { port } = await start({
      dimse: { sources: [{ ...PV7T, storageCommitment: { address, triesSameAssociation: false } }] },
    });
    const items = await store(port, 1);

    const scu = await ask({ port, items, transaction: newUid(), listen, wait: 'same' });

    expect((await scu.results())[0]?.by).to.equal('HUB');
  });

  it('tries again until its source answers, over a restart, and keeps the history', async () => {
    const listen = await freePort();
    const sources = [
      {
        ...PV7T,
        storageCommitment: { address: { host: '127.0.0.1', port: listen, tls: false }, triesSameAssociation: false },
      },
    ];
    const settings = { dimse: { sources, commitment: { retry: { ...FAST, attempts: 1000 } } } };
    const first = await start(settings);
    const items = await store(first.port, 1);
    const asking = await ask({ port: first.port, items, transaction: newUid() });
    expect(await asking.action()).to.equal(0);
    await waitFor('two attempts', async () => ((await onlyRow(first))?.attempts ?? 0) >= 2);
    await first.stop();

    const scu = await ask({ listen });
    const again = await start({ ...settings, dataDir: first.dataDir });
    const [result] = await scu.results();

    expect(result?.committed).to.deep.equal(items.map(([, instance]) => instance));
    const row = await ended(again, 'reported');
    expect(row.attempts).to.be.at.least(3);
    const { history = [] } = (await again.ledger.commitments.get(row.commitmentId)) ?? {};
    expect(history.map(({ outcome }) => outcome)).to.deep.equal([
      ...Array.from({ length: row.attempts - 1 }, () => 'failed'),
      'answered',
    ]);
    expect(history[0]?.detail).to.include('ECONNREFUSED');
  });

  it('gives up after the tries it may make, and says so', async () => {
    const listen = await freePort();
    const address = { host: '127.0.0.1', port: listen, tls: false };
    const { port } = await start({
      dimse: {
        sources: [{ ...PV7T, storageCommitment: { address, triesSameAssociation: false } }],
        commitment: { retry: { ...FAST, attempts: 3 } },
      },
    });
    const items = await store(port, 1);

    const scu = await ask({ port, items, transaction: newUid(), listen, answer: 0x0110 });

    await scu.results(3);
    const row = await ended(hub, 'failed');
    expect(row.reason).to.include('0x0110');
    expect(hub?.lines.find(({ message }) => message === 'storage commitment could not be reported')).to.include({
      level: 'error',
    });
    expect(await hub?.metrics())
      .to.match(/hub_gateway_commitment_reports_total\{source="pv-7t",outcome="given-up"\} 1/)
      .and.to.match(/hub_gateway_commitments\{state="failed"\} 1/);
  });

  it('asks for nothing the source has no address for: what cannot be told is an error at once', async () => {
    const { port } = await start({ dimse: { sources: [PV7T] } });

    const scu = await ask({ port, items: [[MR, newUid()]], transaction: newUid() });

    expect(await scu.action()).to.equal(0);
    // It was told while the association was still open, or it never will be.
    const row = await waitFor('the end', async () => {
      const found = await onlyRow(hub);
      return found?.state === 'failed' || found?.state === 'reported' ? found : undefined;
    });
    expect(row.failures).to.equal(1);
  });

  it('waits for what the pump has not told the ledger yet, and no longer than it may', async () => {
    const { held, release } = heldRecords();
    const { port } = await start({ dimse: { sources: [PV7T], commitment: { waitMs: 20_000 } }, ledger: held });
    const items = await store(port, 2, false);
    const scu = await ask({ port, items, transaction: newUid(), wait: 'same' });
    expect(await scu.action()).to.equal(0);
    expect((await onlyRow(hub))?.state).to.equal('deciding');

    release();

    expect((await scu.results())[0]).to.deep.include({ event: 1, committed: items.map(([, instance]) => instance) });
  });

  it('never fails what it has received itself, however long the ledger takes to hear of it', async () => {
    const { held, release } = heldRecords();
    const { port } = await start({ dimse: { sources: [PV7T], commitment: { waitMs: 100 } }, ledger: held });
    const items = await store(port, 1, false);
    const scu = await ask({ port, items, transaction: newUid(), wait: 'same' });
    // Looked at when the time to wait was over, and put off.
    await waitFor('a look after the time to wait', async () => {
      const row = await onlyRow(hub);
      return row?.dueAt !== undefined && row.dueAt.getTime() > row.decideBy.getTime() + 1_000;
    });
    expect((await onlyRow(hub))?.state).to.equal('deciding');

    release();

    expect((await scu.results())[0]).to.deep.include({ event: 1, committed: items.map(([, instance]) => instance) });
  });

  it('takes requests that the ledger cannot be told of, and answers them when it can, over a restart', async () => {
    const listen = await freePort();
    const address = { host: '127.0.0.1', port: listen, tls: false };
    const settings = {
      dimse: { sources: [{ ...PV7T, storageCommitment: { address, triesSameAssociation: false } }] },
    };
    const away = (real: Ledger): Ledger => ({
      ...real,
      commitments: { ...real.commitments, request: () => Promise.reject(new HubError('ledger.unreachable')) },
    });
    const first = await start({ ...settings, ledger: away });
    const items = await store(first.port, 2);
    const transaction = newUid();

    const statuses = [];
    for (const asked of [items, items, items.slice(1)])
      statuses.push(await (await ask({ port: first.port, items: asked, transaction })).action());
    expect(await hub?.metrics()).to.match(/hub_gateway_commitments\{state="kept"\} 1/);
    await first.stop();
    const scu = await ask({ listen });
    const again = await start({ ...settings, dataDir: first.dataDir });
    const [result] = await scu.results();

    // The second is the first once more, the third is another one of the same name.
    expect(statuses).to.deep.equal([0, 0, 0x0115]);
    expect(result).to.deep.include({ event: 1, transaction, committed: items.map(([, instance]) => instance) });
    await ended(again, 'reported');
    expect(await again.metrics()).to.match(/hub_gateway_commitments\{state="kept"\} 0/);
    expect(await again.ledger.commitments.list({ limit: 9 })).to.have.length(1);
  });

  it('promises thousands of instances in one result, over PDUs of 4 KiB', async () => {
    const { port } = await start({ dimse: { sources: [PV7T] } });
    const [item = [MR, '']] = await store(port, 1);
    const items = [item, ...Array.from({ length: 4_999 }, () => [MR, newUid()] as const)];

    const scu = await ask({ port, items, transaction: newUid(), wait: 'same', pdu: 4096 });

    const [result] = await scu.results(1, 40_000);
    expect([result?.committed.length, result?.failed.length]).to.deep.equal([1, 4_999]);
  });

  it('refuses more instances than it may remember, another action, and a Transaction UID used for others', async () => {
    const { port } = await start({ dimse: { sources: [PV7T], commitment: { maxItems: 2 } } });
    const transaction = newUid();
    const [one, two, three] = [newUid(), newUid(), newUid()];
    const request = async (...uids: readonly string[]) => {
      const scu = await ask({ port, items: uids.map((uid) => [MR, uid] as const), transaction, wait: 'same' });
      return scu.action();
    };

    const statuses = [await request(one, two, three), await request(one, two), await request(one, three)];

    expect(statuses).to.deep.equal([0x0213, 0, 0x0115]);
  });

  it('decides anew when it is asked again with the same Transaction UID', async () => {
    const { port } = await start({ dimse: { sources: [PV7T] } });
    const instance = mrInstance();
    const items = [[MR, instance.sopInstanceUid] as const];
    const transaction = newUid();
    const before = await ask({ port, items, transaction, wait: 'same' });
    expect((await before.results())[0]?.event).to.equal(2);
    await ended(hub, 'reported');
    await send(port, [instance]);
    await recorded(hub, [instance]);

    const after = await ask({ port, items, transaction, wait: 'same' });

    expect((await after.results())[0]?.event).to.equal(1);
    expect(await hub?.ledger.commitments.list({ limit: 9 })).to.have.length(1);
  });

  it('does not offer the service at a called AE title that is said not to', async () => {
    const { port } = await start({
      dimse: { sources: [PV7T], titles: [{ aeTitle: 'HUB', storageCommitment: false }] },
    });

    const scu = await ask({ port, items: [[MR, newUid()]] });

    expect(await scu.action()).to.equal('no association');
  });

  async function store(
    port: number,
    count: number,
    isRecorded = true,
  ): Promise<readonly (readonly [string, string])[]> {
    const study = newUid();
    const instances = Array.from({ length: count }, () => mrInstance({ StudyInstanceUID: study }));
    await send(port, instances);
    if (isRecorded) await recorded(hub, instances);
    return instances.map(({ sopInstanceUid }) => [MR, sopInstanceUid] as const);
  }

  /** The same UID twice, with other bytes: the second is refused and held. */
  async function storeTwice(port: number): Promise<string> {
    const first = mrInstance();
    await send(port, [first]);
    const other = mrInstance({ ...first.attributes, StudyDescription: 'another' });
    expect(await send(port, [other])).to.deep.equal([0x0111]);
    await waitFor('the quarantine', async () => ((await hub?.ledger.quarantine.list({ limit: 1 })) ?? []).length > 0);
    return first.sopInstanceUid;
  }
});

async function send(port: number, instances: readonly MrInstance[]): Promise<readonly number[]> {
  const peer = await RawPeer.associate(port, { calling: 'PV7T' });
  const statuses: number[] = [];
  for (const instance of instances) {
    peer.send(storeRequest(instance, instance.dataSet));
    statuses.push(statusOf(await peer.next()));
  }
  peer.destroy();
  return statuses;
}

/** A ledger that hears of no instance before `release`. */
function heldRecords(): { readonly held: (real: Ledger) => Ledger; readonly release: () => void } {
  let release: () => void = () => undefined;
  const opened = new Promise<void>((open) => (release = open));
  return {
    held: (real) => ({
      ...real,
      instances: {
        ...real.instances,
        record: async (...args) => {
          await opened;
          return real.instances.record(...args);
        },
      },
    }),
    release: () => release(),
  };
}

async function recorded(hub: RunningGateway | undefined, instances: readonly MrInstance[]): Promise<void> {
  for (const { sopInstanceUid, studyInstanceUid } of instances) {
    const [sop, study] = [parseSopInstanceUid(sopInstanceUid), parseStudyInstanceUid(studyInstanceUid)];
    await waitFor(
      'the ledger',
      async () => (await hub?.ledger.instances.known(sop, study))?.dataSetSha256 !== undefined,
    );
  }
}

async function onlyRow(hub: RunningGateway | undefined): Promise<CommitmentRow | undefined> {
  return (await hub?.ledger.commitments.list({ limit: 1 }))?.[0];
}

async function ended(hub: RunningGateway | undefined, state: CommitmentRow['state']): Promise<CommitmentRow> {
  return waitFor(
    `the commitment to be ${state}`,
    async () => {
      const row = await onlyRow(hub);
      return row?.state === state ? row : undefined;
    },
    40_000,
  );
}
