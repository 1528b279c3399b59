/** The facts of a step, with the envelope that the plug-in leaves to the runner. */
import { EVENTS } from '../core/events.ts';
import type { NewEvent } from '../core/ledger/common.ts';
import type { RunRow } from '../core/ledger/runs.ts';
import type { ResultEvent } from '../core/plugins.ts';
import type { RunItem } from '../core/store.ts';

/** @param items - working set after the step */
export function eventsOf(run: RunRow, events: readonly ResultEvent[], items: readonly RunItem[]): readonly NewEvent[] {
  const isLast = run.nextStep + 1 >= run.steps.length;
  const made = events.map((event) => seal(run, event));
  return isLast ? [...made, processedEvent(run, items)] : made;
}

function seal(run: RunRow, event: ResultEvent): NewEvent {
  const envelope = { key: run.studyInstanceUid, correlationId: run.correlationId };
  const { studyInstanceUid, revision, runId, route, configVersion } = run;
  const common = { studyInstanceUid, revision, runId, route, configVersion };
  switch (event.type) {
    case 'study.deidentified':
      return { ...envelope, type: event.type, stream: EVENTS[event.type].stream, data: { ...event.data, ...common } };
    case 'study.reidentified':
      return { ...envelope, type: event.type, stream: EVENTS[event.type].stream, data: { ...event.data, ...common } };
    case 'qc.completed':
      return { ...envelope, type: event.type, stream: EVENTS[event.type].stream, data: { ...event.data, ...common } };
    case 'segmentation.completed':
      return { ...envelope, type: event.type, stream: EVENTS[event.type].stream, data: { ...event.data, ...common } };
    default:
      return event satisfies never;
  }
}

/** All processors of the run are done; what goes on from here is `items`. */
function processedEvent(run: RunRow, items: readonly RunItem[]): NewEvent {
  const { studyInstanceUid, revision, runId, route, configVersion, destinations } = run;
  const released = items.find((item) => item.kind === 'instance' && item.releasedFor !== undefined);
  const partner = released?.releasedFor;
  // What was led back is of another study than the hub files it under.
  const known = released ?? items.find((item) => item.kind === 'instance');
  return {
    type: 'study.processed',
    stream: EVENTS['study.processed'].stream,
    key: studyInstanceUid,
    correlationId: run.correlationId,
    data: {
      studyInstanceUid,
      revision,
      runId,
      route,
      configVersion,
      ...(partner === undefined ? {} : { partner }),
      releasedStudyInstanceUid: known?.kind === 'instance' ? known.studyInstanceUid : studyInstanceUid,
      instances: items.filter(({ kind }) => kind === 'instance').length,
      artefacts: items.filter(({ kind }) => kind === 'artefact').length,
      destinations: [...destinations],
    },
  };
}

/** `study.processed` of a run without steps: what was received is what goes on. */
export function unprocessedEvent(run: RunRow): NewEvent {
  return processedEvent(run, run.items);
}
