/** From cases to figures: for each label, for each group of cases, and which cases went worst. */
import { type Agreement, agreementOf } from './agreement.ts';
import type { CaseResult, Scores } from './case-result.ts';
import { FACTORS, type Factor } from './cases-table.ts';
import type { EvaluatedLabel } from './labels.ts';
import { bootstrap, type Interval, mean, quantile, sorted } from './statistics.ts';

export const MEASURES = [
  'dice',
  'nsd',
  'hd95Mm',
  'assdMm',
  'volumeDifferenceMm3',
  'volumeDifferencePercent',
] as const satisfies readonly (keyof Scores)[];
export type Measure = (typeof MEASURES)[number];
const WORST = 5;

export interface Distribution {
  /** Cases with a value; failures have no volume. */
  readonly n: number;
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** 95 %, subjects resampled. Absent for fewer than ten subjects. */
  readonly intervals?: { readonly median: Interval; readonly mean: Interval };
}

export interface LabelSummary {
  readonly index: number;
  readonly name: string;
  readonly referencesWithIt: number;
  readonly measures: Partial<Readonly<Record<Measure, Distribution>>>;
  readonly agreement?: Agreement;
}

export interface Stratum {
  readonly factor: Factor;
  readonly value: string;
  readonly cases: number;
  readonly subjects: number;
  readonly failures: number;
  readonly labels: readonly { readonly index: number; readonly dice: Distribution; readonly hd95Mm: Distribution }[];
}

export interface Summary {
  readonly cases: number;
  readonly subjects: number;
  readonly failures: number;
  /** Of what the references hold. */
  readonly labels: readonly LabelSummary[];
  /** Labels that no reference holds: nothing can be said of them. */
  readonly notScored: readonly string[];
  readonly strata: readonly Stratum[];
  /** Names, the worst first: by mean Dice over the labels, then NSD. */
  readonly worst: readonly string[];
}

export function summarise(results: readonly CaseResult[], labels: readonly EvaluatedLabel[]): Summary {
  const isHeld = ({ index }: EvaluatedLabel): boolean =>
    results.some((result) => (scoresOf(result, index)?.referenceMm3 ?? 0) > 0);
  const scored = labels.filter(isHeld);
  return {
    cases: results.length,
    subjects: subjectsOf(results),
    failures: failuresOf(results),
    labels: scored.map((label) => labelSummary(results, label)),
    notScored: labels.filter((label) => !isHeld(label)).map(({ name }) => name),
    strata: FACTORS.flatMap((factor) => strataBy(factor, results, scored)),
    worst: worstOf(results, scored),
  };
}

export function scoresOf({ labels }: CaseResult, index: number): Scores | undefined {
  return labels.find((each) => each.index === index)?.scores;
}

function labelSummary(results: readonly CaseResult[], { index, name }: EvaluatedLabel): LabelSummary {
  const measures = Object.fromEntries(
    MEASURES.flatMap((measure) => {
      const found = distributionOf(results, index, measure);
      return found === undefined ? [] : [[measure, found]];
    }),
  );
  const pairs = results.flatMap((result) => {
    const scores = scoresOf(result, index);
    if (scores === undefined || scores.predictedMm3 === null) return [];
    const { referenceMm3, predictedMm3 } = scores;
    return [{ subject: result.subject, referenceMm3, predictedMm3 }];
  });
  const agreement = agreementOf(pairs);
  return {
    index,
    name,
    referencesWithIt: results.filter((result) => (scoresOf(result, index)?.referenceMm3 ?? 0) > 0).length,
    measures,
    ...(agreement === undefined ? {} : { agreement }),
  };
}

function distributionOf(results: readonly CaseResult[], index: number, measure: Measure): Distribution | undefined {
  const items = results.flatMap((result) => {
    const value = scoresOf(result, index)?.[measure] ?? null;
    return value === null ? [] : [{ subject: result.subject, value }];
  });
  if (items.length === 0) return undefined;
  const all = items.map(({ value }) => value);
  const inOrder = sorted(all);
  const intervals = bootstrap(
    items,
    ({ subject }) => subject,
    (drawn) => {
      const values = drawn.map(({ value }) => value);
      return { median: quantile(sorted(values), 0.5), mean: mean(values) };
    },
  );
  return {
    n: inOrder.length,
    median: quantile(inOrder, 0.5),
    q1: quantile(inOrder, 0.25),
    q3: quantile(inOrder, 0.75),
    mean: mean(all),
    min: quantile(inOrder, 0),
    max: quantile(inOrder, 1),
    ...(intervals === undefined ? {} : { intervals }),
  };
}

/** A factor of which every case has the same value, or none, groups nothing; it stands there all the same when it is known. */
function strataBy(
  factor: Factor,
  results: readonly CaseResult[],
  labels: readonly EvaluatedLabel[],
): readonly Stratum[] {
  const known = results.filter(({ strata }) => strata[factor] !== undefined);
  const groups = Map.groupBy(known, ({ strata }) => strata[factor] ?? '');
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([value, cases]) => ({
      factor,
      value,
      cases: cases.length,
      subjects: subjectsOf(cases),
      failures: failuresOf(cases),
      labels: labels.flatMap(({ index }) => {
        const [dice, hd95Mm] = [distributionOf(cases, index, 'dice'), distributionOf(cases, index, 'hd95Mm')];
        return dice === undefined || hd95Mm === undefined ? [] : [{ index, dice, hd95Mm }];
      }),
    }));
}

function worstOf(results: readonly CaseResult[], labels: readonly EvaluatedLabel[]): readonly string[] {
  const meanOf = (result: CaseResult, measure: 'dice' | 'nsd'): number =>
    mean(labels.map(({ index }) => scoresOf(result, index)?.[measure] ?? 0));
  return results
    .map((result) => ({ name: result.name, dice: meanOf(result, 'dice'), nsd: meanOf(result, 'nsd') }))
    .toSorted((a, b) => a.dice - b.dice || a.nsd - b.nsd || (a.name < b.name ? -1 : 1))
    .slice(0, WORST)
    .map(({ name }) => name);
}

function subjectsOf(results: readonly CaseResult[]): number {
  return new Set(results.map(({ subject }) => subject)).size;
}

function failuresOf(results: readonly CaseResult[]): number {
  return results.filter(({ outcome }) => outcome === 'failed').length;
}
