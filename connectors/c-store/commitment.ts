/** N-ACTION of a Storage Commitment SCU (PS3.4 Section J.3.2), and the report where it comes on the same association. */
import { randomBytes } from 'node:crypto';
import { parseDataSet } from '../../core/dicom/data-set.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import type { CommitmentResult } from '../../core/ledger/asked-commitments.ts';
import type { InstanceItem } from '../../core/store.ts';
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
/** PS3.7 Annex C: Processing failure, of one that failed without a reason. */
const PROCESSING_FAILURE = 0x0110;

/** `refused`: the provider gives none, or did not answer. `asked`: it takes the request, and says later what came of it. */
export type CommitmentAnswer = 'refused' | 'asked' | CommitmentResult;

export interface CommitmentQuestion {
  readonly transactionUid: string;
  readonly instances: readonly Pick<InstanceItem, 'sopClassUid' | 'sopInstanceUid'>[];
  /** For the report on the association of the request. */
  readonly reportMs: number;
  /** Has the report in safe keeping; the provider is told that it was taken only then. */
  readonly keep: (result: CommitmentResult) => Promise<unknown>;
}

/** @throws {HubError} `partner.*`, or what `keep` throws */
export async function askForCommitment(
  question: CommitmentQuestion,
  peer: Peer,
  signal: AbortSignal,
): Promise<CommitmentAnswer> {
  const context = { sopClassUid: STORAGE_COMMITMENT.sopClassUid, transferSyntaxUid: IMPLICIT_VR_LITTLE_ENDIAN };
  const notes = attemptNotes();
  notes?.asked(`N-ACTION storage commitment to ${peer.calledAeTitle}`);
  const association = await openMessages(peer, [context], signal);
  let isOver = false;
  try {
    const contextId = association.contextIdOf(context);
    const answer =
      contextId === undefined ? 'refused' : await commit(association, contextId, question, peer.timeouts.responseMs);
    isOver = true;
    notes?.answered(wordsOf(answer));
    return answer;
  } finally {
    if (isOver) await association.release();
    else association.abort();
  }
}

export function wordsOf(answer: CommitmentAnswer): string {
  if (answer === 'refused') return 'it gives none';
  if (answer === 'asked') return 'it took the request, and has not reported yet';
  const { committed, failed } = answer;
  return `${String(committed.length)} committed, ${String(failed.length)} failed`;
}

async function commit(
  association: MessageAssociation,
  contextId: number,
  { transactionUid, instances, reportMs, keep }: CommitmentQuestion,
  responseMs: number,
): Promise<CommitmentAnswer> {
  const references = instances.map(({ sopClassUid, sopInstanceUid }) =>
    Buffer.concat([
      uidElement(TAG.ReferencedSOPClassUID, sopClassUid),
      uidElement(TAG.ReferencedSOPInstanceUID, sopInstanceUid),
    ]),
  );
  const request = Buffer.concat([
    uidElement(TAG.TransactionUID, transactionUid),
    element(TAG.ReferencedSOPSequence, Buffer.concat(references.map(itemOf))),
  ]);
  await association.send(contextId, actionRequest(MESSAGE_ID), request);
  let isTaken = false;
  for (;;) {
    const silent = isTaken ? 'asked' : 'refused';
    const waitMs = isTaken ? reportMs : responseMs;
    const message = waitMs === 0 ? undefined : await nextWithin(association, waitMs);
    if (message === undefined) return silent;
    const body = await bytesOf(message);
    const { field, status } = message.command;
    if (field === ACTION_RESPONSE) {
      // It does not know the class after all, or refuses: C-FIND may say more.
      if (status !== 0) return 'refused';
      isTaken = true;
      continue;
    }
    if (field !== EVENT_REPORT_REQUEST) {
      throw new HubError('partner.refused', { detail: 'a message that is none of a storage commitment' });
    }
    const report = parseDataSet(body, IMPLICIT_VR_LITTLE_ENDIAN);
    const isOurs = report.string('TransactionUID') === transactionUid;
    const result = {
      committed: report.items('ReferencedSOPSequence').flatMap((item) => item.string('ReferencedSOPInstanceUID') ?? []),
      failed: report.items('FailedSOPSequence').flatMap((item) => {
        const sopInstanceUid = item.string('ReferencedSOPInstanceUID');
        const failureReason = item.number('FailureReason') ?? PROCESSING_FAILURE;
        return sopInstanceUid === undefined ? [] : [{ sopInstanceUid, failureReason }];
      }),
    };
    if (isOurs) await keep(result);
    await association.send(message.contextId, eventReportResponse(message.command.messageId));
    // Else of another one, asked for earlier.
    if (isOurs) return result;
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

/** PS3.5 Section B.2: from a random number of 128 bits, which nobody guesses. */
export function newTransactionUid(): string {
  return `2.25.${BigInt(`0x${randomBytes(16).toString('hex')}`).toString()}`;
}
