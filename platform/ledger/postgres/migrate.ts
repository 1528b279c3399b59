/** Numbered migrations, as for SQLite: the same number is the same ledger. A published one is never changed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HubError } from '../../../core/errors.ts';
import type { Connection } from './connection.ts';

const FOLDER = join(import.meta.dirname, 'migrations');
/** Any number, as long as all hubs take the same. */
const MIGRATION_LOCK = 4_846_147;
/** Of a ledger whose rows are still on their way into the database: no hub may begin on half of it. */
export const MOVING_VERSION = 999_999;

/**
 * Brings the ledger to the newest version, in one transaction: replicas that start together do it one after the other,
 * and the later ones find nothing to do.
 *
 * @throws {HubError} `ledger.newer` when a later version of the hub has been here, `ledger.moving`
 */
export async function migrate({ client }: Pick<Connection, 'client'>): Promise<void> {
  const migrations = readdirSync(FOLDER)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .toSorted();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT pg_advisory_xact_lock(${String(MIGRATION_LOCK)})`);
    await client.query('CREATE TABLE IF NOT EXISTS ledger_version (version INTEGER NOT NULL)');
    const { rows } = await client.query<{ version: number | null }>(
      'SELECT max(version) AS version FROM ledger_version',
    );
    const version = rows[0]?.version ?? 0;
    if (version === MOVING_VERSION) throw new HubError('ledger.moving');
    if (version > migrations.length) throw new HubError('ledger.newer', { version, newestKnown: migrations.length });
    for (const name of migrations.slice(version)) await client.query(readFileSync(join(FOLDER, name), 'utf8'));
    if (version < migrations.length) {
      await client.query('DELETE FROM ledger_version');
      await client.query('INSERT INTO ledger_version (version) VALUES ($1)', [migrations.length]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
