/** What may have one owner among replicas: names held for a time, and fences that tell an owner that it is one no more. */
import type { Database, Script } from './script.ts';

export function leaseWrites(db: Database) {
  // Its own name again is a new lease too: whoever held it in that process before is fenced off.
  const acquire = db.query<{ fence: number }>(
    `INSERT INTO leases (name, owner, fence, until) VALUES (?, ?, 1, ?)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = leases.fence + 1, until = excluded.until
       WHERE leases.until <= ? OR leases.owner = excluded.owner
     RETURNING fence`,
  );
  // One that ran out and that nobody took since is still its owner's.
  const renew = db.query('UPDATE leases SET until = ? WHERE name = ? AND fence = ?');
  const release = db.query('UPDATE leases SET until = 0 WHERE name = ? AND fence = ?');

  return {
    *acquire(_now: Date, name: string, owner: string, leaseMs: number, at: Date): Script<number | undefined> {
      return (yield* acquire.get(name, owner, at.getTime() + leaseMs, at.getTime()))?.fence;
    },
    *renew(_now: Date, name: string, fence: number, leaseMs: number, at: Date): Script<boolean> {
      return (yield* renew.run(at.getTime() + leaseMs, name, fence)) === 1;
    },
    *release(_now: Date, name: string, fence: number): Script<boolean> {
      return (yield* release.run(name, fence)) === 1;
    },
  };
}

export function leaseReads(db: Database) {
  const held = db.query<{ name: string }>('SELECT name FROM leases WHERE until > ? ORDER BY name');
  return {
    /** They are few: a handful for each replica. */
    *held(prefix: string, at: Date): Script<readonly string[]> {
      return (yield* held.all(at.getTime())).map(({ name }) => name).filter((name) => name.startsWith(prefix));
    },
  };
}
