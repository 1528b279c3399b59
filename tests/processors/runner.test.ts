import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import { parseBlobRef } from '../../core/store.ts';
import { received, record, STUDY } from '../contracts/ledger-facts.ts';
import { waitFor } from '../support/wait-for.ts';
import { RunnerHub } from './runner-hub.ts';

/** The ends of threads that are started from now on, by whomever in this process. */
function threadsFromNowOn(): readonly Promise<unknown>[] {
  const ends: Promise<unknown>[] = [];
  process.on('worker', watch);
  function watch(thread: Worker): void {
    ends.push(once(thread, 'exit'));
  }
  forget.push(() => process.off('worker', watch));
  return ends;
}

const forget: (() => void)[] = [];

describe('the runner', () => {
  let hub: RunnerHub;
  afterEach(() => forget.splice(0).forEach((each) => each()));
  beforeEach(async () => {
    hub = await RunnerHub.open();
  });
  afterEach(() => hub.close());

  it('works the steps of a run in order and tells what came out, in pseudonyms for the partner', async () => {
    await hub.start();
    const runId = await hub.route([['pass'], ['release']]);

    const run = await hub.ended(runId);

    expect(run.state).to.equal('processed');
    expect(run.items.map((item) => (item.kind === 'instance' ? item.studyInstanceUid : item.name))).to.deep.equal([
      '2.25.7',
      '2.25.7',
      'qc/report.json',
    ]);
    const results = (await hub.events()).filter(({ stream }) => stream === 'hub.result.v1');
    expect(results.map(({ type }) => type)).to.deep.equal(['qc.completed', 'study.processed']);
    expect(results[1]?.data).to.deep.equal({
      studyInstanceUid: STUDY,
      revision: 1,
      runId,
      route: 'rat-brain',
      configVersion: 'v1',
      partner: 'kct',
      releasedStudyInstanceUid: '2.25.7',
      instances: 2,
      artefacts: 1,
      destinations: ['kct-archive'],
    });
    expect(results[0]?.data).to.include({ studyInstanceUid: STUDY, revision: 1, runId, route: 'rat-brain' });
    expect(results.every(({ correlationId }) => correlationId === 'association-1')).to.equal(true);
    expect(hub.logged.find(({ message }) => message === 'released by a toy')?.fields).to.include({
      runId,
      instances: 2,
    });
  });

  it('starts a thread while a study is being received, and works its steps in that one', async () => {
    await hub.start({ inUse: ['pass', 'release'] });
    const threads = threadsFromNowOn();

    await record(hub.ledger, received(9));
    await waitFor('a thread', () => threads.length > 0);
    const runId = await hub.route([['pass'], ['release']]);

    expect((await hub.ended(runId)).state).to.equal('processed');
    expect(threads).to.have.length(1);
  });

  it('ends a thread that has waited long enough for a step, and starts another for the next', async () => {
    await hub.start({ inUse: ['pass'], restMs: 1 });
    const threads = threadsFromNowOn();

    await record(hub.ledger, received(9));
    await waitFor('a thread', () => threads.length > 0);
    await threads[0];
    const runId = await hub.route([['pass']]);

    expect((await hub.ended(runId)).state).to.equal('processed');
    expect(threads.length).to.be.above(1);
  });

  it('starts none for a study that no route has a step for', async () => {
    const runner = await hub.start();
    const threads = threadsFromNowOn();

    await record(hub.ledger, received(9));
    await waitFor('the study to be known', async () => await hub.ledger.studies.nextDue());
    await runner.stop(0);

    expect(threads).to.deep.equal([]);
  });

  it('makes results durable under the name of run, step and fence, and no pack for a step that wrote nothing', async () => {
    await hub.start();
    const runId = await hub.route([['pass'], ['release']]);

    const run = await hub.ended(runId);

    expect(hub.packs()).to.deep.equal([`${runId}-1-1.pack`]);
    const item = run.items[0];
    if (item === undefined) throw new Error('no item');
    const { pack, offset, length } = parseBlobRef(item.blob);
    const bytes = readFileSync(join(hub.dataDir, pack)).subarray(offset, offset + length);
    expect(bytes.toString()).to.equal('clean 0');
  });

  it('passes what no step changed on by reference', async () => {
    await hub.start();
    const received = await hub.ledger.instances.ofStudy(STUDY);

    const run = await hub.ended(await hub.route([['pass']]));

    expect(run.items).to.deep.equal(received);
  });

  it('says that a run without steps is processed, at once', async () => {
    await hub.start();

    await hub.ended(await hub.route([]));

    const processed = (await hub.events()).find(({ type }) => type === 'study.processed');
    expect(processed?.data).to.include({ instances: 2, artefacts: 0, releasedStudyInstanceUid: STUDY });
    expect(processed?.data).not.to.have.property('partner');
  });

  for (const plugin of ['exit-once', 'crash-once'])
    it(`works a step again after its thread ended (${plugin})`, async () => {
      await hub.start();

      const run = await hub.ended(await hub.route([[plugin, { file: hub.file('marker') }]]));

      expect(run.state).to.equal('processed');
      expect(hub.logged.map(({ message }) => message)).to.include('step failed, will be tried again');
    });

  it('ends a step that takes too long, and the thread with it, and tries again', async () => {
    await hub.start({ timeLimitMs: () => 1_500 });

    const run = await hub.ended(await hub.route([['spin-once', { file: hub.file('marker') }]]));

    expect(run.state).to.equal('processed');
    expect((await hub.metrics.render()).body).to.match(
      /hub_processor_duration_seconds_count\{processor="spin-once",outcome="retried"\} [12]/,
    );
  });

  it('gives up after three failures and keeps the run in quarantine', async () => {
    await hub.start();
    const runId = await hub.route([['fail']]);

    expect((await hub.ended(runId)).state).to.equal('quarantined');

    const [entry] = await hub.ledger.quarantine.list({ limit: 10 });
    expect(entry).to.deep.include({ reason: 'processor.failed', stage: 'processors', runId, holdsStudy: false });
    expect(entry?.items).to.have.length(2);
    expect(hub.logged.filter(({ message }) => message === 'step failed, will be tried again')).to.have.length(2);
    expect((await hub.ledger.studies.get(STUDY))?.held).to.equal(false);
  });

  it('waits for a store that is away, however often it has to ask, and goes on when it is back', async () => {
    await hub.start();
    const runId = await hub.route([['without-store', { file: hub.file('is-back') }]]);
    const waits = () =>
      hub.logged.filter(({ message }) => message === 'step waits for what the hub needs for it').length;
    await waitFor('more attempts than may fail', () => waits() > 5);

    writeFileSync(hub.file('is-back'), '');

    expect((await hub.ended(runId)).state).to.equal('processed');
    expect(await hub.ledger.quarantine.list({ limit: 1 })).to.deep.equal([]);
  });

  it('does not try again what would fail for ever', async () => {
    await hub.start();

    await hub.ended(await hub.route([['refuse']]));
    await hub.ended(await hub.route([['no-such-processor']]));

    const entries = await hub.ledger.quarantine.list({ limit: 10 });
    expect(entries.map(({ reason }) => reason).toSorted()).to.deep.equal(['config.invalid', 'model.invalid']);
    expect(hub.logged.map(({ message }) => message)).not.to.include('step failed, will be tried again');
    expect((await hub.metrics.render()).body).to.include('hub_quarantined_total{reason="model.invalid"} 1');
  });

  it('quarantines a run whose configured options are not valid any more', async () => {
    await hub.start({
      resolve: () => {
        throw new TypeError('a defect');
      },
    });

    expect((await hub.ended(await hub.route([['pass']]))).state).to.equal('quarantined');
  });

  it('holds a run, naming its instances, and lets other runs of the study go on', async () => {
    await hub.start();
    const held = await hub.route([['hold'], ['release']]);
    const other = await hub.route([['release']], { route: 'other' });

    expect((await hub.ended(held)).state).to.equal('quarantined');
    expect((await hub.ended(other)).state).to.equal('processed');

    const [entry] = await hub.ledger.quarantine.list({ limit: 10 });
    expect(entry).to.deep.include({ reason: 'policy.unsafe', runId: held });
    expect(entry?.items.map(({ sopInstanceUid }) => sopInstanceUid)).to.deep.equal([`${STUDY}.1.1`]);
    expect((await hub.events()).filter(({ type }) => type === 'study.processed')).to.have.length(1);
    expect(hub.packs().some((pack) => pack.startsWith(held))).to.equal(false);
  });

  it('lets a run go on that a step has held, with what the step made, where a person says so', async () => {
    const decision = { reason: 'accepted-by-owner', by: 'local', role: 'admin' } as const;
    await hub.start({ plugins: [{ name: 'judge', isPassable: true }, { name: 'hold' }] });
    const runId = await hub.route([['judge'], ['pass']]);
    await hub.ended(runId);
    const pack = hub.packs().find((name) => name.startsWith(runId));
    const [entry] = await hub.ledger.quarantine.list({ limit: 10 });

    await hub.ledger.overrides.override(entry?.quarantineId ?? '', decision);

    const run = await waitFor('the run to end', async () => {
      const row = await hub.ledger.runs.get(runId);
      return row?.state === 'processed' ? row : undefined;
    });
    expect(pack).to.be.a('string');
    expect(run.items.at(-1)).to.include({ name: 'qc/report.json' });
    expect((await hub.events()).map(({ type }) => type).slice(-2)).to.deep.equal([
      'study.overridden',
      'study.processed',
    ]);
  });

  it('lets a run go on without a step that came to nothing, and never without one that must not be left out', async () => {
    await hub.start({ plugins: [{ name: 'refuse', isPassable: true }, { name: 'fail' }] });
    const passable = await hub.route([['refuse']]);
    const other = await hub.route([['fail']], { route: 'other' });
    await hub.ended(passable);
    await hub.ended(other);

    const entries = await hub.ledger.quarantine.list({ limit: 10 });

    const overridable = entries.map(({ runId, isOverridable = false }) => [runId, isOverridable]);
    expect(overridable).to.have.deep.members([
      [passable, true],
      [other, false],
    ]);
  });

  it('stops a step whose lease another process has taken, and leaves the result to that one', async () => {
    let isWorking = false;
    await hub.start({ onProgress: () => (isWorking = true) });
    const runId = await hub.route([['wait', { file: hub.file('go') }]]);
    await waitFor('the step to be worked', () => isWorking);
    const [stolen] = await hub.ledger.runs.claim('other', 60_000, new Date(Date.now() + 5_000), 1);

    await waitFor('the step to be abandoned', () => hub.logged.some(({ message }) => message === 'step abandoned'));

    expect(stolen?.run.runId).to.equal(runId);
    expect(await hub.ledger.runs.get(runId)).to.include({ state: 'running' });
    expect(hub.packs()).to.deep.equal([]);
    const isTaken = await hub.ledger.runs.finishStep(stolen?.jobId ?? '', stolen?.fence ?? 0, {
      items: [],
      events: [],
    });
    expect(isTaken).to.equal(true);
  });

  it('does not work a step again because the ledger could not be told of its result at once', async () => {
    let refusals = 0;
    const finishStep: Ledger['runs']['finishStep'] = async (...args) => {
      refusals += 1;
      if (refusals === 1) throw new HubError('ledger.unreachable');
      return await hub.ledger.runs.finishStep(...args);
    };
    await hub.start({ leaseMs: 2_000 }, { ...hub.ledger, runs: { ...hub.ledger.runs, finishStep } });

    const runId = await hub.route([['release']]);

    await hub.ended(runId);
    expect(hub.packs()).to.deep.equal([`${runId}-0-1.pack`]);
  });

  it('keeps the lease of a step that takes longer than it', async () => {
    let isWorking = false;
    const leaseMs = 300;
    await hub.start({ leaseMs, onProgress: () => (isWorking = true) });
    const runId = await hub.route([['wait', { file: hub.file('go') }]]);
    await waitFor('the step to be worked', () => isWorking);
    const until = performance.now() + 3 * leaseMs;

    await waitFor('three leases to pass', async () => {
      expect(await hub.ledger.runs.claim('other', leaseMs, new Date(), 1)).to.deep.equal([]);
      return performance.now() > until;
    });
    writeFileSync(hub.file('go'), '');

    expect((await hub.ended(runId)).state).to.equal('processed');
  });

  it('tells a step of earlier scans and of the scanner, and keeps what it measured once its result is taken', async () => {
    await hub.start();

    await hub.ended(await hub.route([['measure']]));
    await hub.ended(await hub.route([['measure']]));

    const rows = await hub.ledger.quality.list({ limit: 10 });
    expect(rows.map(({ measures, scannerKey }) => ({ ...measures, scannerKey }))).to.deep.equal([
      { past: 1, scannerKey: 'pv-7t none' },
      { past: 0, scannerKey: 'pv-7t none' },
    ]);
  });

  it('gives back what it has to abandon, and the next runner takes it up at once, under a higher fence', async () => {
    let isWorking = false;
    const runner = await hub.start({ onProgress: () => (isWorking = true) });
    const runId = await hub.route([['wait', { file: hub.file('go') }], ['release']]);
    await waitFor('the step to be worked', () => isWorking);

    await runner.stop(0);
    expect(await hub.ledger.runs.get(runId)).to.include({ state: 'waiting' });
    writeFileSync(hub.file('go'), '');
    const next = await hub.start({ leaseMs: 60_000 });
    const run = await hub.ended(runId);

    expect(next).not.to.equal(runner);
    expect(run.state).to.equal('processed');
    expect((await hub.events()).filter(({ type }) => type === 'study.processed')).to.have.length(1);
    expect(hub.packs().filter((name) => name.startsWith(`${runId}-0-2`))).to.have.length(1);
  });

  it('does not hold restarts of the hub against a study', async () => {
    const runId = await hub.route([['wait-then-fail-once', { file: hub.file('go') }]]);
    for (let restart = 0; restart < 3; restart += 1) {
      let isWorking = false;
      const runner = await hub.start({ onProgress: () => (isWorking = true) });
      await waitFor('the step to be worked', () => isWorking);
      await runner.stop(0);
    }

    writeFileSync(hub.file('go'), '');
    await hub.start();

    expect((await hub.ended(runId)).state).to.equal('processed');
  });

  it('quarantines a run whose step ends in a fact that the ledger does not take', async () => {
    await hub.start({ leaseMs: 60_000 });
    const runId = await hub.route([['bad-event']]);

    expect((await hub.ended(runId)).state).to.equal('quarantined');
    const [entry] = await hub.ledger.quarantine.list({ limit: 1 });
    expect(entry).to.include({ reason: 'internal.unexpected', runId });
  });

  it('quarantines what no worker can be started for, and keeps no place for the worker that is not there', async () => {
    const broken = await hub.start({
      workers: 1,
      worker: { url: new URL('./toy-worker.ts', import.meta.url), data: () => {} },
    });
    const first = await hub.route([['pass']]);
    expect((await hub.ended(first)).state).to.equal('quarantined');
    const second = await hub.route([['pass']], { route: 'other' });
    expect((await hub.ended(second)).state).to.equal('quarantined');

    const entries = await hub.ledger.quarantine.list({ limit: 10 });
    await broken.stop(0);

    expect(entries.map(({ reason, detail }) => [reason, detail.includes('no worker is free')])).to.deep.equal([
      ['processor.failed', false],
      ['processor.failed', false],
    ]);
  });

  it('lets a step under way end when it is stopped with time to do so, and claims nothing more', async () => {
    let isWorking = false;
    const runner = await hub.start({ workers: 1, onProgress: () => (isWorking = true) });
    const first = await hub.route([['wait', { file: hub.file('go') }]]);
    await waitFor('the step to be worked', () => isWorking);
    const second = await hub.route([['pass']], { route: 'other' });

    const stopped = runner.stop(10_000);
    writeFileSync(hub.file('go'), '');
    await stopped;

    expect(await hub.ledger.runs.get(first)).to.include({ state: 'processed' });
    expect((await hub.ledger.runs.get(second))?.state).not.to.equal('processed');
    expect(existsSync(hub.file('go'))).to.equal(true);
  });
});
