/** The report of an evaluation: what `report.json` holds. The page shows the same. */
import * as z from 'zod';
import { type Acceptance, judge } from './acceptance.ts';
import { type CaseResult, caseResultSchema, type LeftOut, leftOutSchema } from './case-result.ts';
import { compare, type Comparison } from './comparison.ts';
import { type Definition, DEFINITION_TEXTS } from './definitions.ts';
import type { EvaluatedLabel } from './labels.ts';
import { DEFINITIONS } from './scores.ts';
import { MIN_SUBJECTS } from './statistics.ts';
import { MEASURES, summarise, type Summary } from './summary.ts';

export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  readonly modelSha256: string;
  readonly manifestSha256: string;
  /** Of what is done to a scan before the network sees it, and to its answer after. */
  readonly preprocessingSha256: string;
  readonly intendedUse: string;
  readonly license: string;
  readonly species: readonly string[];
  readonly contrasts?: readonly string[];
  /** `eval_metrics` as the manifest has it. */
  readonly evalMetrics?: unknown;
}

/** Written before the first case, and never changed. */
export interface Registration {
  readonly registeredAt: string;
  readonly model: ModelIdentity;
  readonly against?: ModelIdentity;
}

export interface Report extends Registration {
  readonly schema: typeof DEFINITIONS;
  readonly madeAt: string;
  readonly hub: { readonly name: string; readonly version: string };
  readonly acceptance: Acceptance;
  readonly summary: Summary;
  readonly comparison?: Comparison & { readonly summary: Summary };
  /** Sentences a reader has to know before the figures. */
  readonly caveats: readonly string[];
  readonly leftOut: readonly LeftOut[];
  readonly results: readonly CaseResult[];
  readonly definitions: readonly Definition[];
}

export interface Scored {
  readonly labels: readonly EvaluatedLabel[];
  readonly results: readonly CaseResult[];
  readonly leftOut: readonly LeftOut[];
}

export function makeReport(
  registration: Registration,
  hub: Report['hub'],
  ours: Scored,
  theirs: Scored | undefined,
  madeAt: string,
): Report {
  const summary = summarise(ours.results, ours.labels);
  return {
    schema: DEFINITIONS,
    ...registration,
    madeAt,
    hub,
    acceptance: judge(registration.model.evalMetrics, ours.results, ours.labels, summary),
    summary,
    ...(theirs === undefined
      ? {}
      : { comparison: { ...compare(ours, theirs), summary: summarise(theirs.results, theirs.labels) } }),
    caveats: caveatsOf(ours, summary),
    leftOut: ours.leftOut,
    results: ours.results,
    definitions: DEFINITION_TEXTS,
  };
}

function caveatsOf({ results, leftOut }: Scored, { subjects, notScored }: Summary): readonly string[] {
  const notMarked = results.filter(({ isMarkedDeidentified }) => isMarkedDeidentified === false).length;
  const twins = [...Map.groupBy(results, ({ scanSha256 }) => scanSha256).values()]
    .filter((same) => same.length > 1)
    .map((same) => same.map(({ name }) => name));
  const tolerances = new Set(results.map(({ toleranceMm }) => toleranceMm.toPrecision(4)));
  return [
    ...(subjects < MIN_SUBJECTS
      ? [
          `${String(subjects)} of at least ${String(MIN_SUBJECTS)} subjects: these figures describe the cases; nothing is claimed of others.`,
        ]
      : []),
    ...(leftOut.length === 0
      ? []
      : [
          `${String(leftOut.length)} of ${String(leftOut.length + results.length)} cases were left out and are in no figure.`,
        ]),
    ...(notScored.length === 0 ? [] : [`No reference holds ${notScored.join(', ')}: nothing is said of it.`]),
    ...twins.map(
      (names) =>
        `${names.join(' and ')} are one and the same scan: counted apart, they make figures look surer than they are.`,
    ),
    ...(tolerances.size > 1
      ? [`Voxel sizes differ between cases, and so does τ: ${[...tolerances].join(', ')} mm.`]
      : []),
    ...(notMarked === 0 ? [] : [`${String(notMarked)} cases do not say that they were de-identified (0012,0062).`]),
  ];
}

const figure = z.number();
const interval = z.strictObject({ low: figure, high: figure });
const distribution = z.strictObject({
  n: z.int(),
  median: figure,
  q1: figure,
  q3: figure,
  mean: figure,
  min: figure,
  max: figure,
  intervals: z.strictObject({ median: interval, mean: interval }).optional(),
});
const agreement = z.strictObject({
  cases: z.int(),
  biasMm3: figure,
  lowerMm3: figure,
  upperMm3: figure,
  slope: figure.optional(),
  intervals: z
    .strictObject({ biasMm3: interval, lowerMm3: interval, upperMm3: interval, slope: interval.optional() })
    .optional(),
});
const summarySchema = z.strictObject({
  cases: z.int(),
  subjects: z.int(),
  failures: z.int(),
  labels: z.array(
    z.strictObject({
      index: z.int(),
      name: z.string(),
      referencesWithIt: z.int(),
      measures: z.partialRecord(z.enum(MEASURES), distribution),
      agreement: agreement.optional(),
    }),
  ),
  notScored: z.array(z.string()).describe('labels that no reference holds'),
  strata: z.array(
    z.strictObject({
      factor: z.string(),
      value: z.string(),
      cases: z.int(),
      subjects: z.int(),
      failures: z.int(),
      labels: z.array(z.strictObject({ index: z.int(), dice: distribution, hd95Mm: distribution })),
    }),
  ),
  worst: z.array(z.string()).describe('names of cases, the worst first; pictures in cases/NAME/overlay.png'),
});
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const identity = z.strictObject({
  name: z.string(),
  version: z.string(),
  modelSha256: sha256,
  manifestSha256: sha256,
  preprocessingSha256: sha256.describe('of geometry, intensity, tensors and output in the manifest'),
  intendedUse: z.string(),
  license: z.string(),
  species: z.array(z.string()),
  contrasts: z.array(z.string()).optional(),
  evalMetrics: z.unknown().optional().describe('eval_metrics as the manifest has it'),
});

export const registrationSchema = z.strictObject({
  registeredAt: z.string().describe('before the first case was run'),
  model: identity,
  against: identity.optional(),
});

/** What programs may rely on; printed by `hub evaluate --schema`. */
export const reportSchema = registrationSchema.extend({
  schema: z.literal(DEFINITIONS),
  madeAt: z.string(),
  hub: z.strictObject({ name: z.string(), version: z.string() }),
  acceptance: z.strictObject({
    outcome: z.enum(['accepted', 'not-accepted', 'not-registered']),
    criteria: z.array(
      z.strictObject({
        key: z.string(),
        label: z.string().optional(),
        demanded: z.string(),
        limit: figure.optional(),
        reached: figure.optional(),
        isMet: z.boolean(),
      }),
    ),
  }),
  summary: summarySchema,
  comparison: z
    .strictObject({
      labels: z.array(
        z.strictObject({
          index: z.int(),
          name: z.string(),
          cases: z.int(),
          subjects: z.int(),
          medianDifference: figure.describe('Dice of this model less that of the other'),
          interval: interval.optional(),
          test: z
            .strictObject({ pairs: z.int(), statistic: figure, p: figure, method: z.enum(['exact', 'normal']) })
            .optional(),
        }),
      ),
      notCompared: z.array(z.string()),
      summary: summarySchema,
    })
    .optional(),
  caveats: z.array(z.string()),
  leftOut: z.array(leftOutSchema),
  results: z.array(caseResultSchema),
  definitions: z.array(z.strictObject({ term: z.string(), text: z.string() })),
});
