/**
 * Is a study complete, and how does the hub know? Pure: what is known, the rule in force and the time in; a decision
 * with its evidence out. Everything it needs is in the ledger, so that a restart decides as if nothing had happened.
 *
 * | signal         | holds when                                                                              |
 * |----------------|-----------------------------------------------------------------------------------------|
 * | `manual`       | an operator says so; not decided here                                                   |
 * | `commitment`   | a storage commitment request names everything that came, and all that it names is here  |
 * | `source-count` | the source, asked after the last arrival, has exactly as many instances as are here     |
 * | `header-count` | the headers' own counts divide right in every series, and it has been quiet for a while |
 * | `release`      | whoever sent said that it is done, and nothing came since                               |
 * | `quiet`        | nothing came for the quiet period                                                       |
 * | `force`        | the longest time is over                                                                |
 *
 * A stronger one stands above a weaker one and wins. A count that says there is more keeps every signal below it from
 * completing the study, and a series that a route requires all but `manual`; nothing but a route's `hold` outlasts `force`.
 */
import type { CompletionEvidence, CompletionSignal, RequiredSeries, WaitReason } from '../../core/completion.ts';
import type { CompletionFacts } from '../../core/ledger/studies.ts';
import { type HeaderCounts, headerCounts } from './header-counts.ts';

/** What is in force for one study: of its source, and of the routes that would take what has come. */
export interface StudyRule {
  readonly quietMs: number;
  readonly forceMs: number;
  /** The wait after the sender released; undefined: a release says nothing. */
  readonly afterReleaseMs?: number | undefined;
  /** The wait when the headers' counts are met; undefined: they say nothing. */
  readonly afterCountsMs?: number | undefined;
  readonly onCommitment: boolean;
  /** The source can be asked. */
  readonly isSourceAsked: boolean;
  readonly required: readonly RequiredSeries[];
  /** At `force` with a required series missing. */
  readonly whenMissing: 'proceed' | 'hold';
}

export type Decision =
  | {
      readonly kind: 'complete';
      readonly signal: Exclude<CompletionSignal, 'manual'>;
      readonly evidence: readonly CompletionEvidence[];
    }
  /** The source has to be asked before anything can be said. */
  | { readonly kind: 'ask' }
  | Wait;

export interface Wait {
  readonly kind: 'wait';
  /** When to judge again if nothing arrives; undefined: only an arrival or an operator changes anything. */
  readonly untilMs: number | undefined;
  /** Judge again at each arrival, for the next one may complete it. */
  readonly atArrival: boolean;
  readonly reasons: readonly WaitReason[];
}

/** Questions in a row that the source may fail to answer before the weaker signals decide. */
const MAX_FAILURES = 3;
const FAILURE_DELAYS_MS = [5_000, 15_000];
/** The source has more than is here: asked again after 30 s, twice as long each time. */
const MORE_FIRST_MS = 30_000;
const MORE_MAX_MS = 300_000;

/** What is so now, and not in the ledger because it ends with the process. */
export interface Moment {
  readonly nowMs: number;
  /** Since when the doors have been open and the clock went on: silence of a hub that was down says nothing. */
  readonly listeningSinceMs: number;
  /** An association that brought some of it, of a sender whose releases count, is open. */
  readonly isSenderConnected: boolean;
}

/** More than a clock is corrected by while it goes on. */
export const CLOCK_STEP_MS = 1_000;

export function decide(recorded: CompletionFacts, configured: StudyRule, moment: Moment): Decision {
  const facts = sinceThen(recorded, moment);
  const rule = facts.isPartlyRemoved === true ? { ...configured, ...WITHOUT_COUNTS } : configured;
  const { nowMs, listeningSinceMs, isSenderConnected } = moment;
  const forceAtMs = facts.beganAtMs + rule.forceMs;
  const isForced = nowMs >= forceAtMs;
  const silentSinceMs = Math.max(facts.lastReceivedAtMs, listeningSinceMs);
  const counts = rule.afterCountsMs === undefined ? NO_COUNTS : headerCounts(facts.series);
  const known = { facts, rule, counts, nowMs, silentSinceMs, forceAtMs, isSenderConnected };

  const missing = rule.required.filter(({ met }) => !met);
  if (missing.length > 0) {
    const reasons = requiredReasons(rule.required);
    if (!isForced) return wait(forceAtMs, true, [...reasons, { what: 'force', untilMs: forceAtMs }]);
    if (rule.whenMissing === 'hold') return wait(undefined, true, reasons);
    return complete('force', known);
  }

  const { commitment } = facts;
  if (rule.onCommitment && commitment?.isWhole === true) return complete('commitment', known);

  const answer = rule.isSourceAsked ? facts.answer : undefined;
  const isFresh = answer?.version === facts.version;
  const expected = answer?.instances;
  if (isFresh && expected === facts.instances) return complete('source-count', known);
  const hasMore = isFresh && expected !== undefined && expected > facts.instances;
  if (isForced) return complete(hasMore ? 'force' : (weakest(known) ?? 'force'), known);
  if (hasMore) {
    const delayMs = Math.min(MORE_MAX_MS, MORE_FIRST_MS * 2 ** Math.max(0, answer.attempts - 1));
    const againAtMs = answer.atMs + delayMs;
    if (nowMs >= againAtMs) return { kind: 'ask' };
    return wait(Math.min(againAtMs, forceAtMs), true, [
      { what: 'source-count', held: facts.instances, expected },
      { what: 'force', untilMs: forceAtMs },
    ]);
  }
  // All that it had when it was last asked is here: whether that is still all, only it can say.
  if (!isFresh && expected === facts.instances) return { kind: 'ask' };

  const signal = weakest(known);
  if (signal === undefined) return waiting(known);
  if (!rule.isSourceAsked || (isFresh && expected !== undefined)) return complete(signal, known);
  const failures = isFresh ? answer.attempts : 0;
  if (failures >= MAX_FAILURES) return complete(signal, known);
  const retryAtMs = failures === 0 ? nowMs : (answer?.atMs ?? 0) + (FAILURE_DELAYS_MS[failures - 1] ?? 0);
  if (nowMs >= retryAtMs) return { kind: 'ask' };
  return wait(Math.min(retryAtMs, forceAtMs), false, [{ what: 'source-answer', failures }]);
}

/** A time that is still to come was told by a clock that was set back since: counted from when that was seen. */
function sinceThen(facts: CompletionFacts, { nowMs, listeningSinceMs }: Moment): CompletionFacts {
  const past = (atMs: number) => (atMs > nowMs + CLOCK_STEP_MS ? Math.min(listeningSinceMs, nowMs) : atMs);
  return { ...facts, beganAtMs: past(facts.beganAtMs), lastReceivedAtMs: past(facts.lastReceivedAtMs) };
}

const WITHOUT_COUNTS = { isSourceAsked: false, afterCountsMs: undefined } as const;

interface Known {
  readonly facts: CompletionFacts;
  readonly rule: StudyRule;
  readonly counts: HeaderCounts;
  readonly nowMs: number;
  readonly silentSinceMs: number;
  readonly forceAtMs: number;
  readonly isSenderConnected: boolean;
}

const NO_COUNTS: HeaderCounts = { verdict: 'unclear', series: [] };

/** The strongest of the signals that need no one else's word, if one holds. */
function weakest({
  facts,
  rule,
  counts,
  nowMs,
  silentSinceMs,
  isSenderConnected,
}: Known): 'header-count' | 'release' | 'quiet' | undefined {
  // A scanner that keeps its association open between two series is not done, however long it takes.
  if (isSenderConnected || counts.verdict === 'short') return undefined;
  const silentMs = nowMs - silentSinceMs;
  if (counts.verdict === 'met' && silentMs >= Math.min(rule.afterCountsMs ?? Infinity, rule.quietMs))
    return 'header-count';
  const releasedAtMs = releaseOf(facts);
  if (rule.afterReleaseMs !== undefined && releasedAtMs !== undefined && nowMs >= releasedAtMs + rule.afterReleaseMs)
    return 'release';
  return silentMs >= rule.quietMs ? 'quiet' : undefined;
}

/** Only if nothing came since. */
function releaseOf({ releasedAtMs, lastReceivedAtMs }: CompletionFacts): number | undefined {
  return releasedAtMs !== undefined && releasedAtMs >= lastReceivedAtMs ? releasedAtMs : undefined;
}

/** No signal holds yet: the next that will, if nothing else comes. */
function waiting(known: Known): Wait {
  const { facts, rule, counts, nowMs, silentSinceMs, forceAtMs } = known;
  const { commitment, instances } = facts;
  const list: readonly WaitReason[] =
    rule.onCommitment && commitment !== undefined
      ? [{ what: 'commitment', held: commitment.held, expected: commitment.named }]
      : [];
  const atArrival = list.length > 0 || (rule.isSourceAsked && (facts.answer?.instances ?? 0) > instances);
  const stale: readonly WaitReason[] =
    rule.isSourceAsked && facts.answer?.instances !== undefined && facts.answer.instances > instances
      ? [{ what: 'source-count', held: instances, expected: facts.answer.instances }]
      : [];
  if (known.isSenderConnected) {
    // Its release is told; its abort, or a crash of the hub, is seen no later than silence would be.
    const untilMs = Math.min(forceAtMs, Math.max(nowMs, silentSinceMs) + rule.quietMs);
    return wait(untilMs, atArrival, [
      ...list,
      ...stale,
      { what: 'association' },
      { what: 'force', untilMs: forceAtMs },
    ]);
  }
  if (counts.verdict === 'short') {
    const short = counts.series.filter(({ verdict }) => verdict === 'short').length;
    return wait(forceAtMs, true, [
      ...list,
      ...stale,
      { what: 'header-count', series: short, ofSeries: facts.series.length },
      { what: 'force', untilMs: forceAtMs },
    ]);
  }
  const patienceMs = counts.verdict === 'met' ? Math.min(rule.afterCountsMs ?? Infinity, rule.quietMs) : rule.quietMs;
  const quietAtMs = silentSinceMs + patienceMs;
  const releasedAtMs = releaseOf(facts);
  const releaseAtMs =
    rule.afterReleaseMs === undefined || releasedAtMs === undefined ? Infinity : releasedAtMs + rule.afterReleaseMs;
  const untilMs = Math.min(quietAtMs, releaseAtMs, forceAtMs);
  const what = untilMs === releaseAtMs ? 'release' : untilMs === quietAtMs ? 'quiet' : 'force';
  return wait(untilMs, atArrival, [...list, ...stale, { what, untilMs }]);
}

function wait(untilMs: number | undefined, atArrival: boolean, reasons: readonly WaitReason[]): Wait {
  return { kind: 'wait', untilMs, atArrival, reasons };
}

function requiredReasons(required: readonly RequiredSeries[]): readonly WaitReason[] {
  return [...Map.groupBy(required, ({ route }) => route)].flatMap(([route, rules]): readonly WaitReason[] => {
    const met = rules.filter((rule) => rule.met).length;
    return met === rules.length ? [] : [{ what: 'required-series', route, met, required: rules.length }];
  });
}

/** A study of hundreds of series is told in the ledger's rows; the event says as much as a reader takes in. */
const MAX_SERIES_TOLD = 32;

function complete(signal: Exclude<CompletionSignal, 'manual'>, known: Known): Decision {
  const { facts, rule, counts, nowMs, silentSinceMs } = known;
  const { commitment, answer, instances: held } = facts;
  const releasedAtMs = releaseOf(facts);
  const evidence: CompletionEvidence[] = [
    { what: 'received', held, series: facts.series.length },
    { what: 'silence', ms: Math.max(0, nowMs - silentSinceMs) },
  ];
  if (commitment !== undefined) {
    const { transactionUid, named: expected } = commitment;
    evidence.push({ what: 'commitment', id: transactionUid, held: commitment.held, expected });
  }
  if (rule.isSourceAsked && answer !== undefined) {
    const { instances: expected, attempts, failure } = answer;
    evidence.push({
      what: 'source-count',
      held,
      ...(expected === undefined ? {} : { expected }),
      ...(failure === undefined ? {} : { failures: attempts, code: failure }),
    });
  }
  for (const { seriesInstanceUid, held: here, expected, verdict } of counts.series.slice(0, MAX_SERIES_TOLD)) {
    if (verdict !== 'unclear') evidence.push({ what: 'header-count', seriesInstanceUid, held: here, expected });
  }
  if (releasedAtMs !== undefined) {
    const { releasedBy } = facts;
    evidence.push({
      what: 'release',
      ms: Math.max(0, nowMs - releasedAtMs),
      ...(releasedBy === undefined ? {} : { id: releasedBy }),
    });
  }
  for (const [route, rules] of Map.groupBy(rule.required, (each) => each.route)) {
    evidence.push({
      what: 'required-series',
      route,
      held: rules.filter(({ met }) => met).length,
      expected: rules.length,
    });
  }
  if (signal === 'force') evidence.push({ what: 'force', ms: Math.max(0, nowMs - facts.beganAtMs) });
  return { kind: 'complete', signal, evidence };
}
