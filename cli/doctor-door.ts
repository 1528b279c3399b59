/** The hub's own doors seen from this machine: the addresses it listens on, and who holds its ports. */
import { connect, createServer, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Diagnosis, fine, wrong } from '../core/diagnosis.ts';

const TIMEOUT_MS = 3_000;
const FIRST_PRIVILEGED_FREE = 1024;

/** Addresses of this machine a listener on `host` answers on; loopback last. Link-local ones are no address for a scanner. */
export function listenAddresses(host: string): readonly string[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address }) => !/^fe80:/i.test(address))
    .toSorted((one, other) => Number(one.internal) - Number(other.internal));
  const all = own.map(({ address }) => address);
  if (host === '::') return all;
  if (host === '0.0.0.0') return own.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
  return [host === 'localhost' ? '127.0.0.1' : host];
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** The code a connection fails with; undefined when the port answers. */
export async function portFailure(host: string, port: number): Promise<string | undefined> {
  return await new Promise((answer) => {
    const socket = connect({ host, port });
    const late = setTimeout(() => done('no answer'), TIMEOUT_MS);
    const done = (failure: string | undefined) => {
      clearTimeout(late);
      socket.destroy();
      answer(failure);
    };
    socket.once('connect', () => done(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.name));
  });
}

/** Of a hub that does not run: whether it could open the port. */
export async function portIsFree(id: string, host: string, port: number): Promise<Diagnosis> {
  const code = await new Promise<string | undefined>((answer) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => answer(error.code ?? error.name));
    server.listen({ host, port, exclusive: true }, () => server.close(() => answer(undefined)));
  });
  const what = `Port ${port} on ${host} cannot be opened`;
  switch (code) {
    case undefined:
      return fine(id, `Port ${port} is free`);
    case 'EADDRINUSE':
      return wrong(
        id,
        what,
        'Another program holds it, and it is not this hub.',
        `"ss -ltnp 'sport = :${port}'" (as root) shows which: stop it, or give the hub another port.`,
      );
    case 'EACCES':
      return wrong(
        id,
        what,
        port < FIRST_PRIVILEGED_FREE
          ? `Ports below ${FIRST_PRIVILEGED_FREE} are for root.`
          : 'The system does not allow it.',
        `Choose a port from ${FIRST_PRIVILEGED_FREE} on (11112 is usual), or "sysctl net.ipv4.ip_unprivileged_port_start=${port}".`,
      );
    case 'EADDRNOTAVAIL':
      return wrong(
        id,
        what,
        `No interface of this machine has the address ${host}.`,
        `Correct host in the configuration; ${isIP(host) === 0 ? 'the name resolves to another machine' : '"ip addr" lists the addresses'}. 0.0.0.0 is all of them.`,
      );
    default:
      return wrong(id, what, `The system says ${code}.`, 'Correct host and port in the configuration.');
  }
}
