/** The command sets of a C-STORE and a C-ECHO requester (PS3.7 Section 9.3): what is asked, and what the answer says. */
import { TAG } from '../../core/dicom/tags.ts';
import { commandSet, number, uid } from '../../peers/dimse/command-elements.ts';

/** PS3.7 Annex E.1 */
const COMMAND_FIELD = {
  storeRequest: 0x0001,
  storeResponse: 0x8001,
  echoRequest: 0x0030,
  echoResponse: 0x8030,
  eventReportResponse: 0x8100,
  actionRequest: 0x0130,
} as const;
/** PS3.4 Annex J: the class, and its one well-known instance. */
export const STORAGE_COMMITMENT = {
  sopClassUid: '1.2.840.10008.1.20.1',
  sopInstanceUid: '1.2.840.10008.1.20.1.1',
} as const;
/** PS3.4 Section J.3.2.1.1: Request Storage Commitment */
const REQUEST_COMMITMENT = 1;
/** PS3.4 Annex A */
export const VERIFICATION_SOP_CLASS = '1.2.840.10008.1.1';
/** PS3.7 Section 9.1.1.1.4: MEDIUM */
const PRIORITY_MEDIUM = 0x0000;
/** PS3.7 Section 9.3.1.1: 0101H says there is no data set, anything else that there is one. */
const DATA_SET = { absent: 0x0101, present: 0x0000 } as const;
const MAX_COMMENT_LENGTH = 64;

export function storeRequest(messageId: number, sopClassUid: string, sopInstanceUid: string): Buffer {
  return commandSet([
    uid(TAG.AffectedSOPClassUID, sopClassUid),
    number(TAG.CommandField, COMMAND_FIELD.storeRequest),
    number(TAG.MessageID, messageId),
    number(TAG.Priority, PRIORITY_MEDIUM),
    number(TAG.CommandDataSetType, DATA_SET.present),
    uid(TAG.AffectedSOPInstanceUID, sopInstanceUid),
  ]);
}

export function echoRequest(messageId: number): Buffer {
  return commandSet([
    uid(TAG.AffectedSOPClassUID, VERIFICATION_SOP_CLASS),
    number(TAG.CommandField, COMMAND_FIELD.echoRequest),
    number(TAG.MessageID, messageId),
    number(TAG.CommandDataSetType, DATA_SET.absent),
  ]);
}

/** Asks for a storage commitment (PS3.7 Section 10.3.5); the references follow as a data set. */
export function actionRequest(messageId: number): Buffer {
  return commandSet([
    uid(TAG.RequestedSOPClassUID, STORAGE_COMMITMENT.sopClassUid),
    number(TAG.CommandField, COMMAND_FIELD.actionRequest),
    number(TAG.MessageID, messageId),
    number(TAG.CommandDataSetType, DATA_SET.present),
    uid(TAG.RequestedSOPInstanceUID, STORAGE_COMMITMENT.sopInstanceUid),
    number(TAG.ActionTypeID, REQUEST_COMMITMENT),
  ]);
}

/** Takes the result of a storage commitment (PS3.7 Section 10.3.1). */
export function eventReportResponse(messageId: number): Buffer {
  return commandSet([
    uid(TAG.AffectedSOPClassUID, STORAGE_COMMITMENT.sopClassUid),
    number(TAG.CommandField, COMMAND_FIELD.eventReportResponse),
    number(TAG.MessageIDBeingRespondedTo, messageId),
    number(TAG.CommandDataSetType, DATA_SET.absent),
    number(TAG.Status, 0),
    uid(TAG.AffectedSOPInstanceUID, STORAGE_COMMITMENT.sopInstanceUid),
  ]);
}

export interface CommandResponse {
  readonly messageId: number;
  readonly status: number;
  /** Error Comment, printable characters only. Not to be logged: a peer may put anything there. */
  readonly comment: string | undefined;
}

/** Reads a response of the one kind; undefined when the bytes are something else. */
export function parseResponse(bytes: Buffer, kind: 'storeResponse' | 'echoResponse'): CommandResponse | undefined {
  const elements = new Map<number, Buffer>();
  for (let at = 0; at < bytes.byteLength;) {
    if (at + 8 > bytes.byteLength) return undefined;
    const tag = bytes.readUInt16LE(at) * 0x10000 + bytes.readUInt16LE(at + 2);
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    if (end > bytes.byteLength) return undefined;
    elements.set(tag, bytes.subarray(at + 8, end));
    at = end;
  }
  const numberOf = (tag: number) => {
    const value = elements.get(tag);
    return value?.byteLength === 2 ? value.readUInt16LE() : undefined;
  };
  const messageId = numberOf(TAG.MessageIDBeingRespondedTo);
  const status = numberOf(TAG.Status);
  if (numberOf(TAG.CommandField) !== COMMAND_FIELD[kind]) return undefined;
  if (messageId === undefined || status === undefined) return undefined;
  const comment = elements
    .get(TAG.ErrorComment)
    ?.toString('latin1')
    .replace(/[^\x20-\x7e]/g, '')
    .trim();
  return { messageId, status, comment: comment === '' ? undefined : comment?.slice(0, MAX_COMMENT_LENGTH) };
}
