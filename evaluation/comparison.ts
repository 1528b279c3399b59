/** Two models on the same cases: the difference case by case, and whether chance would make it too. */
import type { CaseResult } from './case-result.ts';
import type { EvaluatedLabel } from './labels.ts';
import { isSameLabel } from './labels.ts';
import { signedRank, type SignedRank } from './signed-rank.ts';
import { bootstrap, type Interval, mean, median, MIN_SUBJECTS } from './statistics.ts';
import { scoresOf } from './summary.ts';

export interface LabelComparison {
  readonly index: number;
  readonly name: string;
  readonly cases: number;
  readonly subjects: number;
  /** This model less the other, Dice. */
  readonly medianDifference: number;
  /** 95 %, subjects resampled. */
  readonly interval?: Interval;
  /** On each subject's mean difference. Absent for fewer than ten subjects, or when no difference is left. */
  readonly test?: SignedRank;
}

export interface Comparison {
  readonly labels: readonly LabelComparison[];
  /** Labels the other model does not have. */
  readonly notCompared: readonly string[];
}

export function compare(
  ours: { readonly results: readonly CaseResult[]; readonly labels: readonly EvaluatedLabel[] },
  theirs: { readonly results: readonly CaseResult[]; readonly labels: readonly EvaluatedLabel[] },
): Comparison {
  const others = new Map(theirs.results.map((result) => [result.name, result]));
  const labels: LabelComparison[] = [];
  const notCompared: string[] = [];
  for (const label of ours.labels) {
    const other = theirs.labels.find((each) => isSameLabel(each, label));
    const pairs =
      other === undefined
        ? []
        : ours.results.flatMap((result) => {
            const against = others.get(result.name);
            const [a, b] = [scoresOf(result, label.index), against && scoresOf(against, other.index)];
            return a === undefined || b === undefined ? [] : [{ subject: result.subject, difference: a.dice - b.dice }];
          });
    if (pairs.length === 0) notCompared.push(label.name);
    else labels.push(compared(label, pairs));
  }
  return { labels, notCompared };
}

interface Pair {
  readonly subject: string;
  readonly difference: number;
}

function compared({ index, name }: EvaluatedLabel, pairs: readonly Pair[]): LabelComparison {
  // Cases of one subject are not independent of one another: each subject counts once.
  const bySubject = [...Map.groupBy(pairs, ({ subject }) => subject).values()];
  const perSubject = bySubject.map((each) => mean(each.map(({ difference }) => difference)));
  const differenceOf = (of: readonly Pair[]) => ({ median: median(of.map(({ difference }) => difference)) });
  const intervals = bootstrap(pairs, ({ subject }) => subject, differenceOf);
  const test = perSubject.length < MIN_SUBJECTS ? undefined : signedRank(perSubject);
  return {
    index,
    name,
    cases: pairs.length,
    subjects: perSubject.length,
    medianDifference: differenceOf(pairs).median,
    ...(intervals === undefined ? {} : { interval: intervals.median }),
    ...(test === undefined ? {} : { test }),
  };
}
