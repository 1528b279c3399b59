/**
 * The ledger's transactions, written once for every database: a script asks for each statement with `yield*`. SQLite
 * answers at once and never really yields; for PostgreSQL the request goes out to a driver that waits for the server.
 */
import type { Dialect } from './dialect.ts';

/** `undefined` is stored as NULL, booleans as 0 and 1. */
export type Parameter = string | number | boolean | undefined;

/** What a script asks its driver for, where the driver cannot answer at once. */
export type Request =
  | {
      readonly kind: 'rows' | 'count' | 'send';
      readonly sql: string;
      readonly parameters: readonly Parameter[];
    }
  | { readonly kind: 'append'; readonly sql: string; readonly parameters: readonly Parameter[] }
  | { readonly kind: 'lock'; readonly name: string; readonly isShared: boolean };

/** One request and its answer, for `yield*`. */
export type Step<Result> = Iterable<Request, Result>;

/** A transaction, or a part of one. */
export type Script<Result> = Generator<Request, Result>;

export interface Statement<Row> {
  get(...parameters: readonly Parameter[]): Step<Row | undefined>;
  all(...parameters: readonly Parameter[]): Step<readonly Row[]>;
  /** Number of rows changed. */
  run(...parameters: readonly Parameter[]): Step<number>;
  /** Runs it and does not wait for its answer: what follows is sent behind it, and the transaction fails if it does. */
  send(...parameters: readonly Parameter[]): Step<void>;
}

export interface Database {
  readonly dialect: Dialect;
  /** Whose spool positions these are; '' where there is one. */
  readonly node: string;
  /** Prepared once; `Row` is the shape that the SELECT list and the tables promise. NULL is `null` in it, a truth value 0 or 1. */
  query<Row = never>(sql: string): Statement<Row>;
  /** An INSERT into the log of facts: done in the order asked, at the end of the transaction, where nobody else's comes between. */
  appending(sql: string): Pick<Statement<never>, 'send'>;
  /**
   * Until the end of the transaction nobody else has the name; `shared`: only others that share it. What is decided from
   * rows that are not there yet, or over several, has no row to lock.
   */
  lock(name: string, how?: 'shared'): Step<void>;
}

/** Answers a script whose every request is answered at once. */
export function runAtOnce<Result>(script: Script<Result>): Result {
  const { done, value } = script.next();
  if (done !== true) throw new TypeError('a script waits where nothing may be waited for');
  return value;
}
