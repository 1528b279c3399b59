/** What brokers bring after a topic was made anew under a group: offsets that go on as if nothing had happened. */
import { expect } from 'chai';
import { type EachBatchPayload, Kafka } from 'kafkajs';
import type { Ledger } from '../../../../core/ledger.ts';
import type { PositionedEvent } from '../../../../core/events.ts';
import { toMessage } from '../../../../platform/bus/kafka/cloud-events.ts';
import { type GroupOptions, TIMINGS } from '../../../../platform/bus/kafka/group-options.ts';
import { Lanes } from '../../../../platform/bus/kafka/lanes.ts';
import { Membership } from '../../../../platform/bus/kafka/membership.ts';
import { Offsets, type PartitionOffsets } from '../../../../platform/bus/kafka/offsets.ts';
import { audited } from '../../../contracts/ledger-facts.ts';
import { openTestLedger } from '../../../support/open-ledger.ts';
import { silentLog } from '../../../support/silent-log.ts';
import { waitFor } from '../../../support/wait-for.ts';

const STREAM = 'hub.audit.v1';
const ORIGIN = { hubName: 'test', ledgerId: 'ledger' };

describe('a member of a group of Kafka', () => {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let seen: number[];
  let offsets: KnownOffsets;
  let member: Membership;
  const ended = new AbortController();

  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger());
    seen = [];
    offsets = new KnownOffsets();
    const options: GroupOptions = {
      ...{ group: 'router', groupId: 'router', streams: [STREAM], partitions: 1, hubName: ORIGIN.hubName },
      ...{ identity: () => Promise.resolve(ORIGIN.ledgerId), ledger, kafka: UNUSED, offsets, log: silentLog },
      ...{ verify: () => Promise.resolve(), diagnose: (error) => Promise.resolve(error) },
      ...{ clock: { now: () => new Date() }, retry: { firstDelayMs: 1, maxDelayMs: 1 } },
      ...{ timings: { ...TIMINGS, lookMs: 0 }, onRestart: () => undefined, onForeign: () => undefined },
    };
    const lanes = new Lanes({ ...options, signal: ended.signal }, async ({ position }) => void seen.push(position));
    let isReady = false;
    member = new Membership(options, lanes, {
      ...{ signal: ended.signal, ready: () => (isReady = true) },
      lost: (error) => expect.fail(String(error)),
    });
    member.joined({ [STREAM]: [0] });
    await waitFor('its lane', () => isReady);
  });
  afterEach(() => remove());

  const publish = async (count: number): Promise<readonly PositionedEvent[]> => {
    await ledger.events.append(Array.from({ length: count }, () => audited('a')));
    return ledger.events.read({ streams: [STREAM], after: 0, limit: 100 });
  };

  it('asks the ledger for what is missing before a message, whose offset is as expected', async () => {
    const [first, , third] = await publish(3);

    await member.take(batch(0, { event: first, previous: 0 }));
    await member.take(batch(1, { event: third, previous: 2 }));

    expect(seen).to.deep.equal([1, 2, 3]);
  });

  it('asks the ledger where the relay did not know what was before', async () => {
    const [first, , third] = await publish(3);

    await member.take(batch(0, { event: first, previous: 0 }));
    await member.take(batch(1, { event: third }));

    expect(seen).to.deep.equal([1, 2, 3]);
  });

  it('asks it for nothing that Kafka brings', async () => {
    const [first, second] = await publish(3);

    await member.take(batch(0, { event: first, previous: 0 }, { event: second, previous: 1 }));

    expect(seen).to.deep.equal([1, 2]);
  });

  it('asks it from time to time when the brokers have nothing more', async () => {
    const [first] = await publish(1);
    await member.take(batch(0, { event: first, previous: 0 }));
    await publish(1);
    offsets.rows = [{ partition: 0, low: 0n, high: 1n, committed: 1n }];

    await member.keep(undefined);

    expect(seen).to.deep.equal([1, 2]);
  });

  it('waits for them as long as they have more', async () => {
    const [first] = await publish(1);
    await member.take(batch(0, { event: first, previous: 0 }));
    await publish(1);
    offsets.rows = [{ partition: 0, low: 0n, high: 2n, committed: 1n }];

    await member.keep(undefined);

    expect(seen).to.deep.equal([1]);
  });
});

/** Never asked for anything. */
const UNUSED = new Kafka({ brokers: ['127.0.0.1:1'] });

class KnownOffsets extends Offsets {
  rows: readonly PartitionOffsets[] = [{ partition: 0, low: 0n, high: 0n, committed: 0n }];

  constructor() {
    super(UNUSED);
  }

  override of() {
    return Promise.resolve(new Map([[STREAM, this.rows]]));
  }
}

function batch(
  firstOffset: number,
  ...links: readonly { readonly event: PositionedEvent | undefined; readonly previous?: number }[]
): EachBatchPayload {
  const messages = links.map(({ event, previous }, index) => {
    if (event === undefined) throw new TypeError('no such event');
    const { key, value, headers, timestamp } = toMessage(event, ORIGIN, previous);
    return {
      ...{ key: Buffer.from(key), value: Buffer.from(value), headers, timestamp },
      ...{ offset: String(firstOffset + index), attributes: 0 },
    };
  });
  const lastOffset = () => String(firstOffset + links.length - 1);
  return {
    batch: {
      ...{ topic: STREAM, partition: 0, highWatermark: String(firstOffset + links.length), messages },
      ...{ isEmpty: () => false, firstOffset: () => String(firstOffset), lastOffset },
      ...{ offsetLag: () => '0', offsetLagLow: () => '0' },
    },
    ...{ heartbeat: () => Promise.resolve(), pause: () => () => undefined, resolveOffset: () => undefined },
    ...{ commitOffsetsIfNecessary: () => Promise.resolve(), uncommittedOffsets: () => ({ topics: [] }) },
    ...{ isRunning: () => true, isStale: () => false },
  };
}
