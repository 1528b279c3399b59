/** Questions beside the ledger's own connections: of commands that only ask, and searches, which may read much. */
import { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { StudySearch } from '../../../core/search.ts';
import { openLedgerPort } from '../sql/ledger-port.ts';
import { openReads } from '../sql/operations.ts';
import { openSearch } from '../sql/query.ts';
import type { PostgresServer } from './connection.ts';
import { openReadPool } from './reads.ts';
import { forScripts } from './statements.ts';

/** Searches at once; more would take the server's time from whoever receives. */
const SEARCHES = 2;
const MAX_WAITING = 32;
const RETRY_AFTER_MS = 2_000;

/** @throws {HubError} with each question: `ledger.unreachable`, `ledger.denied` */
export function openPostgresLedgerForReading(place: {
  readonly server: PostgresServer;
  readonly node: string;
}): Pick<Ledger, 'instances' | 'studies' | 'configuration' | 'retention' | 'close'> {
  const pool = openReadPool(place.server, 1);
  const { instances, studies, configuration, retention } = openLedgerPort({
    clock: { now: () => new Date() },
    reads: openReads(forScripts(place.node)),
    read: (query) => pool.run(query),
    call: () => Promise.reject(new TypeError('this ledger is open for reading only')),
  });
  return { instances, studies, configuration, retention, close: () => pool.close() };
}

/** The ledger's studies for searches. */
export function openPostgresSearch(server: PostgresServer): StudySearch {
  // Statements are put together for one search each: plans are not kept.
  const pool = openReadPool(server, SEARCHES, false);
  const find = openSearch(forScripts(''));
  let waiting = 0;
  let isClosed = false;

  return {
    async find(search, signal) {
      if (isClosed) throw new HubError('gateway.stopping');
      if (waiting >= MAX_WAITING) throw new HubError('request.too-many', { retryAfterMs: RETRY_AFTER_MS });
      signal?.throwIfAborted();
      waiting += 1;
      // Nobody waits for the answer then; the server ends it by its own limit.
      const answered = pool.run(() => find(search)).finally(() => (waiting -= 1));
      return signal === undefined ? answered : Promise.race([answered, abandoned(signal, answered)]);
    },
    close() {
      isClosed = true;
      return pool.close();
    },
  };
}

async function abandoned(signal: AbortSignal, answered: Promise<unknown>): Promise<never> {
  let abort: () => void = () => undefined;
  const left = new Promise<never>((_, reject) => {
    abort = () => {
      const reason: unknown = signal.reason;
      reject(reason instanceof Error ? reason : new Error('nobody waits for the search', { cause: reason }));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  answered.then(forget, forget);
  return left;

  function forget(): void {
    signal.removeEventListener('abort', abort);
  }
}
