/** Endpoints of a hundred partners in a thread of their own: well, slow, or up one moment and down the next. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import { setTimeout as delay } from 'node:timers/promises';

export type Health = 'well' | 'slow' | 'flapping';

/** By path: `/7` is the seventh. Told anew with each message. */
export type Healths = Readonly<Record<string, Health>>;

const SLOW_MS = 1_000;
/** Requests that it takes, and then refuses, in turn. */
const FLAP = 8;

if (parentPort === null) throw new TypeError('the targets are a worker thread');
const port = parentPort;
let healths = workerData as Healths;
const seen = new Map<string, number>();
port.on('message', (told: Healths) => {
  healths = told;
  seen.clear();
});

const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => {
    void answer(request.url ?? '').then((status) => response.writeHead(status).end());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
port.postMessage(typeof address === 'object' ? address?.port : undefined);

async function answer(path: string): Promise<number> {
  const count = (seen.get(path) ?? 0) + 1;
  seen.set(path, count);
  switch (healths[path]) {
    case 'slow':
      await delay(SLOW_MS);
      return 204;
    case 'flapping':
      return Math.floor(count / FLAP) % 2 === 0 ? 204 : 503;
    case 'well':
    case undefined:
      return 204;
    default:
      return healths[path] satisfies never;
  }
}
