/**
 * `npm run bench -- bus [SECONDS]`: how long a fact takes from the commit that made it true to the handler, at 1,000 a
 * second over 64 studies, on the bus in the ledger and on one through a real Kafka of one broker.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { EventBus } from '../core/ports.ts';
import type { Ledger } from '../core/ledger.ts';
import { openEmbeddedBus } from '../platform/bus/embedded.ts';
import { openKafkaBus } from '../platform/bus/kafka/bus.ts';
import { audited } from '../tests/contracts/ledger-facts.ts';
import { startKafka } from '../tests/support/kafka.ts';
import { openTestLedger } from '../tests/support/open-ledger.ts';
import { silentLog } from '../tests/support/silent-log.ts';
import { waitFor } from '../tests/support/wait-for.ts';

const RATE = 1_000;
const STUDIES = 64;
const TICK_MS = 10;
const SETTLE_MS = 120_000;
/** Of the 99th percentile. */
const TARGET_MS = 500;

export async function benchBus([seconds = '20']: readonly string[]): Promise<void> {
  const ms = Number(seconds) * 1000;
  const embedded = await measured((ledger) => openEmbeddedBus({ ledger, log: silentLog }), ms);
  const kafka = await startKafka();
  try {
    const through = await measured(
      (ledger) =>
        openKafkaBus({
          ledger,
          log: silentLog,
          hubName: 'bench',
          owner: 'bench',
          connection: { clientId: 'bench', brokers: [kafka.broker] },
          topics: { partitions: 24, replication: 1, mayCreate: true },
          groupPrefix: 'hub.bench.',
          partners: [],
        }),
      ms,
    );
    for (const [name, { events, p50, p99 }] of [
      ['embedded', embedded],
      ['kafka', through],
    ] as const) {
      const verdict = p99 < TARGET_MS ? 'within' : 'beyond';
      console.log(
        `${name.padEnd(9)} ${String(events)} events  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  (${verdict} ${String(TARGET_MS)} ms)`,
      );
    }
    console.log(
      `kafka / embedded: p50 ×${(through.p50 / embedded.p50).toFixed(1)}, p99 ×${(through.p99 / embedded.p99).toFixed(1)}`,
    );
  } finally {
    await kafka.stop();
  }
}

async function measured(open: (ledger: Ledger) => EventBus, ms: number) {
  const { ledger, remove } = await openTestLedger();
  const bus = open(ledger);
  const latencies: number[] = [];
  let warm = false;
  await bus.subscribe({ group: 'bench', streams: ['hub.audit.v1'], from: 'earliest' }, ({ data }) => {
    const sentMs = 'subject' in data ? Number(data.subject) : 0;
    if (sentMs > 0) latencies.push(performance.now() - sentMs);
    else warm = true;
    return Promise.resolve();
  });
  await ledger.events.append([audited('warm', '0')]);
  await waitFor('the group', () => warm, SETTLE_MS);
  // What was there before it joined came from the ledger.
  await delay(2_000);
  const beganMs = performance.now();
  let made = 0;
  while (performance.now() - beganMs < ms) {
    const due = Math.floor(((performance.now() - beganMs) / 1000) * RATE) - made;
    const events = Array.from({ length: Math.max(0, due) }, (_, index) =>
      audited(`study-${String((made + index) % STUDIES)}`, String(performance.now())),
    );
    made += events.length;
    if (events.length > 0) await ledger.events.append(events);
    await delay(TICK_MS);
  }
  await waitFor('all of them', () => latencies.length >= made, SETTLE_MS);
  await bus.stop();
  await remove();
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
  return { events: sorted.length, p50: at(0.5), p99: at(0.99) };
}
