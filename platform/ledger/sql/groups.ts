/** Where each group of the embedded bus stands, and the events it could not handle yet. */
import { groupLease } from '../../../core/ledger/replicas.ts';
import type { Stream } from '../../../core/streams.ts';
import type { Database, Script } from './script.ts';

export function groupWrites(db: Database) {
  const open = db.query(
    `INSERT INTO groups (group_name, position) VALUES (?, CASE WHEN ? = 'latest' THEN (SELECT coalesce(max(position), 0) FROM events) ELSE 0 END)
     ON CONFLICT DO NOTHING`,
  );
  const position = db.query<{ position: number }>('SELECT position FROM groups WHERE group_name = ?');
  const commit = db.query(
    'INSERT INTO groups (group_name, position) VALUES (?, ?) ON CONFLICT (group_name) DO UPDATE SET position = excluded.position',
  );
  const park = db.query(
    `INSERT INTO parked_events (group_name, position, due_at, reason, attempts) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (group_name, position) DO UPDATE SET due_at = excluded.due_at, reason = excluded.reason, attempts = excluded.attempts`,
  );
  const unpark = db.query('DELETE FROM parked_events WHERE group_name = ? AND position = ?');
  const unparkFrom = db.query('DELETE FROM parked_events WHERE group_name = ? AND position >= ?');
  const fenceOff = db.query('UPDATE leases SET fence = fence + 1 WHERE name = ?');
  // Locked: who takes the lease meanwhile waits for what is written here, and then finds it.
  const held = db.query<{ fence: number }>(
    `SELECT fence FROM leases WHERE name = ? AND fence = ?${db.dialect.forUpdate}`,
  );
  /** Does it while the fence is the group's. @returns whether it was */
  const fenced = function* (group: string, fence: number | undefined, write: () => Script<void>): Script<boolean> {
    if (fence !== undefined && (yield* held.get(groupLease(group), fence)) === undefined) return false;
    yield* write();
    return true;
  };

  return {
    *open(_now: Date, group: string, from: 'earliest' | 'latest'): Script<number> {
      yield* open.send(group, from);
      return (yield* position.get(group))?.position ?? 0;
    },
    commit: (_now: Date, group: string, to: number, fence?: number): Script<boolean> =>
      fenced(group, fence, function* () {
        yield* commit.send(group, to);
      }),
    park: (
      _now: Date,
      group: string,
      at: number,
      dueAt: Date,
      reason: string,
      attempts: number,
      fence?: number,
    ): Script<boolean> =>
      fenced(group, fence, function* () {
        yield* park.send(group, at, dueAt.getTime(), reason, attempts);
      }),
    unpark: (_now: Date, group: string, at: number, fence?: number): Script<boolean> =>
      fenced(group, fence, function* () {
        yield* unpark.send(group, at);
      }),
    *rewind(_now: Date, group: string, to: number): Script<void> {
      yield* fenceOff.send(groupLease(group));
      yield* commit.send(group, to - 1);
      yield* unparkFrom.send(group, to);
    },
  };
}

interface ParkedEvent {
  readonly position: number;
  readonly key: string;
  readonly attempts: number;
  readonly dueAt: Date;
}

export interface GroupLag {
  readonly group: string;
  readonly stream: Stream;
  readonly events: number;
  readonly seconds: number;
  readonly parkedKeys: number;
}

export function groupReads(db: Database) {
  const parked = db.query<{ position: number; key: string; attempts: number; due_at: number }>(
    `SELECT position, key, attempts, due_at FROM parked_events JOIN events USING (position)
     WHERE group_name = ? ORDER BY position`,
  );
  const ahead = db.query<{ events: number; first: number | null }>(
    `SELECT count(*) AS events, min(position) AS first FROM events
     WHERE stream = ? AND position > coalesce((SELECT position FROM groups WHERE group_name = ?), 0)`,
  );
  // An event may be parked and, after a step back, ahead as well: it is counted once.
  const behind = db.query<{ events: number; first: number | null; keys: number }>(
    `SELECT count(*) FILTER (WHERE p.position <= g.position) AS events, min(p.position) AS first,
            count(DISTINCT e.key) AS keys
     FROM parked_events p JOIN groups g USING (group_name) JOIN events e ON e.position = p.position
     WHERE p.group_name = ? AND e.stream = ?`,
  );
  const timeOf = db.query<{ time: string }>('SELECT time FROM events WHERE position = ?');
  const held = db.query<{ fence: number }>('SELECT fence FROM leases WHERE name = ? AND fence = ?');

  return {
    *parked(group: string): Script<readonly ParkedEvent[]> {
      return (yield* parked.all(group)).map((row) => ({
        position: row.position,
        key: row.key,
        attempts: row.attempts,
        dueAt: new Date(row.due_at),
      }));
    },
    *holds(group: string, fence: number): Script<boolean> {
      return (yield* held.get(groupLease(group), fence)) !== undefined;
    },
    *lag(
      now: Date,
      groups: readonly { readonly group: string; readonly streams: readonly Stream[] }[],
    ): Script<readonly GroupLag[]> {
      const lags: GroupLag[] = [];
      for (const { group, stream } of groups.flatMap(({ group: name, streams }) =>
        streams.map((each) => ({ group: name, stream: each })),
      )) {
        const next = yield* ahead.get(stream, group);
        const waiting = yield* behind.get(group, stream);
        const oldest = Math.min(next?.first ?? Infinity, waiting?.first ?? Infinity);
        const since = oldest === Infinity ? undefined : (yield* timeOf.get(oldest))?.time;
        lags.push({
          group,
          stream,
          events: (next?.events ?? 0) + (waiting?.events ?? 0),
          seconds: since === undefined ? 0 : Math.max(0, now.getTime() - Date.parse(since)) / 1000,
          parkedKeys: waiting?.keys ?? 0,
        });
      }
      return lags;
    },
  };
}
