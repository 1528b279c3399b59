import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { OpenDestination } from '../../connectors/attempt.ts';
import { deliveryIdOf } from '../../core/delivery-id.ts';
import { type Dispatcher, startDispatcher } from '../../connectors/dispatcher.ts';
import { createPartnerDirectory } from '../../connectors/partner-api/directory.ts';
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import type { Connector } from '../../core/plugins.ts';
import type { EventBus } from '../../core/ports.ts';
import { openEmbeddedBus } from '../../platform/bus/embedded.ts';
import { completeStudy, processed, releasedItem, startRun, TestClock } from '../contracts/ledger-facts.ts';
import { measuredMetrics } from '../support/measured.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitFor } from '../support/wait-for.ts';

const LEASE_MS = 600;

describe('the lease of a delivery', () => {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let bus: EventBus;
  let clock: TestClock;
  let dispatcher: Dispatcher | undefined;

  beforeEach(async () => {
    clock = new TestClock();
    ({ ledger, remove } = await openTestLedger(clock));
    bus = openEmbeddedBus({ ledger, log: silentLog, clock });
  });
  afterEach(async () => {
    await dispatcher?.stop(0);
    await bus.stop();
    await remove();
  });

  /** A dispatcher with one destination, whose calls to the ledger may fail. */
  const start = async (deliver: Connector['deliver'], calls: Partial<Ledger['deliveries']>): Promise<NewRun> => {
    const destination: OpenDestination = {
      options: { name: 'archive', type: 'test' },
      connector: { deliver, close: () => Promise.resolve() },
    };
    dispatcher = await startDispatcher(
      {
        ...{
          bus,
          partners: createPartnerDirectory(ledger, () => []),
          log: silentLog,
          metrics: measuredMetrics(),
          clock,
        },
        random: () => 0,
        ledger: { ...ledger, deliveries: { ...ledger.deliveries, ...calls } },
      },
      { destinations: [destination], owner: randomUUID(), leaseMs: LEASE_MS },
    );
    await completeStudy(ledger, clock);
    const run = await startRun(ledger, {
      destinations: ['archive'],
      steps: [{ processor: 'deidentify', argument: 'kct' }],
    });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    if (job === undefined) throw new Error('nothing to claim');
    await ledger.runs.finishStep(job.jobId, job.fence, { items: [releasedItem(1)], events: [processed(run)] });
    return run;
  };
  const delivery = (run: NewRun) => ledger.deliveries.get(deliveryIdOf(run.runId, 'archive'));

  it('ends the work before it runs out when it cannot be renewed', async () => {
    let beganMs: number | undefined;
    let abortedMs: number | undefined;
    await start(
      async (order) => {
        beganMs ??= performance.now();
        await new Promise((_, reject) => {
          order.signal.addEventListener('abort', () => {
            abortedMs ??= performance.now();
            reject(new Error('aborted'));
          });
        });
      },
      { renew: () => Promise.reject(new HubError('ledger.unreachable')) },
    );

    const ended = await waitFor('the end of the work', () => abortedMs);

    expect(ended - (beganMs ?? 0)).to.be.within(LEASE_MS / 3, LEASE_MS);
  });

  it('goes on as long as it is renewed', async () => {
    let renewals = 0;
    const run = await start(
      async (order) => {
        await waitFor('renewals for longer than a lease', () => (renewals >= 5 ? true : undefined));
        order.signal.throwIfAborted();
      },
      {
        renew: async (...args) => {
          const isOurs = await ledger.deliveries.renew(...args);
          renewals += 1;
          return isOurs;
        },
      },
    );

    const row = await waitFor('the delivery', async () => {
      const found = await delivery(run);
      return found?.state === 'succeeded' ? found : undefined;
    });

    expect(row.attempts).to.equal(1);
  });

  it('does not do again what is done because the ledger could not be told of it at once', async () => {
    let delivered = 0;
    let refusals = 0;
    const run = await start(async () => void (delivered += 1), {
      succeed: async (...args) => {
        refusals += 1;
        if (refusals === 1) throw new HubError('ledger.unreachable');
        return await ledger.deliveries.succeed(...args);
      },
    });

    await waitFor('the delivery', async () => ((await delivery(run))?.state === 'succeeded' ? true : undefined));

    expect([delivered, refusals]).to.deep.equal([1, 2]);
  });
});
