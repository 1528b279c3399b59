/** One association to a C-STORE provider: opened, used for one instance after the other, released or thrown away. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { HubError } from '../../core/errors.ts';
import { echoRequest, parseResponse, storeRequest, type CommandResponse } from './command.ts';
import { type Negotiated, type ProposedContext, requestAssociation } from './negotiation.ts';
import { ABORT, dataHeader, dataValues, PDU, type Pdu, PduReader, RELEASE_REQUEST } from './pdu.ts';

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

/** The bytes of one data set in the encoding of its presentation context. */
export interface OutgoingDataSet {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface Association extends Pick<Negotiated, 'contextIdOf' | 'resultOf'> {
  /** Asks whether anybody is there (PS3.4 Annex A). @returns the status @throws {HubError} after which the association is gone */
  echo(contextId: number): Promise<number>;
  /**
   * Sends one data set and waits for the response.
   *
   * @throws {HubError} after which the association is gone; or what reading the chunks throws, with the same effect
   */
  store(contextId: number, dataSet: OutgoingDataSet): Promise<CommandResponse>;
  /** Ends it in good order, or at least within a few seconds. */
  release(): Promise<void>;
  abort(): void;
}

const RELEASE_TIMEOUT_MS = 5_000;
/** Sent at once, at most: DCMTK's own limit. A peer's "any length" is not taken at its word. */
const MAX_DATA_BYTES = 131_072;
const MAX_MESSAGE_ID = 0xffff;

/** @throws {HubError} `partner.unreachable`, `partner.timeout`, `partner.busy` or `partner.refused` */
export async function openAssociation(
  peer: Peer,
  contexts: readonly ProposedContext[],
  signal: AbortSignal,
): Promise<Association> {
  signal.throwIfAborted();
  const connection = new Connection(peer, signal);
  try {
    await connection.connected(peer.timeouts.connectMs);
    const negotiation = requestAssociation(connection.socket, peer, contexts);
    const answer = await connection.next(peer.timeouts.associationMs, 'no answer to the association request');
    return useAssociation(connection, await negotiation.accept(answer), peer.timeouts);
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

function useAssociation(connection: Connection, negotiated: Negotiated, timeouts: Timeouts): Association {
  const { maxPduBytes } = negotiated;
  // The six bytes before the value count; the length stays even.
  const limit = maxPduBytes === 0 ? MAX_DATA_BYTES : Math.min(maxPduBytes, MAX_DATA_BYTES);
  const fragmentBytes = Math.max(2, (limit - 6) & ~1);
  let messageId = 0;

  return {
    contextIdOf: (context) => negotiated.contextIdOf(context),
    resultOf: (context) => negotiated.resultOf(context),
    echo: async (contextId) => {
      messageId = (messageId % MAX_MESSAGE_ID) + 1;
      const command = echoRequest(messageId);
      connection.socket.write(
        Buffer.concat([dataHeader(contextId, command.byteLength, { isCommand: true, isLast: true }), command]),
      );
      try {
        return (await readResponse(connection, messageId, 'echoResponse', timeouts.responseMs)).status;
      } catch (error) {
        connection.abort();
        throw error;
      }
    },
    store: async (contextId, dataSet) => {
      messageId = (messageId % MAX_MESSAGE_ID) + 1;
      try {
        const command = storeRequest(messageId, dataSet.sopClassUid, dataSet.sopInstanceUid);
        connection.socket.cork();
        connection.socket.write(dataHeader(contextId, command.byteLength, { isCommand: true, isLast: true }));
        connection.socket.write(command);
        await writeDataSet(connection, contextId, dataSet, fragmentBytes, timeouts.responseMs);
        return await readResponse(connection, messageId, 'storeResponse', timeouts.responseMs);
      } catch (error) {
        // What was half sent or may still be answered must not meet the next instance.
        const failure = connection.isAbortedByPeer
          ? new HubError('partner.unreachable', { ...connection.failure?.fields, abortedInstance: true }, error)
          : error instanceof HubError
            ? error
            : (connection.failure ?? error);
        connection.abort();
        throw failure;
      }
    },
    release: async () => {
      try {
        connection.socket.write(RELEASE_REQUEST);
        const answer = await connection.next(RELEASE_TIMEOUT_MS, 'no answer to the release');
        if (answer.type !== PDU.releaseResponse) connection.abort();
        else connection.socket.end();
      } catch {
        // Everything was confirmed before; a peer that just hangs up does no harm.
      } finally {
        connection.destroy();
      }
    },
    abort: () => connection.abort(),
  };
}

/** Fragments of the peer's size, straight from the chunks, without copying them together. */
async function writeDataSet(
  { socket, drained }: Connection,
  contextId: number,
  { sizeBytes, chunks }: OutgoingDataSet,
  fragmentBytes: number,
  timeoutMs: number,
): Promise<void> {
  // PS3.5 Section 7.1 and A.5: a data set has even length; a deflated one is padded.
  const paddedBytes = sizeBytes + (sizeBytes % 2);
  let left = paddedBytes;
  let inFragment = 0;
  const put = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.byteLength;) {
      if (inFragment === 0) {
        inFragment = Math.min(fragmentBytes, left);
        socket.write(dataHeader(contextId, inFragment, { isCommand: false, isLast: inFragment === left }));
      }
      const part = bytes.subarray(at, at + inFragment);
      if (part.byteLength === 0) throw new HubError('store.missing', { detail: 'longer than the ledger says' });
      socket.write(part);
      at += part.byteLength;
      inFragment -= part.byteLength;
      left -= part.byteLength;
    }
  };
  if (paddedBytes === 0) socket.write(dataHeader(contextId, 0, { isCommand: false, isLast: true }));
  for await (const chunk of chunks) {
    put(chunk);
    socket.uncork();
    await drained(timeoutMs);
    socket.cork();
  }
  if (paddedBytes > sizeBytes && left === 1) put(Uint8Array.of(0));
  if (left > 0) throw new HubError('store.missing', { detail: 'shorter than the ledger says' });
  socket.uncork();
}

async function readResponse(
  connection: Connection,
  messageId: number,
  kind: 'storeResponse' | 'echoResponse',
  timeoutMs: number,
): Promise<CommandResponse> {
  const parts: Buffer[] = [];
  const late = `no response to a ${kind === 'echoResponse' ? 'C-ECHO' : 'C-STORE'}`;
  for (;;) {
    const pdu = await connection.next(timeoutMs, late);
    if (pdu.type !== PDU.data) throw new HubError('partner.refused', { detail: 'another PDU in place of a response' });
    for (const { isCommand, isLast, value } of dataValues(pdu)) {
      if (!isCommand) continue;
      parts.push(value);
      if (!isLast) continue;
      const response = parseResponse(Buffer.concat(parts), kind);
      if (response?.messageId !== messageId)
        throw new HubError('partner.refused', { detail: 'a response to something else' });
      return response;
    }
  }
}

/** The socket, the PDUs that came over it, and how it ended. */
class Connection {
  readonly socket: Socket;
  failure: HubError | undefined;
  isAbortedByPeer = false;
  readonly #reader = new PduReader();
  readonly #arrived: Pdu[] = [];
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

  /** The next PDU. An abort or release by the peer is a failure. */
  async next(timeoutMs: number, late: string): Promise<Pdu> {
    return await this.#until(
      () => this.#arrived.shift(),
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
        else this.#arrived.push(pdu);
      }
    } catch (error) {
      this.#fail(error instanceof HubError ? error : new HubError('internal.unexpected', {}, error));
      this.abort();
    }
    this.#wake?.();
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
