/** One association to a C-STORE provider: opened, used for one instance after the other, released or thrown away. */
import { HubError } from '../../core/errors.ts';
import type { Connection, Peer, Timeouts } from '../../peers/dimse/connection.ts';
import { type NegotiatedConnection, openNegotiated } from '../../peers/dimse/negotiated-connection.ts';
import type { Negotiated, ProposedContext } from '../../peers/dimse/negotiation.ts';
import { dataHeader, dataValues, PDU } from '../../peers/dimse/pdu.ts';
import { echoRequest, parseResponse, storeRequest, type CommandResponse } from './command.ts';

/** The bytes of one data set in the encoding of its presentation context. */
export interface OutgoingDataSet {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** Undefined: known when the last chunk has come. */
  readonly sizeBytes: number | undefined;
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
  /** Everything that was written has left this process. */
  isFlushed(): boolean;
  /** Nothing has ended it, as far as is known here. */
  isUsable(): boolean;
  /** Ends it in good order, or at least within a few seconds. */
  release(): Promise<void>;
  abort(): void;
}

const MAX_MESSAGE_ID = 0xffff;

/** @throws {HubError} `partner.unreachable`, `partner.timeout`, `partner.busy` or `partner.refused` */
export async function openAssociation(
  peer: Peer,
  contexts: readonly ProposedContext[],
  signal: AbortSignal,
): Promise<Association> {
  return useAssociation(await openNegotiated(peer, contexts, signal), peer.timeouts);
}

function useAssociation(
  { connection, negotiated, fragmentBytes }: NegotiatedConnection,
  timeouts: Timeouts,
): Association {
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
        const { sizeBytes, chunks } = dataSet;
        if (sizeBytes === undefined)
          await writeUnmeasured(connection, contextId, chunks, fragmentBytes, timeouts.responseMs);
        else await writeDataSet(connection, contextId, { sizeBytes, chunks }, fragmentBytes, timeouts.responseMs);
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
    isFlushed: () => connection.socket.writableLength === 0,
    isUsable: () => connection.failure === undefined && !connection.socket.destroyed,
    release: () => connection.release(),
    abort: () => connection.abort(),
  };
}

/** Fragments of the peer's size, straight from the chunks, without copying them together. */
async function writeDataSet(
  { socket, drained }: Connection,
  contextId: number,
  { sizeBytes, chunks }: Pick<OutgoingDataSet, 'chunks'> & { readonly sizeBytes: number },
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

/** Of unknown length: each fragment waits until it is known whether another follows. */
async function writeUnmeasured(
  { socket, drained }: Connection,
  contextId: number,
  chunks: OutgoingDataSet['chunks'],
  fragmentBytes: number,
  timeoutMs: number,
): Promise<void> {
  let fragment = Buffer.allocUnsafe(fragmentBytes);
  let filled = 0;
  const send = (isLast: boolean): void => {
    // PS3.5 Section 7.1: of even length, as all fragments before the last are.
    if (filled % 2 === 1) fragment[filled++] = 0;
    socket.write(dataHeader(contextId, filled, { isCommand: false, isLast }));
    socket.write(fragment.subarray(0, filled));
    fragment = Buffer.allocUnsafe(fragmentBytes);
    filled = 0;
  };
  socket.uncork();
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength;) {
      if (filled === fragmentBytes) send(false);
      const part = chunk.subarray(at, at + fragmentBytes - filled);
      fragment.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
    }
    await drained(timeoutMs);
  }
  send(true);
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
