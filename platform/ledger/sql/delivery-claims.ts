/**
 * Whose turn it is: which due deliveries are leased now. A few statements for all destinations together, however many
 * there are and however much waits; and the breakers that keep a destination from being tried again and again.
 */
import type { BreakerRow, BreakerRule, ClaimOptions } from '../../../core/ledger/deliveries.ts';
import type { ClaimTag } from './claims.ts';
import type { Dialect } from './dialect.ts';
import { WORK } from './locks.ts';
import type { Database, Script, Statement } from './script.ts';

/** What a claim answers; delivery and run are read by whoever asked. */
export interface ClaimedDelivery {
  readonly deliveryId: string;
  readonly runId: string;
  readonly fence: number;
  readonly attempt: number;
  readonly breakerOpenedAtMs?: number;
}

interface Breaker {
  readonly destination: string;
  readonly opened_at: number;
  readonly until: number;
}

const MOST_AT_ONCE = 256;

/**
 * The first of each priority at each destination named. The three priorities are looked up one by one: so each is a
 * range of the index, and what waits for a later time is never read.
 */
const firstDue = (db: Database, condition: string): Statement<{ destination: string; found: string | null }> =>
  db.query(
    `SELECT w.value AS destination, (SELECT string_agg(CAST(x.delivery AS TEXT), ',') FROM (
       SELECT d.delivery FROM deliveries d${db.dialect.by('deliveries_ready')}
       WHERE d.state = 'pending' AND d.destination = w.value AND d.priority = p.priority AND d.ready_at <= ?${condition}
       ORDER BY d.ready_at, d.delivery LIMIT ?) x) AS found
     FROM (${db.dialect.valuesOf('?')}) w
     CROSS JOIN (SELECT 0 AS priority UNION ALL SELECT 1 UNION ALL SELECT 2) p ORDER BY p.priority`,
  );

/** A study has few runs: two look-ups in an index. One that ended, well or not, keeps nothing waiting. */
const noEarlierWaits = ({ by }: Dialect): string => ` AND NOT EXISTS (
         SELECT 1 FROM runs own JOIN runs r ON r.study = own.study JOIN deliveries e${by('deliveries_run')} ON e.run = r.run
         WHERE own.run = d.run AND e.destination = d.destination AND e.state = 'pending'
           AND (r.revision < own.revision OR (r.revision = own.revision AND r.route = own.route AND e.delivery < d.delivery)))`;

export function claimWrites(db: Database) {
  const underWay = db.query<{ destination: string; deliveries: number }>(
    `SELECT destination, count(*) AS deliveries FROM deliveries${db.dialect.by('deliveries_leased')}
     WHERE state = 'pending' AND leased = 1 AND ready_at > ? GROUP BY destination`,
  );
  const open = db.query<Breaker>('SELECT destination, opened_at, until FROM breakers WHERE until IS NOT NULL');
  const inAnyOrder = firstDue(db, '');
  const inOrder = firstDue(db, noEarlierWaits(db.dialect));
  const ids = `SELECT CAST(i.value AS BIGINT) FROM (${db.dialect.valuesOf('?')}) i`;
  // Whoever ended or cancelled one meanwhile was first.
  const lease = db.query<{ delivery: number; delivery_id: string; run_id: string; fence: number; attempts: number }>(
    `UPDATE deliveries SET leased = 1, attempts = attempts + 1, fence = fence + 1, ready_at = ?, claim = ?
     WHERE delivery IN (${ids}) AND state = 'pending' AND ready_at <= ?
     RETURNING delivery, delivery_id, fence, attempts, (SELECT run_id FROM runs WHERE runs.run = deliveries.run) AS run_id`,
  );
  // Nobody was told of these: the connection broke, or the thread that asked could not read on.
  const giveBack = db.query(
    `UPDATE deliveries${db.dialect.by('deliveries_leased')} SET leased = 0, attempts = attempts - 1, ready_at = ?
     WHERE state = 'pending' AND leased = 1 AND claim IN (${db.dialect.valuesOf('?')})`,
  );

  return {
    *claim(
      _now: Date,
      tag: ClaimTag,
      leaseMs: number,
      at: Date,
      limits: Readonly<Record<string, number>>,
      { ordered = [], atMost = MOST_AT_ONCE }: ClaimOptions = {},
    ): Script<readonly ClaimedDelivery[]> {
      const atMs = at.getTime();
      // Two that count what is under way at the same moment would both find room for the last one.
      yield* db.lock('claim deliveries');
      yield* db.lock(WORK, 'shared');
      if (tag.lost.length > 0) yield* giveBack.send(atMs, JSON.stringify(tag.lost));
      const breakers = new Map((yield* open.all()).map((each) => [each.destination, each]));
      const busy = new Map((yield* underWay.all(atMs)).map((each) => [each.destination, each.deliveries]));
      const room = new Map<string, number>();
      for (const [destination, limit] of Object.entries(limits)) {
        const allowed = allowedBy(breakers.get(destination), limit, atMs);
        const free = allowed - (busy.get(destination) ?? 0);
        if (free > 0) room.set(destination, free);
      }
      const most = Math.max(0, ...room.values());
      const queues = new Map<string, number[]>();
      const wanted = [...room.keys()];
      for (const [find, names] of [
        [inAnyOrder, wanted.filter((name) => !ordered.includes(name))],
        [inOrder, wanted.filter((name) => ordered.includes(name))],
      ] as const) {
        if (names.length === 0) continue;
        for (const { destination, found } of yield* find.all(atMs, most, JSON.stringify(names))) {
          if (found === null) continue;
          queues.set(destination, [...(queues.get(destination) ?? []), ...found.split(',').map(Number)]);
        }
      }
      const chosen = inTurn(queues, room, atMost);
      if (chosen.length === 0) return [];
      const claimed = yield* lease.all(
        atMs + leaseMs,
        tag.claim,
        JSON.stringify(chosen.map(([delivery]) => delivery)),
        atMs,
      );
      const byKey = new Map(claimed.map((row) => [row.delivery, row]));
      return chosen.flatMap(([delivery, destination]): readonly ClaimedDelivery[] => {
        const row = byKey.get(delivery);
        if (row === undefined) return [];
        const breaker = breakers.get(destination);
        return [
          {
            deliveryId: row.delivery_id,
            runId: row.run_id,
            fence: row.fence,
            attempt: row.attempts,
            ...(breaker === undefined ? {} : { breakerOpenedAtMs: breaker.opened_at }),
          },
        ];
      });
    },
  };
}

function allowedBy(breaker: Breaker | undefined, limit: number, atMs: number): number {
  if (breaker === undefined) return limit;
  return breaker.until <= atMs ? Math.min(limit, 1) : 0;
}

/** The first of each destination, then the second of each, …: the destination with most waiting does not take all places. */
function inTurn(
  queues: ReadonlyMap<string, readonly number[]>,
  room: ReadonlyMap<string, number>,
  atMost: number,
): readonly (readonly [delivery: number, destination: string])[] {
  const chosen: (readonly [number, string])[] = [];
  for (let turn = 0; chosen.length < atMost; turn += 1) {
    const before = chosen.length;
    for (const [destination, queue] of queues) {
      const delivery = turn < (room.get(destination) ?? 0) ? queue[turn] : undefined;
      if (delivery !== undefined && chosen.length < atMost) chosen.push([delivery, destination]);
    }
    if (chosen.length === before) break;
  }
  return chosen;
}

/** How failures and successes open and close breakers, inside the transactions that record them. */
export function openBreakers(db: Database) {
  const note = db.query<{ failures: number; is_several: 0 | 1; until: number | null; trips: number }>(
    `INSERT INTO breakers (destination, failures, first_delivery, reason) VALUES (?, 1, ?, ?)
     ON CONFLICT (destination) DO UPDATE SET failures = breakers.failures + 1, reason = excluded.reason,
       is_several = CASE WHEN breakers.first_delivery = excluded.first_delivery THEN breakers.is_several ELSE 1 END
     RETURNING failures, is_several, until, trips`,
  );
  const pause = db.query(
    'UPDATE breakers SET opened_at = COALESCE(opened_at, ?), until = ?, trips = trips + 1 WHERE destination = ?',
  );
  const close = db.query('DELETE FROM breakers WHERE destination = ?');
  const look = db.query('UPDATE breakers SET until = ? WHERE destination = ? AND until > ?');

  return {
    /** @param delivery - that failed: one that fails alone has its own retries, and says nothing of its destination */
    *failed(destination: string, delivery: string, code: string, rule: BreakerRule, now: Date): Script<void> {
      const row = yield* note.get(destination, delivery, code);
      if (row === undefined) return;
      const opens = row.until === null && row.is_several === 1 && row.failures >= rule.failures;
      // Those that were under way when it opened fail too: they do not make the pause longer.
      const isStillDown = row.until !== null && row.until <= now.getTime();
      if (!opens && !isStillDown) return;
      const pauseMs = Math.min(rule.maxPauseMs, rule.pauseMs * 2 ** row.trips);
      yield* pause.send(now.getTime(), now.getTime() + pauseMs, destination);
    },
    *isWell(destination: string): Script<void> {
      yield* close.send(destination);
    },
    /** Somebody says that it is worth a try now. */
    *tryNow(destination: string, now: Date): Script<void> {
      yield* look.send(now.getTime(), destination, now.getTime());
    },
  };
}

export function breakerReads(db: Database) {
  const all = db.query<{
    readonly destination: string;
    readonly failures: number;
    readonly reason: string;
    readonly opened_at: number | null;
    readonly until: number | null;
  }>('SELECT destination, failures, reason, opened_at, until FROM breakers ORDER BY destination');
  return {
    *breakers(now: Date): Script<readonly BreakerRow[]> {
      return (yield* all.all()).map(({ destination, failures, reason, opened_at: openedAt, until }) => ({
        destination,
        state: until === null ? 'closed' : until <= now.getTime() ? 'half-open' : 'open',
        failures,
        reason,
        ...(openedAt === null ? {} : { openedAt: new Date(openedAt).toISOString() }),
        ...(until === null ? {} : { until: new Date(until).toISOString() }),
      }));
    },
  };
}
