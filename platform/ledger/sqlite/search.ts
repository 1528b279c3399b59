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
  readonly resolve: (result: SearchResult) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The thread starts with the first search, and again with the next one should it die.
 *
 * @param file - of a ledger that is open, and stays so longer than this
 */
export function openSqliteSearch(file: string): StudySearch {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let lastId = 0;
  let isClosed = false;

  const fail = (cause: unknown) => {
    worker = undefined;
    const error = new HubError('store.failed', { detail: 'the search was broken off' }, cause);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const started = new Worker(new URL(`./search-worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: { file },
      name: 'ledger-search',
    });
    started.on('message', (reply: SearchReply) => {
      const call = waiting.get(reply.id);
      waiting.delete(reply.id);
      // An idle thread keeps nobody from ending.
      if (waiting.size === 0) started.unref();
      if ('result' in reply) call?.resolve(reply.result);
      else call?.reject(unpackError(reply.error));
    });
    started.once('error', fail);
    started.once('exit', (exitCode) => {
      if (worker === started) fail(new Error(`the search thread ended with ${exitCode}`));
    });
    return started;
  };

  return {
    find: (search) => {
      if (isClosed) return Promise.reject(new HubError('gateway.stopping'));
      if (waiting.size >= MAX_WAITING) {
        return Promise.reject(new HubError('request.too-many', { retryAfterMs: RETRY_AFTER_MS }));
      }
      return new Promise((resolve, reject) => {
        const id = (lastId += 1);
        worker ??= start();
        worker.ref();
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, search } satisfies SearchCall);
      });
    },
    close: async () => {
      isClosed = true;
      const running = worker;
      fail(new Error('the hub stops'));
      await running?.terminate();
    },
  };
}
