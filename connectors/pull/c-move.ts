/** C-MOVE (PS3.4 Section C.4.2): the PACS sends to the hub's own DIMSE door, on an association of its own. */
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import { cancelRequest, COMMAND_FIELD, moveRequest } from '../../peers/dimse/command-set.ts';
import { encodeIdentifier } from '../../peers/dimse/identifier.ts';
import { type MessageAssociation, openMessages } from '../../peers/dimse/messages.ts';
import type { Moves } from './moves.ts';
import type { PullFrom, PullOptions } from './options.ts';
import { checkEnd, contextFor, doneOf, identifierOf, PENDING, SYNTAXES } from './retrieval.ts';
import type { Scope } from './source.ts';
import type { Throttle } from './throttle.ts';
import { type Watchdog, watchdog } from './watchdog.ts';

/** PS3.4 Table C.6.2-1 */
const STUDY_ROOT_MOVE = '1.2.840.10008.5.1.4.1.2.2.2';
/** Some send a response for each instance, some more often. */
const MAX_RESPONSES = 1_000_000;

export interface MovePorts {
  readonly moves: Moves;
  readonly throttle: Throttle;
  readonly onBytes: (bytes: number) => void;
}

/** Resolves when the peer says that it has sent everything, or what it could. @throws {HubError} `partner.*` */
export async function move(
  options: Pick<PullOptions, 'name' | 'priority' | 'timeouts'>,
  from: Extract<PullFrom, { kind: 'c-move' }>,
  study: StudyInstanceUid,
  scope: Scope,
  ports: MovePorts,
  outer: AbortSignal,
): Promise<void> {
  await ports.throttle.wait(outer);
  const peer = from.peer();
  const dog = watchdog(outer, options.timeouts.stallMs);
  const asked = ports.moves.begin({
    pull: options.name,
    studyInstanceUid: study,
    callingAeTitle: peer.callingAeTitle,
    peerAeTitle: peer.calledAeTitle,
    onStored: (bytes) => {
      dog.moved();
      ports.throttle.spend(bytes);
      ports.onBytes(bytes);
    },
  });
  try {
    const contexts = SYNTAXES.map((transferSyntaxUid) => ({ sopClassUid: STUDY_ROOT_MOVE, transferSyntaxUid }));
    // Not the watchdog's signal: to say that it is enough, the association has to be there.
    const association = await openMessages(peer, contexts, outer);
    let isEnded = false;
    try {
      const { contextId, transferSyntaxUid } = contextFor(association, STUDY_ROOT_MOVE);
      const query = { messageId: asked.messageId, sopClassUid: STUDY_ROOT_MOVE, priority: options.priority };
      const identifier = encodeIdentifier(identifierOf(study, scope), transferSyntaxUid);
      const cancel = () => association.giveUp(contextId, cancelRequest(asked.messageId));
      dog.signal.addEventListener('abort', cancel, { once: true });
      await association.send(contextId, moveRequest(query, from.moveTo), identifier);
      await untilMoved(association, asked.messageId, dog);
      dog.signal.removeEventListener('abort', cancel);
      isEnded = true;
    } finally {
      if (isEnded) await association.release();
      else if (!dog.signal.aborted) association.abort();
    }
  } catch (error) {
    // What the association says then is only that it is gone.
    dog.signal.throwIfAborted();
    throw error;
  } finally {
    dog.stop();
    asked.end();
  }
}

async function untilMoved(association: MessageAssociation, messageId: number, dog: Watchdog): Promise<void> {
  let done = 0;
  for (let responses = 0; responses < MAX_RESPONSES; responses += 1) {
    // The watchdog looks at the time: a peer that sends for minutes without a word is no slow one.
    const { command, dataSet } = await association.next(UNTIL_ABORTED_MS);
    for await (const _ of dataSet); // Of what failed; the ledger knows better.
    const { field, status = 0 } = command;
    if (field !== (COMMAND_FIELD.moveRequest | COMMAND_FIELD.response) || command.messageId !== messageId) {
      throw new HubError('partner.refused', { detail: 'a response to something else' });
    }
    if (status !== PENDING) {
      checkEnd(status);
      return;
    }
    if (doneOf(command) > done) dog.moved();
    done = Math.max(done, doneOf(command));
  }
  throw new HubError('partner.refused', { detail: 'an answer without end' });
}

const UNTIL_ABORTED_MS = 2 ** 31 - 1;
