import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import type { PositionedEvent } from '../../../../core/events.ts';
import type { Ledger } from '../../../../core/ledger.ts';
import type { NewEvent } from '../../../../core/ledger/common.ts';
import type { Stream } from '../../../../core/streams.ts';
import { openKafkaBus } from '../../../../platform/bus/kafka/bus.ts';
import { audited } from '../../../contracts/ledger-facts.ts';
import { type KafkaPeer, startKafka } from '../../../support/kafka.ts';
import { openTestLedger } from '../../../support/open-ledger.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { busOptions } from './bus-on-kafka.ts';

const KEYS = Array.from({ length: 12 }, (_, index) => `study-${String(index)}`);
const EFFECTS: Stream = 'hub.work.v1';

describe('a bus through Kafka whose broker dies while facts are made', () => {
  let kafka: KafkaPeer | undefined;
  let ledger: Ledger;
  let remove: () => Promise<void>;

  before(async function () {
    this.timeout(90_000);
    // With one broker there is no replica: only what it flushed survives it.
    kafka = await startKafka({ properties: { 'log.flush.interval.messages': '1' } });
  });
  after(() => kafka?.stop());
  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger());
  });
  afterEach(() => remove());

  const deaths: readonly (readonly [string, (kafka: KafkaPeer) => Promise<void>])[] = [
    [
      'is killed and comes back',
      async (peer) => {
        await peer.kill();
        await delay(2_000);
        await peer.again();
      },
    ],
    [
      'stands still for longer than a request may take',
      async (peer) => {
        process.kill(peer.pid(), 'SIGSTOP');
        await delay(13_000);
        process.kill(peer.pid(), 'SIGCONT');
      },
    ],
  ];
  for (const [title, die] of deaths) {
    it(`${title}: every fact arrives, in the order of its key, and has its effect once`, async function () {
      this.timeout(120_000);
      const peer = kafka;
      if (peer === undefined) throw new Error('no broker');
      const options = busOptions(ledger, peer.broker, { relayRetry: { firstDelayMs: 50, maxDelayMs: 1_000 } });
      const bus = openKafkaBus({ ...options, groupPrefix: `hub.${title.slice(3, 9)}.` });
      const seen: PositionedEvent[] = [];
      await bus.subscribe({ group: 'router', streams: ['hub.audit.v1'], from: 'earliest' }, async (event) => {
        seen.push(event);
        await ledger.events.append([effectOf(event)], { group: 'router', eventId: event.id });
      });

      let number = 0;
      const making = new AbortController();
      const made = makeFacts(making.signal, async () => {
        number += 1;
        await ledger.events.append(KEYS.map((key) => audited(key, String(number))));
      });
      await waitFor('the first facts', () => seen.length > 3 * KEYS.length, 20_000);
      await die(peer);
      making.abort();
      await made;

      const effects = async () =>
        (await ledger.events.read({ streams: [EFFECTS], after: 0, limit: 100_000 })).map(({ key }) => key);
      await waitFor('every effect', async () => (await effects()).length >= number * KEYS.length, 60_000);
      await waitFor('no lag', async () => (await bus.lag()).every(({ events }) => events === 0), 30_000);
      await bus.stop();
      expect(number).to.be.greaterThan(20);
      expect(await effects()).to.have.length(number * KEYS.length);
      for (const key of KEYS) {
        const positions = seen.filter((event) => event.key === key).map(({ position }) => position);
        // What is seen again is seen again after all that was before it.
        const firsts = [...new Set(positions)];
        expect(firsts).to.deep.equal(firsts.toSorted((a, b) => a - b));
        expect(firsts).to.have.length(number);
      }
    });
  }
});

async function makeFacts(signal: AbortSignal, make: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await make();
    await delay(50);
  }
}

function effectOf({ key }: PositionedEvent): NewEvent {
  const data = { studyInstanceUid: '1.2', revision: 1, instances: 1, routesTried: 0, configVersion: 'x' };
  return { type: 'study.unrouted', stream: 'hub.work.v1', key, data };
}
