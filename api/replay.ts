/** Doing a study again: from what was received, or from what was made of it; where its routes say, or to one destination. */
import { HubError } from '../core/errors.ts';
import type { StudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { RunRow, RunSummary } from '../core/ledger/runs.ts';
import type { StudyRow } from '../core/ledger/studies.ts';
import { deliveryIdOf } from '../core/delivery-id.ts';
import type { Catalogue } from './ports.ts';

export const REPLAY_STAGES = ['received', 'processed'] as const;

export interface ReplayRequest {
  /** Absent: where its routes say. */
  readonly to?: string | undefined;
  readonly fromStage?: (typeof REPLAY_STAGES)[number] | undefined;
}

/** What is on its way now. */
export interface ReplayOutcome {
  readonly stage: (typeof REPLAY_STAGES)[number];
  /** New runs, of the routes that took it before. */
  readonly runIds: readonly string[];
  readonly deliveryIds: readonly string[];
  /** The routes of now decide anew. */
  readonly isRouted: boolean;
}

/**
 * Without anything said the newest revision is done again by the routes that took it, or by those there are now when none
 * did.
 *
 * @throws {HubError} `resource.not-found`, `resource.conflict`, `study.expired`
 */
export async function replayStudy(
  ledger: Ledger,
  catalogue: Catalogue,
  study: StudyInstanceUid,
  { to, fromStage }: ReplayRequest,
): Promise<ReplayOutcome> {
  const row = await ledger.studies.get(study);
  if (row === undefined) throw new HubError('resource.not-found');
  if (to !== undefined && !catalogue.destinations.some(({ name }) => name === to)) {
    throw new HubError('resource.not-found', { detail: `there is no destination ${to}` });
  }
  if (row.revision === 0) throw conflict('it is still being received: complete it first');
  const stage = fromStage ?? (to === undefined ? 'received' : 'processed');
  const runs = await ledger.runs.ofStudy(study);
  if (stage === 'processed') {
    const deliveryIds = await sendAgain(ledger, catalogue, newestOf(runs), to);
    return { stage, runIds: [], deliveryIds, isRouted: false };
  }
  if (fromStage === undefined && runs.length > 0) {
    const runIds: string[] = [];
    for (const run of replayable(runs)) runIds.push(await ledger.runs.replay(run.runId));
    return { stage, runIds, deliveryIds: [], isRouted: false };
  }
  await routeAgain(ledger, row, to);
  return { stage, runIds: [], deliveryIds: [], isRouted: true };
}

/** The fact that the study is complete, once more: routes decide on it as on the first. */
async function routeAgain(ledger: Ledger, row: StudyRow, to: string | undefined): Promise<void> {
  const { studyInstanceUid, revision, instances, source, correlationId } = row;
  if (row.expiredAt !== undefined) throw new HubError('study.expired', { studyInstanceUid });
  if (row.held) throw conflict('it is held: release its quarantine entry');
  await ledger.events.append([
    {
      type: 'study.completed',
      stream: 'hub.ingest.v1',
      key: studyInstanceUid,
      correlationId,
      data: {
        ...{ studyInstanceUid, revision, instances, source, signal: 'manual', quietMs: 0 },
        ...(to === undefined ? {} : { replayTo: [to] }),
      },
    },
  ]);
}

/** Each run's results, to one destination or to all that its route named. */
async function sendAgain(
  ledger: Ledger,
  catalogue: Catalogue,
  runs: readonly RunSummary[],
  to: string | undefined,
): Promise<readonly string[]> {
  const processed = runs.filter(({ state }) => state === 'processed');
  if (processed.length === 0) {
    throw conflict('nothing has been made of it: replay it from the stage received');
  }
  const deliveryIds: string[] = [];
  for (const { runId } of processed) {
    const run = await ledger.runs.get(runId);
    if (run === undefined) continue;
    for (const destination of to === undefined ? run.destinations : [to]) {
      const partner = catalogue.destinations.find(({ name }) => name === destination)?.partner;
      // Another route made something for another partner: this one has nothing to get of it.
      if (partner !== undefined && releasedFor(run, partner) === undefined) continue;
      deliveryIds.push(
        await ledger.deliveries.send({
          ...{ deliveryId: deliveryIdOf(runId, destination), runId, destination },
          ...(partner === undefined ? {} : { partner }),
          releasedStudyInstanceUid: releasedFor(run, partner) ?? run.studyInstanceUid,
        }),
      );
    }
  }
  if (deliveryIds.length > 0) return deliveryIds;
  throw conflict('nothing of it was released for the partner of that destination: only a deidentify step can do so');
}

/** The study UID under which something was released, for anybody or for this partner. */
function releasedFor({ items }: RunRow, partner: string | undefined): string | undefined {
  for (const item of items) {
    if (item.kind !== 'instance' || item.releasedFor === undefined) continue;
    if (partner === undefined || item.releasedFor === partner) return item.studyInstanceUid;
  }
  return undefined;
}

/** The last run of each route on the newest revision. */
function newestOf(runs: readonly RunSummary[]): readonly RunSummary[] {
  const revision = Math.max(...runs.map((run) => run.revision));
  const newest = new Map<string, RunSummary>();
  for (const run of runs) {
    const known = newest.get(run.route);
    if (run.revision === revision && (known === undefined || known.createdAt <= run.createdAt))
      newest.set(run.route, run);
  }
  return [...newest.values()];
}

/** Of these, when none is under way or waits for a decision. */
function replayable(runs: readonly RunSummary[]): readonly RunSummary[] {
  const last = newestOf(runs);
  if (last.some(({ state }) => state === 'waiting' || state === 'running')) {
    throw conflict('it is being worked on: wait until that has ended');
  }
  if (last.some(({ state }) => state === 'quarantined')) {
    throw conflict('a run of it is in quarantine: replay the quarantine entry');
  }
  return last;
}

const conflict = (detail: string): HubError => new HubError('resource.conflict', { detail });
