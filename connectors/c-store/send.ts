/** Sends instances over as few associations as can be, each in its own transfer syntax where the peer takes it. */
import { HubError } from '../../core/errors.ts';
import type { Association } from './association.ts';
import { type Associations, type Lent, unkept } from './associations.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { contextsOf, type OutgoingInstance, prepare, type Prepared } from './outgoing.ts';
import { TwoBuffers } from './two-buffers.ts';
import { MAX_CONTEXTS, type ProposedContext } from '../../peers/dimse/negotiation.ts';

/**
 * `stored` includes warnings: the peer has it, if perhaps not every attribute (PS3.4 Table B.2-1, Bxxx). `aborted`: the
 * peer hung up on this very instance; some do so over one damaged object.
 */
export type SendOutcome = 'stored' | 'duplicate' | 'busy' | 'refused' | 'aborted';

export interface SendResult<Instance extends OutgoingInstance> {
  readonly instance: Instance;
  readonly outcome: SendOutcome;
  /** Of the C-STORE-RSP; 0122H also when no presentation context was accepted. */
  readonly status: number;
  /** A fixed sentence of ours. */
  readonly detail?: string;
}

/** PS3.7 Annex C: SOP Class not supported */
const SOP_CLASS_NOT_SUPPORTED = 0x0122;
/** PS3.7 Annex C: Processing failure */
const PROCESSING_FAILURE = 0x0110;
/** A peer that aborts again and again has a trouble of its own, not with the instances. */
const MAX_ABORTS_IN_A_ROW = 2;

/**
 * Sends each instance and tells how it went. Refusals of single instances are results; `onResult` may throw to end early.
 *
 * @throws {HubError} when the peer or the connection fails: what has had no result must be sent again
 */
export async function sendInstances<Instance extends OutgoingInstance>(
  peer: Peer,
  instances: readonly Instance[],
  signal: AbortSignal,
  onResult: (result: SendResult<Instance>) => void,
  associations: Associations = unkept(peer),
): Promise<void> {
  let abortsInARow = 0;
  let isFresh = false;
  for (const { contexts, members } of shareAssociations(instances)) {
    let waiting: readonly Instance[] = members;
    while (waiting.length > 0) {
      let done = 0;
      let isLentKept = false;
      try {
        const lent = await associations.lend(contexts, signal, isFresh);
        isLentKept = lent.isKept;
        await sendOverOne(lent, waiting, (result) => {
          done += 1;
          abortsInARow = 0;
          onResult(result);
        });
        waiting = [];
      } catch (error) {
        // One that was kept may have ended before it was used: that says nothing of the peer or the instance.
        if (isLentKept && done === 0 && isGone(error) && !signal.aborted) {
          isFresh = true;
          continue;
        }
        const instance = waiting[done];
        if (instance !== undefined && isDamaged(error)) {
          // It broke off in the middle of this one; the others are not to wait for ever for it.
          onResult({ instance, outcome: 'refused', status: PROCESSING_FAILURE, detail: error.row.title });
          waiting = waiting.slice(done + 1);
          continue;
        }
        abortsInARow += 1;
        if (instance === undefined || !isAbortByPeer(error) || abortsInARow > MAX_ABORTS_IN_A_ROW) throw error;
        onResult({
          instance,
          outcome: 'aborted',
          status: PROCESSING_FAILURE,
          detail: 'the peer aborted the association',
        });
        waiting = waiting.slice(done + 1);
      }
    }
  }
}

async function sendOverOne<Instance extends OutgoingInstance>(
  lent: Lent,
  instances: readonly Instance[],
  onResult: (result: SendResult<Instance>) => void,
): Promise<void> {
  let isWhole = false;
  let next: Promise<Prepared> | undefined;
  const buffers = new TwoBuffers();
  try {
    for (const [index, instance] of instances.entries()) {
      const { association } = lent;
      const ready = await (next ?? prepare(association, instance, buffers));
      const following = instances[index + 1];
      // Read while the peer stores this one. What fails there is told when its turn comes.
      next = following === undefined ? undefined : prepare(association, following, buffers);
      next?.catch(() => undefined);
      onResult(await sendOne(association, instance, ready));
      // A peer that answers before it has read to the end: what it has not taken yet is still to be sent.
      if (!association.isFlushed()) buffers.forget();
    }
    isWhole = true;
  } finally {
    await lent.giveBack(isWhole);
    await next?.then(
      (ready) => ready.close(),
      () => undefined,
    );
  }
}

async function sendOne<Instance extends OutgoingInstance>(
  association: Association,
  instance: Instance,
  ready: Prepared,
): Promise<SendResult<Instance>> {
  try {
    if (ready.contextId === undefined) {
      const { detail } = ready;
      return { instance, outcome: 'refused', status: SOP_CLASS_NOT_SUPPORTED, detail };
    }
    const { status } = await association.store(ready.contextId, ready.dataSet);
    return { instance, outcome: outcomeOf(status), status };
  } finally {
    await ready.close();
  }
}

/** The connection is no more, or never answered. */
function isGone(error: unknown): boolean {
  return error instanceof HubError && error.code === 'partner.unreachable';
}

/** Of our own file: it cannot be read or decoded, today or tomorrow. */
function isDamaged(error: unknown): error is HubError {
  return error instanceof HubError && /^(pixels|dataset)\./.test(error.code) && error.row.retry === 'permanent';
}

/** An abort of the peer while it had one of our instances, not of the association request. */
function isAbortByPeer(error: unknown): boolean {
  return error instanceof HubError && error.fields['abortedInstance'] === true;
}

/** What a status of a C-STORE-RSP says about the instance. */
export function outcomeOf(status: number): SendOutcome {
  // PS3.7 Annex C.4: 0107H and 0116H are warnings, as is all of Bxxx.
  if (status === 0 || status >>> 12 === 0xb || status === 0x0107 || status === 0x0116) return 'stored';
  if (status === 0x0111) return 'duplicate';
  return (status & 0xff00) === 0xa700 ? 'busy' : 'refused';
}

/** Groups that need at most 128 presentation contexts each. */
function* shareAssociations<Instance extends OutgoingInstance>(
  instances: readonly Instance[],
): Generator<{ readonly contexts: readonly ProposedContext[]; readonly members: readonly Instance[] }> {
  let contexts = new Map<string, ProposedContext>();
  let members: Instance[] = [];
  for (const instance of instances) {
    const wanted = contextsOf(instance).filter((context) => !contexts.has(keyOf(context)));
    if (contexts.size + wanted.length > MAX_CONTEXTS) {
      yield { contexts: [...contexts.values()], members };
      contexts = new Map();
      members = [];
    }
    for (const context of contextsOf(instance)) contexts.set(keyOf(context), context);
    members.push(instance);
  }
  if (members.length > 0) yield { contexts: [...contexts.values()], members };
}

const keyOf = ({ sopClassUid, transferSyntaxUid }: ProposedContext): string => `${sopClassUid} ${transferSyntaxUid}`;
