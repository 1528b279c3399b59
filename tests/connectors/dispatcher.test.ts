import { expect } from 'chai';
import { deliveryIdOf } from '../../core/delivery-id.ts';
import { HubError } from '../../core/errors.ts';
import type { DeliveryOrder } from '../../core/plugins.ts';
import { inbox, releasedItem, STUDY } from '../contracts/ledger-facts.ts';
import { waitFor } from '../support/wait-for.ts';
import { dispatching, to } from './dispatching.ts';

describe('the dispatcher', () => {
  const at = dispatching();
  const { start, process, delivery, inState, events } = at;

  it('delivers to each destination of a run and says so', async () => {
    const orders: DeliveryOrder[] = [];
    await start([
      to('kct-archive', async (order) => void orders.push(order)),
      to('kct-pacs', async (order) => void orders.push(order)),
    ]);

    const run = await process(['kct-archive', 'kct-pacs'], [releasedItem(1), releasedItem(2)]);

    const rows = [await inState(run, 'kct-archive', 'succeeded'), await inState(run, 'kct-pacs', 'succeeded')];
    expect(rows.map(({ history }) => history.map(({ outcome, attempt }) => [outcome, attempt]))).to.deep.equal([
      [['succeeded', 1]],
      [['succeeded', 1]],
    ]);
    expect(
      orders.map(({ destination, studyInstanceUid, items }) => [destination, studyInstanceUid, items.length]),
    ).to.have.deep.members([
      ['kct-archive', '2.25.1', 2],
      ['kct-pacs', '2.25.1', 2],
    ]);
    expect(
      (await events('delivery.succeeded')).map(({ data, correlationId }) => ({ ...data, correlationId })),
    ).to.deep.include({
      studyInstanceUid: STUDY,
      releasedStudyInstanceUid: '2.25.1',
      revision: 1,
      runId: run.runId,
      route: 'rat-brain',
      configVersion: 'v1',
      deliveryId: deliveryIdOf(run.runId, 'kct-pacs'),
      destination: 'kct-pacs',
      instances: 2,
      attempts: 1,
      correlationId: 'association-1',
    });
    // Counted when the ledger has said that it has it.
    await waitFor('the count', () => at.metrics.valueOf('hub_deliveries_total', 'kct-pacs', 'succeeded') === 1);
    expect(at.metrics.valueOf('hub_delivery_duration_seconds', 'kct-pacs')).to.equal(1);
  });

  it('tries again after the delay, and sends only what did not get through', async () => {
    const orders: DeliveryOrder[] = [];
    await start([
      to('kct-pacs', async (order, onDelivered) => {
        orders.push(order);
        if (orders.length > 1) return;
        onDelivered('2.25.1.1.1');
        throw new HubError('partner.busy', {});
      }),
    ]);
    const run = await process(['kct-pacs'], [releasedItem(1), releasedItem(2)]);
    const failed = await waitFor('the first failure', async () => {
      const row = await delivery(run, 'kct-pacs');
      return row?.history.length === 1 ? row : undefined;
    });
    expect(failed.state).to.equal('pending');
    expect(failed.dueAt).to.equal(new Date(at.clock.now().getTime() + 15_000).toISOString());

    at.clock.advance(15_000);
    await at.ledger.events.append([], inbox('wake-up'));

    const { history } = await inState(run, 'kct-pacs', 'succeeded');
    expect(history.map(({ outcome, code, retry }) => [outcome, code, retry])).to.deep.equal([
      ['failed', 'partner.busy', 'transient'],
      ['succeeded', undefined, undefined],
    ]);
    expect(orders.map(({ attempt, delivered }) => [attempt, [...delivered]])).to.deep.equal([
      [1, []],
      [2, ['2.25.1.1.1']],
    ]);
    expect(new Set(orders.map(({ deliveryId }) => deliveryId)).size).to.equal(1);
    expect(at.metrics.valueOf('hub_deliveries_total', 'kct-pacs', 'retried')).to.equal(1);
  });

  it('waits as long as the destination asked for', async () => {
    await start([to('kct-pacs', () => Promise.reject(new HubError('partner.busy', { retryAfterMs: 120_000 })))]);

    const run = await process(['kct-pacs'], [releasedItem(1)]);

    const row = await waitFor('the failure', async () => {
      const found = await delivery(run, 'kct-pacs');
      return found?.history.length === 1 ? found : undefined;
    });
    expect(row.dueAt).to.equal(new Date(at.clock.now().getTime() + 120_000).toISOString());
  });

  it('makes a dead letter at once of what is permanent, and of what has used up its attempts', async () => {
    await start([
      to('permanent', () => Promise.reject(new HubError('partner.refused', { status: 401 }))),
      to('exhausted', () => Promise.reject(new HubError('partner.unreachable', {})), {
        retry: { attempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
      }),
    ]);

    const run = await process(['permanent', 'exhausted'], [releasedItem(1)]);

    const rows = [await inState(run, 'permanent', 'dead'), await inState(run, 'exhausted', 'dead')];
    expect(rows.map(({ reason }) => reason)).to.deep.equal([
      'Destination refused (status=401)',
      'Destination cannot be reached',
    ]);
    expect(
      (await events('delivery.dead-lettered')).map(({ data }) => 'reason' in data && data.reason).sort(),
    ).to.deep.equal(['partner.refused', 'partner.unreachable']);
    await at.metrics.scrape();
    expect([
      at.metrics.valueOf('hub_dead_letters', 'permanent'),
      at.metrics.valueOf('hub_dead_letters', 'exhausted'),
    ]).to.deep.equal([1, 1]);
  });

  it('takes a defect of a connector for transient', async () => {
    await start([to('kct-pacs', () => Promise.reject(new TypeError('undefined is not a function')))]);

    const run = await process(['kct-pacs'], [releasedItem(1)]);

    const row = await waitFor('the failure', async () => {
      const found = await delivery(run, 'kct-pacs');
      return found?.history.length === 1 ? found : undefined;
    });
    expect([row.state, row.history[0]?.code]).to.deep.equal(['pending', 'internal.unexpected']);
  });

  it('delivers a dead letter that was replayed, under the same id', async () => {
    let isUp = false;
    await start([to('kct-pacs', async () => (isUp ? undefined : Promise.reject(new HubError('partner.refused', {}))))]);
    const run = await process(['kct-pacs'], [releasedItem(1)]);
    const { deliveryId } = await inState(run, 'kct-pacs', 'dead');
    isUp = true;

    await at.ledger.deliveries.replay(deliveryId);

    const { history } = await inState(run, 'kct-pacs', 'succeeded');
    expect(history.map(({ outcome }) => outcome)).to.deep.equal(['failed', 'succeeded']);
  });

  it('keeps a dead destination from slowing another, and each to its concurrency', async () => {
    const hanging: DeliveryOrder[] = [];
    let most = 0;
    await start([
      to('dead', async (order) => {
        hanging.push(order);
        most = Math.max(most, hanging.length);
        await new Promise((_, reject) => {
          order.signal.addEventListener('abort', () => reject(new Error('aborted')));
        });
      }),
      to('alive', async () => undefined),
    ]);

    const runs = [];
    for (let index = 0; index < 5; index += 1) runs.push(await process(['dead', 'alive'], [releasedItem(1)]));

    for (const run of runs) await inState(run, 'alive', 'succeeded');
    expect(most).to.equal(2);
  });

  it('opens one delivery however often it hears of a run', async () => {
    let asked = 0;
    await start([to('kct-pacs', async () => void (asked += 1))]);
    const run = await process(['kct-pacs'], [releasedItem(1)]);
    await inState(run, 'kct-pacs', 'succeeded');

    await at.bus.seek('connectors', 0);
    const last = await process(['kct-pacs'], [releasedItem(1)]);

    await inState(last, 'kct-pacs', 'succeeded');
    expect(asked).to.equal(2);
  });

  it('takes up what a dead process had under way once its lease runs out', async () => {
    const first = await start([
      to(
        'kct-pacs',
        (order) =>
          new Promise((_, reject) => order.signal.addEventListener('abort', () => reject(new Error('killed')))),
      ),
    ]);
    const run = await process(['kct-pacs'], [releasedItem(1)]);
    await waitFor('the lease', async () => ((await delivery(run, 'kct-pacs'))?.attempts === 1 ? true : undefined));
    await first.stop(0);
    // As after kill -9: somebody had it, and will not come back.
    const [taken] = await at.ledger.deliveries.claim('dead process', 60_000, at.clock.now(), { 'kct-pacs': 1 });
    expect(taken?.destination).to.equal('kct-pacs');

    at.clock.advance(60_001);
    await start([to('kct-pacs', async () => undefined)]);

    const { history } = await inState(run, 'kct-pacs', 'succeeded');
    expect(history.map(({ attempt }) => attempt)).to.deep.equal([2]);
  });

  it('gives back what it has to abandon: it goes out at once after a restart, without what got through, uncounted', async () => {
    const begun = Promise.withResolvers<undefined>();
    const first = await start([
      to('kct-pacs', (order, onDelivered) => {
        onDelivered('2.25.1.1.1');
        begun.resolve(undefined);
        return new Promise((_, reject) => order.signal.addEventListener('abort', () => reject(new Error('stopping'))));
      }),
    ]);
    const run = await process(['kct-pacs'], [releasedItem(1), releasedItem(2)]);
    await begun.promise;
    await first.stop(0);
    const orders: DeliveryOrder[] = [];

    await start([to('kct-pacs', async (order) => void orders.push(order))]);

    const { history } = await inState(run, 'kct-pacs', 'succeeded');
    expect(history.map(({ attempt }) => attempt)).to.deep.equal([1]);
    expect(orders.map(({ delivered }) => [...delivered])).to.deep.equal([['2.25.1.1.1']]);
  });

  it('says again that a destination is gone when such a dead letter is replayed', async () => {
    const before = await start([to('was-here', () => Promise.reject(new HubError('partner.refused', {})))]);
    const run = await process(['was-here'], [releasedItem(1)]);
    const { deliveryId } = await inState(run, 'was-here', 'dead');
    await before.stop(0);
    await start([to('kct-pacs', async () => undefined)]);

    await at.ledger.deliveries.replay(deliveryId);

    const row = await waitFor('the second end', async () => {
      const found = await delivery(run, 'was-here');
      return found?.state === 'dead' && found.history.length === 2 ? found : undefined;
    });
    expect(row.history.map(({ code }) => code)).to.deep.equal(['partner.refused', 'destination.unknown']);
  });

  it('stops working on what another process has taken over', async () => {
    let isAborted = false;
    await start(
      [
        to('kct-pacs', async (order) => {
          await new Promise<void>((resolve) => order.signal.addEventListener('abort', () => resolve()));
          isAborted = true;
          throw new Error('abandoned');
        }),
      ],
      60,
    );
    const run = await process(['kct-pacs'], [releasedItem(1)]);
    await waitFor('the lease', async () => ((await delivery(run, 'kct-pacs'))?.attempts === 1 ? true : undefined));
    at.clock.advance(3_600_000);

    await waitFor('another owner', async () => {
      const taken = await at.ledger.deliveries.claim('another', 600_000, at.clock.now(), { 'kct-pacs': 9 });
      return taken.length > 0 || isAborted;
    });

    await waitFor('the end of the work', () => isAborted);
    expect((await delivery(run, 'kct-pacs'))?.history).to.deep.equal([]);
  });

  it('makes a dead letter of a delivery whose destination is gone from the configuration', async () => {
    await start([to('kct-pacs', async () => undefined)]);

    const run = await process(['was-here'], [releasedItem(1)]);

    const { history } = await inState(run, 'was-here', 'dead');
    expect(history.map(({ code }) => code)).to.deep.equal(['destination.unknown']);
  });

  it('lets a delivery under way end when it stops', async () => {
    let finish: () => void = () => undefined;
    const dispatcher = await start([to('kct-pacs', () => new Promise<void>((resolve) => (finish = resolve)))]);
    const run = await process(['kct-pacs'], [releasedItem(1)]);
    await waitFor('the lease', async () => ((await delivery(run, 'kct-pacs'))?.attempts === 1 ? true : undefined));

    const stopped = dispatcher.stop(10_000);
    finish();
    await stopped;

    expect((await delivery(run, 'kct-pacs'))?.state).to.equal('succeeded');
  });
});

describe('the id of a delivery', () => {
  it('is a UUID that is the same for the same run and destination, and only then', () => {
    const ids = [deliveryIdOf('a', 'b'), deliveryIdOf('a', 'b'), deliveryIdOf('a', 'c'), deliveryIdOf('ab', '')];

    expect(ids[0]).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids[0]).to.equal(ids[1]);
    expect(new Set(ids).size).to.equal(3);
  });
});
