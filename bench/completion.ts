/**
 * `npm run bench -- completion [SEED]`: how often a study is taken for complete too early, and how long it waits after
 * its last instance, by the hub's signals and by a fixed timer. Arrival traces are made from a seed – shuffled, delayed,
 * stalled – and replayed on a simulated clock through the hub's own decision; only ratios are printed.
 */
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';
import type { CompletionFacts, SeriesRow } from '../core/ledger/studies.ts';
import { decide, type StudyRule } from '../gateway/completion/decide.ts';
import { integer, type Random, seeded } from '../tests/support/seeded.ts';

const STUDIES = 400;
const FIXED_SECONDS = [5, 60];
/** From the question to the source until its answer. */
const ANSWER_MS = 1_500;

/** What a sender does, and what the hub is told of it. */
interface Sender {
  readonly name: string;
  readonly rule: Partial<StudyRule>;
  readonly trace: (random: Random) => Trace;
}

interface Trace {
  readonly arrivals: readonly { readonly atMs: number; readonly series: number }[];
  /** Of each series, as its header has it. */
  readonly imagesInAcquisition?: readonly number[];
  readonly releasesMs: readonly number[];
  readonly committedMs?: number;
  /** What the source would say. */
  readonly heldBySource?: (atMs: number) => number;
}

const RULE: StudyRule = {
  quietMs: 60_000,
  forceMs: 5_400_000,
  onCommitment: true,
  isSourceAsked: false,
  required: [],
  whenMissing: 'proceed',
};

const SENDERS: readonly Sender[] = [
  {
    name: 'scanner, one association a study',
    rule: { afterReleaseMs: 5_000 },
    trace: (random) => {
      const arrivals = acquisition(random);
      return { arrivals, releasesMs: [lastOf(arrivals) + 200] };
    },
  },
  {
    name: 'scanner, asks for commitment at the end',
    rule: { quietMs: 900_000 },
    trace: (random) => {
      const arrivals = acquisition(random);
      return { arrivals, releasesMs: [], committedMs: lastOf(arrivals) + 2_000 };
    },
  },
  {
    name: 'scanner, counts in its headers',
    rule: { afterCountsMs: 60_000 },
    trace: (random) => {
      const arrivals = acquisition(random, true);
      return { arrivals, releasesMs: [], imagesInAcquisition: countsOf(arrivals) };
    },
  },
  {
    name: 'scanner, counts that mean something else',
    rule: { afterCountsMs: 60_000 },
    trace: (random) => {
      const arrivals = acquisition(random, true);
      // Of one acquisition of many in a series: it divides, and too early.
      return { arrivals, releasesMs: [], imagesInAcquisition: countsOf(arrivals).map((count) => Math.ceil(count / 2)) };
    },
  },
  {
    name: 'PACS, shuffled, an association each part',
    rule: { isSourceAsked: true },
    trace: (random) => {
      const arrivals = shuffled(random, acquisition(random, true));
      return { arrivals, releasesMs: [], heldBySource: () => arrivals.length };
    },
  },
  {
    name: 'scanner that is asked while it acquires',
    rule: { isSourceAsked: true },
    trace: (random) => {
      const arrivals = acquisition(random);
      const releasesMs = arrivals
        .filter(({ series }, n) => arrivals[n + 1]?.series !== series)
        .map(({ atMs }) => atMs + 200);
      // It has what it has acquired: a series is there some seconds before the first of it is sent.
      const heldBySource = (atMs: number) => arrivals.filter((arrival) => arrival.atMs <= atMs + 40_000).length;
      return { arrivals, releasesMs, heldBySource };
    },
  },
  {
    name: 'PACS that says nothing',
    rule: {},
    trace: (random) => ({ arrivals: acquisition(random, true), releasesMs: [] }),
  },
];

export function benchCompletion([seed = '1']: readonly string[]): Promise<void> {
  console.log(
    `seed ${seed}, ${STUDIES} studies a sender; too early: share of studies; wait: median after the last instance of the others, to a fixed 60 s`,
  );
  const timers = FIXED_SECONDS.map((seconds) => `fixed ${seconds} s`);
  console.table(
    Object.fromEntries(
      SENDERS.map(({ name, rule, trace }) => {
        const random = seeded(Number(seed));
        const traces = Array.from({ length: STUDIES }, () => trace(random));
        const fixed = FIXED_SECONDS.map((seconds) =>
          traces.map((each) => replay(each, { ...RULE, onCommitment: false, quietMs: seconds * 1000 })),
        );
        const own = traces.map((each) => replay(each, { ...RULE, ...rule }));
        const early = [...fixed, own].map((ends) => share(ends));
        return [
          name,
          {
            ...Object.fromEntries(timers.map((timer, n) => [`${timer}: too early`, early[n]])),
            'hub: too early': early.at(-1),
            'hub: wait': (median(own.filter(({ isEarly }) => !isEarly).map(({ waitMs }) => waitMs)) / 60_000).toFixed(
              2,
            ),
          },
        ];
      }),
    ),
  );
  return Promise.resolve();
}

interface End {
  readonly isEarly: boolean;
  /** After the last arrival. */
  readonly waitMs: number;
}

/** From one moment to the next at which anything can change, as the watcher would. */
function replay({ arrivals, imagesInAcquisition, releasesMs, committedMs, heldBySource }: Trace, rule: StudyRule): End {
  const moments = new Set([
    ...arrivals.map(({ atMs }) => atMs),
    ...releasesMs.map((atMs) => atMs + (rule.afterReleaseMs ?? 0)),
  ]);
  if (committedMs !== undefined) moments.add(committedMs);
  let answer: CompletionFacts['answer'];
  for (;;) {
    const nowMs = Math.min(...moments);
    moments.delete(nowMs);
    const here = arrivals.filter(({ atMs }) => atMs <= nowMs);
    const releasedAtMs = releasesMs.filter((atMs) => atMs <= nowMs).at(-1);
    const facts: CompletionFacts = {
      studyInstanceUid: parseStudyInstanceUid('1.2'),
      source: 'traced',
      version: here.length,
      instances: here.length,
      beganAtMs: arrivals[0]?.atMs ?? 0,
      lastReceivedAtMs: lastOf(here),
      series: seriesOf(here, imagesInAcquisition),
      ...(releasedAtMs === undefined ? {} : { releasedAtMs }),
      ...(answer === undefined ? {} : { answer }),
      ...(committedMs === undefined || nowMs < committedMs
        ? {}
        : { commitment: { transactionUid: '1', named: here.length, held: here.length, isWhole: true } }),
    };
    const isSenderConnected =
      rule.afterReleaseMs !== undefined && nowMs < (releasesMs.find((atMs) => atMs > lastOf(here)) ?? 0);
    const decision = decide(facts, rule, { nowMs, listeningSinceMs: 0, isSenderConnected });
    if (decision.kind === 'complete')
      return { isEarly: here.length < arrivals.length, waitMs: nowMs - lastOf(arrivals) };
    if (decision.kind === 'wait') {
      if (decision.untilMs !== undefined) moments.add(decision.untilMs);
      continue;
    }
    const attempts = answer?.version === here.length ? answer.attempts + 1 : 1;
    answer = { version: here.length, atMs: nowMs + ANSWER_MS, attempts, instances: heldBySource?.(nowMs) ?? 0 };
    moments.add(nowMs + ANSWER_MS);
  }
}

/** Some series of some instances, with the pauses of an examination between them. */
function acquisition(random: Random, isStalled = false): Trace['arrivals'] {
  let atMs = 0;
  return Array.from({ length: 2 + integer(random, 6) }, () => 4 * (2 + integer(random, 12))).flatMap(
    (images, series) => {
      atMs += isStalled ? stalled(random) : examined(random);
      return Array.from({ length: images }, () => {
        atMs += 50 + integer(random, 400) + (isStalled && random() < 0.02 ? stalled(random) : 0);
        return { atMs, series };
      });
    },
  );
}

/** 2 to 40 s, and now and then minutes: the next protocol is set up. */
function examined(random: Random): number {
  return 2_000 + integer(random, 38_000) + (random() < 0.2 ? integer(random, 240_000) : 0);
}

/** A sender that is busy with others, between two series or inside one. */
function stalled(random: Random): number {
  return random() < 0.3 ? 5_000 + integer(random, 120_000) : integer(random, 3_000);
}

/** The same moments, any instance at any of them. */
function shuffled(random: Random, arrivals: Trace['arrivals']): Trace['arrivals'] {
  const series = arrivals
    .map((arrival) => ({ series: arrival.series, key: random() }))
    .toSorted((a, b) => a.key - b.key);
  return arrivals.map(({ atMs }, n) => ({ atMs, series: series[n]?.series ?? 0 }));
}

function seriesOf(arrivals: Trace['arrivals'], counts: readonly number[] | undefined): readonly SeriesRow[] {
  return [...Map.groupBy(arrivals, ({ series }) => series)].map(([series, of]) => ({
    seriesInstanceUid: parseSeriesInstanceUid(`1.2.${series + 1}`),
    instances: of.length,
    provenance: { door: 'dimse', source: 'traced', associationId: '1' },
    attributes: counts === undefined ? {} : { ImagesInAcquisition: [String(counts[series])] },
  }));
}

function countsOf(arrivals: Trace['arrivals']): readonly number[] {
  return [...Map.groupBy(arrivals, ({ series }) => series).values()].map((of) => of.length);
}

function lastOf(arrivals: Trace['arrivals']): number {
  return arrivals.at(-1)?.atMs ?? 0;
}

function share(ends: readonly End[]): string {
  return `${((100 * ends.filter(({ isEarly }) => isEarly).length) / ends.length).toFixed(1)} %`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
