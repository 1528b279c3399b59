import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { OpenDestination } from '../../connectors/attempt.ts';
import { type Dispatcher, startDispatcher } from '../../connectors/dispatcher.ts';
import { exchange } from '../../connectors/exchange.ts';
import { deliveryIdOf } from '../../core/delivery-id.ts';
import { createPartnerDirectory } from '../../connectors/partner-api/directory.ts';
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import type { DeliveryPriority } from '../../core/ledger/deliveries.ts';
import type { Connector, DeliveryOrder } from '../../core/plugins.ts';
import type { EventBus } from '../../core/ports.ts';
import { openEmbeddedBus } from '../../platform/bus/embedded.ts';
import {
  completeStudy,
  inbox,
  processed,
  releasedItem,
  startRun,
  STUDY,
  TestClock,
} from '../contracts/ledger-facts.ts';
import { measuredMetrics } from '../support/measured.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { partnerSettings } from '../support/partner-hub.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitFor } from '../support/wait-for.ts';

const BREAKER = { failures: 2, pauseMs: 60_000, maxPauseMs: 60_000, patienceMs: 3_600_000 };

describe('what a destination is configured to be', () => {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let bus: EventBus;
  let clock: TestClock;
  let metrics: ReturnType<typeof measuredMetrics>;
  let dispatcher: Dispatcher | undefined;

  beforeEach(async () => {
    clock = new TestClock();
    ({ ledger, remove } = await openTestLedger(clock));
    bus = openEmbeddedBus({ ledger, log: silentLog, clock });
    metrics = measuredMetrics();
  });
  afterEach(async () => {
    await dispatcher?.stop(0);
    await bus.stop();
    await remove();
  });

  const start = async (
    connector: Partial<Connector>,
    options: Partial<OpenDestination['options']> = {},
    priorities?: ReadonlyMap<string, DeliveryPriority>,
  ): Promise<void> => {
    const destination: OpenDestination = {
      options: { name: 'archive', type: 'test', concurrency: 1, ...options },
      connector: { deliver: () => Promise.resolve(), close: () => Promise.resolve(), ...connector },
    };
    const partners = createPartnerDirectory(ledger, () => ['kct', 'uef'].map((name) => partnerSettings(name)));
    dispatcher = await startDispatcher(
      { bus, ledger, partners, log: silentLog, metrics, clock, random: () => 0 },
      {
        ...{ destinations: [destination], owner: randomUUID() },
        ...(priorities === undefined ? {} : { priorities }),
      },
    );
  };
  const process = async (changes: Partial<NewRun> = {}): Promise<string> => {
    if ((await ledger.studies.get(STUDY)) === undefined) await completeStudy(ledger, clock);
    const run = await startRun(ledger, {
      ...{ destinations: ['archive'], steps: [{ processor: 'deidentify', argument: 'kct' }] },
      ...changes,
    });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    if (job === undefined) throw new Error('nothing to claim');
    await ledger.runs.finishStep(job.jobId, job.fence, {
      ...{ items: [releasedItem(1), releasedItem(2)], events: [processed(run)] },
    });
    return deliveryIdOf(run.runId, 'archive');
  };
  const attempts = async (deliveryId: string, count: number) =>
    await waitFor(`${count} attempts`, async () => {
      const row = await ledger.deliveries.get(deliveryId);
      return row?.history.length === count ? row : undefined;
    });
  const later = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await ledger.events.append([], inbox('wake-up'));
  };

  it('sends again only what the destination was found not to have, and in the end gives up with that as the reason', async () => {
    const orders: DeliveryOrder[] = [];
    await start(
      {
        deliver: (order, onDelivered) => {
          orders.push(order);
          for (const item of order.items) if (item.kind === 'instance') onDelivered(item.sopInstanceUid);
          return Promise.resolve();
        },
        reconcile: () => Promise.resolve({ missing: ['2.25.1.1.2'], detail: 'QIDO-RS' }),
      },
      { verify: 'after', retry: { attempts: 2, firstDelayMs: 10, maxDelayMs: 10 } },
    );

    const deliveryId = await process();
    await attempts(deliveryId, 1);
    await later(10);
    const row = await attempts(deliveryId, 2);

    expect(orders.map(({ delivered }) => [...delivered])).to.deep.equal([[], ['2.25.1.1.1']]);
    expect([row.state, row.code, row.reason]).to.deep.equal([
      'dead',
      'delivery.mismatch',
      'Destination does not have what it confirmed (missing=1 of=2 detail=QIDO-RS)',
    ]);
  });

  it('does not take "after" where the connector cannot ask', async () => {
    await start({}, { verify: 'after' });

    const row = await attempts(await process(), 1);

    expect([row.state, row.code]).to.deep.equal(['dead', 'config.invalid']);
  });

  it('is left alone after failures in a row: what waits is not tried, not counted, and arrives when it is back', async () => {
    let isDown = true;
    let tries = 0;
    await start(
      {
        deliver: () => {
          tries += 1;
          return isDown ? Promise.reject(new HubError('partner.unreachable')) : Promise.resolve();
        },
      },
      { breaker: BREAKER, retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 1 } },
    );
    const ids = [await process(), await process(), await process()];
    await waitFor('the breaker', async () => {
      const [breaker] = await ledger.deliveries.breakers(clock.now());
      return breaker?.state === 'open' ? breaker : undefined;
    });
    const triesBefore = tries;

    // Time enough for each to have used up its attempts ten times.
    for (let pause = 0; pause < 10; pause += 1) {
      const before = tries;
      await later(60_001);
      await waitFor('a look', () => (tries > before ? true : undefined));
      await waitFor('its end', async () => {
        const [breaker] = await ledger.deliveries.breakers(clock.now());
        return breaker?.state === 'open' ? true : undefined;
      });
    }
    await metrics.scrape();
    expect(metrics.valueOf('hub_delivery_breaker', 'archive')).to.equal(2);
    expect(metrics.valueOf('hub_deliveries_pending', 'archive')).to.equal(3);
    isDown = false;
    await later(60_001);

    for (const id of ids) {
      await waitFor('the delivery', async () =>
        (await ledger.deliveries.get(id))?.state === 'succeeded' ? true : undefined,
      );
    }
    expect(triesBefore).to.be.within(2, 3);
    await metrics.scrape();
    expect(metrics.valueOf('hub_delivery_breaker', 'archive')).to.equal(0);
  });

  it('does not pay with its attempts for a store of the hub that is away', async () => {
    let isDown = true;
    let tries = 0;
    await start(
      {
        deliver: () => {
          tries += 1;
          return isDown ? Promise.reject(new HubError('store.unreachable')) : Promise.resolve();
        },
      },
      { retry: { attempts: 2, firstDelayMs: 1_000, maxDelayMs: 1_000 } },
    );
    const id = await process();
    for (let round = 1; round <= 6; round += 1) {
      await waitFor('a try', () => tries >= round);
      await waitFor('its end', async () => (await ledger.deliveries.get(id))?.history.length === round);
      await later(1_001);
    }

    isDown = false;
    await later(1_001);

    await waitFor('the delivery', async () => (await ledger.deliveries.get(id))?.state === 'succeeded');
    expect(await ledger.deliveries.breakers(clock.now())).to.deep.equal([]);
  });

  it('uses up the attempts all the same when it has been down for too long', async () => {
    await start(
      { deliver: () => Promise.reject(new HubError('partner.unreachable')) },
      { breaker: { ...BREAKER, patienceMs: 0 }, retry: { attempts: 2, firstDelayMs: 1, maxDelayMs: 1 } },
    );
    const ids = [await process(), await process()];
    await waitFor('the breaker', async () =>
      (await ledger.deliveries.breakers(clock.now()))[0]?.state === 'open' ? true : undefined,
    );

    for (let pause = 0; pause < 3; pause += 1) {
      const before = (await Promise.all(ids.map((id) => ledger.deliveries.get(id)))).flatMap(
        (row) => row?.history ?? [],
      );
      await later(60_001);
      await waitFor('a look, or the end of all', async () => {
        const rows = await Promise.all(ids.map((id) => ledger.deliveries.get(id)));
        const isOver = rows.every((row) => row?.state === 'dead');
        return isOver || rows.flatMap((row) => row?.history ?? []).length > before.length ? true : undefined;
      });
    }

    expect(await ledger.deliveries.dead()).to.deep.equal([{ destination: 'archive', deliveries: 2 }]);
  });

  it('gets nothing outside of its hours, and all when they begin', async () => {
    let tries = 0;
    await start(
      { deliver: () => Promise.resolve(void (tries += 1)) },
      // The clock begins at 08:00 on a Sunday.
      { sendWindow: { fromMinute: 18 * 60, toMinute: 6 * 60, days: [0, 1, 2, 3, 4, 5, 6], timeZone: 'UTC' } },
    );
    const deliveryId = await process();
    await waitFor('the delivery to be opened', () => ledger.deliveries.get(deliveryId));
    await later(3_600_000);
    expect((await ledger.deliveries.get(deliveryId))?.attempts).to.equal(0);

    await later(9 * 3_600_000);

    await attempts(deliveryId, 1);
    expect(tries).to.equal(1);
  });

  it('takes the urgent before the rest: of the route where that says so, else of the destination', async () => {
    const order: string[] = [];
    let free: (() => void) | undefined;
    await start(
      {
        deliver: async ({ deliveryId }) => {
          order.push(deliveryId);
          if (order.length === 1) await new Promise<void>((resolve) => (free = resolve));
        },
      },
      { priority: 'low' },
      new Map([['urgent', 'high']]),
    );
    const first = await process();
    await waitFor('the first', () => free);
    const second = await process();
    const third = await process({ route: 'urgent' });
    await waitFor('both to be opened', async () =>
      (await ledger.deliveries.pending())[0]?.deliveries === 3 ? true : undefined,
    );

    free?.();
    await waitFor('all', () => (order.length === 3 ? true : undefined));

    expect(order).to.deep.equal([first, third, second]);
    expect((await ledger.deliveries.get(third))?.priority).to.equal('high');
    expect((await ledger.deliveries.get(second))?.priority).to.equal('low');
  });

  it('is remembered by what it was asked and answered', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nno\r\n'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const url = new URL(
      `http://user:secret@127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}/t0k3n?a=b`,
    );
    await start({
      deliver: async ({ signal }) => {
        const body = { sizeBytes: 3, chunks: [Buffer.from('abc')] };
        await exchange({
          method: 'POST',
          url,
          headers: {},
          body,
          connectTimeoutMs: 1_000,
          idleTimeoutMs: 1_000,
          signal,
        });
        throw new HubError('partner.busy', { status: 503 });
      },
    });

    const { history } = await attempts(await process(), 1);

    server.close();
    expect(history[0]).to.include({ request: `POST ${url.origin}, 3 bytes`, answer: '503, 4 bytes' });
    expect(JSON.stringify(history)).not.to.match(/t0k3n|secret/);
  });
});
