import { expect } from 'chai';
import { type TrendRow } from '../../../processors/report/trend-data.ts';
import { trendPage } from '../../../processors/report/trends.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.parse('2026-03-01T06:00:00Z');

const scans = (everyMs: number): readonly TrendRow[] =>
  Array.from({ length: 7 }, (_, place) => ({
    ...{ qualityId: `q${place}`, studyInstanceUid: '2.25.1', revision: 1, seriesInstanceUid: '2.25.2' },
    ...{ kind: 'anatomical', verdict: 'pass', accepted: true, protocolKey: 'b1', scannerKey: 'c1' },
    recordedAt: new Date(START_MS + place * everyMs).toISOString(),
    ...{ measures: { efc: 0.5 + place / 100 }, parameters: {} },
  }));

describe('the page on how a scanner has done', () => {
  for (const [title, everyMs, said] of [
    ['days apart', 240 * HOUR_MS, ['>2026-03-07<', '>2026-03-31<', '>2026-04-23<']],
    ['within a day, and names it once', HOUR_MS / 2, ['>06:20<', '>07:30<', '>08:40<', '>2026-03-01, UTC<']],
    ['over midnight', 4 * HOUR_MS, ['>03-01 08:40<', '>03-01 18:00<', '>03-02 03:20<', '>2026, UTC<']],
  ] as const)
    it(`says when scans were taken that are ${title}`, () => {
      const page = trendPage(scans(everyMs));

      for (const words of said) expect(page).to.include(words);
    });
});
