/** The ledger's studies for searches, beside the ledger itself: its own thread, its own connection, its own queue. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { HubError } from '../../../core/errors.ts';
import { type PackedError, unpackError } from '../../../core/packed-error.ts';
import type { Search, SearchResult, StudySearch } from '../../../core/search.ts';

/** What crosses to the thread and back. */
export interface SearchCall {
  readonly id: number;
  readonly search: Search;
}
export type SearchReply = { readonly id: number } & (
  { readonly result: SearchResult } | { readonly error: PackedError }
);

/** They are answered one after the other; who comes when so many wait is asked to come again. */
const MAX_WAITING = 32;
const RETRY_AFTER_MS = 2_000;

interface Waiting {
  readonly search: Search;
  readonly resolve: (result: SearchResult) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The thread starts with the first search, and again with the next one should it die.
 *
 * @param file - of a ledger that is open, and stays so longer than this
 */
export function openSqliteSearch(file: string): StudySearch {
  /** In the order they came; the thread has the first, or one that nobody waits for any longer. */
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let askedId: number | undefined;
  let lastId = 0;
  let isClosed = false;

  const ask = () => {
    if (askedId !== undefined) return;
    const [first] = waiting;
    if (first === undefined) {
      // An idle thread keeps nobody from ending.
      worker?.unref();
      return;
    }
    const [id, { search }] = first;
    askedId = id;
    worker ??= start();
    worker.ref();
    worker.postMessage({ id, search } satisfies SearchCall);
  };
  const settle = (id: number | undefined, how: (call: Waiting) => void) => {
    const call = id === undefined ? undefined : waiting.get(id);
    if (id === undefined || call === undefined) return;
    waiting.delete(id);
    how(call);
  };
  /** What the thread died of may be the search it had: the others are asked of the next thread. */
  const died = (cause: unknown) => {
    const id = askedId;
    worker = undefined;
    askedId = undefined;
    settle(id, ({ reject }) => reject(brokenOff(cause)));
    ask();
  };
  const start = (): Worker => {
    const started = new Worker(new URL(`./search-worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: { file },
      name: 'ledger-search',
    });
    started.on('message', (reply: SearchReply) => {
      askedId = undefined;
      settle(reply.id, ({ resolve, reject }) => {
        if ('result' in reply) resolve(reply.result);
        else reject(unpackError(reply.error));
      });
      ask();
    });
    started.once('error', died);
    started.once('exit', (exitCode) => {
      if (worker === started) died(new Error(`the search thread ended with ${exitCode}`));
    });
    return started;
  };

  return {
    find: (search, signal) => {
      if (isClosed) return Promise.reject(new HubError('gateway.stopping'));
      if (waiting.size >= MAX_WAITING) {
        return Promise.reject(new HubError('request.too-many', { retryAfterMs: RETRY_AFTER_MS }));
      }
      const id = (lastId += 1);
      const leave = () => settle(id, ({ reject }) => reject(reasonOf(signal)));
      if (signal?.aborted === true) return Promise.reject(reasonOf(signal));
      signal?.addEventListener('abort', leave);
      return new Promise<SearchResult>((resolve, reject) => {
        waiting.set(id, { search, resolve, reject });
        ask();
      }).finally(() => signal?.removeEventListener('abort', leave));
    },
    close: async () => {
      isClosed = true;
      const running = worker;
      worker = undefined;
      const error = brokenOff(new Error('the hub stops'));
      for (const id of [...waiting.keys()]) settle(id, ({ reject }) => reject(error));
      await running?.terminate();
    },
  };
}

function brokenOff(cause: unknown): HubError {
  return new HubError('store.failed', { detail: 'the search was broken off' }, cause);
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('nobody waits for the search', { cause: reason });
}
