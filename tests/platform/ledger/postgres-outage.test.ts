import { expect } from 'chai';
import { HubError, toHubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import { connect } from '../../../platform/ledger/postgres/connection.ts';
import { outcomeOf } from '../../../platform/ledger/postgres/transaction.ts';
import { audited, completeStudy, received, startRun, STUDY } from '../../contracts/ledger-facts.ts';
import { execute, type PostgresPeer, postgres, startPostgres } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait-for.ts';
import { Replicas } from './postgres-ledgers.ts';

const END_WRITERS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`;

describe('a PostgreSQL ledger whose server goes away', function () {
  this.timeout(120_000);
  let replicas: Replicas;
  let own: PostgresPeer | undefined;

  before(() => postgres());
  beforeEach(() => (replicas = new Replicas()));
  afterEach(async () => {
    await replicas.close();
    await own?.stop();
    own = undefined;
  });

  it('loses nothing it acknowledged when the server is killed under it', async () => {
    own = await startPostgres();
    const ledger = await replicas.open(await own.createDatabase());
    const load = startLoad(ledger);

    for (let round = 0; round < 3; round += 1) {
      const before = load.acknowledged.length;
      await waitFor('some calls', () => load.acknowledged.length > before + 50, 30_000);
      await own.kill();
      await own.restart();
    }
    await load.stop();

    const kept = await subjects(ledger);
    expect(load.acknowledged.filter((subject) => !kept.includes(subject))).to.deep.equal([]);
    expect(new Set(kept).size).to.equal(kept.length);
    expect((await ledger.instances.ofStudy(STUDY)).length).to.be.at.least(load.acknowledged.length);
    // A server that took long to come back: their callers were told so, and would ask again.
    for (const error of load.refused) expect(error).to.include({ code: 'ledger.unreachable' });
  });

  it('does each call once, however often its connection is cut, and knows what became of it', async () => {
    const server = await (await postgres()).createDatabase();
    const ledger = await replicas.open(server);
    const load = startLoad(ledger);

    for (let round = 0; round < 30; round += 1) {
      const before = load.acknowledged.length;
      await waitFor('some calls', () => load.acknowledged.length > before + 5);
      await execute(server, END_WRITERS);
    }
    await load.stop();

    // Whoever tells waits for the connection after the one that was cut last; whoever asks would be refused meanwhile.
    await ledger.groups.open('afterwards', 'earliest');

    expect(load.refused).to.deep.equal([]);
    // `recorded`, not `already`: an answer that said otherwise would have been given for what the call itself had done.
    expect(new Set(load.outcomes)).to.deep.equal(new Set(['recorded', 'stored']));
    expect(await subjects(ledger)).to.deep.equal(load.acknowledged.toSorted());
  });

  it('answers at once that it is unreachable when asked, and soon when told, and is itself again afterwards', async () => {
    own = await startPostgres();
    const ledger = await replicas.open(await own.createDatabase());
    await own.kill();
    await waitFor('the loss', () => !ledger.isUp());

    const startedAt = performance.now();
    const asked = await ledger.events.head().catch((error: unknown) => error);
    const askedMs = performance.now() - startedAt;
    const told = await ledger.events.append([audited('a')]).catch((error: unknown) => error);
    const toldMs = performance.now() - startedAt;
    await own.restart();
    await waitFor('the return', () => ledger.isUp());

    for (const error of [asked, told])
      expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'ledger.unreachable' });
    expect(askedMs).to.be.below(500);
    expect(toldMs).to.be.within(4_000, 9_000);
    expect(await ledger.events.append([audited('a')])).to.equal('recorded');
  });

  it('opens while the server is down, and makes its tables when it comes', async () => {
    own = await startPostgres();
    const server = await own.createDatabase({ isEmpty: true });
    await own.kill();

    const ledger = await replicas.open(server);
    const isUpBefore = ledger.isUp();
    await own.restart();
    await waitFor('the ledger', () => ledger.isUp());

    expect(isUpBefore).to.equal(false);
    expect(await ledger.events.head()).to.equal(0);
  });

  it('gives a lease that its hub died with to the next one when it runs out', async () => {
    const server = await (await postgres()).createDatabase();
    const first = await replicas.open(server);
    await completeStudy(first, replicas.clock);
    await startRun(first);
    const [lost] = await first.runs.claim('a', 60_000, replicas.clock.now(), 1);
    await first.close();
    const second = await replicas.open(server);

    const early = await second.runs.claim('b', 60_000, replicas.clock.advance(59_999), 1);
    const [late] = await second.runs.claim('b', 60_000, replicas.clock.advance(1), 1);

    expect(early).to.deep.equal([]);
    expect(late).to.include({ jobId: lost?.jobId, fence: 2, losses: 1 });
  });
});

describe('a database whose password is changed', function () {
  this.timeout(60_000);
  const replicas = new Replicas();

  before(() => postgres());
  afterEach(() => replicas.close());

  it('is waited for by a hub that it has let in before, which says that it is denied and goes on by itself', async () => {
    const server = await (await postgres()).createDatabase();
    let password = 'of yesterday';

    const ledger = await replicas.open({ ...server, currentPassword: () => password }, { wasLetIn: true });
    const asked = await ledger.events.head().catch((error: unknown) => error);
    const told = ledger.events.append([audited('a')]);
    password = server.password ?? '';
    await waitFor('the ledger', () => ledger.isUp());

    expect(asked).to.be.instanceOf(HubError).and.to.include({ code: 'ledger.denied' });
    expect(await told).to.equal('recorded');
  });

  it('keeps a hub that began without it waiting, too', async () => {
    const peer = await startPostgres();
    const server = await peer.createDatabase({ isEmpty: true });
    let password = 'of yesterday';
    await peer.kill();
    let failure: unknown;

    const ledger = await replicas.open(
      { ...server, currentPassword: () => password },
      { onFailure: (error) => (failure = error) },
    );
    await peer.restart();
    const isDenied = async () =>
      (await ledger.events.head().catch((error: unknown) => toHubError(error).code)) === 'ledger.denied';
    await waitFor('the refusal', isDenied);
    password = server.password ?? '';
    await waitFor('the ledger', () => ledger.isUp());
    await replicas.close();
    await peer.stop();

    expect(failure).to.equal(undefined);
  });
});

describe('a database that is none for a ledger', function () {
  this.timeout(60_000);
  const replicas = new Replicas();

  before(() => postgres());
  afterEach(() => replicas.close());

  it('is refused with the reason: another password, database, encoding, version of the ledger', async () => {
    const peer = await postgres();
    const server = await peer.createDatabase();
    await execute(server, 'UPDATE ledger_version SET version = 99');
    const cases = [
      ['ledger.denied', { ...server, password: 'wrong' }],
      ['ledger.denied', { ...server, user: 'nobody-we-know' }],
      ['ledger.denied', { ...server, database: 'not_there' }],
      ['ledger.denied', { ...server, tls: {} }],
      ['ledger.unsuitable', await peer.createDatabase({ encoding: 'SQL_ASCII' })],
      ['ledger.newer', server],
    ] as const;

    for (const [code, place] of cases) {
      const refused = await replicas.open(place).catch((error: unknown) => error);
      expect(refused, code).to.be.instanceOf(HubError).and.to.include({ code });
      expect(String(refused)).not.to.contain(server.password);
    }
  });

  it('is refused when its commits would not survive the power plug', async () => {
    const peer = await startPostgres({ fsync: 'off' });

    const refused = await replicas.open(await peer.createDatabase({ isEmpty: true })).catch((error: unknown) => error);
    await peer.stop();

    expect(refused).to.be.instanceOf(HubError).and.to.include({ code: 'ledger.unsuitable' });
  });

  it('has its commits synchronous whatever its own default is', async () => {
    const server = await (await postgres()).createDatabase();
    await execute(
      server,
      `ALTER DATABASE ${server.database} SET synchronous_commit = off;
       CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF current_setting('synchronous_commit') <> 'on' THEN RAISE 'not durable'; END IF; RETURN NEW; END $$;
       CREATE TRIGGER durable BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    const ledger = await replicas.open(server);

    expect(await execute(server, 'SHOW synchronous_commit')).to.deep.equal([{ synchronous_commit: 'off' }]);
    expect(await ledger.events.append([audited('a')])).to.equal('recorded');
  });

  it('sees what was committed before it got its turn, whatever the isolation of its own default is', async () => {
    const server = await (await postgres()).createDatabase();
    await execute(
      server,
      `ALTER DATABASE ${server.database} SET default_transaction_isolation = serializable;
       CREATE TABLE isolation AS SELECT '' AS used`,
    );
    const ledger = await replicas.open(server);
    await execute(
      server,
      `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         UPDATE isolation SET used = current_setting('transaction_isolation'); RETURN NEW; END $$;
       CREATE TRIGGER noted BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION note()`,
    );

    await ledger.events.append([audited('a')]);

    expect(await execute(server, 'SELECT used FROM isolation')).to.deep.equal([{ used: 'read committed' }]);
  });
});

describe('a commit that nobody answered', function () {
  this.timeout(60_000);

  it('has not happened where the server never came to it: it is one that took over', async () => {
    const connection = await connect(await (await postgres()).createDatabase());
    try {
      expect(await outcomeOf(connection, '4000000000000')).to.equal('aborted');
    } finally {
      await connection.end();
    }
  });
});

/** Eight callers that record and append, each time something of its own, until they are stopped. */
function startLoad(ledger: Ledger) {
  const acknowledged: string[] = [];
  const refused: unknown[] = [];
  const outcomes: string[] = [];
  let number = 0;
  let isOver = false;
  const write = async () => {
    while (!isOver) {
      const n = (number += 1);
      const subject = String(n).padStart(6, '0');
      const instances = [{ instance: received(n), completion: { quietMs: 60_000, forceMs: 300_000 } }];
      try {
        const appended = await ledger.events.append([audited('load', subject)], { group: 'load', eventId: subject });
        outcomes.push(appended, ...(await ledger.instances.record(instances, { segment: '0001.seg', offset: n })));
        acknowledged.push(subject);
      } catch (error) {
        refused.push(error);
        // A test that failed has closed it: nothing comes any more.
        if (toHubError(error).code !== 'ledger.unreachable') return;
      }
    }
  };
  const writing = Promise.all(Array.from({ length: 8 }, write));
  return {
    ...{ acknowledged, refused, outcomes },
    async stop() {
      isOver = true;
      await writing;
    },
  };
}

async function subjects(ledger: Ledger): Promise<readonly string[]> {
  const found: string[] = [];
  for (let after = 0; ;) {
    const page = await ledger.events.read({ streams: ['hub.audit.v1'], after, limit: 1000 });
    for (const { data } of page) if ('subject' in data) found.push(data.subject);
    if (page.length < 1000) return found.toSorted();
    after = page.at(-1)?.position ?? after;
  }
}
