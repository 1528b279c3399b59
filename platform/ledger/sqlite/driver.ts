/**
 * The only file that knows `node:sqlite`, so that another binding can take its place: statements, transactions and
 * what SQLite's result codes mean to the hub.
 */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { HubError } from '../../../core/errors.ts';
import { nameGroup } from '../sql/person-name.ts';
import type { Parameter } from '../sql/script.ts';

export interface Statement<Row> {
  get(...parameters: readonly Parameter[]): Row | undefined;
  all(...parameters: readonly Parameter[]): Row[];
  /** Number of rows changed. */
  run(...parameters: readonly Parameter[]): number;
}

export interface Database {
  /** Prepared once; `Row` is the shape that the SELECT list and the STRICT tables promise. NULL is `null` in it. */
  query<Row = never>(sql: string): Statement<Row>;
  exec(sql: string): void;
  /** False after SQLite has rolled back by itself, as it does when the disk is full. */
  readonly inTransaction: boolean;
  close(): void;
}

/**
 * WAL with `synchronous=FULL`: a commit has been through fsync when it returns; NORMAL would lose acknowledged rows
 * when the power is cut.
 *
 * @throws {HubError} `store.failed`, `store.full`
 */
export function openDatabase(file: string, access: 'read' | 'write'): Database {
  try {
    if (access === 'write') makePrivate(file);
    const db = new DatabaseSync(file, {
      readOnly: access === 'read',
      enableForeignKeyConstraints: true,
      timeout: BUSY_TIMEOUT_MS,
    });
    assertVersion(db);
    db.exec('PRAGMA trusted_schema = OFF');
    if (access === 'write') {
      db.exec('PRAGMA journal_mode = WAL');
      db.exec('PRAGMA synchronous = FULL');
      // Checkpoints come from the writer's timer; this is the net below it.
      db.exec(`PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES}`);
      db.exec(`PRAGMA journal_size_limit = ${WAL_KEPT_BYTES}`);
      db.function('name_group', { deterministic: true }, (name, group) =>
        typeof name === 'string' ? (nameGroup(name, Number(group)) ?? null) : null,
      );
    }
    return wrap(db);
  } catch (error) {
    throw translate(error);
  }
}

/**
 * Keeps every other process (and every other opener in this one) away for as long as this process lives. The lock is
 * the kernel's, on a file of its own: after a kill -9 it is simply gone, there is no stale lock to explain.
 *
 * @returns gives the lock back
 * @throws {HubError} `ledger.locked`
 */
export function lockExclusively(file: string): () => void {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    // No journal: nothing is ever written here, and a hot journal must not be left behind.
    db.exec('PRAGMA journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (resultCode(error) === SQLITE.BUSY) throw new HubError('ledger.locked', {}, error);
    throw translate(error);
  }
  const held = db;
  return () => held.close();
}

/**
 * The rows hold what headers say, and the data folder may be one that others may look into. SQLite makes the files
 * beside it with the same permissions.
 */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'a', OWNER_ONLY));
    chmodSync(file, OWNER_ONLY);
  } catch {
    // It cannot be opened, or is another user's: opening it as a database says so in the hub's words.
  }
}

/** What a failure of SQLite means to the hub; any other error is given back as it is. */
export function translate(error: unknown): unknown {
  const code = resultCode(error);
  if (code === undefined) return error;
  if (code === SQLITE.FULL) return new HubError('store.full', {}, error);
  if (DISK_TROUBLE.has(code)) return new HubError('store.failed', { sqliteCode: code }, error);
  return error;
}

/** True when the file itself can no longer be trusted: going on would spread the damage. */
export function isCorruption(error: unknown): boolean {
  const code = resultCode(error);
  return code === SQLITE.CORRUPT || code === SQLITE.NOTADB;
}

const OWNER_ONLY = 0o600;
const BUSY_TIMEOUT_MS = 5_000;
const AUTOCHECKPOINT_PAGES = 16_384;
const WAL_KEPT_BYTES = 67_108_864;

/** https://www.sqlite.org/rescode.html */
const SQLITE = { BUSY: 5, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;
const DISK_TROUBLE: ReadonlySet<number> = new Set([
  SQLITE.BUSY,
  SQLITE.READONLY,
  SQLITE.IOERR,
  SQLITE.CORRUPT,
  SQLITE.CANTOPEN,
  SQLITE.NOTADB,
]);

/** 3.7.0 to 3.51.2 can corrupt a database silently when a WAL is reset while two connections are open. */
const OLDEST_SOUND_VERSION = [3, 51, 3] as const;

function assertVersion(db: DatabaseSync): void {
  const version = String(db.prepare('SELECT sqlite_version() AS version').get()?.['version']);
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor, leastPatch] = OLDEST_SOUND_VERSION;
  const isSound =
    major > leastMajor ||
    (major === leastMajor && (minor > leastMinor || (minor === leastMinor && patch >= leastPatch)));
  if (!isSound) {
    db.close();
    throw new HubError('store.failed', {
      detail: `SQLite ${version} can corrupt a ledger; ${OLDEST_SOUND_VERSION.join('.')} or newer is needed`,
    });
  }
}

function wrap(db: DatabaseSync): Database {
  return {
    query: (sql) => new Prepared(db.prepare(sql)),
    exec: (sql) => db.exec(sql),
    get inTransaction() {
      return db.isTransaction;
    },
    close: () => {
      if (db.isOpen) db.close();
    },
  };
}

class Prepared<Row> implements Statement<Row> {
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    this.#statement = statement;
  }

  get(...parameters: readonly Parameter[]): Row | undefined {
    return this.#statement.get(...parameters.map(bindable)) as Row | undefined;
  }

  all(...parameters: readonly Parameter[]): Row[] {
    return this.#statement.all(...parameters.map(bindable)) as Row[];
  }

  run(...parameters: readonly Parameter[]): number {
    return Number(this.#statement.run(...parameters.map(bindable)).changes);
  }
}

function bindable(value: Parameter): SQLInputValue {
  if (value === undefined) return null;
  return typeof value === 'boolean' ? Number(value) : value;
}

/** The primary result code of an error of SQLite. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
