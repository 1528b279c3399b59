/** The ledger of a configuration, whichever database it names. */
import { existsSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { StudySearch } from '../../core/search.ts';
import type { PostgresServer } from './postgres/connection.ts';
import { attachSqliteLedger, openSqliteLedger } from './sqlite/client.ts';
import { lockExclusively } from './sqlite/driver.ts';
import { openSqliteLedgerForReading } from './sqlite/reader.ts';
import { openSqliteSearch } from './sqlite/search.ts';

/** Where the ledger is, secrets and all. */
export type LedgerPlace =
  | { readonly kind: 'sqlite' }
  | {
      readonly kind: 'postgres';
      readonly server: PostgresServer;
      readonly poolSize: number;
      /** Whose spool positions are meant. */
      readonly node: string;
    };

export interface LedgerOptions {
  readonly place: LedgerPlace;
  /** In the data folder; what belongs to it lies beside. */
  readonly file: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Nothing can be made durable any more: the process must end. */
  readonly onFailure: (error: HubError) => void;
}

export interface OpenedLedger {
  readonly ledger: Ledger;
  readonly search: StudySearch;
  /** For `attachLedger` in another thread, to be transferred there; undefined where each thread has a connection of its own. */
  readonly connect: () => MessagePort | undefined;
  /** What is told to the ledger is told by it: the same for all replicas. */
  readonly clock: Clock;
  readonly isUp: () => boolean;
  /** Resolves when the ledger can be used, at once if it can; rejects with the reason of the signal. */
  readonly whenUp: (signal: AbortSignal) => Promise<void>;
}

export interface HubLedgerOptions extends LedgerOptions {
  readonly isSpoolEmpty?: boolean;
  /**
   * A data folder that has been at work with its database goes on when that refuses the credentials: they are being
   * changed, and scanners must not notice. A first start says so and ends: then it is the configuration that is wrong.
   */
  readonly mayBeDenied?: boolean;
}

/**
 * Opens the ledger for the thread that has the data folder: no other process has it then. A database that cannot be
 * reached is no reason not to open: see `isUp`.
 *
 * @throws {HubError} `ledger.locked`, `ledger.newer`, `ledger.denied`, `ledger.unsuitable`, `store.failed`, `store.full`
 */
export async function openLedger(options: HubLedgerOptions): Promise<OpenedLedger> {
  const { place, file } = options;
  if (place.kind === 'sqlite') {
    const ledger = await openSqliteLedger(options);
    return {
      ...{ ledger, clock: options.clock, search: openSqliteSearch(file), connect: () => ledger.connect() },
      ...ALWAYS_UP,
    };
  }
  const unlock = lockExclusively(`${file}.lock`);
  try {
    // Its spool would be told to the other ledger as if it had just been received, and delivered again.
    if (existsSync(file)) {
      const detail =
        'hub.data holds a SQLite ledger: a hub that has received keeps its kind; give it another data folder';
      throw new HubError('config.invalid', { detail });
    }
    const positions = `${file}.positions`;
    const opened = await onPostgres(options, place, (options.mayBeDenied ?? false) && existsSync(positions));
    const [{ rememberPositions }, { openPostgresSearch }] = await Promise.all([
      import('./postgres/positions.ts'),
      import('./postgres/reader.ts'),
    ]);
    const ledger = await rememberPositions(opened.ledger, positions, options.isSpoolEmpty ?? false);
    const close = async () => {
      await ledger.close();
      unlock();
    };
    const search = openPostgresSearch(place.server);
    return { ...opened, ledger: { ...ledger, close }, search, connect: () => undefined };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** The same ledger in another thread of the process that opened it. */
export async function attachLedger(
  options: LedgerOptions & { readonly port: MessagePort | undefined },
): Promise<Pick<OpenedLedger, 'ledger' | 'clock' | 'isUp' | 'whenUp'>> {
  const { place, port, file, clock } = options;
  // Whether it may be denied was decided where it was opened.
  if (place.kind === 'postgres') return onPostgres(options, place, true);
  if (port === undefined) throw new TypeError('a ledger in a file is written through the thread that opened it');
  return { ledger: attachSqliteLedger({ file, port, clock }), clock, ...ALWAYS_UP };
}

/** For a command that only asks, beside hubs that may be running. */
export async function openLedgerForReading(
  place: LedgerPlace,
  file: string,
): Promise<Pick<Ledger, 'instances' | 'studies' | 'configuration' | 'retention' | 'close'>> {
  if (place.kind === 'sqlite') return openSqliteLedgerForReading(file);
  const { openPostgresLedgerForReading } = await import('./postgres/reader.ts');
  return openPostgresLedgerForReading(place);
}

const ALWAYS_UP = { isUp: () => true, whenUp: () => Promise.resolve() };

async function onPostgres(
  options: LedgerOptions,
  place: Extract<LedgerPlace, { kind: 'postgres' }>,
  wasLetIn: boolean,
) {
  const { log, clock, onFailure } = options;
  // Some megabytes of each thread that a hub on one machine need not spend.
  const { openPostgresLedger } = await import('./postgres/client.ts');
  const ledger = await openPostgresLedger({ ...place, log, clock, onFailure, wasLetIn });
  return {
    ledger,
    clock: ledger.clock,
    isUp: ledger.isUp,
    whenUp: (signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const abort = () => {
          forget();
          reject(signal.reason as Error);
        };
        const forget = ledger.onState((isUp) => {
          if (!isUp) return;
          signal.removeEventListener('abort', abort);
          queueMicrotask(() => forget());
          resolve();
        });
        if (signal.aborted) abort();
        else signal.addEventListener('abort', abort, { once: true });
      }),
  };
}
