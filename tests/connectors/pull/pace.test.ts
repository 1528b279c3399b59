import { expect } from 'chai';
import { GET, MadePacs } from './made-pacs.ts';
import { fromPacs, PULL, type Pulling, startPulling, uids } from './pulling.ts';
import { waitFor } from '../../support/wait-for.ts';

describe('when a pull fetches, and how fast', function () {
  this.timeout(20_000);
  let pacs: MadePacs;
  let pulling: Pulling | undefined;

  beforeEach(async () => {
    pacs = await MadePacs.start();
  });
  afterEach(async () => {
    await pulling?.stop();
    await pacs.stop();
    pulling = undefined;
  });

  const start = async (...more: Parameters<typeof startPulling>) => {
    pulling = await startPulling(more[0], { pacs, ...more[1] });
    return pulling;
  };
  const outcomes = async () =>
    ((await pulling?.studies()) ?? []).map(({ state, code, attempts }) => [state, code, attempts]);

  let clock = new Date('2026-03-01T23:00:00Z');
  const stopsAndGoesOn = async (
    halt: (pulling: Pulling) => unknown,
    goOn: (pulling: Pulling) => unknown,
    state: string,
  ): Promise<void> => {
    clock = new Date('2026-03-01T23:00:00Z');
    const study = pacs.add(3);
    let isSlow = true;
    const holds: (() => void)[] = [];
    pacs.behave = async (asked) => {
      if (asked.command !== GET || !isSlow) {
        await pacs.honest(asked);
        return;
      }
      const [first] = pacs.instancesOf(asked.identifier);
      if (first !== undefined) await asked.store(first);
      await new Promise<void>((resolve) => holds.push(resolve));
    };
    const running = await start(
      {
        from: fromPacs(pacs, 'c-get'),
        timeouts: { answerMs: 500, stallMs: 20_000, settleMs: 2_000 },
        windows: [{ fromMinute: 22 * 60, toMinute: 6 * 60 }],
        timeZone: 'UTC',
      },
      { clock: { now: () => clock } },
    );
    const { ledger, held, metrics } = running;
    await ledger.pulls.request({ runId: 'run', pull: PULL, kind: 'manual' });
    await waitFor('the first instance', async () => (await held(study.uid)).length === 1);

    await halt(running);

    await waitFor('it to stop', async () => (await metrics()).includes(`state="${state}"} 1`));
    expect(await outcomes()).to.deep.equal([['found', undefined, 0]]);
    isSlow = false;
    await goOn(running);
    await waitFor('the rest', async () => (await held(study.uid)).length === 3);
    expect([...pacs.sent].sort()).to.deep.equal(uids(study.instances));
    for (const resolve of holds) resolve();
  };

  it('keeps to its bytes per second', async () => {
    const study = pacs.add(4);
    const bytes = study.instances.reduce((sum, { dataSet }) => sum + dataSet.byteLength, 0);
    const { run } = await start({ from: fromPacs(pacs, 'c-get'), bytesPerSecond: bytes / 2 });
    const startedMs = performance.now();

    await run();

    // Half of it is a burst of a second.
    expect(performance.now() - startedMs).to.be.greaterThan(800);
  });

  it('asks a series at a time where the PACS sets the pace', async () => {
    const study = pacs.add(2);
    const { run } = await start({ from: fromPacs(pacs), bytesPerSecond: 1_000_000 });

    await run();

    expect(pacs.asked.filter((what) => what.startsWith('MOVE'))).to.deep.equal(['MOVE SERIES']);
    expect(pacs.sent).to.have.length(study.instances.length);
  });

  it('begins nothing while the disk is low', async () => {
    pacs.add(1);
    const { ledger, metrics } = await start({ from: fromPacs(pacs) }, { isDiskLow: true });
    await ledger.pulls.request({ runId: 'run', pull: PULL, kind: 'manual' });

    await waitFor('it to rest', async () =>
      (await metrics()).includes('hub_pull_state{pull="nightly",state="full"} 1'),
    );

    expect(pacs.asked).to.deep.equal([]);
  });

  for (const [what, halt, goOn, state] of [
    [
      'is paused',
      ({ ledger }: Pulling) => ledger.pulls.pause(PULL, true),
      ({ ledger }: Pulling) => ledger.pulls.pause(PULL, false),
      'paused',
    ],
    [
      'sees its window close',
      () => (clock = new Date('2026-03-02T06:00:00Z')),
      () => (clock = new Date('2026-03-02T22:00:00Z')),
      'closed',
    ],
  ] as const) {
    it(`stops in mid study when it ${what}, and goes on from there`, async () => {
      await stopsAndGoesOn(halt, goOn, state);
    });
  }

  it('fires by its schedule, and once for all that it missed while nobody was there', async () => {
    pacs.add(1);
    const { ledger } = await start({
      from: fromPacs(pacs, 'c-get'),
      schedule: '0 2 * * *',
      timeZone: 'Europe/Helsinki',
    });
    const planned = await waitFor('the plan', async () => (await ledger.pulls.state(PULL)).nextAt);
    expect(planned.getTime()).to.be.greaterThan(Date.now());

    const missed = new Date(Date.now() - 86_400_000);
    await ledger.pulls.schedule(PULL, '0 2 * * * Europe/Helsinki', missed);

    const run = await waitFor('the run', async () => (await ledger.pulls.runs({ pull: PULL, limit: 1 }))[0]);
    expect(run).to.include({ kind: 'scheduled', runId: `${PULL}@${missed.toISOString()}` });
    await waitFor('the next', async () => (await ledger.pulls.state(PULL)).nextAt?.getTime() === planned.getTime());
  });
});
