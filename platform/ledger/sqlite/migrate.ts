/** Numbered migrations: `0001-….sql` brings an empty file to version 1, and so on. A published one is never changed. */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HubError } from '../../../core/errors.ts';
import type { Database } from './driver.ts';

const FOLDER = join(import.meta.dirname, 'migrations');

/**
 * Brings the ledger to the newest version, each step in a transaction of its own with its number, so that a crash in
 * between is resumed at the step that was cut off.
 *
 * @throws {HubError} `ledger.newer` when a later version of the hub wrote the file
 */
export function migrate(db: Database, file: string): void {
  const migrations = readdirSync(FOLDER)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .toSorted();
  const version = db.query<{ user_version: number }>('PRAGMA user_version').get()?.user_version ?? 0;
  if (version > migrations.length) {
    throw new HubError('ledger.newer', { version, newestKnown: migrations.length });
  }

  for (const [index, name] of migrations.entries()) {
    if (index < version) continue;
    db.exec('BEGIN IMMEDIATE');
    db.exec(readFileSync(join(FOLDER, name), 'utf8'));
    db.exec(`PRAGMA user_version = ${index + 1}`);
    db.exec('COMMIT');
  }
  // A new file's name must survive the power plug too, or every acknowledged row in it is lost with the name.
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
}
