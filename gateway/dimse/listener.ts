/** The connections of all DIMSE doors: keeps their number in bounds, and is the one clock of all their timers. */
import type { Socket } from 'node:net';
import { Association, type AssociationPorts } from './association.ts';
import { Door, type DoorOptions, type ReadyConnection } from './door.ts';
import { PendingConnections, type PendingBounds } from './pending-connections.ts';
import { readInto } from './static-buffer.ts';

export interface DimseListenerOptions {
  readonly doors: readonly DoorOptions[];
  /** Connections that are not associations yet. */
  readonly pending: PendingBounds;
}

const READ_BYTES = 256 * 1024;
const MIN_TICK_MS = 20;
const MAX_TICK_MS = 1_000;

/** Of the time to stop, for associations to be released by their peers. */
const DRAIN_SHARE = 0.75;

export class DimseListener {
  readonly #ports: AssociationPorts;
  readonly #associations = new Map<Association, Socket>();
  readonly #doors: readonly Door[];
  readonly #pending: PendingConnections;
  /** What was read is used or copied before the next read: one buffer does for all connections. */
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #closing = new Set<Promise<void>>();
  #clock: NodeJS.Timeout | undefined;
  #onNone: (() => void) | undefined;

  constructor(options: DimseListenerOptions, ports: AssociationPorts) {
    this.#ports = ports;
    this.#pending = new PendingConnections(options.pending);
    this.#doors = options.doors.map(
      (door) =>
        new Door(door, {
          onHandshake: (raw) => this.#addPending(raw),
          onReady: (connection) => this.#connected(connection),
          onSilent: ports.onSilent,
          onRefused: ports.onRefused,
          log: ports.log,
        }),
    );
  }

  /** @returns the ports, in the order of the doors; the system chose where 0 was asked for */
  async listen(): Promise<readonly number[]> {
    const ports: number[] = [];
    try {
      for (const door of this.#doors) ports.push(await door.listen());
    } catch (error) {
      await Promise.all(this.#doors.slice(0, ports.length).map((door) => door.close()));
      throw error;
    }
    const { associationMs, idleMs, progressMs, closeMs } = this.#ports.timeouts;
    const tickMs = Math.min(associationMs, idleMs, progressMs, closeMs) / 4;
    this.#clock = setInterval(() => this.#tick(), Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, tickMs)));
    return ports;
  }

  /** Associations open now; with a condition, those it holds for. */
  count(condition: (association: Association) => boolean = () => true): number {
    let count = 0;
    for (const association of this.#associations.keys()) {
      if (association.isAssociated && condition(association)) count += 1;
    }
    return count;
  }

  /** Closes the doors, lets associations that send end within `deadlineMs`, then messages, then cuts what is left. Harmless twice. */
  async stop(deadlineMs: number): Promise<void> {
    const areClosed = this.#doors.map((door) => door.close());
    // A server does not count connections that were handed over to sockets of ours.
    const areGone = new Promise<void>((gone) => (this.#onNone = gone));
    if (this.#associations.size === 0) this.#onNone?.();
    for (const association of this.#associations.keys()) association.drain();
    const hurry = setTimeout(() => {
      for (const association of this.#associations.keys()) association.stopSoon();
    }, deadlineMs * DRAIN_SHARE);
    const cut = setTimeout(() => {
      for (const socket of this.#associations.values()) socket.destroy();
    }, deadlineMs);
    await Promise.all([...areClosed, areGone]);
    clearTimeout(hurry);
    clearTimeout(cut);
    clearInterval(this.#clock);
    await Promise.all(this.#closing);
  }

  #addPending(socket: Socket): () => void {
    return this.#pending.add(socket.remoteAddress ?? '', () => socket.destroy());
  }

  #connected({ accepted, tls }: ReadyConnection): void {
    const onBytes = (chunk: Uint8Array) => association.received(chunk);
    const socket = tls === undefined ? readInto(this.#buffer, accepted, onBytes) : accepted.on('data', onBytes).pause();
    const onSettled = tls?.onSettled ?? this.#addPending(socket);
    const association = new Association({ socket, certificate: tls?.certificate, onSettled }, this.#ports);
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
