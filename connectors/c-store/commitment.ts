/** Storage Commitment SCU (PS3.4 Annex J): the provider is asked to be answerable for what it was sent. */
import { randomBytes } from 'node:crypto';
import { parseDataSet } from '../../core/dicom/data-set.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { type Message, type MessageAssociation, openMessages } from '../../peers/dimse/messages.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { actionRequest, eventReportResponse, STORAGE_COMMITMENT } from './command.ts';

/** PS3.7 Table E.1-1 */
const ACTION_RESPONSE = 0x8130;
const EVENT_REPORT_REQUEST = 0x0100;
const MESSAGE_ID = 1;
/** Every instance is two UIDs: far below what this holds. */
const MAX_REPORT_BYTES = 64 * 1024 * 1024;

/** @returns undefined where the provider gives none, or not on this association */
export async function askForCommitment(order: DeliveryOrder, peer: Peer): Promise<Reconciliation | undefined> {
  const context = { sopClassUid: STORAGE_COMMITMENT.sopClassUid, transferSyntaxUid: IMPLICIT_VR_LITTLE_ENDIAN };
  const notes = attemptNotes();
  notes?.asked(`N-ACTION storage commitment to ${peer.calledAeTitle}`);
  const association = await openMessages(peer, [context], order.signal);
  let isOver = false;
  try {
    const contextId = association.contextIdOf(context);
    const instances = order.items.filter((item) => item.kind === 'instance');
    const transactionUid = newUid();
    const reported =
      contextId === undefined
        ? undefined
        : await commit(association, contextId, { transactionUid, instances }, peer.timeouts.responseMs);
    isOver = true;
    notes?.answered(reported === undefined ? 'no report' : `${String(reported.committed.size)} committed`);
    if (reported === undefined) return undefined;
    const missing = instances
      .map(({ sopInstanceUid }) => sopInstanceUid)
      .filter((uid) => reported.failed.has(uid) || !reported.committed.has(uid));
    return { missing, detail: 'storage commitment' };
  } finally {
    if (isOver) await association.release();
    else association.abort();
  }
}

interface Report {
  readonly committed: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
}

async function commit(
  association: MessageAssociation,
  contextId: number,
  wanted: {
    readonly transactionUid: string;
    readonly instances: readonly { readonly sopClassUid: string; readonly sopInstanceUid: string }[];
  },
  responseMs: number,
): Promise<Report | undefined> {
  const references = wanted.instances.map(({ sopClassUid, sopInstanceUid }) =>
    Buffer.concat([
      uidElement(TAG.ReferencedSOPClassUID, sopClassUid),
      uidElement(TAG.ReferencedSOPInstanceUID, sopInstanceUid),
    ]),
  );
  const request = Buffer.concat([
    uidElement(TAG.TransactionUID, wanted.transactionUid),
    element(TAG.ReferencedSOPSequence, Buffer.concat(references.map(itemOf))),
  ]);
  await association.send(contextId, actionRequest(MESSAGE_ID), request);
  for (;;) {
    const message = await nextWithin(association, responseMs);
    if (message === undefined) return undefined;
    const body = await bytesOf(message);
    const { field, status } = message.command;
    if (field === ACTION_RESPONSE) {
      // It does not know the class after all, or refuses: C-FIND may say more.
      if (status !== 0) return undefined;
      continue;
    }
    if (field !== EVENT_REPORT_REQUEST) {
      throw new HubError('partner.refused', { detail: 'a message that is none of a storage commitment' });
    }
    await association.send(message.contextId, eventReportResponse(message.command.messageId));
    const report = parseDataSet(body, IMPLICIT_VR_LITTLE_ENDIAN);
    // Of another one, asked for earlier.
    if (report.string('TransactionUID') !== wanted.transactionUid) continue;
    const uidsOf = (sequence: string) =>
      new Set(report.items(sequence).flatMap((item) => item.string('ReferencedSOPInstanceUID') ?? []));
    return { committed: uidsOf('ReferencedSOPSequence'), failed: uidsOf('FailedSOPSequence') };
  }
}

/** Undefined: nothing came in time, or the provider hung up to report on an association of its own. */
async function nextWithin(association: MessageAssociation, timeoutMs: number): Promise<Message | undefined> {
  try {
    return await association.next(timeoutMs);
  } catch (error) {
    const isSilence =
      error instanceof HubError && (error.code === 'partner.timeout' || error.code === 'partner.unreachable');
    if (isSilence) return undefined;
    throw error;
  }
}

async function bytesOf({ dataSet }: Message): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of dataSet) {
    size += part.byteLength;
    if (size > MAX_REPORT_BYTES) throw new HubError('partner.refused', { detail: 'a report too large' });
    // Views, valid until the next is asked for.
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}

/** PS3.5 Section 7.5: an item of explicit length. */
function itemOf(content: Buffer): Buffer {
  return element(ITEM, content);
}
/** PS3.5 Table 7.5-1 */
const ITEM = 0xfffee000;

/** PS3.5 Section 7.1.3 */
function element(tag: number, value: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  header.writeUInt32LE(value.byteLength, 4);
  return Buffer.concat([header, value]);
}

/** PS3.5 Section 9.4: padded with NUL to even length. */
const uidElement = (tag: number, text: string): Buffer =>
  element(tag, Buffer.from(text.length % 2 === 0 ? text : `${text}\0`, 'latin1'));

/** PS3.5 Section B.2: from a random number of 128 bits. */
function newUid(): string {
  return `2.25.${BigInt(`0x${randomBytes(16).toString('hex')}`).toString()}`;
}
