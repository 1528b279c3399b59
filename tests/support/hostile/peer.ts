/** A connection that follows no protocol but TCP: it drips, cuts, never reads, and says how the hub ended it. */
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const DRIP_MS = 1_000;

export class HostilePeer {
  readonly #socket: Socket;
  readonly #said: Buffer[] = [];
  readonly #closed: Promise<void>;
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#said.push(chunk));
    // A reset is a way to hang up.
    socket.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        resolve();
      });
    });
  }

  static async connect(port: number): Promise<HostilePeer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new HostilePeer(socket);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** All it was told. */
  get said(): Buffer {
    return Buffer.concat(this.#said);
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(bytes));
  }

  /** Sends as fast as the hub takes it, until it hangs up. */
  async stream(chunks: Iterable<Uint8Array>): Promise<void> {
    for (const chunk of chunks) {
      if (this.#isClosed) return;
      if (!this.#socket.write(chunk))
        await Promise.race([once(this.#socket, 'drain').catch(() => undefined), this.#closed]);
    }
  }

  /** One byte a second until the hub hangs up. */
  async drip(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      if (this.#isClosed) return;
      this.#socket.write(Uint8Array.of(byte));
      await Promise.race([delay(DRIP_MS), this.#closed]);
    }
  }

  /** From now on what the hub says stays in the network. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** FIN. */
  end(): void {
    this.#socket.end();
  }

  /** RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** @throws {Error} when the hub holds on to it */
  async untilClosed(deadlineMs: number): Promise<void> {
    const patience = new AbortController();
    const late = delay(deadlineMs, 'late' as const, { signal: patience.signal }).catch(() => undefined);
    const outcome = await Promise.race([late, this.#closed]);
    patience.abort();
    if (outcome !== 'late') return;
    this.#socket.destroy();
    throw new Error(
      `the hub did not hang up within ${deadlineMs} ms; it said ${this.said.subarray(0, 200).toString('latin1')}`,
    );
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** File descriptors that a process has open, its sockets among them. */
export async function openFiles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Names of the PDUs in what the hub said: `accepted answered(0x0) aborted(2,6)`. */
export function pdusIn(said: Buffer): string {
  const names: string[] = [];
  for (let at = 0; at + 6 <= said.length; at += 6 + said.readUInt32BE(at + 2)) {
    const body = said.subarray(at + 6);
    switch (said.readUInt8(at)) {
      case 2:
        names.push('accepted');
        break;
      case 3:
        names.push('rejected');
        break;
      case 4:
        names.push(`answered(0x${statusIn(body).toString(16)})`);
        break;
      case 6:
        names.push('released');
        break;
      case 7:
        names.push(`aborted(${body[2] ?? ''},${body[3] ?? ''})`);
        break;
      default:
        names.push('nonsense');
    }
  }
  return names.join(' ');
}

/** Status (0000,0900) of the command set in a P-DATA-TF. */
function statusIn(body: Buffer): number {
  for (let at = 6; at + 8 <= body.length; at += 8 + body.readUInt32LE(at + 4)) {
    if (body.readUInt16LE(at + 2) === 0x0900) return body.readUInt16LE(at + 8);
  }
  return Number.NaN;
}
