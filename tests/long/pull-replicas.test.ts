/** A pull that moves from one hub to the other: its lease is looked at every ten seconds. */
import { expect } from 'chai';
import { Replicas } from '../platform/ledger/postgres-ledgers.ts';
import { postgres } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';
import { GET, MadePacs } from '../connectors/pull/made-pacs.ts';
import { fromPacs, PULL, type Pulling, startPulling } from '../connectors/pull/pulling.ts';

describe('a pull of two hubs on one PostgreSQL ledger', function () {
  this.timeout(60_000);
  let pacs: MadePacs;
  let replicas: Replicas;
  let hubs: Pulling[];

  before(() => postgres());
  beforeEach(async () => {
    pacs = await MadePacs.start();
    replicas = new Replicas();
    hubs = [];
    const server = await (await postgres()).createDatabase();
    const clock = { now: () => new Date() };
    for (const node of ['node-0', 'node-1']) {
      const ledger = await replicas.open(server, { clock });
      // Nothing is to be tried again because the machine has other work.
      const timeouts = { answerMs: 20_000, stallMs: 20_000, settleMs: 20_000 };
      hubs.push(
        await startPulling(
          { from: fromPacs(pacs, 'c-get'), timeouts, concurrency: 2 },
          { clock, owner: node, shared: { ledger, node } },
        ),
      );
    }
  });
  afterEach(async () => {
    await Promise.all(hubs.map((hub) => hub.stop()));
    await replicas.close();
    await pacs.stop();
  });

  it('is gone on with by the other when the one at work goes: what came is not fetched again', async () => {
    const study = pacs.add(4);
    let isGone = false;
    const hung: (() => void)[] = [];
    pacs.behave = async (asked, all) => {
      if (asked.command !== GET || isGone) {
        await all.honest(asked);
        return;
      }
      for (const instance of all.instancesOf(asked.identifier).slice(0, 2)) await asked.store(instance);
      await new Promise<void>((resolve) => hung.push(resolve));
    };
    const [hub] = hubs;
    if (hub === undefined) throw new TypeError('two hubs');
    await hub.ledger.pulls.request({ runId: 'run-1', pull: PULL, kind: 'manual' });
    await waitFor('half of it', async () => (await hub.held(study.uid)).length === 2);
    const rows = await Promise.all(hubs.map((each) => each.metrics()));
    const working = hubs.find((_, index) => /hub_pull_state\{[^}]*state="working"[^}]*\} 1/.test(rows[index] ?? ''));
    if (working === undefined) throw new TypeError('nobody is at work');

    isGone = true;
    await working.stop();
    hubs = hubs.filter((hub) => hub !== working);
    hung.forEach((resolve) => resolve());

    const run = await waitFor(
      'the run to end',
      async () => {
        const [row] = (await hubs[0]?.ledger.pulls.runs({ pull: PULL, limit: 1 })) ?? [];
        return row?.endedAt === undefined ? undefined : row;
      },
      30_000,
    );
    expect(run).to.include({ state: 'done', fetched: 1, instances: 4 });
    expect([...pacs.sent].sort()).to.deep.equal(study.instances.map(({ sopInstanceUid }) => sopInstanceUid).sort());
  });
});
