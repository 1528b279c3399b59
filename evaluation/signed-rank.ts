/** Wilcoxon's signed-rank test, two-sided, on paired differences. */

export interface SignedRank {
  /** Differences that are not 0; the others say nothing (Wilcoxon's way). */
  readonly pairs: number;
  /** The smaller of the two rank sums. */
  readonly statistic: number;
  readonly p: number;
  readonly method: 'exact' | 'normal';
}

/** Up to here every way to give the ranks their signs is counted. */
const MAX_EXACT = 50;

/** Undefined when no difference is left. */
export function signedRank(differences: readonly number[]): SignedRank | undefined {
  const kept = differences.filter((value) => value !== 0);
  if (kept.length === 0) return undefined;
  const { doubled, tied } = midranks(kept.map(Math.abs));
  const total = doubled.reduce((sum, rank) => sum + rank, 0);
  const positive = doubled.reduce((sum, rank, n) => sum + ((kept[n] ?? 0) > 0 ? rank : 0), 0);
  const smaller = Math.min(positive, total - positive);
  const isExact = kept.length <= MAX_EXACT;
  return {
    pairs: kept.length,
    statistic: smaller / 2,
    p: Math.min(1, isExact ? exactP(doubled, smaller) : normalP(kept.length, smaller / 2, tied)),
    method: isExact ? 'exact' : 'normal',
  };
}

/** Twice the ranks, so that shared ones stay whole numbers. */
function midranks(sizes: readonly number[]): { readonly doubled: readonly number[]; readonly tied: number } {
  const order = sizes.map((_, n) => n).toSorted((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0));
  const doubled = sizes.map(() => 0);
  let tied = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to + 1 < order.length && sizes[order[to + 1] ?? 0] === sizes[order[from] ?? 0]) to += 1;
    for (let n = from; n <= to; n += 1) doubled[order[n] ?? 0] = from + to + 2;
    const shared = to - from + 1;
    tied += shared ** 3 - shared;
    from = to + 1;
  }
  return { doubled, tied };
}

/** Twice the share of all 2ⁿ ways to sign these ranks whose positive sum is no larger; ties as they are. */
function exactP(doubled: readonly number[], smaller: number): number {
  const ways = new Float64Array(smaller + 1);
  ways[0] = 1;
  for (const rank of doubled)
    for (let sum = smaller; sum >= rank; sum -= 1) ways[sum] = (ways[sum] ?? 0) + (ways[sum - rank] ?? 0);
  return (2 * ways.reduce((sum, count) => sum + count, 0)) / 2 ** doubled.length;
}

/** Normal approximation, corrected for ties, without a correction for continuity. */
function normalP(n: number, statistic: number, tied: number): number {
  const variance = (n * (n + 1) * (2 * n + 1)) / 24 - tied / 48;
  const z = (statistic - (n * (n + 1)) / 4) / Math.sqrt(variance);
  return erfc(Math.abs(z) / Math.SQRT2);
}

/** Complement of the error function for x ≥ 0, by its continued fraction or its series; to 1e-12. */
function erfc(x: number): number {
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 80; n += 1) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 80; n > 0; n -= 1) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
