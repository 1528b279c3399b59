/**
 * Fetches one study: asks how much of it there is, has sent what is missing, and holds what the ledger then has against
 * what the source says once more. Nothing else says that a study is here, least of all its sender's "completed".
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { ClaimedPullStudy, PullOutcome } from '../../core/ledger/pulls.ts';
import type { SeriesRow } from '../../core/ledger/studies.ts';
import { type Difference, differenceOf, type Held, scopesOf } from './differences.ts';
import type { PullSource, Scope } from './source.ts';

export interface FetchPorts {
  readonly ledger: Pick<Ledger, 'studies' | 'instances'>;
  readonly source: PullSource;
}

export interface FetchOptions {
  /** What the pull is called: the source of what it brings. */
  readonly pull: string;
  readonly settleMs: number;
  /** Series by series, for the pauses between them. */
  readonly bySeries: boolean;
}

/** More instances by name than these are asked for with their whole series: the list must fit a query. */
const MAX_NAMED = 200;
const LOOK_MS = 200;

/** @throws {HubError} `pull.incomplete` when less came than its source has; `partner.*`, `store.full` … */
export async function fetchStudy(
  { studyInstanceUid: study, verified }: Pick<ClaimedPullStudy, 'studyInstanceUid' | 'verified'>,
  ports: FetchPorts,
  { pull, settleMs, bySeries }: FetchOptions,
  signal: AbortSignal,
): Promise<PullOutcome> {
  const { source } = ports;
  const before = await compare(study, ports, signal);
  if (before.short.length === 0) {
    // What an attempt brought that did not live to see it in the ledger is no less fetched.
    const isOwn = before.instances !== verified && before.sources.has(pull);
    return { held: before.held, verified: before.instances, how: isOwn ? 'fetched' : 'skipped' };
  }
  // Delivered and removed here since: it came whole once, and its source has nothing new.
  if (before.instances === verified && (await isRemoved(study, ports))) {
    return { held: before.held, verified: before.instances, how: 'skipped' };
  }
  for (const scope of scopesOf(before, bySeries)) {
    signal.throwIfAborted();
    await source.fetch(study, await narrowed(study, scope, before, ports, signal), signal);
  }
  const after = await settled(study, ports, settleMs, signal);
  if (after.short.length === 0) return { held: after.held, verified: after.instances, how: 'fetched' };
  throw new HubError('pull.incomplete', { held: after.held, instances: after.instances, series: after.short.length });
}

/** @returns how they differ, and who sent what is here */
async function compare(
  study: StudyInstanceUid,
  { ledger, source }: FetchPorts,
  signal: AbortSignal,
): Promise<Difference & { readonly sources: ReadonlySet<string> }> {
  const series = await source.series(study, signal);
  const here = await ledger.studies.series(study);
  const difference = differenceOf(series, heldOf(here));
  // It was found there a moment ago.
  if (difference.instances === 0)
    throw new HubError('pull.incomplete', { instances: 0, detail: 'its source has nothing of it' });
  return { ...difference, sources: new Set(here.map(({ provenance }) => provenance.source)) };
}

function heldOf(series: readonly SeriesRow[]): Held {
  return new Map(series.map(({ seriesInstanceUid, instances }) => [seriesInstanceUid, instances]));
}

async function isRemoved(study: StudyInstanceUid, { ledger }: FetchPorts): Promise<boolean> {
  return (await ledger.studies.get(study))?.expiredAt !== undefined;
}

/** Of a series that is here in part only what is missing, where that can be said in a few names. */
async function narrowed(
  study: StudyInstanceUid,
  scope: Scope,
  { short }: Difference,
  { ledger, source }: FetchPorts,
  signal: AbortSignal,
): Promise<Scope> {
  if (scope.level !== 'series') return scope;
  const { seriesInstanceUid } = scope;
  if (short.find((each) => each.seriesInstanceUid === seriesInstanceUid)?.isBegun !== true) return scope;
  const [there, here] = [
    await source.instances(study, seriesInstanceUid, signal),
    await ledger.instances.ofStudy(study, { series: [seriesInstanceUid] }),
  ];
  const known = new Set<string>(here.map(({ sopInstanceUid }) => sopInstanceUid));
  const missing = there.filter((sopInstanceUid) => !known.has(sopInstanceUid));
  // None by name although some are missing by number: the source contradicts itself, and is asked for all of it.
  if (missing.length === 0 || missing.length > MAX_NAMED) return scope;
  return { level: 'instances', seriesInstanceUid, sopInstanceUids: missing };
}

/** What came last may be on its way from the spool to the ledger. The source is asked anew: it may have got more. */
async function settled(
  study: StudyInstanceUid,
  ports: FetchPorts,
  settleMs: number,
  signal: AbortSignal,
): Promise<Difference> {
  const series = await ports.source.series(study, signal);
  const untilMs = performance.now() + settleMs;
  for (;;) {
    const difference = differenceOf(series, heldOf(await ports.ledger.studies.series(study)));
    if (difference.short.length === 0 || performance.now() > untilMs) return difference;
    await delay(LOOK_MS, undefined, { signal });
  }
}
