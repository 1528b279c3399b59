/** What the source has of a study and the hub has not, and what to ask for to get it. Pure. */
import type { SeriesInstanceUid } from '../../core/identifiers.ts';
import type { Scope, SeriesAtSource } from './source.ts';

/** What the ledger holds, by series. */
export type Held = ReadonlyMap<SeriesInstanceUid, number>;

export interface Difference {
  /** At the source. */
  readonly instances: number;
  /** Of those, here: never more of a series than its source has. */
  readonly held: number;
  /** Series of which something is missing, and whether something of them is here. */
  readonly short: readonly { readonly seriesInstanceUid: SeriesInstanceUid; readonly isBegun: boolean }[];
}

/** More of a series than its source has is no difference: whoever sent it before may have sent more. */
export function differenceOf(atSource: readonly SeriesAtSource[], held: Held): Difference {
  const heldOf = ({ seriesInstanceUid, instances }: SeriesAtSource) =>
    Math.min(instances, held.get(seriesInstanceUid) ?? 0);
  return {
    instances: atSource.reduce((sum, { instances }) => sum + instances, 0),
    held: atSource.reduce((sum, series) => sum + heldOf(series), 0),
    short: atSource
      .filter((series) => heldOf(series) < series.instances)
      .map((series) => ({ seriesInstanceUid: series.seriesInstanceUid, isBegun: heldOf(series) > 0 })),
  };
}

/**
 * One request for a study of which nothing is here; else one a series that lacks something.
 *
 * @param bySeries - each series is asked for by itself, so that there can be pauses between them
 */
export function scopesOf({ held, short }: Difference, bySeries: boolean): readonly Scope[] {
  if (held === 0 && !bySeries) return [{ level: 'study' }];
  return short.map(({ seriesInstanceUid }) => ({ level: 'series', seriesInstanceUid }));
}
