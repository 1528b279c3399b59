import { expect } from 'chai';
import { fetchStudy, type FetchPorts } from '../../../connectors/pull/fetch-study.ts';
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../../../core/identifiers.ts';

const STUDY = parseStudyInstanceUid('1.2.826.1');
const SERIES = parseSeriesInstanceUid('1.2.826.1.1');
const INSTANCES = 3;
const AT_SOURCE = [{ seriesInstanceUid: SERIES, instances: INSTANCES }];

describe('a study that a pull finds whole', () => {
  const CASES = [
    ['was sent by a scanner: nothing was fetched', 'pv-7t', undefined, 'skipped'],
    ['was brought by an attempt that ended before the ledger had it: it was fetched', 'nightly', undefined, 'fetched'],
    ['was brought and counted: it is not fetched again', 'nightly', INSTANCES, 'skipped'],
    ['has grown since it was counted, by what the pull brought: that was fetched', 'nightly', 2, 'fetched'],
  ] as const;
  for (const [title, source, verified, how] of CASES) {
    it(title, async () => {
      const claimed = { studyInstanceUid: STUDY, ...(verified === undefined ? {} : { verified }) };

      const outcome = await fetchStudy(claimed, portsWith(source), OPTIONS, AbortSignal.timeout(5_000));

      expect(outcome).to.deep.equal({ held: INSTANCES, verified: INSTANCES, how });
    });
  }
});

const OPTIONS = { pull: 'nightly', settleMs: 100, bySeries: false };

function portsWith(source: string): FetchPorts {
  const unasked = () => Promise.reject(new Error('nothing of it is missing'));
  return {
    source: { find: unasked, series: () => Promise.resolve(AT_SOURCE), instances: unasked, fetch: unasked },
    ledger: {
      studies: { series: () => Promise.resolve([{ ...AT_SOURCE[0], provenance: { source } }]) },
    },
  } as unknown as FetchPorts;
}
