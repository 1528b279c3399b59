/**
 * The database that a ledger is moved to. Until it is whole its version is one that no hub opens; which ledger it is,
 * and how far each table has come, stands in tables of its own and changes with the rows.
 */
import { HubError } from '../../../core/errors.ts';
import { connect, type Connection, type PostgresServer, requireSuitable } from '../postgres/connection.ts';
import { translate } from '../postgres/failures.ts';
import { migrate, MOVING_VERSION } from '../postgres/migrate.ts';
import { keyOf, MOVED_TABLES, type MovedTable, pageSql, type Row, type RowSide } from './tables.ts';

/** `finished`: with the highest position of the log that was moved. */
export type TargetState =
  { readonly kind: 'empty' | 'begun' } | { readonly kind: 'finished'; readonly head: number; readonly at: string };

export interface MoveTarget extends RowSide {
  /** @throws {HubError} `move.refused` when something else is in it */
  state(): Promise<TargetState>;
  /** Makes the tables, if it is empty, and marks them. Harmless when it was begun. */
  begin(): Promise<void>;
  /** The last key of the source whose row is there, as JSON; undefined: nothing yet. */
  progress(): Promise<ReadonlyMap<string, string>>;
  /** Rows and how far they go, in one transaction. @param last - the last of them in the source */
  insert(table: MovedTable, rows: readonly Row[], last: Row): Promise<void>;
  /** Takes away all rows, for the source has changed since they were copied. */
  startOver(): Promise<void>;
  /** Sets the sequences and lets hubs in. @param head - the highest position that the log ever had */
  finish(head: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param identity - of the hub that is moved
 * @throws {HubError} `ledger.unreachable`, `ledger.denied`, `ledger.unsuitable`
 */
export async function openMoveTarget(server: PostgresServer, identity: string): Promise<MoveTarget> {
  const connection = await connect(server);
  try {
    await requireSuitable(connection);
  } catch (error) {
    await connection.end();
    throw translate(error);
  }
  const target = moveTarget(connection, identity);
  return Object.fromEntries(
    Object.entries(target).map(([name, method]) => [
      name,
      inOurWords(method as (...args: never[]) => Promise<unknown>),
    ]),
  ) as unknown as MoveTarget;
}

/** What the server says never quotes a row. */
function inOurWords<Args extends never[]>(method: (...args: Args) => Promise<unknown>) {
  return async (...args: Args) => {
    try {
      return await method(...args);
    } catch (error) {
      throw translate(error);
    }
  };
}

function moveTarget(connection: Connection, identity: string): MoveTarget {
  const { client } = connection;
  const ask = async <R extends object>(sql: string, values: readonly unknown[] = []) => {
    const { rows } = await client.query<R & Record<string, unknown>>(sql, [...values]);
    return rows;
  };
  const transaction = async (work: () => Promise<void>) => {
    await client.query('BEGIN; SET LOCAL synchronous_commit = on');
    try {
      await work();
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  };
  const isThere = async (table: string) =>
    (await ask<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [table]))[0]?.found !== null;
  const types = new Map<string, ReadonlyMap<string, string>>();
  const columnsOf = async ({ name }: MovedTable) => {
    const known = types.get(name);
    if (known !== undefined) return known;
    const rows = await ask<{ column: string; type: string }>(
      `SELECT attname AS column, format_type(atttypid, atttypmod) AS type FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
      [name],
    );
    const found = new Map(rows.map(({ column, type }) => [column, type]));
    types.set(name, found);
    return found;
  };

  return {
    page: async (table, after, limit) => {
      let n = 0;
      const sql = pageSql(table, after === undefined, limit).replaceAll('?', () => `$${String((n += 1))}`);
      return await ask<Row>(sql, after ?? []);
    },
    state: async () => {
      if (await isThere('ledger_move')) {
        const [mark] = await ask<{ identity: string; finished_at: string | null; head: number | null }>(
          'SELECT identity, finished_at, head FROM ledger_move',
        );
        if (mark?.identity !== identity) throw taken('another hub was moved to it, or is being moved');
        return mark.finished_at === null
          ? { kind: 'begun' }
          : { kind: 'finished', head: mark.head ?? 0, at: mark.finished_at };
      }
      for (const { name } of MOVED_TABLES) {
        if (!(await isThere(name))) continue;
        if ((await ask(`SELECT 1 AS found FROM ${name} LIMIT 1`)).length > 0) throw taken(`table ${name} has rows`);
      }
      return { kind: 'empty' };
    },
    begin: async () => {
      if (await isThere('ledger_move')) return;
      await migrate(connection);
      await transaction(async () => {
        await client.query(
          'CREATE TABLE ledger_move (identity TEXT NOT NULL, began_at TEXT NOT NULL, finished_at TEXT, head BIGINT)',
        );
        await client.query('CREATE TABLE ledger_move_tables (name TEXT PRIMARY KEY, last_key TEXT NOT NULL)');
        await ask('INSERT INTO ledger_move (identity, began_at) VALUES ($1, $2)', [identity, new Date().toISOString()]);
        // A hub that is started on half a ledger would go on from it.
        await client.query('ALTER TABLE ledger_version ADD COLUMN before_move INTEGER');
        await ask('UPDATE ledger_version SET before_move = version, version = $1', [MOVING_VERSION]);
      });
    },
    progress: async () => {
      const rows = await ask<{ name: string; last_key: string }>('SELECT name, last_key FROM ledger_move_tables');
      return new Map(rows.map(({ name, last_key: last }) => [name, last]));
    },
    insert: async (table, rows, last) => {
      const columns = await columnsOf(table);
      const names = Object.keys(rows[0] ?? {});
      const odd = names.filter((name) => !columns.has(name));
      if (odd.length > 0) throw new TypeError(`${table.name} has no ${odd.join(', ')} in PostgreSQL`);
      const arrays = names.map((name, n) => `$${String(n + 1)}::${columns.get(name) ?? ''}[]`);
      await transaction(async () => {
        await ask(
          `INSERT INTO ${table.name} (${names.join(', ')}) SELECT * FROM unnest(${arrays.join(', ')})`,
          names.map((name) => rows.map((row) => row[name])),
        );
        await ask(
          `INSERT INTO ledger_move_tables VALUES ($1, $2)
           ON CONFLICT (name) DO UPDATE SET last_key = excluded.last_key`,
          [table.name, JSON.stringify(keyOf(table, last))],
        );
      });
    },
    startOver: () =>
      transaction(async () => {
        await client.query(`TRUNCATE ${MOVED_TABLES.map(({ name }) => name).join(', ')}, ledger_move_tables`);
      }),
    finish: async (head) => {
      await transaction(async () => {
        const identities = await ask<{ table: string; column: string }>(
          `SELECT attrelid::regclass::text AS "table", attname AS column FROM pg_attribute
           WHERE attidentity <> '' AND attrelid = ANY ($1::regclass[])`,
          [MOVED_TABLES.map(({ name }) => name)],
        );
        for (const { table, column } of identities) {
          // A position is never used twice, also not one whose event is gone.
          const least = table === 'events' ? head : 0;
          await client.query(
            `SELECT setval(pg_get_serial_sequence('${table}', '${column}'), top, true)
             FROM (SELECT greatest(max(${column}), ${String(least)}) AS top FROM ${table}) AS highest WHERE top > 0`,
          );
        }
        await client.query('UPDATE ledger_version SET version = before_move');
        await client.query('ALTER TABLE ledger_version DROP COLUMN before_move');
        await client.query('DROP TABLE ledger_move_tables');
        await ask('UPDATE ledger_move SET finished_at = $1, head = $2', [new Date().toISOString(), head]);
      });
      // What it asks from the first minute on goes by what it knows of the tables.
      await client.query('ANALYZE').catch(() => undefined);
    },
    close: () => connection.end(),
  };
}

function taken(what: string): HubError {
  return new HubError('move.refused', {
    detail: `the database of the target is not empty: ${what}. Name an empty one, or remove by hand what is in it`,
  });
}
