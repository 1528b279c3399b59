/**
 * Associations of one destination: opened when they are needed, kept for a while when they are not, so that many small
 * deliveries do not each negotiate anew. A kept one is used again by what needs no other presentation contexts.
 */
import type { Peer } from '../../peers/dimse/connection.ts';
import type { ProposedContext } from '../../peers/dimse/negotiation.ts';
import { type Association, openAssociation } from './association.ts';

/** For one delivery at a time. */
export interface Lent {
  readonly association: Association;
  /** It was kept: the peer may have ended it just when it was taken. */
  readonly isKept: boolean;
  /** @param isWhole - every answer to what was asked has come */
  giveBack(isWhole: boolean): Promise<void>;
}

export interface Associations {
  /** @param isFresh - none that was kept */
  lend(contexts: readonly ProposedContext[], signal: AbortSignal, isFresh: boolean): Promise<Lent>;
}

interface Kept {
  readonly association: Association;
  readonly contexts: ReadonlySet<string>;
  readonly life: AbortController;
  readonly timer: NodeJS.Timeout;
}

/** One for each asking. */
export function unkept(peer: Peer): Associations {
  return new KeptAssociations(peer, { idleMs: 0, most: 0 });
}

export class KeptAssociations implements Associations {
  readonly #peer: Peer;
  readonly #idleMs: number;
  readonly #most: number;
  readonly #idle: Kept[] = [];
  #isClosed = false;

  /** @param options.most - kept at once: a peer lets only so many in */
  constructor(peer: Peer, { idleMs, most }: { readonly idleMs: number; readonly most: number }) {
    this.#peer = peer;
    this.#idleMs = idleMs;
    this.#most = most;
  }

  async lend(contexts: readonly ProposedContext[], signal: AbortSignal, isFresh: boolean): Promise<Lent> {
    signal.throwIfAborted();
    const kept = isFresh ? undefined : this.#take(contexts);
    // A peer that takes one association at a time would let a second one wait for a kept one that is of no use now.
    if (kept === undefined) await this.releaseIdle();
    // Of its own: whoever uses it now may end it, and the next one begins unharmed.
    const life = kept?.life ?? new AbortController();
    const onAbort = (): void => life.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const association = kept?.association ?? (await openAssociation(this.#peer, contexts, life.signal));
      const proposed = kept?.contexts ?? new Set(contexts.map(keyOf));
      return {
        association,
        isKept: kept !== undefined,
        giveBack: async (isWhole) => {
          signal.removeEventListener('abort', onAbort);
          if (!isWhole) association.abort();
          else if (!this.#keep(association, proposed, life)) await association.release();
        },
      };
    } catch (error) {
      signal.removeEventListener('abort', onAbort);
      throw error;
    }
  }

  /** Releases those that nobody uses: a peer that takes one association at a time is free for others. */
  async releaseIdle(): Promise<void> {
    await Promise.all(
      this.#idle.splice(0).map(async ({ association, timer }) => {
        clearTimeout(timer);
        await association.release();
      }),
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.releaseIdle();
  }

  #take(contexts: readonly ProposedContext[]): Kept | undefined {
    for (const each of this.#idle.filter(({ association }) => !association.isUsable())) this.#forget(each);
    const found = this.#idle.find((each) => contexts.every((context) => each.contexts.has(keyOf(context))));
    if (found !== undefined) this.#forget(found);
    return found;
  }

  #keep(association: Association, contexts: ReadonlySet<string>, life: AbortController): boolean {
    if (this.#isClosed || this.#idleMs === 0 || this.#idle.length >= this.#most || !association.isUsable())
      return false;
    const timer = setTimeout(() => {
      this.#forget(kept);
      void association.release();
    }, this.#idleMs);
    timer.unref();
    const kept: Kept = { association, contexts, life, timer };
    this.#idle.push(kept);
    return true;
  }

  #forget(kept: Kept): void {
    clearTimeout(kept.timer);
    const at = this.#idle.indexOf(kept);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

const keyOf = ({ sopClassUid, transferSyntaxUid }: ProposedContext): string => `${sopClassUid} ${transferSyntaxUid}`;
