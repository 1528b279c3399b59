/** The first steps to any destination on the network: its name, its address, its port. */
import { lookup as lookupName } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { type Diagnosis, fine, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Resolves names in place of the system's own; may refuse addresses. */
  readonly lookup?: LookupFunction;
  readonly signal: AbortSignal;
}

/** How the destination was reached. */
export interface Reached {
  /** Our own address on the way there: what the destination sees. */
  readonly localAddress: string;
}

/** @returns undefined when nothing behind the port can be tried */
export async function* probeReach(target: Target): AsyncGenerator<Diagnosis, Reached | undefined> {
  const { host, port } = target;
  if (isIP(host) === 0) {
    const addresses = await addressesOf(target).catch((error: unknown) => failureCode(error));
    if (typeof addresses === 'string') {
      yield unknownName(host, addresses);
      return undefined;
    }
    yield fine('dns', `The name ${host} is ${addresses.join(', ')}`);
  }
  const startedMs = performance.now();
  const socket = await open(target).catch((error: unknown) => failureCode(error));
  if (typeof socket === 'string') {
    yield unreachable(target, socket);
    return undefined;
  }
  const localAddress = socket.localAddress ?? '';
  socket.destroy();
  yield fine(
    'tcp',
    `Port ${port} answers (${(performance.now() - startedMs).toFixed(1)} ms, from our ${localAddress})`,
  );
  return { localAddress };
}

/** Opens a connection. @throws {Error} with a `code`, `TIMEOUT` when there was no answer in time */
export async function open({ host, port, timeoutMs, lookup, signal }: Target): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({ host, port, ...(lookup === undefined ? {} : { lookup }) });
  const onAbort = (): void => void socket.destroy(new HubError('command.interrupted'));
  signal.addEventListener('abort', onAbort, { once: true });
  const late = setTimeout(() => socket.destroy(Object.assign(new Error('late'), { code: TIMEOUT })), timeoutMs);
  try {
    await new Promise<void>((connected, failed) => {
      socket.once('connect', connected);
      socket.once('error', failed);
    });
    // What comes later is the business of whoever uses it; unheard it would end the process.
    socket.on('error', () => undefined);
    return socket;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', onAbort);
    signal.throwIfAborted();
  }
}

/** The code of a network failure; `TIMEOUT` is our own. @throws what is no failure of the network */
export function failureCode(error: unknown): string {
  if (error instanceof HubError && error.fields['reason'] !== undefined) return String(error.fields['reason']);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && !(error instanceof HubError))
    return error.code;
  throw error;
}

export const TIMEOUT = 'TIMEOUT';

async function addressesOf({ host, timeoutMs, lookup }: Target): Promise<readonly string[]> {
  let late: NodeJS.Timeout | undefined;
  const asked = new Promise<readonly string[]>((resolved, failed) => {
    const answer: Parameters<LookupFunction>[2] = (error, found) => {
      if (error !== null) failed(error);
      else resolved(typeof found === 'string' ? [found] : found.map(({ address }) => address));
    };
    if (lookup === undefined) lookupName(host, { all: true }, answer);
    else lookup(host, { all: true }, answer);
    late = setTimeout(() => failed(Object.assign(new Error('late'), { code: TIMEOUT })), timeoutMs);
  });
  return await asked.finally(() => clearTimeout(late));
}

function unknownName(host: string, code: string): Diagnosis {
  const what = `The name ${host} cannot be resolved`;
  if (code === 'ENOTFOUND') {
    return wrong(
      'dns',
      what,
      `The name service of this machine does not know ${host}.`,
      `Correct the name in the configuration, or write the IP address; else ask whoever keeps the name service. "getent hosts ${host}" must print an address.`,
    );
  }
  return wrong(
    'dns',
    what,
    `The name service did not answer (${code}).`,
    'Check the network of this machine and the name servers in /etc/resolv.conf.',
  );
}

function unreachable({ host, port, timeoutMs }: Target, code: string): Diagnosis {
  const what = `Port ${port} of ${host} cannot be reached`;
  switch (code) {
    case 'ECONNREFUSED':
      return wrong(
        'tcp',
        what,
        `The machine is there, but nothing listens on port ${port}: the service is down, or listens on another port.`,
        `Start the service on ${host}, or correct the port in the configuration. A firewall that rejects looks the same.`,
      );
    case TIMEOUT:
    case 'ETIMEDOUT':
      return wrong(
        'tcp',
        what,
        `No answer within ${timeoutMs / 1000} s: the machine is off, the address is another's, or a firewall drops what we send.`,
        `Check that ${host} is up and that the firewalls between let this machine through to port ${port}/tcp.`,
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return wrong(
        'tcp',
        what,
        `This machine has no way to that address (${code}).`,
        `Check cable, VLAN and routes of this machine: "ip route get ${host}" must name a device.`,
      );
    default:
      return wrong('tcp', what, `The connection failed with ${code}.`, 'Check the network between the two machines.');
  }
}
