/** Pulls where two hubs share a PostgreSQL ledger. */
import { expect } from 'chai';
import { Replicas } from '../../platform/ledger/postgres-ledgers.ts';
import { postgres } from '../../support/postgres.ts';
import { MadePacs } from './made-pacs.ts';
import { fromPacs, PULL, type Pulling, startPulling } from './pulling.ts';

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

  it('runs once, whichever of them was asked for it, and fetches each study once', async () => {
    const studies = [pacs.add(2), pacs.add(3), pacs.add(1)];

    const run = await hubs[1]?.run();

    expect(run).to.include({ state: 'done', found: 3, fetched: 3, instances: 6 });
    expect(pacs.asked.filter((each) => each === 'FIND STUDY')).to.have.length(1);
    expect([...pacs.sent].sort()).to.deep.equal(
      studies.flatMap(({ instances }) => instances.map(({ sopInstanceUid }) => sopInstanceUid)).sort(),
    );
    for (const hub of hubs) {
      expect(await hub.ledger.pulls.runs({ pull: PULL, limit: 9 })).to.have.length(1);
    }
  });
});
