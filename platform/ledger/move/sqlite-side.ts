/** The ledger that is moved: its rows, and what becomes of its file. The caller has it alone for as long as this is open. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { HubError } from '../../../core/errors.ts';
import { syncFolder } from '../../sync-folder.ts';
import { type Database, lockExclusively, openDatabase } from '../sqlite/driver.ts';
import { MIGRATIONS_TABLE } from '../migrations.ts';
import { migrate } from '../sqlite/migrate.ts';
import { MOVED_TABLES, type MovedTable, pageSql, type Row, type RowMap, type RowSide, rowsOf } from './tables.ts';

export interface MovedLedger extends RowSide {
  readonly count: (table: MovedTable) => number;
  /** The highest position that the log of facts ever had. */
  readonly head: () => number;
  /** Puts rows in the place of those that the map changes, all of them or none. @returns how many */
  rewrite(map: RowMap): Promise<number>;
  /** Closes it and gives its file another name, beside it: no hub takes it for its ledger any more. @returns the name */
  putAside(): Promise<string>;
  close(): void;
}

/**
 * @param file - must be there
 * @param isOnlyLooked - nothing is changed, not even the version of an older ledger
 * @throws {HubError} `ledger.locked` while a hub runs on it, `ledger.newer`, `store.failed`
 */
export function openMovedLedger(file: string, isOnlyLooked: boolean): MovedLedger {
  const release = lockExclusively(`${file}.lock`);
  let isLocked = true;
  const unlock = () => {
    if (isLocked) release();
    isLocked = false;
  };
  let db: Database | undefined;
  try {
    db = openDatabase(file, isOnlyLooked ? 'read' : 'write');
    if (!isOnlyLooked) migrate(db, file);
    requireKnownTables(db);
    return movedLedger(db, file, unlock);
  } catch (error) {
    db?.close();
    unlock();
    throw error;
  }
}

async function finishPuttingAside(file: string, aside: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(`${file}${suffix}`)) await rename(`${file}${suffix}`, `${aside}${suffix}`);
  }
  await syncFolder(dirname(file));
}

function movedLedger(db: Database, file: string, unlock: () => void): MovedLedger {
  const side: RowSide = {
    page: (table, after, limit) => {
      const rows = db.query<Row>(pageSql(table, after === undefined, limit)).all(...bound(after ?? []));
      return Promise.resolve(rows.map(withoutNul));
    },
  };
  const close = () => {
    db.close();
    unlock();
  };
  return {
    ...side,
    count: ({ name }) => db.query<{ rows: number }>(`SELECT count(*) AS rows FROM ${name}`).get()?.rows ?? 0,
    head: () => db.query<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get()?.seq ?? 0,
    rewrite: (map) => rewrite(db, side, map),
    putAside: async () => {
      // What the log beside it holds goes into the file: one file is harder to lose than three.
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      db.close();
      const aside = `${file}.moved`;
      for (const suffix of ['', '-wal', '-shm']) await rm(`${aside}${suffix}`, { force: true });
      await finishPuttingAside(file, aside);
      unlock();
      return basename(aside);
    },
    close,
  };
}

/** One transaction: a crash leaves the ledger as it was, or as it will be. */
async function rewrite(db: Database, side: RowSide, map: RowMap): Promise<number> {
  let changed = 0;
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const table of MOVED_TABLES) {
      for await (const row of rowsOf(side, table)) {
        const mapped = map(table.name, row);
        const columns = Object.keys(row).filter((column) => row[column] !== mapped[column]);
        if (columns.length === 0) continue;
        const sets = columns.map((column) => `${column} = ?`).join(', ');
        const where = table.key.map((column) => `${column} = ?`).join(' AND ');
        const values = [...columns.map((column) => mapped[column]), ...table.key.map((column) => row[column])];
        changed += db.query(`UPDATE ${table.name} SET ${sets} WHERE ${where}`).run(...bound(values));
      }
    }
    db.exec('COMMIT');
    return changed;
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** A table that this does not know would be left behind without a word. */
function requireKnownTables(db: Database): void {
  const known = new Set(MOVED_TABLES.map(({ name }) => name));
  const there = db
    .query<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .all()
    .map(({ name }) => name)
    .filter((name) => name !== MIGRATIONS_TABLE);
  const odd = there.filter((name) => !known.has(name));
  const missing = [...known].filter((name) => !there.includes(name));
  if (odd.length + missing.length === 0) return;
  const detail =
    missing.length > 0
      ? 'the ledger is of an older version: start this version of the hub once on it, and stop it'
      : `the ledger has tables that are not of this version: ${odd.join(', ')}`;
  throw new HubError('move.refused', { detail });
}

const bound = (values: readonly (Value | undefined)[]) => values.map((value) => value ?? undefined);
type Value = Row[string];

/** PostgreSQL's text holds no NUL, which no value of DICOM means; the hub itself writes it there like this. */
function withoutNul(row: Row): Row {
  const entries = Object.entries(row);
  if (!entries.some(([, value]) => typeof value === 'string' && value.includes('\0'))) return { ...row };
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value.replaceAll('\0', '\u{fffd}') : value]),
  );
}
