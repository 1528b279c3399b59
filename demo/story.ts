/** What happens to a study, in sentences for a person who sees it for the first time. */
import { count } from '../core/count.ts';
import type { PositionedEvent } from '../core/events.ts';
import { isEventOf } from '../core/events.ts';
import type { HubStream } from '../core/streams.ts';

export interface StoryLine {
  readonly step: string;
  readonly sentence: string;
  /** The study did not get further. */
  readonly isTrouble: boolean;
}

/** Streams a story is told from. */
export const STORY_STREAMS = [
  'hub.ingest.v1',
  'hub.work.v1',
  'hub.result.v1',
  'hub.delivery.v1',
] as const satisfies readonly HubStream[];

/** Undefined for facts that are only interesting in bulk, such as each instance that was stored. */
export function tell(event: PositionedEvent): StoryLine | undefined {
  if (isEventOf(event, 'study.completed')) {
    const { instances, quietMs, signal, revision } = event.data;
    const why = signal === 'quiet' ? `nothing new for ${seconds(quietMs / 1000)}` : signal;
    return line('completed', `${count(instances, 'instance')}, revision ${String(revision)}: ${why}`);
  }
  if (isEventOf(event, 'study.routed')) {
    const { route, processors, destinations } = event.data;
    return line('routed', `route ${route}: ${[...processors, ...destinations].join(' → ')}`);
  }
  if (isEventOf(event, 'study.unrouted')) {
    return trouble('unrouted', `none of ${count(event.data.routesTried, 'route')} matches`);
  }
  if (isEventOf(event, 'study.quarantined')) {
    const { stage, reason, instances } = event.data;
    return trouble('held', `${count(instances, 'instance')} by ${stage === 'gateway' ? 'the door' : stage}: ${reason}`);
  }
  if (isEventOf(event, 'study.deidentified')) {
    const { instances, policy, tableEdition } = event.data;
    return line(
      'de-identified',
      `${count(instances, 'instance')} by policy ${policy}, PS3.15 ${tableEdition}; output searched for every value removed: clean`,
    );
  }
  if (isEventOf(event, 'qc.completed')) {
    const { verdict, series } = event.data;
    return line('checked', `quality of ${count(series.length, 'series', 'series')}: ${VERDICTS[verdict]}`);
  }
  if (isEventOf(event, 'segmentation.completed')) {
    const { series, model, seconds: took } = event.data;
    const found = series.flatMap(({ segments }) =>
      segments.map(({ label, volumeMm3 }) => `${label} ${volumeMm3.toFixed(0)} mm³`),
    );
    return line(
      'segmented',
      found.length === 0 ? `no series for ${model}` : `${found.join(', ')} by ${model} in ${seconds(took)}`,
    );
  }
  if (isEventOf(event, 'delivery.succeeded')) {
    return line('delivered', `${event.data.destination} has ${count(event.data.instances, 'instance')}`);
  }
  if (isEventOf(event, 'delivery.dead-lettered')) {
    return trouble('dead letter', `${event.data.destination}: ${event.data.reason}`);
  }
  return undefined;
}

const VERDICTS = {
  pass: 'good',
  warn: 'look at it',
  fail: 'not good',
  'not-enough-history': 'measured; there are no earlier studies to judge it by',
} as const;

function line(step: string, sentence: string): StoryLine {
  return { step, sentence, isTrouble: false };
}

function trouble(step: string, sentence: string): StoryLine {
  return { step, sentence, isTrouble: true };
}

function seconds(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0).replace(/\.0$/, '')} s`;
}
