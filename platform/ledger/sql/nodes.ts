/**
 * Whose a study or a storage commitment is: that of the replica that received of it last, as long as it has its lease.
 * Only there it is known what waits in its spool, and which associations are open.
 */
import { nodeLease, type Whose } from '../../../core/ledger/replicas.ts';
import type { Database, Parameter, Script } from './script.ts';

/** The rows of `table` that are meant; `?` four times, for `parametersOf`. */
export function ofNode(table: string): string {
  return `(CAST(? AS BIGINT) = 1 OR ${table}.node = ? OR (CAST(? AS BIGINT) >= 0 AND NOT EXISTS (
           SELECT 1 FROM leases l WHERE l.name = '${nodeLease('')}' || ${table}.node AND l.until > ?)))`;
}

/** @param whose - undefined: everybody's */
export function parametersOf({ node }: Pick<Database, 'node'>, whose: Whose | undefined): readonly Parameter[] {
  const abandonedAtMs = whose?.abandonedAt?.getTime() ?? -1;
  return [whose === undefined ? 1 : 0, node, abandonedAtMs, abandonedAtMs];
}

/** Not of a key, but what the ledger itself is known by: the first to ask says it. */
const LEDGER = 'ledger';

export function keyWrites(db: Database) {
  const insert = db.query(
    'INSERT INTO key_fingerprints (purpose, fingerprint) VALUES (?, ?) ON CONFLICT (purpose) DO NOTHING',
  );
  const put = db.query(
    'INSERT INTO key_fingerprints (purpose, fingerprint) VALUES (?, ?) ' +
      'ON CONFLICT (purpose) DO UPDATE SET fingerprint = excluded.fingerprint',
  );
  const find = db.query<{ fingerprint: string }>('SELECT fingerprint FROM key_fingerprints WHERE purpose = ?');
  return {
    *identity(_now: Date, proposed: string): Script<string> {
      yield* insert.send(LEDGER, proposed);
      return (yield* find.get(LEDGER))?.fingerprint ?? proposed;
    },
    *agree(_now: Date, purpose: string, fingerprint: string): Script<string> {
      yield* insert.send(purpose, fingerprint);
      return (yield* find.get(purpose))?.fingerprint ?? fingerprint;
    },
    *replace(_now: Date, purpose: string, fingerprint: string): Script<void> {
      yield* put.send(purpose, fingerprint);
    },
  };
}
