import { expect } from 'chai';
import type { EventType, PositionedEvent } from '../../core/events.ts';
import { tell } from '../../demo/story.ts';

const run = { studyInstanceUid: '1.2', revision: 1, runId: 'r', route: 'everything' };
const released = { ...run, releasedStudyInstanceUid: '2.25.1', partner: 'kct' };
const segment = (label: string, volumeMm3: number) => ({ label, volumeMm3 });

/** Only what the story reads. */
const STORY: readonly (readonly [type: EventType, data: object, step: string, sentence: string, isTrouble?: true])[] = [
  [
    'study.completed',
    { instances: 32, revision: 1, signal: 'quiet', quietMs: 2000 },
    'completed',
    '32 instances, revision 1: nothing new for 2 s',
  ],
  [
    'study.completed',
    { instances: 1, revision: 2, signal: 'manual', quietMs: 0 },
    'completed',
    '1 instance, revision 2: manual',
  ],
  [
    'study.routed',
    { ...run, processors: ['deidentify', 'qc'], destinations: ['a', 'b'] },
    'routed',
    'route everything: deidentify → qc → a → b',
  ],
  ['study.unrouted', { routesTried: 1 }, 'unrouted', 'none of 1 route matches', true],
  [
    'study.quarantined',
    { stage: 'gateway', reason: 'dataset.conflict', instances: 1 },
    'held',
    '1 instance by the door: dataset.conflict',
    true,
  ],
  [
    'study.quarantined',
    { stage: 'processors', reason: 'policy.unsafe', instances: 12 },
    'held',
    '12 instances by processors: policy.unsafe',
    true,
  ],
  [
    'study.deidentified',
    { ...released, policy: 'kct', tableEdition: '2026c', instances: 2 },
    'de-identified',
    '2 instances by policy kct, PS3.15 2026c; output searched for every value removed: clean',
  ],
  ['qc.completed', { ...released, verdict: 'pass', series: [{}] }, 'checked', 'quality of 1 series: good'],
  [
    'qc.completed',
    { ...released, verdict: 'not-enough-history', series: [{}, {}] },
    'checked',
    'quality of 2 series: measured; there are no earlier studies to judge it by',
  ],
  [
    'segmentation.completed',
    { model: 'rodent-brain', seconds: 0.66, series: [{ segments: [segment('Brain', 441.6), segment('Eye', 3)] }] },
    'segmented',
    'Brain 442 mm³, Eye 3 mm³ by rodent-brain in 0.7 s',
  ],
  ['segmentation.completed', { model: 'm', seconds: 12.4, series: [] }, 'segmented', 'no series for m'],
  ['delivery.succeeded', { ...released, destination: 'a', instances: 33 }, 'delivered', 'a has 33 instances'],
  ['delivery.dead-lettered', { ...released, destination: 'a', reason: 'no' }, 'dead letter', 'a: no', true],
];

describe("the demo's story", () => {
  for (const [type, data, step, sentence, isTrouble = false] of STORY) {
    it(`tells ${type} as ${step}: ${sentence}`, () => {
      expect(tell(eventOf(type, data))).to.deep.equal({ step, sentence, isTrouble });
    });
  }

  for (const type of ['instance.stored', 'study.processed', 'action.audited'] as const) {
    it(`is silent about ${type}`, () => {
      expect(tell(eventOf(type, {}))).to.equal(undefined);
    });
  }
});

function eventOf(type: EventType, data: object): PositionedEvent {
  return { type, data } as unknown as PositionedEvent;
}
