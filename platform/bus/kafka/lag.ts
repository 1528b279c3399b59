/** How far a group is behind: what is not in Kafka yet, what the group has not taken from it, and what it set aside. */
import type { PositionedEvent } from '../../../core/events.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { BusLag, Clock } from '../../../core/ports.ts';
import type { HubStream } from '../../../core/streams.ts';
import { placesOf } from './lanes.ts';
import type { Offsets, PartitionOffsets } from './offsets.ts';
import { partitionOf } from './partitions.ts';
import { withDeadline } from './pause.ts';
import type { Relay } from './relay.ts';

export interface LagPorts {
  readonly ledger: Pick<Ledger, 'events' | 'groups'>;
  readonly offsets: Offsets;
  readonly relay: Relay;
  readonly clock: Clock;
  readonly partitions: number;
}

/** What was known of a group when the brokers last answered, by topic. */
export type KnownOffsets = Map<string, ReadonlyMap<string, readonly PartitionOffsets[]>>;

/** To find the oldest event, no more of the log is read than this. */
const MAX_PAGES = 8;
const PAGE = 512;
/** Who asks is a scrape of the metrics, which takes nothing when it has to wait. */
const PATIENCE_MS = 1_000;

export async function lagOf(
  {
    group,
    groupId,
    streams,
  }: { readonly group: string; readonly groupId: string; readonly streams: readonly HubStream[] },
  { ledger, offsets, relay, clock, partitions }: LagPorts,
  known: KnownOffsets,
): Promise<readonly BusLag[]> {
  // Nothing goes out between the two looks, or an event would be counted here and there.
  const together = relay.between(async () => {
    const now = await offsets.of(groupId, streams);
    known.set(group, now);
    return [await ledger.groups.lag([{ group: relay.name, streams }]), now] as const;
  });
  // Kafka does not answer, which is said elsewhere: what was known of it is still the best there is.
  const [unsent, broker] = await withDeadline(together, PATIENCE_MS).catch(
    async () => [await ledger.groups.lag([{ group: relay.name, streams }]), known.get(group)] as const,
  );
  const parked = await parkedOf(group, streams, ledger);
  const places = await placesOf(ledger, group, partitions);
  const lags: BusLag[] = [];
  for (const stream of streams) {
    const behind = (broker?.get(stream) ?? []).flatMap((row) => {
      const events = Number(row.high - (row.committed ?? row.low));
      return events > 0 ? [{ partition: row.partition, events }] : [];
    });
    const waiting = unsent.find((row) => row.stream === stream);
    const aside = parked.filter((event) => event.stream === stream);
    const inKafka = behind.reduce((sum, { events }) => sum + events, 0);
    const lagging = new Set(behind.map(({ partition }) => partition));
    const first = inKafka === 0 ? undefined : await oldest(stream, lagging, places, ledger);
    const oldestMs = Math.min(
      ...[first, ...aside].flatMap((event) => (event === undefined ? [] : Date.parse(event.time))),
    );
    lags.push({
      group,
      stream,
      events: (waiting?.events ?? 0) + inKafka + aside.length,
      seconds: Math.max(
        waiting?.seconds ?? 0,
        oldestMs === Infinity ? 0 : (clock.now().getTime() - oldestMs) / 1000,
        0,
      ),
      parkedKeys: new Set(aside.map(({ key }) => key)).size,
    });
  }
  return lags;
}

/** The first event of the stream that the lanes have not passed. */
async function oldest(
  stream: HubStream,
  lagging: ReadonlySet<number>,
  places: readonly number[],
  ledger: Pick<Ledger, 'events'>,
): Promise<PositionedEvent | undefined> {
  let cursor = Math.min(...[...lagging].map((lane) => places[lane] ?? 0));
  let last: PositionedEvent | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await ledger.events.read({ streams: [stream], after: cursor, limit: PAGE });
    const found = page.find(({ key, position }) => {
      const lane = partitionOf(key, places.length);
      return lagging.has(lane) && position > (places[lane] ?? 0);
    });
    if (found !== undefined) return found;
    last = page.at(-1) ?? last;
    if (page.length < PAGE) return undefined;
    cursor = last?.position ?? cursor;
  }
  // It stands behind all that was read.
  return last;
}

async function parkedOf(
  group: string,
  streams: readonly HubStream[],
  ledger: Pick<Ledger, 'events' | 'groups'>,
): Promise<readonly PositionedEvent[]> {
  const rows = await ledger.groups.parked(group);
  const events = await Promise.all(
    rows.map(({ position }) => ledger.events.read({ streams, after: position - 1, limit: 1 })),
  );
  return events.flatMap(([event], index) => (event?.position === rows[index]?.position && event ? [event] : []));
}
