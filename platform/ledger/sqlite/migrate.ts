import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compareVersion, MIGRATIONS_TABLE, migrationsIn } from '../migrations.ts';
import type { Database } from './driver.ts';

const FOLDER = join(import.meta.dirname, 'migrations');

/**
 * Brings the ledger to the newest version, each step in a transaction of its own with its number, so that a crash in
 * between is resumed at the step that was cut off.
 *
 * @param folder - where the steps are
 * @throws {HubError} `ledger.newer` when a later version of the hub wrote the file
 */
export function migrate(db: Database, file: string, folder = FOLDER): void {
  const count = db.query<{ user_version: number }>('PRAGMA user_version').get()?.user_version ?? 0;
  const numbers = numbersIn(db);
  const { applied, missing } = compareVersion(migrationsIn(folder), { count, numbers });
  if (numbers === undefined) {
    db.exec('BEGIN IMMEDIATE');
    db.exec(`CREATE TABLE ${MIGRATIONS_TABLE} (number INTEGER PRIMARY KEY) STRICT`);
    for (const number of applied) note(db, number);
    db.exec('COMMIT');
  }
  for (const [index, { number, file: name }] of missing.entries()) {
    db.exec('BEGIN IMMEDIATE');
    db.exec(readFileSync(join(folder, name), 'utf8'));
    note(db, number);
    db.exec(`PRAGMA user_version = ${applied.length + index + 1}`);
    db.exec('COMMIT');
  }
  // A new file's name must survive the power plug too, or every acknowledged row in it is lost with the name.
  const parent = openSync(dirname(file), 'r');
  fsyncSync(parent);
  closeSync(parent);
}

function numbersIn(db: Database): readonly number[] | undefined {
  const isThere = db.query<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?");
  if (isThere.get(MIGRATIONS_TABLE) === undefined) return undefined;
  const rows = db.query<{ number: number }>(`SELECT number FROM ${MIGRATIONS_TABLE}`).all();
  return rows.map(({ number }) => number);
}

function note(db: Database, number: number): void {
  db.query(`INSERT INTO ${MIGRATIONS_TABLE} (number) VALUES (?)`).run(number);
}
