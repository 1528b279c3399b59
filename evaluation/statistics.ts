/** Medians, quartiles and how sure they are. Every figure is made anew from the same seed, so a report can be repeated. */

/** Draws of the bootstrap. */
export const DRAWS = 2_000;
export const SEED = 20_260_101;
/** Fewer subjects than this carry no interval and no test. */
export const MIN_SUBJECTS = 10;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Of sorted values, linear between neighbours. @param share - 0 … 1 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? NaN;
  const high = sorted[Math.min(sorted.length - 1, below + 1)] ?? NaN;
  return low + (high - low) * (place - below);
}

export function median(values: readonly number[]): number {
  return quantile(sorted(values), 0.5);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: n − 1. */
export function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

export function sorted(values: readonly number[]): Float64Array {
  // A typed array is put in order several times as fast: the bootstrap does it often.
  return Float64Array.from(values).sort();
}

/**
 * Percentile bootstrap, 95 %, of several figures at once. Subjects are drawn, each with all its cases: cases of one animal
 * are alike, and counting them as independent would make intervals too narrow.
 *
 * @param subjectOf - of each item
 * @param figures - of the items of one draw; a figure that is no number in a draw is left out of that draw
 * @returns one interval a figure; undefined when there are fewer than `MIN_SUBJECTS` subjects
 */
export function bootstrap<Item, Name extends string>(
  items: readonly Item[],
  subjectOf: (item: Item) => string,
  figures: (drawn: readonly Item[]) => Readonly<Record<Name, number>>,
): Readonly<Record<Name, Interval>> | undefined {
  const subjects = [...Map.groupBy(items, subjectOf).values()];
  if (subjects.length < MIN_SUBJECTS) return undefined;
  const random = randomNumbers(SEED);
  const found = new Map<Name, number[]>();
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const drawn = subjects.flatMap(() => subjects[Math.floor(random() * subjects.length)] ?? []);
    const values = figures(drawn);
    for (const name of namesOf(values)) {
      const value = values[name];
      if (!Number.isFinite(value)) continue;
      const all = found.get(name);
      if (all === undefined) found.set(name, [value]);
      else all.push(value);
    }
  }
  const intervals = [...found].map(([name, values]): [Name, Interval] => {
    const inOrder = sorted(values);
    return [name, { low: quantile(inOrder, 0.025), high: quantile(inOrder, 0.975) }];
  });
  return Object.fromEntries(intervals) as Record<Name, Interval>;
}

function namesOf<Name extends string>(record: Readonly<Record<Name, number>>): readonly Name[] {
  return Object.keys(record) as Name[];
}

/** mulberry32: 32 bits of state, the same numbers on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
