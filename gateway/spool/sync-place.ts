/**
 * Where a sync is waited for. In another thread it costs two hops from thread to thread, which on a quick disk take as
 * long as the sync itself, and the loop goes on meanwhile: for eight senders, that is where the next batch comes from. A
 * single sender has nothing else for the loop to do.
 */

/** A sync that takes longer has little to gain from it, and the loop much to lose. */
const QUICK_MS = 0.5;
/** One that takes longer than this is the last on the loop for a while. */
const STALL_MS = 5;
/** So many before it were of a single sender. */
const ALONE_BEFORE = 8;
/**
 * Of the last ones, so many in a hundred may have been slow. A disk that others use, and processors that others use, are
 * slow more often, and there the pool does better: its threads are let run before one that has run much.
 */
const MAX_SLOW_SHARE = 0.1;
/** How many the share is made of, more or less: the latest count most. */
const REMEMBERED = 32;

/** What is known when a sync is to begin. */
export interface SyncFacts {
  /** Records that it makes durable. */
  readonly records: number;
  /** Some other object has bytes in memory, or on their way to the disk. */
  readonly areOthersUnderWay: boolean;
  /** Zeros, too, go to the disk with it. */
  readonly laysRoom: boolean;
}

/** What the syncs before have shown. */
export interface SyncHistory {
  /** How many in a row were of a single sender. */
  readonly alone: number;
  /** 0 … 1 of them were slow. */
  readonly slowShare: number;
}

/** A disk is slow until it has shown otherwise. */
export const NO_SYNC_YET: SyncHistory = { alone: 0, slowShare: 1 };

/** Whether the loop itself waits for the sync. */
export function isSyncedHere(facts: SyncFacts, { alone, slowShare }: SyncHistory): boolean {
  return isOfSingleSender(facts) && !facts.laysRoom && alone >= ALONE_BEFORE && slowShare <= MAX_SLOW_SHARE;
}

/** The history with another sync in it. The time that zeros take says nothing of the others. */
export function historyAfter(facts: SyncFacts, { alone, slowShare }: SyncHistory, tookMs: number): SyncHistory {
  if (facts.laysRoom) return { alone, slowShare };
  const slow = tookMs > QUICK_MS ? 1 : 0;
  return {
    alone: isOfSingleSender(facts) ? Math.min(alone + 1, ALONE_BEFORE) : 0,
    slowShare: tookMs > STALL_MS ? 1 : slowShare + (slow - slowShare) / REMEMBERED,
  };
}

function isOfSingleSender({ records, areOthersUnderWay }: SyncFacts): boolean {
  return records === 1 && !areOthersUnderWay;
}
