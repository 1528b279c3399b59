import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import {
  audited,
  completeStudy,
  eventTypes,
  hex,
  inbox,
  received,
  record,
  releasedItem,
  startRun,
  STUDY,
} from '../../contracts/ledger-facts.ts';
import { execute, postgres } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait-for.ts';
import { Replicas } from './postgres-ledgers.ts';

const LEASE_MS = 60_000;

describe('two hubs on one PostgreSQL ledger', function () {
  this.timeout(60_000);
  let replicas: Replicas;
  let server: PostgresServer;
  let a: Ledger;
  let b: Ledger;

  before(() => postgres());
  beforeEach(async () => {
    replicas = new Replicas();
    server = await (await postgres()).createDatabase();
    [a, b] = [await replicas.open(server), await replicas.open(server)];
  });
  afterEach(() => replicas.close());

  it('shows the facts of two that append at once in the order of their positions, and misses none', async () => {
    const FACTS = 400;
    const seen: number[] = [];
    let isOver = false;
    const append = async (ledger: Ledger) => {
      for (let n = 0; n < FACTS; n += 4) {
        await Promise.all([0, 1, 2, 3].map(() => ledger.events.append([audited('a')])));
      }
    };
    const follow = async () => {
      for (;;) {
        const last = isOver;
        const page = await a.events.read({ streams: ['hub.audit.v1'], after: seen.at(-1) ?? 0, limit: 50 });
        seen.push(...page.map(({ position }) => position));
        if (page.length === 0 && last) return;
      }
    };

    const following = follow();
    await Promise.all([append(a), append(b)]);
    isOver = true;
    await following;

    expect(seen).to.have.length(2 * FACTS);
    expect(seen).to.deep.equal(seen.toSorted((one, other) => one - other));
  });

  it('give each job to one of them', async () => {
    await completeStudy(a, replicas.clock);
    const runs = await Promise.all(Array.from({ length: 30 }, () => startRun(a)));
    const claimed: string[] = [];
    const work = async (ledger: Ledger, owner: string) => {
      for (;;) {
        const jobs = await ledger.runs.claim(owner, LEASE_MS, replicas.clock.now(), 3);
        claimed.push(...jobs.map(({ run }) => run.runId));
        if (jobs.length === 0 && claimed.length >= runs.length) return;
      }
    };

    await Promise.all([work(a, 'a'), work(b, 'b'), work(a, 'a'), work(b, 'b')]);

    expect(claimed.toSorted()).to.deep.equal(runs.map(({ runId }) => runId).toSorted());
  });

  it('take the result of a job from whoever has its lease, once', async () => {
    await completeStudy(a, replicas.clock);
    for (let round = 0; round < 10; round += 1) {
      await startRun(a);
      const [late] = await a.runs.claim('a', LEASE_MS, replicas.clock.now(), 1);
      replicas.clock.advance(LEASE_MS + 1);
      const result = { items: [releasedItem(1)], events: [] };
      const finish = (ledger: Ledger, job: typeof late) =>
        ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, result);

      const [isLateTaken, [next]] = await Promise.all([
        finish(a, late),
        b.runs.claim('b', LEASE_MS, replicas.clock.now(), 1),
      ]);
      const isNextTaken = next?.jobId === late?.jobId ? await finish(b, next) : false;

      expect([isLateTaken, isNextTaken].filter(Boolean)).to.have.length(1);
      await drain(a);
    }
  });

  it('have no more deliveries of a destination under way than it may have', async () => {
    await completeStudy(a, replicas.clock);
    const { runId } = await startRun(a, { steps: [] });
    await a.deliveries.open(
      inbox('dispatcher'),
      Array.from({ length: 10 }, () => ({
        ...{ deliveryId: randomUUID(), runId, destination: 'kct' },
        releasedStudyInstanceUid: STUDY,
      })),
    );

    const claims = await Promise.all(
      [a, b, a, b].map((ledger, n) => ledger.deliveries.claim(String(n), LEASE_MS, replicas.clock.now(), { kct: 3 })),
    );

    expect(claims.flat()).to.have.length(3);
  });

  it('complete a study once', async () => {
    for (let n = 1; n <= 10; n += 1) {
      const study = parseStudyInstanceUid(`1.2.3.${String(n)}`);
      await record(a, received(1, { studyInstanceUid: study }));
      const [due] = await b.studies.due(replicas.clock.advance(60_000), 1);
      if (due === undefined) throw new Error('the study is not due');

      const outcomes = await Promise.all([a, b].map((ledger) => ledger.studies.complete(due, replicas.clock.now())));

      expect(outcomes.filter(Boolean)).to.have.length(1);
      expect(await eventTypes(a, study)).to.deep.equal(['instance.stored', 'study.completed']);
    }
  });

  it('never complete a study without an instance that came in the same moment', async () => {
    for (let n = 1; n <= 10; n += 1) {
      const study = parseStudyInstanceUid(`1.2.4.${String(n)}`);
      await record(a, received(1, { studyInstanceUid: study }));
      const due = { studyInstanceUid: study, signal: 'manual' } as const;

      await Promise.all([
        a.studies.complete(due, replicas.clock.now()),
        record(b, received(2, { studyInstanceUid: study })),
      ]);

      // In the revision, or waiting for the next one: never neither.
      const open = await a.studies.completionFacts(study);
      const inRevision = await a.instances.ofStudy(study, { revision: 1 });
      expect(inRevision.length + (open === undefined ? 0 : 1)).to.equal(2);
    }
  });

  it('record an instance that comes to both once', async () => {
    for (let n = 1; n <= 20; n += 1) {
      const instance = received(n, { studyInstanceUid: parseStudyInstanceUid(`1.2.5.${String(n)}`) });

      const outcomes = await Promise.all([record(a, instance), record(b, instance)]);

      expect(outcomes.flat().toSorted()).to.deep.equal(['same', 'stored']);
    }
  });

  it('see a second patient of a study that both get the first instances of at once', async () => {
    for (let n = 1; n <= 20; n += 1) {
      const study = parseStudyInstanceUid(`1.2.6.${String(n)}`);
      const ofPatient = (number: number) => received(number, { studyInstanceUid: study, patientDigest: hex(number) });

      const outcomes = await Promise.all([record(a, ofPatient(1)), record(b, ofPatient(2))]);

      expect(outcomes.flat().toSorted()).to.deep.equal(['patient-mismatch', 'stored']);
    }
  });

  it('record two studies that come to both in another order, however they wait for each other', async () => {
    const studies = ['1.2.7.1', '1.2.7.2'].map(parseStudyInstanceUid);
    const parts = (from: number, order: typeof studies) =>
      order.flatMap((studyInstanceUid, k) => received(from + k, { studyInstanceUid }));

    for (let round = 0; round < 20; round += 1) {
      const outcomes = await Promise.all([
        ...parts(round * 4, studies).map((instance) => record(a, instance)),
        ...parts(round * 4 + 2, studies.toReversed()).map((instance) => record(b, instance)),
      ]);
      expect(new Set(outcomes.flat())).to.deep.equal(new Set(['stored']));
    }
  });

  it('have one owner of a lease, and fence off who lost it', async () => {
    const at = replicas.clock.now();
    const race = (now: Date) =>
      Promise.all([a, b, a, b].map((ledger, n) => ledger.leases.acquire('relay', `owner-${String(n)}`, LEASE_MS, now)));

    const first = await race(at);
    const second = await race(replicas.clock.advance(LEASE_MS));

    expect(first.filter((fence) => fence !== undefined)).to.deep.equal([1]);
    expect(second.filter((fence) => fence !== undefined)).to.deep.equal([2]);
    expect(await a.leases.renew('relay', 1, LEASE_MS, replicas.clock.now())).to.equal(false);
    expect(await b.leases.renew('relay', 2, LEASE_MS, replicas.clock.now())).to.equal(true);
  });

  for (const aheadMs of [30_000, -30_000]) {
    const which = aheadMs > 0 ? 'ahead' : 'behind';
    it(`leave each other what is leased although the clock of one is half a minute ${which}`, async () => {
      const machineMs = () => Date.now() + aheadMs;
      const right = await replicas.open(server, { clock: { now: () => new Date() } });
      const wrong = await replicas.open(server, { clock: { now: () => new Date(machineMs()) }, machineMs });

      const fence = await right.leases.acquire('relay', 'right', 15_000, right.clock.now());
      const stolen = await wrong.leases.acquire('relay', 'wrong', 15_000, wrong.clock.now());
      await right.leases.release('relay', fence ?? 0);
      const next = await wrong.leases.acquire('relay', 'wrong', 15_000, wrong.clock.now());
      const stolenBack = await right.leases.acquire('relay', 'right', 15_000, right.clock.now());

      expect([fence, stolen, next, stolenBack]).to.deep.equal([1, undefined, 2, undefined]);
      expect(Math.abs(wrong.clock.now().getTime() - right.clock.now().getTime())).to.be.below(1_000);
    });
  }

  it('keep the places of their spools apart', async () => {
    await a.instances.record([], { segment: '0001.seg', offset: 10 });
    await b.instances.record([], { segment: '0001.seg', offset: 20 });

    expect(await a.instances.spoolPositions()).to.deep.equal([{ segment: '0001.seg', offset: 10 }]);
    expect(await b.instances.spoolPositions()).to.deep.equal([{ segment: '0001.seg', offset: 20 }]);
  });

  it('hear of the work that the other has made, and look themselves while nobody can tell', async () => {
    let heard = 0;
    b.onCommit(() => (heard += 1));

    await a.groups.open('router', 'earliest');
    await a.events.append([audited('a')]);
    await waitFor('the news', () => heard > 0);
    await execute(
      server,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
    );
    await waitFor('a look without news', () => heard > 1);
    const before = heard;
    await a.events.append([audited('a')]);

    await waitFor('the news again', () => heard > before);
  });
});

/** Ends whatever is still open, so that the next round begins with nothing. */
async function drain(ledger: Ledger): Promise<void> {
  for (;;) {
    const jobs = await ledger.runs.claim('drain', LEASE_MS, new Date(8e15), 100);
    if (jobs.length === 0) return;
    for (const { jobId, fence } of jobs) await ledger.runs.finishStep(jobId, fence, { items: [], events: [] });
  }
}
