import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HubError } from '../../../core/errors.ts';
import { compareVersion, MIGRATIONS_TABLE, migrationsIn } from '../migrations.ts';
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
 * @param folder - where the steps are
 * @throws {HubError} `ledger.newer` when a later version of the hub has been here, `ledger.moving`
 */
export async function migrate({ client }: Pick<Connection, 'client'>, folder = FOLDER): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(`SELECT pg_advisory_xact_lock(${String(MIGRATION_LOCK)})`);
    await client.query('CREATE TABLE IF NOT EXISTS ledger_version (version INTEGER NOT NULL)');
    const { rows } = await client.query<{ version: number | null }>(
      'SELECT max(version) AS version FROM ledger_version',
    );
    const count = rows[0]?.version ?? 0;
    if (count === MOVING_VERSION) throw new HubError('ledger.moving');
    const numbers = await numbersIn(client);
    const { applied, missing } = compareVersion(migrationsIn(folder), { count, numbers });
    if (numbers === undefined) {
      await client.query(`CREATE TABLE ${MIGRATIONS_TABLE} (number INTEGER PRIMARY KEY)`);
      await note(client, applied);
    }
    for (const { file } of missing) await client.query(readFileSync(join(folder, file), 'utf8'));
    if (missing.length > 0) {
      await note(
        client,
        missing.map(({ number }) => number),
      );
      await client.query('DELETE FROM ledger_version');
      await client.query('INSERT INTO ledger_version (version) VALUES ($1)', [applied.length + missing.length]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function numbersIn(client: Connection['client']): Promise<readonly number[] | undefined> {
  const { rows } = await client.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
    MIGRATIONS_TABLE,
  ]);
  if (typeof rows[0]?.found !== 'string') return undefined;
  const kept = await client.query<{ number: number }>(`SELECT number FROM ${MIGRATIONS_TABLE}`);
  return kept.rows.map(({ number }) => number);
}

async function note(client: Connection['client'], numbers: readonly number[]): Promise<void> {
  await client.query(`INSERT INTO ${MIGRATIONS_TABLE} (number) SELECT unnest($1::int[])`, [numbers]);
}
