/**
 * PS3.8 Section 9.3: PDUs cut out of the byte stream. P-DATA-TF is handed on as it comes, slice by slice, and never put
 * together; every other PDU is small and given whole. Each length is checked before a byte of it is taken.
 */

export const PDU = {
  associateRequest: 0x01,
  associateAccept: 0x02,
  associateReject: 0x03,
  data: 0x04,
  releaseRequest: 0x05,
  releaseResponse: 0x06,
  abort: 0x07,
} as const;

/** PS3.8 Table 9-26, reasons of an A-ABORT from the service provider. */
export const ABORT_REASON = {
  notSpecified: 0,
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  unrecognizedParameter: 4,
  unexpectedParameter: 5,
  invalidParameterValue: 6,
} as const;
export type AbortReason = (typeof ABORT_REASON)[keyof typeof ABORT_REASON];

/** The peer broke the protocol; the association ends with an A-ABORT. */
export class ProtocolError extends Error {
  readonly reason: AbortReason;

  constructor(reason: AbortReason, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.reason = reason;
  }
}

/** Gets what the framing finds; may throw a ProtocolError from any of them. */
export interface PduHandler {
  /** A PDU begins; throws when it may not come now or not in this length. */
  begin(type: number, length: number): void;
  /** A whole PDU other than P-DATA-TF. The body is the handler's. */
  pdu(type: number, body: Buffer): void;
  /** A presentation data value begins. */
  value(contextId: number, isCommand: boolean, isLast: boolean): void;
  /** Some bytes of it, valid only during the call. */
  bytes(slice: Uint8Array): void;
  valueEnd(): void;
}

const PDU_HEADER_BYTES = 6;
const VALUE_HEADER_BYTES = 6;

type State = 'pdu-header' | 'body' | 'value-header' | 'value';

export class Framing {
  readonly #handler: PduHandler;
  readonly #isHeld: () => boolean;
  readonly #header = Buffer.alloc(PDU_HEADER_BYTES);
  #headerBytes = 0;
  #state: State = 'pdu-header';
  #type = 0;
  /** Bytes of the PDU still to come. */
  #pduLeft = 0;
  /** Bytes of the presentation data value still to come. */
  #valueLeft = 0;
  #body: Buffer | undefined;

  /** @param isHeld - nothing more is to be handed on for now */
  constructor(handler: PduHandler, isHeld: () => boolean = () => false) {
    this.#handler = handler;
    this.#isHeld = isHeld;
  }

  /** False between two PDUs. */
  get isInside(): boolean {
    return this.#state !== 'pdu-header' || this.#headerBytes > 0;
  }

  /**
   * @returns how many bytes were used: fewer than there are when the handler is held
   * @throws {ProtocolError}
   */
  push(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && !this.#isHeld()) {
      switch (this.#state) {
        case 'pdu-header':
        case 'value-header':
          at = this.#takeHeader(chunk, at);
          break;
        case 'body':
          at = this.#takeBody(chunk, at);
          break;
        case 'value':
          at = this.#takeValue(chunk, at);
          break;
        default:
          throw new Error(this.#state satisfies never);
      }
    }
    return at;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    // Both kinds of header have six bytes.
    const some = chunk.subarray(at, at + PDU_HEADER_BYTES - this.#headerBytes);
    this.#header.set(some, this.#headerBytes);
    this.#headerBytes += some.length;
    if (this.#headerBytes === PDU_HEADER_BYTES) {
      this.#headerBytes = 0;
      if (this.#state === 'pdu-header') this.#beginPdu();
      else this.#beginValue();
    } else if (this.#state === 'pdu-header' && this.#header[0] !== undefined) {
      // A peer that talks another protocol is told after its first byte, not after it has sent six.
      checkType(this.#header[0]);
    }
    return at + some.length;
  }

  #beginPdu(): void {
    this.#type = this.#header.readUInt8(0);
    this.#pduLeft = this.#header.readUInt32BE(2);
    checkType(this.#type);
    this.#handler.begin(this.#type, this.#pduLeft);
    if (this.#type === PDU.data) this.#nextValue();
    else {
      this.#body = Buffer.alloc(this.#pduLeft);
      this.#state = 'body';
      if (this.#pduLeft === 0) this.#endBody();
    }
  }

  /** After the P-DATA-TF header and after each value: another value, or the end of the PDU. */
  #nextValue(): void {
    if (this.#pduLeft === 0) this.#state = 'pdu-header';
    else if (this.#pduLeft < VALUE_HEADER_BYTES) {
      throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'bytes left over in a P-DATA-TF');
    } else this.#state = 'value-header';
  }

  #beginValue(): void {
    const length = this.#header.readUInt32BE(0);
    this.#pduLeft -= VALUE_HEADER_BYTES;
    // PS3.8 Section 9.3.5.1: the length counts context id and message control header. Odd lengths occur in the field.
    if (length < 2 || length - 2 > this.#pduLeft) {
      throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a value does not fit into its P-DATA-TF');
    }
    this.#valueLeft = length - 2;
    const control = this.#header.readUInt8(5);
    this.#handler.value(this.#header.readUInt8(4), (control & 1) !== 0, (control & 2) !== 0);
    this.#state = 'value';
    if (this.#valueLeft === 0) this.#endValue();
  }

  #takeValue(chunk: Uint8Array, at: number): number {
    const slice = chunk.subarray(at, at + this.#valueLeft);
    this.#handler.bytes(slice);
    this.#valueLeft -= slice.length;
    this.#pduLeft -= slice.length;
    if (this.#valueLeft === 0) this.#endValue();
    return at + slice.length;
  }

  #endValue(): void {
    this.#handler.valueEnd();
    this.#nextValue();
  }

  #takeBody(chunk: Uint8Array, at: number): number {
    const slice = chunk.subarray(at, at + this.#pduLeft);
    if (this.#body === undefined) throw new Error('no body to fill');
    this.#body.set(slice, this.#body.length - this.#pduLeft);
    this.#pduLeft -= slice.length;
    if (this.#pduLeft === 0) this.#endBody();
    return at + slice.length;
  }

  #endBody(): void {
    const body = this.#body ?? Buffer.alloc(0);
    this.#body = undefined;
    this.#state = 'pdu-header';
    this.#handler.pdu(this.#type, body);
  }
}

/** ContentType handshake (RFC 8446 Section 5.1): the first byte of whoever begins with TLS. */
const TLS_HANDSHAKE = 0x16;
export const TLS_TO_PLAIN_PORT = 'TLS on a plain port';

function checkType(type: number): void {
  if (type === TLS_HANDSHAKE) throw new ProtocolError(ABORT_REASON.unrecognizedPdu, TLS_TO_PLAIN_PORT);
  if (type < PDU.associateRequest || type > PDU.abort) {
    throw new ProtocolError(ABORT_REASON.unrecognizedPdu, 'not a PDU of PS3.8');
  }
}

/** PS3.8 Section 9.3.8; source 0 is the service user, 2 the service provider. */
export function encodeAbort(source: 0 | 2, reason: AbortReason): Buffer {
  return Buffer.from([PDU.abort, 0, 0, 0, 0, 4, 0, 0, source, reason]);
}
