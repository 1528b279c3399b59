/** The DIMSE port: accepts connections, keeps their number in bounds, and is the one clock of all their timers. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Association, type AssociationPorts } from './association.ts';
import { readInto } from './static-buffer.ts';

export interface DimseListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Connections that are not associations yet. */
  readonly maxPending: number;
}

const READ_BYTES = 256 * 1024;
const MIN_TICK_MS = 20;
const MAX_TICK_MS = 1_000;

export class DimseListener {
  readonly #options: DimseListenerOptions;
  readonly #ports: AssociationPorts;
  readonly #associations = new Map<Association, Socket>();
  readonly #server: Server;
  /** What was read is used or copied before the next read: one buffer does for all connections. */
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #closing = new Set<Promise<void>>();
  #clock: NodeJS.Timeout | undefined;
  #onNone: (() => void) | undefined;

  constructor(options: DimseListenerOptions, ports: AssociationPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) =>
      this.#connected(socket),
    );
  }

  /** @returns the port, which the system chose when 0 was asked for */
  async listen(): Promise<number> {
    await new Promise<void>((listening, failed) => {
      this.#server.once('error', failed);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off('error', failed);
        // No descriptor left, for one: this connection cannot be had, the next may. Unheard it would end the process.
        this.#server.on('error', (error) =>
          this.#ports.log.error('a connection could not be accepted', { reason: codeOf(error) }),
        );
        listening();
      });
    });
    const { associationMs, idleMs, progressMs, closeMs } = this.#ports.timeouts;
    const tickMs = Math.min(associationMs, idleMs, progressMs, closeMs) / 4;
    this.#clock = setInterval(() => this.#tick(), Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, tickMs)));
    return addressOf(this.#server).port;
  }

  get associations(): number {
    let count = 0;
    for (const association of this.#associations.keys()) if (association.isAssociated) count += 1;
    return count;
  }

  /** Closes the door, lets messages under way end within `deadlineMs`, then cuts what is left. Harmless twice. */
  async stop(deadlineMs: number): Promise<void> {
    const isClosed = new Promise<void>((closed) => this.#server.close(() => closed()));
    // The server does not count connections that were handed over to sockets of ours.
    const areGone = new Promise<void>((gone) => (this.#onNone = gone));
    if (this.#associations.size === 0) this.#onNone?.();
    for (const association of this.#associations.keys()) association.stopSoon();
    const cut = setTimeout(() => {
      for (const socket of this.#associations.values()) socket.destroy();
    }, deadlineMs);
    await Promise.all([isClosed, areGone]);
    clearTimeout(cut);
    clearInterval(this.#clock);
    await Promise.all(this.#closing);
  }

  #connected(accepted: Socket): void {
    if (this.#associations.size - this.associations >= this.#options.maxPending) {
      accepted.destroy();
      return;
    }
    const socket = readInto(this.#buffer, accepted, (chunk) => association.received(chunk));
    const association = new Association(socket, this.#ports);
    this.#associations.set(association, socket);
    socket.on('error', () => socket.destroy()); // 'close' follows and says the rest.
    socket.on('close', () => {
      this.#associations.delete(association);
      if (this.#associations.size === 0) this.#onNone?.();
      const closed = association.closed().finally(() => this.#closing.delete(closed));
      this.#closing.add(closed);
    });
    socket.resume();
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const association of this.#associations.keys()) association.tick(nowMs);
  }
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
  return address;
}
