/** An association over which the hub asks and is answered in messages (PS3.7 Section 6.3), data sets read as they come. */
import { HubError } from '../../core/errors.ts';
import { type Command, decodeCommand } from './command-set.ts';
import type { Connection, Peer } from './connection.ts';
import { type NegotiatedConnection, openNegotiated } from './negotiated-connection.ts';
import type { Negotiated, ProposedContext } from './negotiation.ts';
import { dataHeader, dataValues, PDU } from './pdu.ts';

export interface Message {
  readonly contextId: number;
  readonly command: Command;
  /** To be read to its end before the next message; empty when the command has none. Views, valid until the next is asked for. */
  readonly dataSet: AsyncIterable<Buffer>;
}

export interface MessageAssociation extends Pick<Negotiated, 'contextIdOf' | 'resultOf' | 'contextOf'> {
  /** Sends a command, and behind it a data set that is whole in memory. */
  send(contextId: number, command: Buffer, dataSet?: Buffer): Promise<void>;
  /** @throws {HubError} `partner.timeout` when none begins within `timeoutMs`, `partner.unreachable`, `partner.refused` */
  next(timeoutMs: number): Promise<Message>;
  /** Says that a request is enough and hangs up: nothing that comes is waited for. */
  giveUp(contextId: number, cancel: Buffer): void;
  /** Ends it in good order, or at least within a few seconds. */
  release(): Promise<void>;
  abort(): void;
}

const MAX_COMMAND_BYTES = 64 * 1024;

type DataValue = ReturnType<typeof dataValues> extends Generator<infer Value> ? Value : never;

/** @throws {HubError} `partner.unreachable`, `partner.timeout`, `partner.busy` or `partner.refused` */
export async function openMessages(
  peer: Peer,
  contexts: readonly ProposedContext[],
  signal: AbortSignal,
): Promise<MessageAssociation> {
  return over(await openNegotiated(peer, contexts, signal), peer.timeouts.responseMs);
}

function over({ connection, negotiated, fragmentBytes }: NegotiatedConnection, responseMs: number): MessageAssociation {
  const values = new Values(connection);

  return {
    contextIdOf: (context) => negotiated.contextIdOf(context),
    resultOf: (context) => negotiated.resultOf(context),
    contextOf: (id) => negotiated.contextOf(id),
    send: async (contextId, command, dataSet) => {
      const parts = [dataHeader(contextId, command.byteLength, { isCommand: true, isLast: true }), command];
      for (let at = 0; dataSet !== undefined && at < dataSet.byteLength; at += fragmentBytes) {
        const part = dataSet.subarray(at, at + fragmentBytes);
        const isLast = at + part.byteLength === dataSet.byteLength;
        parts.push(dataHeader(contextId, part.byteLength, { isCommand: false, isLast }), part);
      }
      connection.socket.write(Buffer.concat(parts));
      await connection.drained(responseMs);
    },
    next: async (timeoutMs) => {
      const { contextId, bytes } = await commandFrom(values, timeoutMs);
      const command = decodeCommand(bytes);
      return { contextId, command, dataSet: command.hasDataSet ? dataFrom(values, contextId, responseMs) : NOTHING };
    },
    release: () => connection.release(),
    giveUp: (contextId, cancel) => {
      // Not `send`: somebody waits for the next message, and of waits there can be one.
      connection.socket.write(
        Buffer.concat([dataHeader(contextId, cancel.byteLength, { isCommand: true, isLast: true }), cancel]),
      );
      connection.abort();
    },
    abort: () => connection.abort(),
  };
}

/** Presentation data values one after the other, whichever PDU they came in. */
class Values {
  readonly #connection: Connection;
  #pending: DataValue[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async next(timeoutMs: number): Promise<DataValue> {
    for (;;) {
      const value = this.#pending.shift();
      if (value !== undefined) return value;
      const pdu = await this.#connection.next(timeoutMs, 'no answer');
      if (pdu.type !== PDU.data) throw new HubError('partner.refused', { detail: 'another PDU in place of an answer' });
      this.#pending = [...dataValues(pdu)];
    }
  }
}

async function commandFrom(values: Values, timeoutMs: number) {
  const parts: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { contextId, isCommand, isLast, value } = await values.next(timeoutMs);
    if (!isCommand) throw new HubError('partner.refused', { detail: 'data without a command' });
    size += value.byteLength;
    if (size > MAX_COMMAND_BYTES) throw new HubError('partner.refused', { detail: 'a command set too large' });
    parts.push(value);
    if (isLast) return { contextId, bytes: Buffer.concat(parts) };
  }
}

async function* dataFrom(values: Values, contextId: number, timeoutMs: number): AsyncGenerator<Buffer> {
  for (;;) {
    const value = await values.next(timeoutMs);
    if (value.isCommand || value.contextId !== contextId) {
      throw new HubError('partner.refused', { detail: 'command and data out of order' });
    }
    yield value.value;
    if (value.isLast) return;
  }
}

const NOTHING: AsyncIterable<Buffer> = {
  async *[Symbol.asyncIterator]() {
    yield* [];
  },
};
