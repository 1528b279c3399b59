/** Storage commitments that are asked for while the database or the bucket is away: the answer comes late, and is never a false one. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CommitmentScu, startCommitmentScu } from '../support/commitment-scu.ts';
import { lastingPort } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { execute } from '../support/postgres.ts';
import { MR } from '../support/raw-association.ts';
import { type Cluster, startCluster } from '../support/region/cluster.ts';
import { type SharedServers, startSharedServers } from '../support/region/servers.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const TOLD_MS = 90_000;

describe('a storage commitment asked of one of two gateways', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let servers: SharedServers;
  let cluster: Cluster;
  let port: number;
  const scus: CommitmentScu[] = [];
  before(async () => {
    servers = await startSharedServers();
    port = await lastingPort();
    cluster = await startCluster({
      servers,
      stages: ['gateway', 'gateway'],
      config: {
        gateway: {
          dimse: {
            sources: [
              {
                ...{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
                storageCommitment: { host: '127.0.0.1', port, sameAssociation: false },
              },
            ],
            // Long over before anything is mended.
            storageCommitment: { wait: '1s', retry: { attempts: 1000, firstDelay: '1s', maxDelay: '1s' } },
          },
        },
      },
      env: { HUB_HUB_STOP_DELAY: '0s' },
    });
  });
  after(async () => {
    await cluster.stop();
    await servers.stop();
  });
  afterEach(async () => {
    for (const scu of scus.splice(0)) await scu.stop();
  });

  const gateway = (n: number) => cluster.of('gateway')[n]?.hub ?? expect.fail('no gateway');
  const store = async (n: number, instances = 2) => {
    const study = newUid();
    const made = Array.from({ length: instances }, () => mrInstance({ StudyInstanceUID: study }));
    const files = await Promise.all(
      made.map(async ({ sopInstanceUid, part10 }) => {
        const file = join(folder.path, `${sopInstanceUid}.dcm`);
        await writeFile(file, part10);
        return file;
      }),
    );
    expect((await send(gateway(n).dimsePort, files)).accepted).to.have.length(instances);
    return made.map(({ sopInstanceUid }) => [MR, sopInstanceUid] as const);
  };
  const ask = async (n: number, items: readonly (readonly [string, string])[]) => {
    const transaction = newUid();
    const scu = await startCommitmentScu({ port: gateway(n).dimsePort, items, transaction });
    scus.push(scu);
    expect(await scu.action()).to.equal(0);
    await scu.released();
    return transaction;
  };
  const listen = async () => {
    const scu = await startCommitmentScu({ listen: port, take: 99 });
    scus.push(scu);
    return scu;
  };
  const answers = async (scu: CommitmentScu, transactions: readonly string[]) => {
    // By transaction, not by count: a report whose answer was cut off by the end of the one before is told again.
    const all = () => transactions.every((uid) => scu.seen.some(({ transaction }) => transaction === uid));
    await waitFor('every report', all, TOLD_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${cluster.log()}`, { cause: error });
    });
    return new Map(scu.seen.map((result) => [result.transaction, [result.committed.toSorted(), result.failed]]));
  };
  const promised = (items: readonly (readonly [string, string])[]) => [items.map(([, uid]) => uid).toSorted(), []];
  /** It has looked at it, and what it asked was away. */
  const waits = (n: number, transactions: number) =>
    waitFor('the commitments to wait', async () => {
      const text = await (await fetch(`${gateway(n).url}/metrics`)).text();
      return Number(/hub_gateway_commitments\{state="deciding"\} (\d+)/.exec(text)?.[1]) >= transactions;
    });

  it('is answered when the bucket is back: of what is there, of what waits here, and of what waits at the other gateway', async () => {
    const there = await store(0);
    await waitFor('the bucket to have it', async () => (await pending(0)) === 0, 30_000);
    await servers.s3.proxy?.down();
    const [here, elsewhere] = [await store(0), await store(1)];
    const scu = await listen();

    const transactions = [await ask(0, there), await ask(0, here), await ask(0, elsewhere)];
    await waits(0, 3);
    await waitFor('the other one to say that it is behind', () => behind());
    await waitFor('a look at the bucket', () => gateway(0).log().includes('waits for the object store'), 30_000);
    const early = [...scu.seen];
    await servers.s3.proxy?.restore();
    const told = await answers(scu, transactions);

    expect(early).to.deep.equal([]);
    expect(transactions.map((uid) => told.get(uid))).to.deep.equal([there, here, elsewhere].map(promised));
  });

  it('is taken while the database is down, outlives a kill, and is answered when it is back', async () => {
    const before = await store(0);
    await waitFor('the ledger to have it', async () => (await pending(0)) === 0, 30_000);
    await servers.postgres.proxy?.down();
    const meanwhile = await store(0);
    const scu = await listen();

    const transactions = [await ask(0, before), await ask(0, meanwhile)];
    await gateway(0).kill();
    await gateway(0).start();
    const early = [...scu.seen];
    await servers.postgres.proxy?.restore();
    const told = await answers(scu, transactions);

    expect(early).to.deep.equal([]);
    expect(transactions.map((uid) => told.get(uid))).to.deep.equal([before, meanwhile].map(promised));
  });

  it('still says of what nobody has sent that it is not here', async () => {
    const missing = newUid();
    const scu = await listen();

    const transaction = await ask(0, [[MR, missing]]);

    expect((await answers(scu, [transaction])).get(transaction)).to.deep.equal([[], [[missing, 0x0112]]]);
  });

  const pending = async (n: number) =>
    Number(
      /^hub_spool_pending_bytes (\d+)$/m.exec(await (await fetch(`${gateway(n).url}/metrics`)).text())?.[1] ?? NaN,
    );
  const behind = async () => {
    return (
      (await execute(servers.database, `SELECT name FROM leases WHERE name LIKE 'behind/%' AND until > 0`)).length === 2
    );
  };
});
