/** The tables of a ledger in an order in which their references hold, and how rows of the one side and the other are told apart. */
import { createHash } from 'node:crypto';

export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;

export interface MovedTable {
  readonly name: string;
  /** Tells its rows apart, and is what they are ordered by. */
  readonly key: readonly string[];
}

/** One side of a move. */
export interface RowSide {
  /** Ordered by the key, from behind `after` on. */
  page(table: MovedTable, after: readonly Value[] | undefined, limit: number): Promise<readonly Row[]>;
}

/** What a row of the source is in the target. */
export type RowMap = (table: string, row: Row) => Row;

/** All of them: a table that is not here stops a move before it begins. */
export const MOVED_TABLES: readonly MovedTable[] = [
  { name: 'studies', key: ['study'] },
  { name: 'accepted_patients', key: ['study', 'patient_digest'] },
  { name: 'study_headers', key: ['study'] },
  { name: 'series', key: ['series'] },
  { name: 'series_headers', key: ['series'] },
  { name: 'instances', key: ['instance'] },
  { name: 'superseded_instances', key: ['entry'] },
  { name: 'spool_positions', key: ['node', 'segment'] },
  { name: 'runs', key: ['run'] },
  { name: 'run_items', key: ['run'] },
  { name: 'jobs', key: ['job'] },
  { name: 'job_attempts', key: ['job', 'attempt'] },
  { name: 'deliveries', key: ['delivery'] },
  { name: 'delivery_attempts', key: ['entry'] },
  { name: 'delivered_instances', key: ['delivery', 'sop_instance_uid'] },
  { name: 'asked_commitments', key: ['asked'] },
  { name: 'breakers', key: ['destination'] },
  { name: 'quarantine', key: ['entry'] },
  { name: 'quarantine_items', key: ['item'] },
  { name: 'held_results', key: ['entry'] },
  { name: 'events', key: ['position'] },
  { name: 'inbox', key: ['group_name', 'event_id'] },
  { name: 'groups', key: ['group_name'] },
  { name: 'parked_events', key: ['group_name', 'position'] },
  { name: 'tokens', key: ['token_id'] },
  { name: 'partners', key: ['partner'] },
  { name: 'partner_grants', key: ['partner'] },
  { name: 'partner_changes', key: ['entry'] },
  { name: 'partner_releases', key: ['release'] },
  { name: 'webhooks', key: ['webhook'] },
  { name: 'webhook_secrets', key: ['secret'] },
  { name: 'webhook_messages', key: ['message'] },
  { name: 'webhook_attempts', key: ['entry'] },
  { name: 'commitments', key: ['commitment'] },
  { name: 'commitment_items', key: ['commitment', 'item'] },
  { name: 'commitment_attempts', key: ['entry'] },
  { name: 'completion', key: ['study_instance_uid'] },
  { name: 'expired_studies', key: ['study'] },
  // It has no key of its own. An instance's number belongs to one series and revision, whenever it expired.
  { name: 'expired_series', key: ['study', 'series', 'revision', 'first_instance', 'first_received_at'] },
  { name: 'expired_runs', key: ['run'] },
  { name: 'rejected_copies', key: ['sop_instance_uid', 'data_set_sha256'] },
  { name: 'qc_history', key: ['entry'] },
  { name: 'configuration_versions', key: ['version'] },
  { name: 'configuration_activations', key: ['entry'] },
  { name: 'crosswalk_parts', key: ['part'] },
  { name: 'crosswalk_uids', key: ['uid_key', 'kind', 'part'] },
  { name: 'leases', key: ['name'] },
  { name: 'key_fingerprints', key: ['purpose'] },
  { name: 'pull_states', key: ['pull'] },
  { name: 'pull_runs', key: ['pull_run'] },
  { name: 'pull_questions', key: ['question'] },
  { name: 'pull_studies', key: ['entry'] },
];

/** Working sets are long texts; other rows are short. */
export const pageRows = ({ name }: MovedTable): number => (name === 'run_items' || name === 'held_results' ? 20 : 500);

export function keyOf({ key }: MovedTable, row: Row): readonly Value[] {
  return key.map((column) => row[column] ?? null);
}

export interface TableDigest {
  readonly rows: number;
  readonly sha256: string;
}

/**
 * Reads a table from its first row on and digests what its rows say, in the order of their keys: two sides with the same
 * digest have the same rows.
 *
 * @param until - the last key that counts; absent: all
 */
export async function digestTable(
  side: RowSide,
  table: MovedTable,
  { map = (_, row) => row, until, signal }: { map?: RowMap; until?: string | undefined; signal?: AbortSignal } = {},
): Promise<TableDigest> {
  const hash = createHash('sha256');
  let rows = 0;
  for await (const row of rowsOf(side, table, signal)) {
    const mapped = map(table.name, row);
    hash.update(JSON.stringify(Object.entries(mapped).toSorted(([one], [other]) => (one < other ? -1 : 1))));
    rows += 1;
    if (until !== undefined && JSON.stringify(keyOf(table, row)) === until) break;
  }
  return { rows, sha256: hash.digest('hex') };
}

/** All rows of a table, a page at a time. */
export async function* rowsOf(side: RowSide, table: MovedTable, signal?: AbortSignal): AsyncGenerator<Row> {
  let after: readonly Value[] | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const page = await side.page(table, after, pageRows(table));
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageRows(table)) return;
    after = keyOf(table, last);
  }
}

/** The statement for a page, as both databases understand it: compared as a tuple, in the order of the bytes of text. */
export function pageSql({ name, key }: MovedTable, isFirst: boolean, limit: number): string {
  const keys = key.join(', ');
  const where = isFirst ? '' : ` WHERE (${keys}) > (${key.map(() => '?').join(', ')})`;
  return `SELECT * FROM ${name}${where} ORDER BY ${keys} LIMIT ${String(limit)}`;
}
