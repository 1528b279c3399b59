/** Command sets of a requester (PS3.7 Section 9.3): implicit VR little endian, by hand. */
import { TAG } from '../../core/dicom/tags.ts';
import { HubError } from '../../core/errors.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import { commandSet, number, title, uid } from './command-elements.ts';

/** PS3.7 Table E.1-1 */
export const COMMAND_FIELD = {
  storeRequest: 0x0001,
  getRequest: 0x0010,
  findRequest: 0x0020,
  moveRequest: 0x0021,
  cancelRequest: 0x0fff,
  response: 0x8000,
} as const;

/** PS3.7 Section 9.1.1.1.4 */
export const PRIORITY = { medium: 0x0000, high: 0x0001, low: 0x0002 } as const;
export type Priority = keyof typeof PRIORITY;

/** PS3.7 Section 9.3.1.1: 0101H says there is no data set, anything else that there is one. */
const DATA_SET = { absent: 0x0101, present: 0x0001 } as const;

export interface Command {
  readonly field: number;
  /** Of a response: the request's. */
  readonly messageId: number;
  readonly hasDataSet: boolean;
  /** Undefined for a request. */
  readonly status?: number;
  readonly affectedSopClassUid: string;
  readonly affectedSopInstanceUid: string;
  /** PS3.7 Sections 9.3.3.2 and 9.3.4.2; what the peer does not say is undefined. */
  readonly suboperations: Suboperations;
}

export interface Suboperations {
  readonly remaining?: number;
  readonly completed?: number;
  readonly failed?: number;
  readonly warning?: number;
}

export interface Query {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly priority: Priority;
}

export function findRequest(query: Query): Buffer {
  return commandSet(queryElements(query, COMMAND_FIELD.findRequest));
}

export function getRequest(query: Query): Buffer {
  return commandSet(queryElements(query, COMMAND_FIELD.getRequest));
}

/** @param destination - AE title that the peer knows the way to */
export function moveRequest(query: Query, destination: string): Buffer {
  const [sopClass, field, messageId, ...rest] = queryElements(query, COMMAND_FIELD.moveRequest);
  return commandSet([sopClass, field, messageId, title(TAG.MoveDestination, destination), ...rest]);
}

/** Ends a C-FIND, C-GET or C-MOVE early (PS3.7 Section 9.3.2.3). */
export function cancelRequest(messageId: number): Buffer {
  return commandSet([
    number(TAG.CommandField, COMMAND_FIELD.cancelRequest),
    number(TAG.MessageIDBeingRespondedTo, messageId),
    number(TAG.CommandDataSetType, DATA_SET.absent),
  ]);
}

/** Of a C-STORE that came as a sub-operation of a C-GET. */
export function storeResponse(request: Command, status: number): Buffer {
  return commandSet([
    uid(TAG.AffectedSOPClassUID, request.affectedSopClassUid),
    number(TAG.CommandField, COMMAND_FIELD.storeRequest | COMMAND_FIELD.response),
    number(TAG.MessageIDBeingRespondedTo, request.messageId),
    number(TAG.CommandDataSetType, DATA_SET.absent),
    number(TAG.Status, status),
    uid(TAG.AffectedSOPInstanceUID, request.affectedSopInstanceUid),
  ]);
}

/** @throws {HubError} `partner.refused` for what is no command set */
export function decodeCommand(bytes: Buffer): Command {
  const elements = new Map<number, Buffer>();
  for (let at = 0; at < bytes.byteLength;) {
    if (at + 8 > bytes.byteLength || bytes.readUInt16LE(at) !== 0) throw unreadable();
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    if (end > bytes.byteLength) throw unreadable();
    elements.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 8, end));
    at = end;
  }
  const numberOf = (tag: number): number | undefined => {
    const value = elements.get(tag & 0xffff);
    return value?.byteLength === 2 ? value.readUInt16LE() : undefined;
  };
  const uidOf = (tag: number) => withoutTrailingPadding(elements.get(tag & 0xffff)?.toString('latin1') ?? '');
  const field = numberOf(TAG.CommandField);
  const isResponse = field !== undefined && (field & COMMAND_FIELD.response) !== 0;
  const messageId = numberOf(isResponse ? TAG.MessageIDBeingRespondedTo : TAG.MessageID);
  const status = numberOf(TAG.Status);
  const dataSetType = numberOf(TAG.CommandDataSetType);
  if (field === undefined || messageId === undefined || dataSetType === undefined) throw unreadable();
  if (isResponse && status === undefined) throw unreadable();
  return {
    field,
    messageId,
    hasDataSet: dataSetType !== DATA_SET.absent,
    ...(status === undefined ? {} : { status }),
    affectedSopClassUid: uidOf(TAG.AffectedSOPClassUID),
    affectedSopInstanceUid: uidOf(TAG.AffectedSOPInstanceUID),
    suboperations: suboperationsOf(numberOf),
  };
}

function suboperationsOf(numberOf: (tag: number) => number | undefined): Suboperations {
  const counts = {
    remaining: numberOf(TAG.NumberOfRemainingSuboperations),
    completed: numberOf(TAG.NumberOfCompletedSuboperations),
    failed: numberOf(TAG.NumberOfFailedSuboperations),
    warning: numberOf(TAG.NumberOfWarningSuboperations),
  };
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== undefined));
}

function queryElements({ sopClassUid, messageId, priority }: Query, field: number) {
  return [
    uid(TAG.AffectedSOPClassUID, sopClassUid),
    number(TAG.CommandField, field),
    number(TAG.MessageID, messageId),
    number(TAG.Priority, PRIORITY[priority]),
    number(TAG.CommandDataSetType, DATA_SET.present),
  ] as const;
}

const unreadable = () => new HubError('partner.refused', { detail: 'a command set that cannot be read' });
