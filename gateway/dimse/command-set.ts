/** PS3.7 Section 6.3.1: command sets, always Implicit VR Little Endian. Read and written by hand: one of each an instance. */
import { ABORT_REASON, PDU, ProtocolError } from './framing.ts';

export const COMMAND = { storeRequest: 0x0001, echoRequest: 0x0030, cancelRequest: 0x0fff, response: 0x8000 } as const;

/** PS3.7 Section C.5.x */
export const STATUS = { success: 0x0000, unrecognizedOperation: 0x0211 } as const;

const ELEMENT = {
  affectedSopClassUid: 0x0002,
  commandField: 0x0100,
  messageId: 0x0110,
  messageIdBeingRespondedTo: 0x0120,
  dataSetType: 0x0800,
  status: 0x0900,
  errorComment: 0x0902,
  affectedSopInstanceUid: 0x1000,
} as const;
const NO_DATA_SET = 0x0101;
/** VR LO of (0000,0902). */
const MAX_COMMENT_LENGTH = 64;

export interface CommandSet {
  readonly field: number;
  readonly messageId: number;
  readonly hasDataSet: boolean;
  readonly affectedSopClassUid: string;
  readonly affectedSopInstanceUid: string;
}

/** @throws {ProtocolError} invalid parameter value, for what is no command set */
export function decodeCommandSet(bytes: Buffer): CommandSet {
  const values = new Map<number, Buffer>();
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length || bytes.readUInt16LE(at) !== 0) throw invalid();
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) throw invalid();
    values.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 8, end));
    at = end;
  }
  const number = (element: number) => {
    const value = values.get(element);
    if (value?.length !== 2) throw invalid();
    return value.readUInt16LE(0);
  };
  const uid = (element: number) => (values.get(element)?.toString('latin1') ?? '').replace(/[\0 ]+$/, '');
  const field = number(ELEMENT.commandField);
  const isAnswer = (field & COMMAND.response) !== 0 || field === COMMAND.cancelRequest;
  return {
    field,
    messageId: isAnswer ? 0 : number(ELEMENT.messageId),
    hasDataSet: number(ELEMENT.dataSetType) !== NO_DATA_SET,
    affectedSopClassUid: uid(ELEMENT.affectedSopClassUid),
    affectedSopInstanceUid: uid(ELEMENT.affectedSopInstanceUid),
  };
}

/**
 * A response without data set as one whole P-DATA-TF, to be sent in one write: two would cost a peer with delayed
 * acknowledgements 40 ms an instance.
 */
export function encodeResponse(contextId: number, to: CommandSet, status: number, comment?: string): Buffer {
  const elements = Buffer.concat([
    uidElement(ELEMENT.affectedSopClassUid, to.affectedSopClassUid),
    numberElement(ELEMENT.commandField, to.field | COMMAND.response),
    numberElement(ELEMENT.messageIdBeingRespondedTo, to.messageId),
    numberElement(ELEMENT.dataSetType, NO_DATA_SET),
    numberElement(ELEMENT.status, status),
    comment === undefined
      ? Buffer.alloc(0)
      : element(ELEMENT.errorComment, padded(comment.slice(0, MAX_COMMENT_LENGTH), ' ')),
    uidElement(ELEMENT.affectedSopInstanceUid, to.affectedSopInstanceUid),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(elements.length);
  return encodeCommandPdu(contextId, Buffer.concat([element(0x0000, length), elements]));
}

/** A command set as the only value of a P-DATA-TF. */
export function encodeCommandPdu(contextId: number, command: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt8(PDU.data, 0);
  head.writeUInt32BE(command.length + 6, 2);
  head.writeUInt32BE(command.length + 2, 6);
  head.writeUInt8(contextId, 10);
  head.writeUInt8(3, 11); // command, last fragment
  return Buffer.concat([head, command]);
}

function element(number: number, value: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(number, 2);
  head.writeUInt32LE(value.length, 4);
  return Buffer.concat([head, value]);
}

function numberElement(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return element(number, bytes);
}

/** What the request did not name the response does not name either. */
function uidElement(number: number, uid: string): Buffer {
  return uid === '' ? Buffer.alloc(0) : element(number, padded(uid, '\0'));
}

function padded(text: string, pad: string): Buffer {
  return Buffer.from(text.length % 2 === 0 ? text : text + pad, 'latin1');
}

function invalid(): ProtocolError {
  return new ProtocolError(ABORT_REASON.invalidParameterValue, 'not a command set');
}
