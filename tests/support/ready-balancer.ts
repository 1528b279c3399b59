/** A TCP load balancer of the simplest kind: new connections go in turn to those that say they are ready. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export interface Backend {
  readonly port: number;
  /** Where its probes are. */
  readonly url: string;
}

const LOOK_MS = 100;

export async function readyBalancer(
  backends: readonly Backend[],
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const ready = new Set<Backend>();
  const look = async () => {
    await Promise.all(
      backends.map(async (backend) => {
        const answer = await fetch(`${backend.url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(
          () => undefined,
        );
        await answer?.text().catch(() => '');
        if (answer?.ok === true) ready.add(backend);
        else ready.delete(backend);
      }),
    );
  };
  await look();
  let isStopped = false;
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(async () => (isStopped ? undefined : look()));
  }, LOOK_MS);
  let turn = 0;
  const server = createServer((client) => {
    const open = [...ready];
    const backend = open[(turn += 1) % Math.max(1, open.length)];
    if (backend === undefined) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(backend.port, '127.0.0.1');
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.resetAndDestroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
  return {
    port: address.port,
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await looking;
      server.close();
      await once(server, 'close');
    },
  };
}
