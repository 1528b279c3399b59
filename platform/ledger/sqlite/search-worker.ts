/** The thread that searches: a search may read a hundred thousand rows, and nobody who sends an instance waits for it. */
import { parentPort, workerData } from 'node:worker_threads';
import { packError } from '../../../core/packed-error.ts';
import type { Search, SearchResult } from '../../../core/search.ts';
import { openDatabase, translate } from './driver.ts';
import { openSearch } from '../sql/query.ts';
import { runAtOnce } from '../sql/script.ts';
import { forScripts } from './scripts.ts';
import type { SearchCall, SearchReply } from './search.ts';

if (parentPort === null) throw new TypeError('searches run in a worker thread');
const port = parentPort;
const find = openSearch(forScripts(openDatabase((workerData as { readonly file: string }).file, 'read')));

port.on('message', ({ id, search }: SearchCall) => port.postMessage(reply(id, search)));

function reply(id: number, search: Search): SearchReply {
  try {
    const result: SearchResult = runAtOnce(find(search));
    return { id, result };
  } catch (error) {
    return { id, error: packError(translate(error)) };
  }
}
