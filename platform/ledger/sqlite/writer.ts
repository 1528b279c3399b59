/**
 * The writer's thread: the only one that ever writes the ledger. What has gathered while a commit was under way, from
 * every thread that calls, goes into the next one together, so that one fsync serves them all; nobody is answered before it.
 */
import { statSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { packError } from '../../../core/packed-error.ts';
import { giveBackMemory } from '../../threads/give-back.ts';
import { type Database, isCorruption, lockExclusively, openDatabase, translate } from './driver.ts';
import { migrate } from './migrate.ts';
import { openWrites } from '../sql/operations.ts';
import { type Script, runAtOnce } from '../sql/script.ts';
import { makesWork } from '../sql/makes-work.ts';
import { forScripts } from './scripts.ts';
import { type Call, type FromWriter, type Reply, type ToWriter, type WriterOptions } from './wire.ts';

/** More in one commit gains nothing and makes the first wait for the last. */
const MAX_CALLS_PER_COMMIT = 256;
const LARGE_WAL_BYTES = 268_435_456;

type Operation = (...args: readonly unknown[]) => Script<unknown>;

if (parentPort === null) throw new TypeError('the writer is a worker thread');
const owner = parentPort;
/** Threads that call: the one that opened the ledger, and those it has connected since. */
const callers = new Set<MessagePort>([owner]);
const options = workerData as WriterOptions;
const tell = (message: FromWriter) => owner.postMessage(message);

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
    // What a killed hub left in the WAL: killed soon after each start, none would ever get to it, the WAL would grow until each
    // commit had all of it to move, and every start would read it.
    checkpoint(db, 'PASSIVE');
  } catch (error) {
    unlock();
    throw translate(error);
  }
  // The client calls only what `Writes` has; the names cross as strings.
  const operations = openWrites(forScripts(db)) as unknown as Record<string, Record<string, Operation>>;
  let dirty = false;

  const checkpoints = setInterval(() => {
    if (!dirty) return;
    dirty = false;
    checkpoint(db, 'PASSIVE');
    const walBytes = statSync(`${options.file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    if (walBytes > LARGE_WAL_BYTES) tell({ kind: 'wal-large', walBytes });
  }, options.checkpointMs);

  const close = () => {
    clearInterval(checkpoints);
    // Leaves one file behind, for whoever copies the folder.
    checkpoint(db, 'TRUNCATE');
    db.close();
    unlock();
    tell({ kind: 'closed' });
    for (const port of callers) port.close();
  };

  const listen = (port: MessagePort) => {
    port.on('message', (message: ToWriter) => {
      const { calls, last } = gather(port, message);
      if (calls.length > 0) {
        const startedAt = performance.now();
        const replies = commit(
          db,
          operations,
          calls.map(({ call }) => call),
        );
        dirty = true;
        answer(calls, replies, performance.now() - startedAt);
      }
      if (last?.kind === 'connect') {
        callers.add(last.port);
        last.port.once('close', () => callers.delete(last.port));
        listen(last.port);
      } else if (last?.kind === 'close') close();
    });
  };
  listen(owner);
  tell({ kind: 'ready' });
  giveBackMemory();
}

/**
 * The lock is ours, so whoever holds a lease is dead: a hub that was killed, or that left work when it stopped. Its work
 * is due at once instead of when the lease runs out; should it come back against all odds, its fence is an old one.
 */
function endAbandonedLeases(db: Database): void {
  db.exec(`
    UPDATE jobs SET state = 'waiting', ready_at = 0 WHERE state = 'running';
    UPDATE deliveries SET leased = 0, ready_at = 0 WHERE state = 'pending' AND leased = 1;
    UPDATE webhook_messages SET leased = 0, ready_at = 0 WHERE state = 'pending' AND leased = 1;
    UPDATE leases SET until = 0 WHERE until > 0`);
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

interface Gathered {
  readonly port: MessagePort;
  readonly call: Call;
}

/** The calls that wait by now, of every caller in its order, up to the first message that is not a call. */
function gather(port: MessagePort, first: ToWriter): { readonly calls: readonly Gathered[]; readonly last?: ToWriter } {
  if (first.kind !== 'call') return { calls: [], last: first };
  const calls: Gathered[] = [{ port, call: first.call }];
  for (const from of [port, ...[...callers].filter((other) => other !== port)]) {
    while (calls.length < MAX_CALLS_PER_COMMIT) {
      const received = receiveMessageOnPort(from) as { readonly message: ToWriter } | undefined;
      if (received === undefined) break;
      if (received.message.kind !== 'call') return { calls, last: received.message };
      calls.push({ port: from, call: received.message.call });
    }
  }
  return { calls };
}

/** Every caller hears of its own calls, and the others that there may be work. */
function answer(calls: readonly Gathered[], replies: readonly Reply[], durationMs: number): void {
  const makers = new Set<MessagePort>();
  const byPort = new Map<MessagePort, Reply[]>();
  for (const [index, { port, call }] of calls.entries()) {
    const reply = replies[index];
    if (reply === undefined) throw new TypeError('a call without a reply');
    const own = byPort.get(port) ?? [];
    own.push(reply);
    byPort.set(port, own);
    if (reply.ok && makesWork(call)) makers.add(port);
  }
  for (const port of callers) {
    const own = byPort.get(port);
    if (own !== undefined) port.postMessage({ kind: 'committed', replies: own, durationMs } satisfies FromWriter);
    if ([...makers].some((maker) => maker !== port)) port.postMessage({ kind: 'news' } satisfies FromWriter);
  }
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
    const value = runAtOnce(operation(...args));
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
