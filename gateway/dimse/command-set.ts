/** PS3.7 Section 6.3.1: command sets, always Implicit VR Little Endian. Read and written by hand: one of each an instance. */
import { withoutTrailingPadding } from '../../core/padding.ts';
import { ABORT_REASON, PDU, ProtocolError } from './framing.ts';

/** PS3.7 Table E.1-1 */
export const COMMAND = {
  storeRequest: 0x0001,
  echoRequest: 0x0030,
  eventReportRequest: 0x0100,
  eventReportResponse: 0x8100,
  actionRequest: 0x0130,
  cancelRequest: 0x0fff,
  response: 0x8000,
} as const;

/** PS3.7 Annex C */
export const STATUS = {
  success: 0x0000,
  processingFailure: 0x0110,
  noSuchInstance: 0x0112,
  noSuchEventType: 0x0113,
  invalidArgument: 0x0115,
  noSuchAction: 0x0123,
  unrecognizedOperation: 0x0211,
  resourceLimitation: 0x0213,
} as const;

const ELEMENT = {
  groupLength: 0x0000,
  affectedSopClassUid: 0x0002,
  requestedSopClassUid: 0x0003,
  commandField: 0x0100,
  messageId: 0x0110,
  messageIdBeingRespondedTo: 0x0120,
  dataSetType: 0x0800,
  status: 0x0900,
  errorComment: 0x0902,
  affectedSopInstanceUid: 0x1000,
  requestedSopInstanceUid: 0x1001,
  eventTypeId: 0x1002,
  actionTypeId: 0x1008,
  moveOriginatorAeTitle: 0x1030,
  moveOriginatorMessageId: 0x1031,
} as const;
const NO_DATA_SET = 0x0101;
const A_DATA_SET = 0x0001;
/** VR LO of (0000,0902). */
const MAX_COMMENT_LENGTH = 64;

export interface CommandSet {
  readonly field: number;
  /** Of a response: the request's. */
  readonly messageId: number;
  readonly hasDataSet: boolean;
  /** Affected, or of an N-ACTION-RQ requested, SOP class and instance. */
  readonly affectedSopClassUid: string;
  readonly affectedSopInstanceUid: string;
  readonly status?: number;
  readonly actionTypeId?: number;
  readonly eventTypeId?: number;
  /** Of a C-STORE-RQ that is part of a C-MOVE, where its sender says so. */
  readonly moveOriginator?: { readonly aeTitle: string; readonly messageId: number };
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
  /** A peer's response may lack anything: whether it was asked for is looked at first. */
  const optional = (element: number) => {
    const value = values.get(element);
    return value?.length === 2 ? value.readUInt16LE(0) : -1;
  };
  const uid = (element: number, other: number) =>
    withoutTrailingPadding((values.get(element) ?? values.get(other))?.toString('latin1') ?? '');
  const field = number(ELEMENT.commandField);
  const isResponse = (field & COMMAND.response) !== 0;
  const isCancel = field === COMMAND.cancelRequest;
  return {
    field,
    messageId: isCancel ? 0 : isResponse ? optional(ELEMENT.messageIdBeingRespondedTo) : number(ELEMENT.messageId),
    hasDataSet: number(ELEMENT.dataSetType) !== NO_DATA_SET,
    affectedSopClassUid: uid(ELEMENT.affectedSopClassUid, ELEMENT.requestedSopClassUid),
    affectedSopInstanceUid: uid(ELEMENT.affectedSopInstanceUid, ELEMENT.requestedSopInstanceUid),
    ...(isResponse ? { status: optional(ELEMENT.status) } : {}),
    ...(field === COMMAND.actionRequest ? { actionTypeId: number(ELEMENT.actionTypeId) } : {}),
    ...(field === COMMAND.eventReportRequest ? { eventTypeId: number(ELEMENT.eventTypeId) } : {}),
    ...(field === COMMAND.storeRequest ? moveOriginatorOf(values) : {}),
  };
}

function moveOriginatorOf(values: ReadonlyMap<number, Buffer>): Pick<CommandSet, 'moveOriginator'> {
  const aeTitle = values.get(ELEMENT.moveOriginatorAeTitle)?.toString('latin1').trim() ?? '';
  const messageId = values.get(ELEMENT.moveOriginatorMessageId);
  if (aeTitle === '' || messageId?.length !== 2) return {};
  return { moveOriginator: { aeTitle, messageId: messageId.readUInt16LE(0) } };
}

/**
 * A response without data set as one whole P-DATA-TF, to be sent in one write: two would cost a peer with delayed
 * acknowledgements 40 ms an instance.
 */
export function encodeResponse(contextId: number, to: CommandSet, status: number, comment = ''): Buffer {
  const text = comment.slice(0, MAX_COMMENT_LENGTH);
  const { affectedSopClassUid, affectedSopInstanceUid, eventTypeId, actionTypeId } = to;
  const numbers = 4 + (eventTypeId === undefined ? 0 : 1) + (actionTypeId === undefined ? 0 : 1);
  const elementBytes =
    textBytes(affectedSopClassUid) + numbers * NUMBER_BYTES + textBytes(text) + textBytes(affectedSopInstanceUid);
  // One an instance: written in place, for parts that are put together cost five times as much.
  const pdu = Buffer.allocUnsafe(PDU_HEAD_BYTES + GROUP_LENGTH_BYTES + elementBytes);
  writePduHead(pdu, contextId, COMMAND_LAST_FRAGMENT);
  let at = writeGroupLength(pdu, PDU_HEAD_BYTES, elementBytes);
  at = writeText(pdu, at, ELEMENT.affectedSopClassUid, affectedSopClassUid, UID_PADDING);
  at = writeNumber(pdu, at, ELEMENT.commandField, to.field | COMMAND.response);
  at = writeNumber(pdu, at, ELEMENT.messageIdBeingRespondedTo, to.messageId);
  at = writeNumber(pdu, at, ELEMENT.dataSetType, NO_DATA_SET);
  at = writeNumber(pdu, at, ELEMENT.status, status);
  at = writeText(pdu, at, ELEMENT.errorComment, text, TEXT_PADDING);
  at = writeText(pdu, at, ELEMENT.affectedSopInstanceUid, affectedSopInstanceUid, UID_PADDING);
  // PS3.7 Table 10.3-1
  if (eventTypeId !== undefined) at = writeNumber(pdu, at, ELEMENT.eventTypeId, eventTypeId);
  if (actionTypeId !== undefined) writeNumber(pdu, at, ELEMENT.actionTypeId, actionTypeId);
  return pdu;
}

export interface EventReport {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly eventTypeId: number;
}

/** The command set of an N-EVENT-REPORT-RQ with a data set (PS3.7 Section 10.3.1.1). */
export function encodeEventReport({ sopClassUid, sopInstanceUid, messageId, eventTypeId }: EventReport): Buffer {
  const elementBytes = textBytes(sopClassUid) + 4 * NUMBER_BYTES + textBytes(sopInstanceUid);
  const set = Buffer.allocUnsafe(GROUP_LENGTH_BYTES + elementBytes);
  let at = writeGroupLength(set, 0, elementBytes);
  at = writeText(set, at, ELEMENT.affectedSopClassUid, sopClassUid, UID_PADDING);
  at = writeNumber(set, at, ELEMENT.commandField, COMMAND.eventReportRequest);
  at = writeNumber(set, at, ELEMENT.messageId, messageId);
  at = writeNumber(set, at, ELEMENT.dataSetType, A_DATA_SET);
  at = writeText(set, at, ELEMENT.affectedSopInstanceUid, sopInstanceUid, UID_PADDING);
  writeNumber(set, at, ELEMENT.eventTypeId, eventTypeId);
  return set;
}

/**
 * A command or data set as P-DATA-TFs of at most the peer's length.
 *
 * @param maxPduLength - as the peer announced it; 0 is no limit
 */
export function encodeValues(
  contextId: number,
  kind: 'command' | 'data',
  bytes: Buffer,
  maxPduLength: number,
): readonly Buffer[] {
  const limit = maxPduLength === 0 ? MAX_SENT_LENGTH : Math.min(maxPduLength, MAX_SENT_LENGTH);
  // The value's own header counts; fragments stay even.
  const fragmentBytes = Math.max(2, (limit - VALUE_HEADER_BYTES) & ~1);
  const pdus: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += fragmentBytes) {
    const isLast = at + fragmentBytes >= bytes.length;
    const control = (kind === 'command' ? 1 : 0) | (isLast ? 2 : 0);
    pdus.push(dataPdu(contextId, control, bytes.subarray(at, at + fragmentBytes)));
  }
  return pdus;
}

const MAX_SENT_LENGTH = 128 * 1024;
const VALUE_HEADER_BYTES = 6;
const PDU_HEAD_BYTES = 12;
/** PS3.8 Section E.2: the message control header. */
const COMMAND_LAST_FRAGMENT = 3;

function dataPdu(contextId: number, control: number, value: Buffer): Buffer {
  const pdu = Buffer.allocUnsafe(PDU_HEAD_BYTES + value.length);
  writePduHead(pdu, contextId, control);
  value.copy(pdu, PDU_HEAD_BYTES);
  return pdu;
}

/** Of a P-DATA-TF whose only value fills the buffer. */
function writePduHead(pdu: Buffer, contextId: number, control: number): void {
  const valueBytes = pdu.length - PDU_HEAD_BYTES;
  pdu.writeUInt16BE(PDU.data << 8, 0);
  pdu.writeUInt32BE(valueBytes + 6, 2);
  pdu.writeUInt32BE(valueBytes + 2, 6);
  pdu.writeUInt8(contextId, 10);
  pdu.writeUInt8(control, 11);
}

const ELEMENT_HEAD_BYTES = 8;
const NUMBER_BYTES = ELEMENT_HEAD_BYTES + 2;
const GROUP_LENGTH_BYTES = ELEMENT_HEAD_BYTES + 4;
const UID_PADDING = 0x00;
const TEXT_PADDING = 0x20;

/** Group 0000. @returns behind it */
function writeElementHead(target: Buffer, at: number, number: number, length: number): number {
  target.writeUInt32LE(number << 16, at);
  return target.writeUInt32LE(length, at + 4);
}

function writeGroupLength(target: Buffer, at: number, elementBytes: number): number {
  return target.writeUInt32LE(elementBytes, writeElementHead(target, at, ELEMENT.groupLength, 4));
}

function writeNumber(target: Buffer, at: number, number: number, value: number): number {
  return target.writeUInt16LE(value, writeElementHead(target, at, number, 2));
}

/** What the request did not name the response does not name either. */
function textBytes(text: string): number {
  return text === '' ? 0 : ELEMENT_HEAD_BYTES + text.length + (text.length % 2);
}

function writeText(target: Buffer, at: number, number: number, text: string, padding: number): number {
  if (text === '') return at;
  const length = text.length + (text.length % 2);
  const valueAt = writeElementHead(target, at, number, length);
  target.write(text, valueAt, text.length, 'latin1');
  if (length !== text.length) target.writeUInt8(padding, valueAt + text.length);
  return valueAt + length;
}

function invalid(): ProtocolError {
  return new ProtocolError(ABORT_REASON.invalidParameterValue, 'not a command set');
}
