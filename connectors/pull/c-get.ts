/**
 * C-GET (PS3.4 Section C.4.3): what is asked for comes back as C-STOREs on the same association, where the hub is the
 * provider. Each is answered when it is durable, like one at the hub's own door.
 */
import { randomUUID } from 'node:crypto';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid, type StudyInstanceUid } from '../../core/identifiers.ts';
import type { Fetching, Intake } from '../../core/intake.ts';
import { COMMAND_FIELD, getRequest, storeResponse } from '../../peers/dimse/command-set.ts';
import { encodeIdentifier } from '../../peers/dimse/identifier.ts';
import { type Message, type MessageAssociation, openMessages } from '../../peers/dimse/messages.ts';
import { MAX_CONTEXTS, type ProposedContext } from '../../peers/dimse/negotiation.ts';
import type { PullFrom, PullOptions } from './options.ts';
import { checkEnd, contextFor, identifierOf, PENDING, SYNTAXES } from './retrieval.ts';
import type { Scope } from './source.ts';
import { STORAGE_SYNTAXES } from './storage-contexts.ts';
import type { Throttle } from './throttle.ts';
import { type Watchdog, watchdog } from './watchdog.ts';

/** PS3.4 Table C.6.2-1 */
const STUDY_ROOT_GET = '1.2.840.10008.5.1.4.1.2.2.3';
const MAX_RESPONSES = 1_000_000;
const UNTIL_ABORTED_MS = 2 ** 31 - 1;
/** PS3.7 Annex C: SOP Class not supported */
const SOP_CLASS_NOT_SUPPORTED = 0x0122;
/** PS3.4 Table C.4-3: unable to perform sub-operations */
const NO_SUBOPERATIONS = 0xa702;

export interface GetPorts {
  readonly intake: Intake;
  readonly throttle: Throttle;
  readonly onBytes: (bytes: number) => void;
}

/**
 * @param sopClasses - of what is to come, as the peer says
 * @throws {HubError} `partner.*`; `store.full` or `gateway.stopping` when the hub itself could not take what came
 */
export async function get(
  options: Pick<PullOptions, 'name' | 'priority' | 'timeouts'>,
  from: Extract<PullFrom, { kind: 'c-get' }>,
  study: StudyInstanceUid,
  scope: Scope,
  sopClasses: readonly string[],
  ports: GetPorts,
  outer: AbortSignal,
): Promise<void> {
  const parts = [...shares(sopClasses)];
  for (const some of parts) {
    try {
      await getSome(options, from, study, scope, some, ports, outer);
    } catch (error) {
      // That none could be sent says of one part of the SOP classes only that the study has none of them.
      const isNoneOfThese = error instanceof HubError && error.fields['status'] === NO_SUBOPERATIONS;
      if (parts.length === 1 || !isNoneOfThese) throw error;
    }
  }
}

async function getSome(
  options: Pick<PullOptions, 'name' | 'priority' | 'timeouts'>,
  from: Extract<PullFrom, { kind: 'c-get' }>,
  study: StudyInstanceUid,
  scope: Scope,
  storage: readonly ProposedContext[],
  ports: GetPorts,
  outer: AbortSignal,
): Promise<void> {
  const associationId = randomUUID();
  let isWaiting = false;
  const dog = watchdog(outer, options.timeouts.stallMs, () => isWaiting);
  let isWhole = false;
  try {
    const peer = from.peer();
    const asking = SYNTAXES.map((transferSyntaxUid) => ({ sopClassUid: STUDY_ROOT_GET, transferSyntaxUid }));
    const association = await openMessages(peer, [...asking, ...storage], dog.signal);
    const provider = new Provider(association, ports, dog, {
      provenance: {
        door: 'dimse',
        source: options.name,
        callingAeTitle: peer.calledAeTitle,
        calledAeTitle: peer.callingAeTitle,
        associationId,
      },
      studyInstanceUid: study,
      onWaiting: (is) => {
        isWaiting = is;
      },
    });
    try {
      const { contextId, transferSyntaxUid } = contextFor(association, STUDY_ROOT_GET);
      const query = { messageId: 1, sopClassUid: STUDY_ROOT_GET, priority: options.priority };
      await association.send(
        contextId,
        getRequest(query),
        encodeIdentifier(identifierOf(study, scope), transferSyntaxUid),
      );
      await untilGot(association, provider);
      isWhole = true;
    } finally {
      if (isWhole) await association.release();
      else association.abort();
    }
    if (provider.ownFailure !== undefined) throw provider.ownFailure;
  } catch (error) {
    dog.signal.throwIfAborted();
    throw error;
  } finally {
    dog.stop();
    ports.intake.ended(associationId, isWhole);
  }
}

async function untilGot(association: MessageAssociation, provider: Provider): Promise<void> {
  for (let responses = 0; responses < MAX_RESPONSES;) {
    const message = await association.next(UNTIL_ABORTED_MS);
    const { field, status = 0, messageId } = message.command;
    if (field === COMMAND_FIELD.storeRequest) {
      await provider.store(message);
      continue;
    }
    responses += 1;
    for await (const _ of message.dataSet); // Of what failed; the ledger knows better.
    if (field !== (COMMAND_FIELD.getRequest | COMMAND_FIELD.response) || messageId !== 1) {
      throw new HubError('partner.refused', { detail: 'a response to something else' });
    }
    if (status === PENDING) continue;
    checkEnd(status);
    return;
  }
  throw new HubError('partner.refused', { detail: 'an answer without end' });
}

interface PacedFetching extends Fetching {
  /** The hub itself keeps the peer waiting. */
  readonly onWaiting: (isWaiting: boolean) => void;
}

/** The hub as the provider of the C-STORE sub-operations. */
class Provider {
  /** Why the hub itself could not take something: no fault of the peer's. */
  ownFailure: HubError | undefined;
  readonly #association: MessageAssociation;
  readonly #ports: GetPorts;
  readonly #dog: Watchdog;
  readonly #fetching: PacedFetching;

  constructor(association: MessageAssociation, ports: GetPorts, dog: Watchdog, fetching: PacedFetching) {
    this.#association = association;
    this.#ports = ports;
    this.#dog = dog;
    this.#fetching = fetching;
  }

  async store(message: Message): Promise<void> {
    const { contextId, command } = message;
    const status = await this.#take(message);
    await this.#association.send(contextId, storeResponse(command, status));
  }

  async #take({ contextId, command, dataSet }: Message): Promise<number> {
    const context = this.#association.contextOf(contextId);
    const { affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid } = command;
    if (context?.asProvider !== true || context.sopClassUid !== sopClassUid || !isUid(sopInstanceUid)) {
      for await (const _ of dataSet); // Not what the context is for.
      return SOP_CLASS_NOT_SUPPORTED;
    }
    const { transferSyntaxUid } = context;
    try {
      await this.#ports.intake.takeDataSet(
        this.#paced(dataSet),
        { sopClassUid, sopInstanceUid, transferSyntaxUid },
        this.#fetching,
      );
      return 0;
    } catch (error) {
      const failure = toHubError(error);
      // What ended the association is not an answer to give on it.
      if (this.#dog.signal.aborted || failure.code.startsWith('partner.')) throw failure;
      if (failure.row.retry === 'transient') this.ownFailure ??= failure;
      return failure.row.dimse;
    }
  }

  async *#paced(dataSet: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of dataSet) {
      this.#dog.moved();
      this.#ports.throttle.spend(bytes.byteLength);
      this.#ports.onBytes(bytes.byteLength);
      yield bytes;
      this.#fetching.onWaiting(true);
      await this.#ports.throttle.wait(this.#dog.signal);
      this.#fetching.onWaiting(false);
    }
  }
}

/** A context for each SOP class and transfer syntax: with several in one the peer would choose, and transcode or fail. */
function* shares(sopClasses: readonly string[]): Generator<readonly ProposedContext[]> {
  const each = Math.floor((MAX_CONTEXTS - SYNTAXES.length) / STORAGE_SYNTAXES.length);
  for (let at = 0; at < sopClasses.length; at += each) {
    yield sopClasses
      .slice(at, at + each)
      .flatMap((sopClassUid) =>
        STORAGE_SYNTAXES.map((transferSyntaxUid) => ({ sopClassUid, transferSyntaxUid, asProvider: true as const })),
      );
  }
}
