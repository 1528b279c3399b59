/** A proxy that lets a test act before a request goes on, or answer it. Host and signature stay as they are. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';

export async function startHttpFront(port: number, before: (asked: IncomingMessage) => Promise<number | undefined>) {
  const server = createServer((asked, answer) => {
    const parts: Buffer[] = [];
    asked.on('data', (part: Buffer) => parts.push(part));
    asked.on('end', () => {
      void before(asked).then((status) => {
        if (status !== undefined) {
          answer.writeHead(status).end();
          return;
        }
        const { method = '', url = '', headers } = asked;
        const on = request({ host: '127.0.0.1', port, method, path: url, headers }, (got) => {
          answer.writeHead(got.statusCode ?? 502, got.headers);
          got.pipe(answer);
        });
        on.end(Buffer.concat(parts));
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
