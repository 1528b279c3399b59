/** A DIMSE peer made of bytes: it sends what no well-behaved tool can be made to send, in pieces of any size. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export const EXPLICIT = '1.2.840.10008.1.2.1';
export const MR = '1.2.840.10008.5.1.4.1.1.4';
const APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';
const DEADLINE_MS = 10_000;

export interface ContextProposal {
  readonly id: number;
  readonly abstractSyntax?: string;
  readonly transferSyntaxes?: readonly string[];
}

export interface RequestOptions {
  readonly called?: string;
  readonly calling?: string;
  readonly contexts?: readonly ContextProposal[];
  readonly protocolVersion?: number;
  readonly applicationContext?: string;
  /** More items of the user information. */
  readonly userItems?: readonly Buffer[];
}

export interface Pdu {
  readonly type: number;
  readonly body: Buffer;
}

export class RawPeer {
  readonly #socket: Socket;
  readonly #pdus: Pdu[] = [];
  #buffered = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // A reset is one way to hang up; `closed` and `next` say so.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async connect(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: options.allowHalfOpen ?? false });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /** Connects and associates. @throws {Error} when it is not accepted */
  static async associate(port: number, options: RequestOptions = {}): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    peer.send(associateRequest(options));
    const answer = await peer.next();
    if (answer.type !== 2) throw new Error(`answered with PDU type ${answer.type}`);
    return peer;
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(bytes));
  }

  /** The next PDU. @throws {Error} when the other side hung up or says nothing */
  async next(): Promise<Pdu> {
    await this.#until(() => this.#pdus.length > 0 || this.#isClosed);
    const pdu = this.#pdus.shift();
    if (pdu === undefined) throw new Error('the hub hung up');
    return pdu;
  }

  /** Everything said until the other side hangs up. */
  async untilClosed(): Promise<readonly Pdu[]> {
    await this.#until(() => this.#isClosed);
    return this.#pdus.splice(0);
  }

  /** The other side has hung up. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const until = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > until) throw new Error('the hub neither answered nor hung up');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #take(chunk: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    while (this.#buffered.length >= 6 && this.#buffered.length >= 6 + this.#buffered.readUInt32BE(2)) {
      const end = 6 + this.#buffered.readUInt32BE(2);
      this.#pdus.push({ type: this.#buffered.readUInt8(0), body: this.#buffered.subarray(6, end) });
      this.#buffered = this.#buffered.subarray(end);
    }
    this.#wake();
  }
}

export function associateRequest(options: RequestOptions = {}): Buffer {
  const contexts = (options.contexts ?? [{ id: 1 }]).map(({ id, abstractSyntax = MR, transferSyntaxes = [EXPLICIT] }) =>
    item(
      0x20,
      Buffer.concat([
        Buffer.from([id, 0, 0, 0]),
        item(0x30, Buffer.from(abstractSyntax)),
        ...transferSyntaxes.map((uid) => item(0x40, Buffer.from(uid))),
      ]),
    ),
  );
  const version = Buffer.alloc(4);
  version.writeUInt16BE(options.protocolVersion ?? 1);
  const maxLength = Buffer.alloc(4);
  maxLength.writeUInt32BE(16_384);
  const user = [item(0x51, maxLength), item(0x52, Buffer.from('1.2.3.4')), ...(options.userItems ?? [])];
  return pdu(
    1,
    Buffer.concat([
      version,
      Buffer.from((options.called ?? 'HUB').padEnd(16)),
      Buffer.from((options.calling ?? 'SCANNER').padEnd(16)),
      Buffer.alloc(32),
      item(0x10, Buffer.from(options.applicationContext ?? APPLICATION_CONTEXT)),
      ...contexts,
      item(0x50, Buffer.concat(user)),
    ]),
  );
}

export function pdu(type: number, body: Uint8Array, statedLength = body.length): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt8(type);
  header.writeUInt32BE(statedLength, 2);
  return Buffer.concat([header, body]);
}

/** A presentation data value. `flags`: bit 0 command, bit 1 last fragment. */
export function value(contextId: number, flags: number, bytes: Uint8Array, statedLength = bytes.length + 2): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt32BE(statedLength);
  header.writeUInt8(contextId, 4);
  header.writeUInt8(flags, 5);
  return Buffer.concat([header, bytes]);
}

export function data(...values: readonly Uint8Array[]): Buffer {
  return pdu(4, Buffer.concat(values));
}

export interface StoreCommand {
  readonly sopInstanceUid: string;
  readonly sopClassUid?: string;
  readonly messageId?: number;
  readonly field?: number;
  readonly hasDataSet?: boolean;
}

/** PS3.7 Section 9.3.1.1, implicit VR little endian. */
export function storeCommand(options: StoreCommand): Buffer {
  const elements = Buffer.concat([
    element(0x0002, padded(options.sopClassUid ?? MR)),
    element(0x0100, uint16(options.field ?? 0x0001)),
    element(0x0110, uint16(options.messageId ?? 1)),
    element(0x0700, uint16(0)),
    element(0x0800, uint16((options.hasDataSet ?? true) ? 0 : 0x0101)),
    element(0x1000, padded(options.sopInstanceUid)),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(elements.length);
  return Buffer.concat([element(0x0000, length), elements]);
}

/** A whole C-STORE-RQ on context 1, the data set in PDUs of 16 KiB. */
export function storeRequest(command: StoreCommand, dataSet: Uint8Array, contextId = 1): Buffer {
  const size = 16_000;
  const pieces: Buffer[] = [data(value(contextId, 3, storeCommand(command)))];
  for (let at = 0; at === 0 || at < dataSet.length; at += size) {
    pieces.push(data(value(contextId, at + size >= dataSet.length ? 2 : 0, dataSet.subarray(at, at + size))));
  }
  return Buffer.concat(pieces);
}

/** The number in an element of a response's command set: 0x0900 status, 0x0120 message id being responded to. */
export function numberIn(response: Pdu, wanted: number): number {
  const set = response.body.subarray(6);
  for (let at = 0; at + 8 <= set.length; at += 8 + set.readUInt32LE(at + 4)) {
    if (set.readUInt16LE(at + 2) === wanted) return set.readUInt16LE(at + 8);
  }
  throw new Error('the response lacks it');
}

export const statusOf = (response: Pdu): number => numberIn(response, 0x0900);

export const RELEASE_REQUEST = pdu(5, Buffer.alloc(4));
export const ABORT = pdu(7, Buffer.alloc(4));

export function item(type: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt8(type);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}

function element(number: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(number, 2);
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

const padded = (uid: string): Buffer => Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`);
const uint16 = (number: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(number);
  return bytes;
};
