import { expect } from 'chai';
import { showWaiting } from '../../api/waiting.ts';
import type { WaitReason } from '../../core/completion.ts';

const untilMs = Date.parse('2026-03-01T12:03:10.400Z');

const TABLE: readonly (readonly [WaitReason, string])[] = [
  [{ what: 'required-series', route: 'brain', met: 3, required: 5 }, '3 of 5 series that the route brain requires'],
  [{ what: 'commitment', held: 9, expected: 10 }, '9 of 10 instances its sender asked a storage commitment for'],
  [{ what: 'source-count', held: 120, expected: 256 }, '120 of 256 instances its source says it has'],
  [{ what: 'source-answer', failures: 0 }, 'its source, which is being asked how much it has'],
  [{ what: 'source-answer', failures: 2 }, 'its source, which did not say how much it has (asked 2 times)'],
  [{ what: 'association' }, 'the association of its sender, which is open'],
  [{ what: 'header-count', series: 1, ofSeries: 4 }, '1 of 4 series have fewer instances than their headers say'],
  [{ what: 'release', untilMs }, 'released by its sender, complete at 2026-03-01T12:03:10Z'],
  [{ what: 'quiet', untilMs }, 'quiet until 2026-03-01T12:03:10Z'],
  [{ what: 'force', untilMs }, 'complete in any case at 2026-03-01T12:03:10Z'],
];

describe('what a study waits for, in words', () => {
  for (const [reason, words] of TABLE) {
    it(words, () => {
      expect(showWaiting({ reasons: [reason] })).to.deep.equal({ waitingFor: [words] });
    });
  }

  it('is nothing in the moment of its completion', () => {
    expect(showWaiting({ reasons: [], until: new Date(untilMs) })).to.deep.equal({
      waitingFor: ['it is being completed'],
      waitingUntil: '2026-03-01T12:03:10.400Z',
    });
  });
});
