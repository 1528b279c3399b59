/**
 * Sends completed studies on their routes: one run a matching route, or the list of unrouted studies. The decision, the
 * runs and their events are one ledger transaction with the inbox entry of the event that asked for it.
 */
import { randomUUID } from 'node:crypto';
import { ERRORS, HubError } from '../core/errors.ts';
import type { HubEvent, PositionedEvent } from '../core/events.ts';
import { parseStudyInstanceUid, type StudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { NewEvent } from '../core/ledger/common.ts';
import type { NewRun } from '../core/ledger/runs.ts';
import type { Clock, EventBus, Logger, Metrics } from '../core/ports.ts';
import { failedKeys, redacted } from './match.ts';
import { routerMetrics, type RouterMetrics } from './metrics.ts';
import { type ActiveRoutes, decideAll, type RouteDecision, seriesFacts } from './route.ts';

const GROUP = 'routers';
/**
 * What was de-identified has UIDs of its own, so a destination that leads back to a source would be routed for ever. Once
 * or twice may be meant: a second project takes what a first one released.
 */
const MAX_GENERATIONS = 3;

export interface RouterPorts {
  readonly bus: EventBus;
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export interface Router {
  /** Takes no more events and waits for the one in flight. Harmless twice. */
  stop(): Promise<void>;
}

/**
 * @param activeRoutes - asked for each study, so that a reloaded configuration holds from the next study on
 */
export async function startRouter(ports: RouterPorts, activeRoutes: () => ActiveRoutes): Promise<Router> {
  const metrics = routerMetrics(ports.metrics);
  const subscription = await ports.bus.subscribe(
    { group: GROUP, streams: ['hub.ingest.v1'], from: 'earliest' },
    async (event) => {
      if (isStudyCompleted(event)) await route(event, activeRoutes(), ports, metrics);
    },
  );
  return { stop: () => subscription.stop() };
}

type StudyCompleted = HubEvent<'study.completed'>;

function isStudyCompleted(event: PositionedEvent): event is PositionedEvent & StudyCompleted {
  return event.type === 'study.completed';
}

async function route(
  event: StudyCompleted,
  active: ActiveRoutes,
  ports: RouterPorts,
  metrics: RouterMetrics,
): Promise<void> {
  const startedAt = ports.clock.now().getTime();
  const { revision } = event.data;
  const study = parseStudyInstanceUid(event.data.studyInstanceUid);
  const series = (await ports.ledger.studies.series(study, revision)).map(seriesFacts);
  // The event and its series were written in one transaction; a ledger without them was restored or cut.
  if (series.length === 0) throw new HubError('resource.not-found', { studyInstanceUid: study, revision });

  const isLoop = (await ports.ledger.configuration.generationOf(study, MAX_GENERATIONS + 1)) > MAX_GENERATIONS;
  if (isLoop) {
    await holdLoop(event, study, active.configVersion, ports);
    return;
  }
  const decisions = decideAll(active.routes, series, Date.parse(event.time));
  const matched = decisions.filter((decision) => decision.matched);
  const runs = matched.map((decision) => newRun(decision, event, study, active.configVersion));
  const events =
    runs.length > 0
      ? runs.map((run, index) => routedEvent(run, matched[index]?.going ?? [], event))
      : [unroutedEvent(event, decisions.length, active.configVersion)];
  const outcome = await ports.ledger.runs.open({ group: GROUP, eventId: event.id }, study, runs, events);
  // A crash between the commit and the bus's offset brings the event again; it was counted and logged the first time.
  if (outcome === 'already') return;

  for (const { route } of matched) metrics.matched.increment({ route: route.name });
  const log = ports.log.child({
    studyInstanceUid: study,
    revision,
    eventId: event.id,
    correlationId: event.correlationId,
  });
  const durationSeconds = (ports.clock.now().getTime() - startedAt) / 1000;
  if (matched.length > 0) {
    log.info('study routed', { routes: matched.map(({ route }) => route.name), durationSeconds });
    return;
  }
  metrics.unrouted.increment({});
  log.warn('study matched no route', { tried: whyNot(decisions), durationSeconds });
}

/** The study is held, so that what comes of it later does not go round either. */
async function holdLoop(
  event: StudyCompleted,
  study: StudyInstanceUid,
  configVersion: string,
  { ledger, log }: RouterPorts,
): Promise<void> {
  // The event's own id: after a crash between the two it is the same entry.
  await ledger.quarantine.hold({
    quarantineId: event.id,
    stage: 'routers',
    reason: 'study.loop',
    detail: ERRORS['study.loop'].title,
    studyInstanceUid: study,
    items: [],
    holdsStudy: true,
  });
  await ledger.runs.open({ group: GROUP, eventId: event.id }, study, [], [unroutedEvent(event, 0, configVersion)]);
  log.error('study came back once too often', { studyInstanceUid: study, code: 'study.loop', eventId: event.id });
}

function newRun(
  { route, going, series }: RouteDecision,
  event: StudyCompleted,
  study: StudyInstanceUid,
  configVersion: string,
): NewRun {
  return {
    runId: randomUUID(),
    studyInstanceUid: study,
    revision: event.data.revision,
    route: route.name,
    configVersion,
    explanation: series.map((each) => ({
      seriesInstanceUid: each.series.seriesInstanceUid,
      ...redacted(each.explanation),
    })),
    ...(route.perSeries ? { series: going.map((each) => each.seriesInstanceUid) } : {}),
    steps: route.process,
    destinations: event.data.replayTo ?? route.deliver,
  };
}

function routedEvent(run: NewRun, going: RouteDecision['going'], cause: StudyCompleted): NewEvent {
  return {
    type: 'study.routed',
    ...envelope(cause),
    data: {
      studyInstanceUid: run.studyInstanceUid,
      revision: run.revision,
      runId: run.runId,
      route: run.route,
      instances: going.reduce((sum, series) => sum + series.instances, 0),
      series: going.map((series) => series.seriesInstanceUid),
      processors: run.steps.map((step) => step.processor),
      destinations: [...run.destinations],
      configVersion: run.configVersion,
    },
  };
}

function unroutedEvent(cause: StudyCompleted, routesTried: number, configVersion: string): NewEvent {
  const { studyInstanceUid, revision, instances } = cause.data;
  return {
    type: 'study.unrouted',
    ...envelope(cause),
    data: { studyInstanceUid, revision, instances, routesTried, configVersion },
  };
}

function envelope(cause: StudyCompleted) {
  return {
    stream: 'hub.work.v1',
    key: cause.key,
    ...(cause.correlationId === undefined ? {} : { correlationId: cause.correlationId }),
    causationId: cause.id,
    ...(cause.replayOf === undefined ? {} : { replayOf: cause.replayOf }),
  } as const;
}

/** The tests that failed on every series, by route: names only, no values. */
function whyNot(decisions: readonly RouteDecision[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    decisions.map(({ route, series }) => [
      route.name,
      [...new Set(series.flatMap(({ explanation }) => failedKeys(explanation)))],
    ]),
  );
}
