/** Where in the log a time is. */
import type { Ledger } from '../../core/ledger.ts';
import { STREAMS } from '../../core/streams.ts';

/**
 * The position itself, or the first one whose event is not older than the time. The log is in the order of time but
 * for clocks that were set back: there it is somewhere between the two.
 */
export async function positionAt(
  ledger: { readonly events: Pick<Ledger['events'], 'read' | 'head'> },
  to: number | Date,
) {
  if (typeof to === 'number') return to;
  let [low, high] = [1, (await ledger.events.head()) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [event] = await ledger.events.read({ streams: STREAMS, after: middle - 1, limit: 1 });
    // Nothing of the hub's own streams stands behind: the answer is before.
    if (event === undefined || Date.parse(event.time) >= to.getTime()) high = middle;
    else low = event.position + 1;
  }
  return low;
}
