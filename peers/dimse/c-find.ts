/** C-FIND SCU, Study Root (PS3.4 Section C.6.2): several questions over one association, every answer bounded. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import { cancelRequest, COMMAND_FIELD, findRequest, type Priority } from './command-set.ts';
import type { Peer } from './connection.ts';
import { encodeIdentifier, type Identifier, parseIdentifier } from './identifier.ts';
import { type Message, type MessageAssociation, openMessages } from './messages.ts';

/** PS3.4 Table C.6.2-1 */
const STUDY_ROOT_FIND = '1.2.840.10008.5.1.4.1.2.2.1';
const SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN];
/** PS3.4 Table C.4-1: pending, and pending with optional keys that it does not support. */
const PENDING = 0xff00;
const PENDING_UNSUPPORTED_KEYS = 0xff01;
/** What may have been sent before the peer heard that it is enough. */
const MAX_LATE = 100_000;
/** One match is some hundred bytes: a peer that sends more is not believed. */
const MAX_IDENTIFIER_BYTES = 64 * 1024;

export interface Matches {
  readonly matches: readonly DataSet[];
  /** There are more than were asked for; what is here is not all. */
  readonly isCut: boolean;
  /** Some keys of the question were not looked at by the peer, and it says so. */
  readonly ignoresKeys: boolean;
}

export interface Finder {
  /**
   * @param limit - matches, at most; the peer is asked to stop then
   * @throws {HubError} `partner.*`; after one the finder is of no use any more
   */
  find(identifier: Identifier, limit: number): Promise<Matches>;
  close(): Promise<void>;
}

/** @throws {HubError} `partner.unreachable`, `partner.timeout`, `partner.busy` or `partner.refused` */
export async function openFinder(peer: Peer, signal: AbortSignal, priority: Priority = 'medium'): Promise<Finder> {
  const contexts = SYNTAXES.map((transferSyntaxUid) => ({ sopClassUid: STUDY_ROOT_FIND, transferSyntaxUid }));
  const association = await openMessages(peer, contexts, signal);
  const accepted = contexts.find((context) => association.contextIdOf(context) !== undefined);
  const contextId = accepted === undefined ? undefined : association.contextIdOf(accepted);
  if (accepted === undefined || contextId === undefined) {
    await association.release();
    throw new HubError('partner.refused', { detail: 'it answers no C-FIND' });
  }
  let messageId = 0;
  return {
    find: async (identifier, limit) => {
      messageId = (messageId % 0xffff) + 1;
      try {
        const command = findRequest({ messageId, sopClassUid: STUDY_ROOT_FIND, priority });
        await association.send(contextId, command, encodeIdentifier(identifier, accepted.transferSyntaxUid));
        const read = { messageId, contextId, limit, transferSyntaxUid: accepted.transferSyntaxUid };
        return await matchesFrom(association, read, peer.timeouts.responseMs);
      } catch (error) {
        association.abort();
        throw error;
      }
    },
    close: () => association.release(),
  };
}

async function matchesFrom(
  association: MessageAssociation,
  read: {
    readonly messageId: number;
    readonly contextId: number;
    readonly limit: number;
    readonly transferSyntaxUid: string;
  },
  timeoutMs: number,
): Promise<Matches> {
  const matches: DataSet[] = [];
  let ignoresKeys = false;
  /** After the C-CANCEL some more may be on their way, not any number and not for ever. */
  let late = 0;
  let untilMs = Infinity;
  for (;;) {
    const message = await association.next(timeoutMs);
    const { field, status = 0, messageId } = message.command;
    if (field !== (COMMAND_FIELD.findRequest | COMMAND_FIELD.response) || messageId !== read.messageId) {
      throw new HubError('partner.refused', { detail: 'a response to something else' });
    }
    const identifier = await bytesOf(message);
    if (status !== PENDING && status !== PENDING_UNSUPPORTED_KEYS) {
      if (late > 0) return { matches, isCut: true, ignoresKeys };
      if (status !== 0) throw new HubError('partner.refused', { status });
      return { matches, isCut: false, ignoresKeys };
    }
    ignoresKeys ||= status === PENDING_UNSUPPORTED_KEYS;
    if (matches.length < read.limit) {
      matches.push(parseIdentifier(identifier, read.transferSyntaxUid));
      continue;
    }
    late += 1;
    if (late === 1) {
      await association.send(read.contextId, cancelRequest(read.messageId));
      untilMs = performance.now() + timeoutMs;
    }
    if (late > MAX_LATE || performance.now() > untilMs)
      throw new HubError('partner.refused', { detail: 'an answer without end' });
  }
}

async function bytesOf({ dataSet }: Message): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of dataSet) {
    size += part.byteLength;
    if (size > MAX_IDENTIFIER_BYTES) throw new HubError('partner.refused', { detail: 'a match too large' });
    // A view into what was read: a match keeps its few bytes, not the whole of it.
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}
