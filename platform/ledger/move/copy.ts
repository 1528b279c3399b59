/** Copies a ledger's rows from where an earlier attempt ended, and compares both sides when it is done. */
import { HubError } from '../../../core/errors.ts';
import type { MoveTarget } from './postgres-side.ts';
import {
  digestTable,
  MOVED_TABLES,
  pageRows,
  type RowMap,
  type RowSide,
  type TableDigest,
  type Value,
} from './tables.ts';

export interface CopyOptions {
  readonly source: RowSide;
  readonly target: MoveTarget;
  readonly map: RowMap;
  readonly signal: AbortSignal;
  /** Rows more that are there. */
  readonly onRows: (table: string, rows: number) => void;
  /** The source is another one than it was when an earlier attempt copied from it. */
  readonly onStartOver: () => void;
}

/** @returns rows of each table, the same on both sides @throws {HubError} `move.differs` */
export async function copyLedger(options: CopyOptions): Promise<Readonly<Record<string, number>>> {
  const { source, target, map, signal, onRows, onStartOver } = options;
  await target.begin();
  if (!(await isAsCopied(options))) {
    onStartOver();
    await target.startOver();
  }
  const progress = await target.progress();
  for (const table of MOVED_TABLES) {
    const last = progress.get(table.name);
    let after = last === undefined ? undefined : (JSON.parse(last) as readonly Value[]);
    for (;;) {
      signal.throwIfAborted();
      const page = await source.page(table, after, pageRows(table));
      const end = page.at(-1);
      if (end === undefined) break;
      const rows = page.map((row) => map(table.name, row));
      await target.insert(table, rows, end);
      onRows(table.name, page.length);
      after = table.key.map((column) => end[column] ?? null);
    }
  }
  return await compare(options);
}

/** What an earlier attempt has copied is still what the source says: a hub may have run on it since. */
async function isAsCopied({ source, target, map, signal }: CopyOptions): Promise<boolean> {
  for (const table of MOVED_TABLES) {
    const until = (await target.progress()).get(table.name);
    if (until === undefined) continue;
    const there = await digestTable(target, table, { signal });
    const here = await digestTable(source, table, { map, until, signal });
    if (!isSame(here, there)) return false;
  }
  return true;
}

async function compare({ source, target, map, signal }: CopyOptions): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const table of MOVED_TABLES) {
    const here = await digestTable(source, table, { map, signal });
    const there = await digestTable(target, table, { signal });
    if (!isSame(here, there)) {
      const detail = `table ${table.name} has ${String(here.rows)} rows here and ${String(there.rows)} there, or they say something else`;
      throw new HubError('move.differs', { detail });
    }
    counts[table.name] = here.rows;
  }
  return counts;
}

const isSame = (one: TableDigest, other: TableDigest): boolean =>
  one.rows === other.rows && one.sha256 === other.sha256;
