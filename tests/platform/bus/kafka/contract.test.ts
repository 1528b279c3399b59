import { expect } from 'chai';
import type { PositionedEvent } from '../../../../core/events.ts';
import type { Ledger } from '../../../../core/ledger.ts';
import { describeEventBus } from '../../../contracts/event-bus.ts';
import { audited } from '../../../contracts/ledger-facts.ts';
import { KAFKA_VERSIONS, type KafkaPeer, startKafka } from '../../../support/kafka.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { busOnKafka } from './bus-on-kafka.ts';

const START_MS = 90_000;

describe(`on a real broker of Kafka ${KAFKA_VERSIONS.four}`, () => {
  let kafka: KafkaPeer | undefined;
  before(async function () {
    this.timeout(START_MS);
    kafka = await startKafka({ version: KAFKA_VERSIONS.four });
  });
  after(() => kafka?.stop());

  describeEventBus('through Kafka', () => busOnKafka(kafka?.broker ?? ''), { hasReplicas: true });

  it('is handed what Kafka carries, and asks the ledger for none of it again', async () => {
    const { bus, ledger, publish, remove } = await busOnKafka(kafka?.broker ?? '');
    const seen: PositionedEvent[] = [];
    await bus.subscribe({ group: 'router', streams: ['hub.audit.v1'], from: 'earliest' }, async (event) => {
      seen.push(event);
    });
    await publish([audited('a', '1')]);
    await waitFor('the first fact', () => seen.length === 1);
    await waitFor('no lag', async () => (await bus.lag())[0]?.events === 0);
    // Nothing of the stream can be had from the ledger by itself; the relay reads all streams at once.
    const asked: unknown[] = [];
    const read = ledger.events.read.bind(ledger.events);
    Object.assign(ledger.events, {
      read: (options: Parameters<Ledger['events']['read']>[0]) => {
        if (options.streams.length === 1) asked.push(options);
        return read(options);
      },
    });

    await publish(['2', '3', '4'].map((subject) => audited('a', subject)));

    await waitFor('the next facts', () => seen.length === 4);
    expect(asked).to.deep.equal([]);
    const [inLog] = await read({ streams: ['hub.audit.v1'], after: 3, limit: 1 });
    expect(seen[3]).to.deep.equal(inLog);
    await remove();
  });
});

describe(`on a real broker of Kafka ${KAFKA_VERSIONS.three}`, () => {
  let kafka: KafkaPeer | undefined;
  before(async function () {
    this.timeout(START_MS);
    kafka = await startKafka({ version: KAFKA_VERSIONS.three });
  });
  after(() => kafka?.stop());

  it('hands over in order, sets a poisoned key aside, goes on after a crash, and replays', async function () {
    this.timeout(60_000);
    const { bus, publish, restart, remove } = await busOnKafka(kafka?.broker ?? '');
    const seen: PositionedEvent[] = [];
    let isPoisoned = true;
    const handle = async (event: PositionedEvent) => {
      if (isPoisoned && event.key === 'poison') throw new Error('cannot');
      seen.push(event);
    };
    // What the crash cut off is seen again; never before what stands in front of it.
    const positions = (key: string) => [
      ...new Set(seen.filter((event) => event.key === key).map(({ position }) => position)),
    ];
    const options = { group: 'router', streams: ['hub.audit.v1'], from: 'earliest' } as const;
    await bus.subscribe(options, handle);

    await publish([audited('a'), audited('poison'), audited('b'), audited('poison'), audited('a')]);
    await waitFor('the other keys', () => seen.length === 3);
    await waitFor('the poisoned key set aside', async () => (await bus.lag())[0]?.parkedKeys === 1);
    const next = await restart();
    await next.subscribe(options, handle);
    isPoisoned = false;
    await publish([audited('poison'), audited('b')]);
    await waitFor('everything', () => new Set(seen.map(({ id }) => id)).size === 7, 20_000);
    expect([positions('a'), positions('b'), positions('poison')]).to.deep.equal([
      [1, 5],
      [3, 7],
      [2, 4, 6],
    ]);
    await waitFor('no lag', async () => (await next.lag())[0]?.events === 0);
    seen.length = 0;
    await next.seek('router', 6);
    await waitFor('the replay', () => seen.length === 2);
    expect([positions('poison'), positions('b')]).to.deep.equal([[6], [7]]);
    await remove();
  });
});
