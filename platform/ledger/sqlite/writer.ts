/**
 * The writer's thread: the only one that ever writes the ledger. What has gathered while a commit was under way goes
 * into the next one together, so that one fsync serves them all; nobody is answered before it.
 */
import { statSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type Database, isCorruption, lockExclusively, openDatabase, translate } from './driver.ts';
import { migrate } from './migrate.ts';
import { openWrites } from './operations.ts';
import { type Call, type FromWriter, packError, type Reply, type ToWriter, type WriterOptions } from './wire.ts';

/** More in one commit gains nothing and makes the first wait for the last. */
const MAX_CALLS_PER_COMMIT = 256;
const LARGE_WAL_BYTES = 268_435_456;

type Operation = (...args: readonly unknown[]) => unknown;

if (parentPort === null) throw new TypeError('the writer is a worker thread');
const port = parentPort;
const options = workerData as WriterOptions;
const tell = (message: FromWriter) => port.postMessage(message);

try {
  run();
} catch (error) {
  tell({ kind: 'refused', error: packError(error) });
}

function run(): void {
  const unlock = lockExclusively(options.lockFile);
  let db: Database;
  try {
    db = openDatabase(options.file, 'write');
    migrate(db, options.file);
    endAbandonedLeases(db);
  } catch (error) {
    unlock();
    throw translate(error);
  }
  // The client calls only what `Writes` has; the names cross as strings.
  const operations = openWrites(db) as unknown as Record<string, Record<string, Operation>>;
  let dirty = false;

  const checkpoints = setInterval(() => {
    if (!dirty) return;
    dirty = false;
    checkpoint(db, 'PASSIVE');
    const walBytes = statSync(`${options.file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    if (walBytes > LARGE_WAL_BYTES) tell({ kind: 'wal-large', walBytes });
  }, options.checkpointMs);

  port.on('message', (first: ToWriter) => {
    const calls: Call[] = [];
    let message: ToWriter | undefined = first;
    while (message?.kind === 'call') {
      calls.push(message.call);
      message = calls.length < MAX_CALLS_PER_COMMIT ? receive() : undefined;
    }
    if (calls.length > 0) {
      const startedAt = performance.now();
      const replies = commit(db, operations, calls);
      dirty = true;
      tell({ kind: 'committed', replies, durationMs: performance.now() - startedAt });
    }
    if (message?.kind === 'close') {
      clearInterval(checkpoints);
      // Leaves one file behind, for whoever copies the folder.
      checkpoint(db, 'TRUNCATE');
      db.close();
      unlock();
      tell({ kind: 'closed' });
      port.close();
    }
  });
  tell({ kind: 'ready' });
}

/**
 * The lock is ours, so whoever holds a lease is dead: a hub that was killed, or that left work when it stopped. Its work
 * is due at once instead of when the lease runs out; should it come back against all odds, its fence is an old one.
 */
function endAbandonedLeases(db: Database): void {
  db.exec(`
    UPDATE jobs SET state = 'waiting', ready_at = 0 WHERE state = 'running';
    UPDATE deliveries SET leased = 0, ready_at = 0 WHERE state = 'pending' AND leased = 1`);
}

/**
 * Moves what the WAL holds into the file. On a full or failing disk it stays in the WAL, where it is just as durable
 * and just as readable, and the next one tries again.
 */
function checkpoint(db: Database, mode: 'PASSIVE' | 'TRUNCATE'): void {
  try {
    db.exec(`PRAGMA wal_checkpoint(${mode})`);
  } catch (error) {
    if (isCorruption(error) || translate(error) === error) throw error;
  }
}

function receive(): ToWriter | undefined {
  const received = receiveMessageOnPort(port) as { readonly message: ToWriter } | undefined;
  return received?.message;
}

/**
 * All calls in one transaction, each in a savepoint: one that fails is undone alone. When the transaction itself
 * fails (disk full, I/O error), nothing of it has happened, and everybody hears so.
 */
function commit(
  db: Database,
  operations: Readonly<Record<string, Readonly<Record<string, Operation>>>>,
  calls: readonly Call[],
): readonly Reply[] {
  try {
    db.exec('BEGIN IMMEDIATE');
    const replies = calls.map((call) => execute(db, operations, call));
    db.exec('COMMIT');
    return replies;
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    // Going on with a damaged file would answer with what is not there: the thread dies, and the process with it.
    if (isCorruption(error)) throw error;
    const packed = packError(translate(error));
    return calls.map(({ id }) => ({ id, ok: false, error: packed }));
  }
}

function execute(
  db: Database,
  operations: Readonly<Record<string, Readonly<Record<string, Operation>>>>,
  { id, group, method, args }: Call,
): Reply {
  const operation = operations[group]?.[method];
  if (operation === undefined) throw new TypeError(`the ledger has no ${group}.${method}`);
  db.exec('SAVEPOINT call');
  try {
    const value = operation(...args);
    db.exec('RELEASE call');
    return { id, ok: true, value };
  } catch (error) {
    // SQLite gave up the whole transaction by itself, or the file is damaged: not this call's failure alone.
    if (!db.inTransaction || isCorruption(error)) throw error;
    db.exec('ROLLBACK TO call');
    db.exec('RELEASE call');
    return { id, ok: false, error: packError(translate(error)) };
  }
}
