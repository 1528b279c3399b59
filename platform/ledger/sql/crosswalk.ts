/** The crosswalk's rows: sealed parts, and the keyed digests of UIDs they are found by. Rows are added and stay. */
import {
  CROSSWALK_KINDS,
  type CrosswalkAnswer,
  type CrosswalkHit,
  type CrosswalkPart,
} from '../../../core/ledger/crosswalk.ts';
import type { Database, Script } from './script.ts';

/** A UID that many studies have in common (a device's) is in as many parts: the latest of each kind are enough. */
const MAX_PARTS_OF_KEY = 32;

/** Adds the parts of a step's result, in the transaction that takes it. */
export function crosswalkWriter(db: Database) {
  const insertPart = db.query<{ part: number }>(
    `INSERT INTO crosswalk_parts (part_key, study, sealed) SELECT CAST(? AS TEXT), study, CAST(? AS TEXT) FROM runs WHERE run = ?
     ON CONFLICT (part_key) DO NOTHING RETURNING part`,
  );
  const insertKeys = db.query(
    `INSERT INTO crosswalk_uids (uid_key, kind, part)
     SELECT each.value, CAST(? AS INTEGER), CAST(? AS BIGINT) FROM (${db.dialect.valuesOf('?')}) AS each WHERE true
     ON CONFLICT DO NOTHING`,
  );

  return function* (run: number, parts: readonly CrosswalkPart[]): Script<void> {
    for (const { partKey, sealed, keys } of parts) {
      const row = yield* insertPart.get(partKey, sealed, run);
      // It is there, and so are its keys: both came in one transaction.
      if (row === undefined) continue;
      for (const { kind, uidKeys } of keys)
        yield* insertKeys.send(CROSSWALK_KINDS.indexOf(kind), row.part, JSON.stringify(uidKeys));
    }
  };
}

export function crosswalkReads(db: Database) {
  const hits = db.query<{ kind: number; part: number }>(
    `SELECT kind, part FROM crosswalk_uids WHERE uid_key = ? ORDER BY kind, part DESC LIMIT ${String(MAX_PARTS_OF_KEY)}`,
  );
  const part = db.query<{ part_key: string; sealed: string }>(
    'SELECT part_key, sealed FROM crosswalk_parts WHERE part = ?',
  );
  const received = db.query<{ found: 1 }>(
    `SELECT 1 AS found FROM instances WHERE sop_instance_uid = ? UNION SELECT 1 FROM series WHERE series_instance_uid = ?
     UNION SELECT 1 FROM superseded_instances WHERE sop_instance_uid = ?`,
  );

  return {
    *find(uidKeys: readonly string[]): Script<CrosswalkAnswer> {
      const found: CrosswalkHit[] = [];
      for (const uidKey of uidKeys)
        for (const row of yield* hits.all(uidKey)) {
          const kind = CROSSWALK_KINDS[row.kind];
          if (kind !== undefined) found.push({ uidKey, kind, part: row.part });
        }
      const parts: CrosswalkAnswer['parts'][number][] = [];
      for (const number of new Set(found.map((hit) => hit.part))) {
        const row = yield* part.get(number);
        if (row !== undefined) parts.push({ part: number, partKey: row.part_key, sealed: row.sealed });
      }
      return { hits: found, parts };
    },
    *received(uids: readonly string[]): Script<readonly string[]> {
      const known: string[] = [];
      for (const uid of uids) if ((yield* received.get(uid, uid, uid)) !== undefined) known.push(uid);
      return known;
    },
  };
}
