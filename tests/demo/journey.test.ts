import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import { journeyEnd, troubleLines } from '../../demo/journey.ts';
import {
  completeStudy,
  inbox,
  processed,
  received,
  record,
  releasedItem,
  startRun,
  STUDY,
  TestClock,
} from '../contracts/ledger-facts.ts';
import { openTestLedger } from '../support/open-ledger.ts';

describe("the end of the demo's journey", () => {
  const clock = new TestClock();
  const since = clock.now();
  const acknowledged = [received(1), received(2)].map(({ studyInstanceUid, sopInstanceUid }) => ({
    studyInstanceUid,
    sopInstanceUid,
  }));
  let ledger: Ledger;
  let remove: () => Promise<void>;
  const end = (signal = new AbortController().signal) => journeyEnd(ledger, acknowledged, since, signal);

  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger(clock));
  });
  afterEach(() => remove());

  it('is waited for: recorded, completed, routed, processed and delivered', async () => {
    let isOver = false;
    const ending = end().then((result) => {
      isOver = true;
      return result;
    });

    await completeStudy(ledger, clock);
    const run = await startRun(ledger, { steps: [{ processor: 'qc', argument: undefined }], destinations: ['a'] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, {
      items: [releasedItem(1)],
      events: [processed(run)],
    });
    expect(isOver).to.equal(false);
    const deliveryId = randomUUID();
    await ledger.deliveries.open(inbox('connectors'), [
      { deliveryId, runId: run.runId, destination: 'a', releasedStudyInstanceUid: '2.25.1' },
    ]);
    const [leased] = await ledger.deliveries.claim('dispatcher', 60_000, clock.now(), { a: 1 });
    expect(isOver).to.equal(false);
    const startedAt = clock.now().toISOString();
    await ledger.deliveries.succeed(
      deliveryId,
      leased?.fence ?? 0,
      { attempt: 1, startedAt, durationMs: 1, outcome: 'succeeded' },
      [],
    );

    expect(await ending).to.deep.equal({ delivered: 1, held: [], dead: [], unrouted: [] });
  });

  it('may be trouble, which is named with the command that says more', async () => {
    await completeStudy(ledger, clock);
    await ledger.runs.open(inbox('routers'), STUDY, [], []);
    const quarantineId = randomUUID();
    await ledger.quarantine.hold({
      quarantineId,
      stage: 'gateway',
      reason: 'dataset.unreadable',
      detail: 'cut off',
      items: [],
      holdsStudy: false,
    });

    const result = await end();

    expect(troubleLines(result)).to.deep.equal([
      ['held         dataset.unreadable: cut off', `hub quarantine show ${quarantineId}`],
      [`unrouted     no route takes study ${STUDY}`, `hub studies show ${STUDY}`],
    ]);
  });

  it('is no longer waited for once it is interrupted', async () => {
    const interruption = new AbortController();
    await record(ledger, received(1));
    const ending = end(interruption.signal).catch((error: unknown) => error);
    const reason = new Error('enough');

    interruption.abort(reason);

    expect(await ending).to.equal(reason);
  });
});
