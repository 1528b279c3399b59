/** Bytes of one connection on their way to the framing, and the brake: while the hub has no room, nothing is read. */
import type { Socket } from 'node:net';
import { Framing, type PduHandler } from './framing.ts';

export interface ReaderPorts {
  readonly handler: PduHandler;
  /** Reading goes on after it was held back. */
  readonly onResumed: () => void;
  /** Nothing more is to be taken: what is left over is dropped. */
  readonly isOver: () => boolean;
  /** The handler, or the framing, threw. */
  readonly onError: (error: unknown) => void;
}

export class Reader {
  readonly #socket: Socket;
  readonly #ports: ReaderPorts;
  readonly #framing: Framing;
  #isHeld = false;
  /** Bytes of the last read that were not taken yet; no more than one read of the listener. */
  #rest: Buffer | undefined;

  constructor(socket: Socket, ports: ReaderPorts) {
    this.#socket = socket;
    this.#ports = ports;
    this.#framing = new Framing(ports.handler, () => this.#isHeld);
  }

  /** True while nothing more is taken from the peer. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** A PDU has begun and is not whole. */
  get isInside(): boolean {
    return this.#framing.isInside;
  }

  /** Bytes from the socket, valid only during the call. */
  received(chunk: Uint8Array): void {
    this.#take(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]));
  }

  /** Nothing more is read until the promise is fulfilled. */
  holdBack(ready: Promise<unknown>): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#socket.pause();
    void ready.then(() => {
      this.#isHeld = false;
      this.#ports.onResumed();
      if (this.#ports.isOver()) this.#rest = undefined;
      if (this.#rest !== undefined) this.#take(this.#rest);
      if (this.#rest === undefined) this.#socket.resume(); // Else held back again, by the next message.
    });
  }

  #take(chunk: Uint8Array): void {
    this.#rest = undefined;
    try {
      const used = this.#framing.push(chunk);
      if (used < chunk.length) this.#rest = Buffer.from(chunk.subarray(used));
    } catch (error) {
      this.#ports.onError(error);
    }
  }
}
