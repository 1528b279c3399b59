/** The connection under an association that the hub asked for: its socket, the PDUs that came over it, and how it ended. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { HubError } from '../../core/errors.ts';
import { ABORT, PDU, type Pdu, PduReader, RELEASE_REQUEST } from './pdu.ts';

export interface Peer {
  readonly host: string;
  readonly port: number;
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly tls?: ConnectionOptions;
  readonly timeouts: Timeouts;
}

export interface Timeouts {
  readonly connectMs: number;
  /** For the answer to the association request. */
  readonly associationMs: number;
  /** For a C-STORE-RSP, and for the peer to take more bytes. */
  readonly responseMs: number;
}

const RELEASE_TIMEOUT_MS = 5_000;
/** What may wait to be taken: a peer that sends faster than we store is held back. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** The socket, the PDUs that came over it, and how it ended. */
export class Connection {
  readonly socket: Socket;
  failure: HubError | undefined;
  isAbortedByPeer = false;
  readonly #reader = new PduReader();
  readonly #arrived: Pdu[] = [];
  #waitingBytes = 0;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.abort();
  #isConnected = false;
  /** Settles the one wait there can be. */
  #wake: (() => void) | undefined;

  constructor(peer: Peer, signal: AbortSignal) {
    this.#signal = signal;
    const target = { host: peer.host, port: peer.port, noDelay: true, keepAlive: true };
    this.socket = peer.tls === undefined ? connectTcp(target) : connectTls({ ...target, ...peer.tls });
    this.socket.once(peer.tls === undefined ? 'connect' : 'secureConnect', () => {
      this.#isConnected = true;
      this.#wake?.();
    });
    this.socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.socket.on('drain', () => this.#wake?.());
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      const detail = this.#isConnected ? 'the connection broke' : 'no connection';
      this.#fail(new HubError('partner.unreachable', { reason: error.code ?? error.name, detail }, error));
    });
    this.socket.on('close', () =>
      this.#fail(new HubError('partner.unreachable', { detail: 'the connection was closed' })),
    );
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async connected(timeoutMs: number): Promise<void> {
    const late = () => new HubError('partner.unreachable', { detail: 'no connection in time' });
    await this.#until(() => this.#isConnected || undefined, timeoutMs, late);
  }

  /** Ends the association in good order, or at least within a few seconds. */
  async release(): Promise<void> {
    try {
      this.socket.write(RELEASE_REQUEST);
      const answer = await this.next(RELEASE_TIMEOUT_MS, 'no answer to the release');
      if (answer.type !== PDU.releaseResponse) this.abort();
      else this.socket.end();
    } catch {
      // Everything was answered before; a peer that just hangs up does no harm.
    } finally {
      this.destroy();
    }
  }

  /** The next PDU. An abort or release by the peer is a failure. */
  async next(timeoutMs: number, late: string): Promise<Pdu> {
    return await this.#until(
      () => this.#taken(),
      timeoutMs,
      () => new HubError('partner.timeout', { detail: late }),
    );
  }

  /** Resolves when the socket takes more. */
  readonly drained = async (timeoutMs: number): Promise<void> => {
    const late = () => new HubError('partner.timeout', { detail: 'it stopped taking bytes' });
    await this.#until(() => !this.socket.writableNeedDrain || undefined, timeoutMs, late);
  };

  abort(): void {
    if (this.socket.destroyed) return;
    if (this.#isConnected) this.socket.write(ABORT);
    this.#fail(new HubError('partner.unreachable', { detail: 'aborted' }));
    this.destroy();
  }

  destroy(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    // Lets what is written leave; a peer that does not read is not waited for.
    this.socket.destroySoon();
    setTimeout(() => this.socket.destroy(), 1000).unref();
  }

  #take(chunk: Buffer): void {
    try {
      for (const pdu of this.#reader.push(chunk)) {
        if (pdu.type === PDU.abort) {
          this.isAbortedByPeer = this.failure === undefined;
          const detail = `it aborted the association (${abortReason(pdu)})`;
          this.#fail(new HubError('partner.unreachable', { detail, abort: abortCode(pdu) }));
        } else if (pdu.type === PDU.releaseRequest)
          this.#fail(new HubError('partner.unreachable', { detail: 'it released the association' }));
        else {
          this.#arrived.push(pdu);
          this.#waitingBytes += pdu.bytes.byteLength;
        }
      }
      if (this.#waitingBytes > MAX_WAITING_BYTES) this.socket.pause();
    } catch (error) {
      this.#fail(error instanceof HubError ? error : new HubError('internal.unexpected', {}, error));
      this.abort();
    }
    this.#wake?.();
  }

  #taken(): Pdu | undefined {
    const pdu = this.#arrived.shift();
    if (pdu === undefined) return undefined;
    this.#waitingBytes -= pdu.bytes.byteLength;
    if (this.#waitingBytes <= MAX_WAITING_BYTES / 2 && this.socket.isPaused()) this.socket.resume();
    return pdu;
  }

  #fail(failure: HubError): void {
    this.failure ??= failure;
    this.#wake?.();
  }

  async #until<T>(poll: () => T | undefined, timeoutMs: number, late: () => HubError): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const clock = { isLate: false };
    try {
      for (;;) {
        const value = poll();
        if (value !== undefined) return value;
        this.#signal.throwIfAborted();
        if (this.failure !== undefined) throw this.failure;
        if (clock.isLate) throw late();
        await new Promise<void>((wake) => {
          this.#wake = wake;
          timer ??= setTimeout(() => {
            clock.isLate = true;
            this.#wake?.();
          }, timeoutMs);
        });
      }
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }
}

/** PS3.8 Table 9-26: source and reason, `2.1`. */
function abortCode({ bytes }: Pdu): string {
  return [...bytes.subarray(8, 10)].join('.');
}

function abortReason(pdu: Pdu): string {
  const [source = '0', reason = '0'] = abortCode(pdu).split('.');
  return `source ${source}, reason ${reason}`;
}
