/** What a model had to reach, by its own manifest, and whether it did: `eval_metrics`, registered before the first case. */
import type { CaseResult } from './case-result.ts';
import type { EvaluatedLabel } from './labels.ts';
import { mean, median } from './statistics.ts';
import { scoresOf, type Summary } from './summary.ts';

export interface Criterion {
  /** As the manifest writes it. */
  readonly key: string;
  /** Absent for what is no figure of a label. */
  readonly label?: string;
  /** In words. */
  readonly demanded: string;
  readonly limit?: number;
  /** Absent when it cannot be judged. */
  readonly reached?: number;
  readonly isMet: boolean;
}

export interface Acceptance {
  /** `not-registered`: the manifest demands nothing. `not-accepted` also when a demand cannot be judged. */
  readonly outcome: 'accepted' | 'not-accepted' | 'not-registered';
  readonly criteria: readonly Criterion[];
}

/** The score each name stands for, and on which side of the limit is good. Sizes of differences are what counts. */
const SCORES = {
  dice: { is: 'at least', words: 'Dice' },
  nsd: { is: 'at least', words: 'NSD' },
  hd95_mm: { is: 'at most', words: 'HD95 in mm' },
  assd_mm: { is: 'at most', words: 'ASSD in mm' },
  volume_difference_percent: { is: 'at most', words: 'size of the volume difference in %' },
} as const;
type ScoreName = keyof typeof SCORES;
const STATISTICS = ['mean', 'median', 'worst'] as const;
type Statistic = (typeof STATISTICS)[number];

/**
 * `dice` or `mean_dice`, `median_dice`, `worst_dice`, and likewise nsd, hd95_mm, assd_mm, volume_difference_percent: a number
 * every label has to reach, or a number for each label by its name. `failures_percent`: at most so many. Without another word
 * the mean counts, in which failures weigh as 0.
 *
 * @param demanded - `eval_metrics` of the manifest, as it stands there
 */
export function judge(
  demanded: unknown,
  results: readonly CaseResult[],
  labels: readonly EvaluatedLabel[],
  summary: Pick<Summary, 'cases' | 'failures' | 'notScored'>,
): Acceptance {
  if (demanded === undefined) return { outcome: 'not-registered', criteria: [] };
  if (!isRecord(demanded) || Object.keys(demanded).length === 0)
    return { outcome: 'not-accepted', criteria: [unjudged('eval_metrics', 'is no list of figures')] };
  const criteria = Object.entries(demanded).flatMap(([key, limit]) =>
    key === 'failures_percent' ? [ofFailures(key, limit, summary)] : ofScore(key, limit, results, labels, summary),
  );
  return { outcome: criteria.every(({ isMet }) => isMet) ? 'accepted' : 'not-accepted', criteria };
}

function ofFailures(key: string, limit: unknown, { cases, failures }: Pick<Summary, 'cases' | 'failures'>): Criterion {
  if (!isNumber(limit)) return unjudged(key, 'has no number');
  if (cases === 0) return unjudged(key, 'no case was scored');
  const reached = (100 * failures) / cases;
  return {
    key,
    demanded: `at most ${String(limit)} % of the cases without an answer`,
    limit,
    reached,
    isMet: reached <= limit,
  };
}

function ofScore(
  key: string,
  demanded: unknown,
  results: readonly CaseResult[],
  labels: readonly EvaluatedLabel[],
  { notScored }: Pick<Summary, 'notScored'>,
): readonly Criterion[] {
  const [statistic, name] = parsedKey(key);
  if (name === undefined) return [unjudged(key, 'is no figure this report has')];
  const limits: readonly (readonly [string, unknown])[] = isRecord(demanded)
    ? Object.entries(demanded)
    : labels.map((label) => [label.name, demanded]);
  return limits.map(([labelName, limit]) => {
    const label = labels.find((each) => each.name === labelName);
    if (label === undefined) return unjudged(key, `the model has no label "${labelName}"`);
    if (!isNumber(limit)) return unjudged(key, 'has no number', labelName);
    if (notScored.includes(labelName) || results.length === 0)
      return unjudged(key, 'no reference holds this label', labelName);
    const { is, words } = SCORES[name];
    const values = results.map((result) => valueOf(result, label.index, name));
    const reached = statisticOf(statistic, values, is);
    return {
      key,
      label: labelName,
      demanded: `${statistic} ${words} ${is} ${String(limit)}`,
      limit,
      reached,
      isMet: is === 'at least' ? reached >= limit : reached <= limit,
    };
  });
}

/** A case without an answer has no volume: all of it is missing. */
function valueOf(result: CaseResult, index: number, name: ScoreName): number {
  const scores = scoresOf(result, index);
  if (scores === undefined) return NaN;
  switch (name) {
    case 'dice':
      return scores.dice;
    case 'nsd':
      return scores.nsd;
    case 'hd95_mm':
      return scores.hd95Mm;
    case 'assd_mm':
      return scores.assdMm;
    case 'volume_difference_percent':
      return Math.abs(scores.volumeDifferencePercent ?? 100);
    default:
      return name satisfies never;
  }
}

function statisticOf(statistic: Statistic, values: readonly number[], is: 'at least' | 'at most'): number {
  if (statistic === 'mean') return mean(values);
  if (statistic === 'median') return median(values);
  return values.reduce((a, b) => (is === 'at least' ? Math.min(a, b) : Math.max(a, b)));
}

function parsedKey(key: string): readonly [Statistic, ScoreName | undefined] {
  const lower = key.toLowerCase();
  const statistic = STATISTICS.find((each) => lower.startsWith(`${each}_`));
  const rest = statistic === undefined ? lower : lower.slice(statistic.length + 1);
  const names = Object.keys(SCORES) as ScoreName[];
  return [statistic ?? 'mean', names.find((name) => name === rest)];
}

function unjudged(key: string, why: string, label?: string): Criterion {
  return { key, ...(label === undefined ? {} : { label }), demanded: `cannot be judged: ${why}`, isMet: false };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
