/** TLS in front of a server that speaks none: what comes in is passed on as it is. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { createServer, type Server } from 'node:tls';
import type { Authority, Certificate } from './certificates.ts';

export interface TlsFront {
  readonly port: number;
  /** Common names in the certificates that clients showed, one a connection. */
  readonly clients: readonly string[];
  stop(): Promise<void>;
}

/** @param clients - with it every client needs a certificate that this authority signed */
export async function startTlsFront(
  port: number,
  own: Pick<Certificate, 'certificate' | 'key'>,
  clients?: Pick<Authority, 'certificate'>,
): Promise<TlsFront> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer(
    {
      cert: await readFile(own.certificate),
      key: await readFile(own.key),
      ...(clients === undefined ? {} : { requestCert: true, ca: await readFile(clients.certificate) }),
    },
    (client) => {
      // Without a certificate of the client there is none to ask.
      if (clients !== undefined) seen.push(String(client.getPeerCertificate().subject.CN));
      const behind = connect({ host: '127.0.0.1', port });
      client.pipe(behind).pipe(client);
      sockets.add(client);
      client.once('close', () => sockets.delete(client));
      for (const [one, other] of [
        [client, behind],
        [behind, client],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
    },
  );
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    clients: seen,
    stop: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
