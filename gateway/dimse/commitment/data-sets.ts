/** What a storage commitment says on the wire (PS3.4 Tables J.3-1 and J.3-2): the request read, the result written. */
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../../core/errors.ts';
import { isUid } from '../../../core/identifiers.ts';
import type { CommitmentReport } from '../../../core/ledger/asked-commitments.ts';
import type { CommitmentItem, CommitmentReference } from '../../../core/ledger/commitments.ts';
import { encodeElement } from '../../../core/dicom/encode-element.ts';
import type { EventInformation } from './report-channel.ts';

/** PS3.4 Section J.3.2.1.1: Request Storage Commitment, the only action there is. */
export const REQUEST_STORAGE_COMMITMENT = 1;
/** PS3.4 Section J.3.3.1 */
const EVENT_TYPE = { successful: 1, failuresExist: 2 } as const;
/** PS3.7 Annex C: of one that failed without a Failure Reason. */
const PROCESSING_FAILURE = 0x0110;

export interface CommitmentAsked {
  readonly transactionUid: string;
  readonly items: readonly CommitmentReference[];
}

/**
 * The Action Information of an N-ACTION-RQ.
 *
 * @throws {HubError} `dataset.unreadable`, `dataset.uid-missing`, `dataset.uid-invalid`, `dataset.too-large`
 */
export function parseActionInformation(bytes: Buffer, transferSyntaxUid: string, maxItems: number): CommitmentAsked {
  const dataSet = parseDataSet(bytes, transferSyntaxUid);
  const references = dataSet.items('ReferencedSOPSequence');
  if (references.length > maxItems) throw new HubError('dataset.too-large', { maxItems });
  if (references.length === 0) throw new HubError('dataset.uid-missing', { attribute: 'ReferencedSOPSequence' });
  return {
    transactionUid: uidOf(dataSet.string('TransactionUID'), 'TransactionUID'),
    items: references.map((item) => ({
      sopClassUid: uidOf(item.string('ReferencedSOPClassUID'), 'ReferencedSOPClassUID'),
      sopInstanceUid: uidOf(item.string('ReferencedSOPInstanceUID'), 'ReferencedSOPInstanceUID'),
    })),
  };
}

export function isEventType(id: number | undefined): boolean {
  return id === EVENT_TYPE.successful || id === EVENT_TYPE.failuresExist;
}

/**
 * The Event Information of an N-EVENT-REPORT-RQ (PS3.4 Table J.3-2), whichever event type it came with: what is in the
 * lists counts.
 *
 * @throws {HubError} `dataset.unreadable`, `dataset.uid-missing`, `dataset.uid-invalid`
 */
export function parseEventInformation(
  bytes: Buffer,
  transferSyntaxUid: string,
): Omit<CommitmentReport, 'destinations'> {
  const dataSet = parseDataSet(bytes, transferSyntaxUid);
  const uid = (item: typeof dataSet) => uidOf(item.string('ReferencedSOPInstanceUID'), 'ReferencedSOPInstanceUID');
  const committed = dataSet.items('ReferencedSOPSequence').map(uid);
  const failed = dataSet.items('FailedSOPSequence').map((item) => ({
    sopInstanceUid: uid(item),
    failureReason: item.number('FailureReason') ?? PROCESSING_FAILURE,
  }));
  const transactionUid = uidOf(dataSet.string('TransactionUID'), 'TransactionUID');
  if (committed.length + failed.length === 0) {
    throw new HubError('dataset.uid-missing', { attribute: 'ReferencedSOPSequence' });
  }
  return { transactionUid, committed, failed };
}

/** The Event Information of an N-EVENT-REPORT-RQ, elements in ascending order, lengths stated. */
export function encodeEventInformation(
  transactionUid: string,
  items: readonly CommitmentItem[],
  transferSyntaxUid: string,
): EventInformation {
  const isExplicit = transferSyntaxUid !== IMPLICIT_VR_LITTLE_ENDIAN;
  const element = (tag: number, vr: string, value: string | Uint8Array) =>
    isExplicit ? encodeElement(tag, vr, value) : implicitElement(tag, value);
  const sequence = (tag: number, of: readonly CommitmentItem[]) =>
    of.length === 0
      ? []
      : [
          element(
            tag,
            'SQ',
            Buffer.concat(
              of.map(({ sopClassUid, sopInstanceUid, failureReason }) =>
                implicitElement(
                  TAG.Item,
                  Buffer.concat([
                    element(TAG.ReferencedSOPClassUID, 'UI', sopClassUid),
                    element(TAG.ReferencedSOPInstanceUID, 'UI', sopInstanceUid),
                    ...(failureReason === undefined ? [] : [element(TAG.FailureReason, 'US', uint16(failureReason))]),
                  ]),
                ),
              ),
            ),
          ),
        ];
  const failed = items.filter(({ failureReason }) => failureReason !== undefined);
  const committed = items.filter(({ failureReason }) => failureReason === undefined);
  return {
    eventTypeId: failed.length === 0 ? EVENT_TYPE.successful : EVENT_TYPE.failuresExist,
    dataSet: Buffer.concat([
      element(TAG.TransactionUID, 'UI', transactionUid),
      ...sequence(TAG.FailedSOPSequence, failed),
      ...sequence(TAG.ReferencedSOPSequence, committed),
    ]),
  };
}

/** PS3.5 Section 7.1.3; items are written so in every transfer syntax. */
function implicitElement(tag: number, value: string | Uint8Array): Buffer {
  const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  // What is padded here are UIDs, with a NUL.
  const bytes = Buffer.alloc(8 + raw.length + (raw.length % 2));
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.set(raw, 8);
  return bytes;
}

function uidOf(value: string | undefined, attribute: string): string {
  if (value === undefined) throw new HubError('dataset.uid-missing', { attribute });
  if (!isUid(value)) throw new HubError('dataset.uid-invalid', { attribute });
  return value;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
