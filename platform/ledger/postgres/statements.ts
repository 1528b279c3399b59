/** Scripts of the ledger on PostgreSQL: each statement goes out as a request, and its answer comes in. */
import { createHash } from 'node:crypto';
import { POSTGRES } from '../sql/dialect.ts';
import type { Database, Parameter, Request, Script, Statement } from '../sql/script.ts';

/** What scripts prepare their statements with, whatever connection they run on. @param node - whose spool positions these are */
export function forScripts(node: string): Database {
  return {
    dialect: POSTGRES,
    node,
    query: <Row>(sql: string): Statement<Row> => ({
      get: (...parameters) => first<Row>({ kind: 'rows', sql, parameters }),
      all: (...parameters) => answer<readonly Row[]>({ kind: 'rows', sql, parameters }),
      run: (...parameters) => answer<number>({ kind: 'count', sql, parameters }),
      send: (...parameters) => answer<undefined>({ kind: 'send', sql, parameters }),
    }),
    appending: (sql) => ({ send: (...parameters) => answer<undefined>({ kind: 'append', sql, parameters }) }),
    lock: (name, how) => answer<undefined>({ kind: 'lock', name, isShared: how === 'shared' }),
  };
}

function* answer<Result>(request: Request): Generator<Request, Result> {
  // The driver answers each kind of request with what its kind promises; the columns are those of the SELECT list.
  return (yield request) as Result;
}

function* first<Row>(request: Request): Generator<Request, Row | undefined> {
  const rows = (yield request) as readonly Row[];
  return rows[0];
}

/**
 * Runs a script.
 *
 * @param perform - answers a request; undefined, not a promise, where there is nothing to wait for
 */
export async function drive<Result>(
  script: Script<Result>,
  perform: (request: Request) => Promise<unknown> | undefined,
): Promise<Result> {
  let step = script.next();
  while (step.done !== true) {
    const pending = perform(step.value);
    step = script.next(pending === undefined ? undefined : await pending);
  }
  return step.value;
}

/** A statement as PostgreSQL takes it. */
export interface Prepared {
  readonly name: string;
  readonly text: string;
}

const prepared = new Map<string, Prepared>();
/** The ledger has a few hundred; what is put together for one search is not kept. */
const MAX_PREPARED = 1_000;

/** `?` is `$1`, `$2`, … here; the name lets a connection keep its plan. */
export function prepare(sql: string): Prepared {
  const known = prepared.get(sql);
  if (known !== undefined) return known;
  const text = numbered(sql);
  const name = `hub_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
  const made = { name, text };
  if (prepared.size < MAX_PREPARED) prepared.set(sql, made);
  return made;
}

/** Question marks in quoted text are none of ours. */
function numbered(sql: string): string {
  let number = 0;
  return sql.replaceAll(/'[^']*'|\?/g, (found) => (found === '?' ? `$${String((number += 1))}` : found));
}

/** As PostgreSQL takes it: text cannot hold the character NUL, which no value of DICOM means. */
export function bindable(value: Parameter): string | number | null {
  if (value === undefined) return null;
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'string' ? value.replaceAll('\0', '\u{fffd}') : value;
}

/** An INSERT of one row, of so many rows at once. */
export function ofRows(sql: string, rows: number): string {
  return sql.replace(/VALUES \(([?, ]+)\)/, (_, row: string) => `VALUES ${Array(rows).fill(`(${row})`).join(', ')}`);
}
