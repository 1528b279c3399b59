/**
 * Where a sync is waited for. In another thread it costs two hops from thread to thread, which on a quick disk take as
 * long as the sync itself, and the loop goes on meanwhile: for eight senders, that is where the next batch comes from. A
 * single sender has nothing else for the loop to do.
 */

/** A sync of the disk that takes longer has little to gain from it, and the loop much to lose. */
const QUICK_MS = 0.5;
/** So many before it were quick, and of single senders. After one that was not, the next ones are waited for elsewhere. */
const QUICK_BEFORE = 8;

/** What is known when a sync is to begin. */
export interface SyncFacts {
  /** Records that it makes durable. */
  readonly records: number;
  /** Some other object has bytes in memory, or on their way to the disk. */
  readonly areOthersUnderWay: boolean;
  /** Zeros, too, go to the disk with it. */
  readonly laysRoom: boolean;
  /** Syncs in a row that were quick and of a single sender, up to now. */
  readonly quickBefore: number;
}

/** Whether the loop itself waits for the sync. */
export function isSyncedHere({ records, areOthersUnderWay, laysRoom, quickBefore }: SyncFacts): boolean {
  return records === 1 && !areOthersUnderWay && !laysRoom && quickBefore >= QUICK_BEFORE;
}

/** How many in a row there are after another sync. */
export function quickAfter({ records, areOthersUnderWay, laysRoom, quickBefore }: SyncFacts, tookMs: number): number {
  if (laysRoom) return quickBefore;
  return records === 1 && !areOthersUnderWay && tookMs <= QUICK_MS ? Math.min(quickBefore + 1, QUICK_BEFORE) : 0;
}
