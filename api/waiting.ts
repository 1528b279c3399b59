/** What a study that is being received waits for, in words. */
import type * as z from 'zod';
import type { WaitReason } from '../core/completion.ts';
import type { WaitingStudy } from './ports.ts';
import type * as shapes from './shapes.ts';

export function showWaiting({ reasons, until }: WaitingStudy): z.input<typeof shapes.waiting> {
  return {
    waitingFor: reasons.length === 0 ? ['it is being completed'] : reasons.map(said),
    ...(until === undefined ? {} : { waitingUntil: until.toISOString() }),
  };
}

function said(reason: WaitReason): string {
  switch (reason.what) {
    case 'required-series':
      return `${reason.met} of ${reason.required} series that the route ${reason.route} requires`;
    case 'commitment':
      return `${reason.held} of ${reason.expected} instances its sender asked a storage commitment for`;
    case 'source-count':
      return `${reason.held} of ${reason.expected} instances its source says it has`;
    case 'source-answer':
      return reason.failures === 0
        ? 'its source, which is being asked how much it has'
        : `its source, which did not say how much it has (asked ${reason.failures} times)`;
    case 'association':
      return 'the association of its sender, which is open';
    case 'header-count':
      return `${reason.series} of ${reason.ofSeries} series have fewer instances than their headers say`;
    case 'release':
      return `released by its sender, complete at ${time(reason.untilMs)}`;
    case 'quiet':
      return `quiet until ${time(reason.untilMs)}`;
    case 'force':
      return `complete in any case at ${time(reason.untilMs)}`;
    default:
      return reason satisfies never;
  }
}

/** To the second: nobody waits for the milliseconds. */
function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
