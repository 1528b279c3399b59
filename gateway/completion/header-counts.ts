/**
 * What the headers themselves say of how many instances there are. Vendors mean different things by Images in
 * Acquisition (0020,1002) – of the series, of one acquisition of several in a series, of one that was split over
 * several series – so a count only counts as met when it divides right, and what cannot be told is left open.
 */
import type { SeriesRow } from '../../core/ledger/studies.ts';

export interface HeaderCounts {
  /** `met`: every series states a count and has it. `short`: one certainly lacks instances. */
  readonly verdict: Verdict;
  readonly series: readonly SeriesCount[];
}

export interface SeriesCount {
  readonly seriesInstanceUid: string;
  readonly held: number;
  /** 0: the header states none that can be understood. */
  readonly expected: number;
  readonly verdict: Verdict;
}

type Verdict = 'met' | 'short' | 'unclear';

export function headerCounts(series: readonly SeriesRow[]): HeaderCounts {
  const counts = series.map(countOf);
  // An acquisition whose images were split over several series is short in each and whole in all.
  const together = new Map<number, number>();
  for (const { expected, held } of counts) together.set(expected, (together.get(expected) ?? 0) + held);
  const judged = counts.map((count): SeriesCount => {
    const isSplit = count.verdict === 'short' && (together.get(count.expected) ?? 0) >= count.expected;
    return isSplit ? { ...count, verdict: 'unclear' } : count;
  });
  const has = (verdict: Verdict) => judged.some((count) => count.verdict === verdict);
  return {
    verdict: has('short') ? 'short' : has('unclear') || judged.length === 0 ? 'unclear' : 'met',
    series: judged,
  };
}

function countOf({ seriesInstanceUid, instances: held, attributes }: SeriesRow): SeriesCount {
  const number = (keyword: string) => positive(attributes[keyword]?.[0]);
  // Enhanced objects count frames where classic ones count instances.
  const isMultiFrame = (number('NumberOfFrames') ?? 1) > 1;
  const inAcquisition = isMultiFrame ? undefined : number('ImagesInAcquisition');
  const positions = isMultiFrame ? undefined : number('NumberOfTemporalPositions');
  const slices = isMultiFrame ? undefined : number('NumberOfSlices');
  const say = (expected: number, verdict: Verdict): SeriesCount => ({ seriesInstanceUid, held, expected, verdict });

  if (slices !== undefined && positions !== undefined) {
    const whole = slices * positions;
    return say(whole, held < whole ? 'short' : held % whole === 0 ? 'met' : 'unclear');
  }
  if (inAcquisition !== undefined) {
    if (held < inAcquisition) return say(inAcquisition, 'short');
    if (held % inAcquisition !== 0) return say(inAcquisition, 'unclear');
    if (positions === undefined || positions === 1) return say(inAcquisition, 'met');
    // Of one volume: as many volumes as positions. Of all of them: they divide. Between the two nobody can tell.
    const whole = inAcquisition * positions;
    if (held % whole === 0) return say(whole, 'met');
    if (held > inAcquisition) return say(whole, held < whole ? 'short' : 'unclear');
    return say(inAcquisition, 'unclear');
  }
  if (slices !== undefined) return say(slices, held < slices ? 'short' : held % slices === 0 ? 'met' : 'unclear');
  if (positions !== undefined && positions > 1 && held < positions) return say(positions, 'short');
  return say(0, 'unclear');
}

/** IS and US alike; a count of nothing, or none that is a number, says nothing. */
function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}
