import { expect } from 'chai';
import { phantomStudy } from '../../../demo/phantom/study.ts';
import type { ProcessorResult } from '../../../core/plugins.ts';
import { formatBlobRef } from '../../../core/store.ts';
import { segment } from '../../../processors/segment/index.ts';
import { run as runSegment } from '../../../processors/segment/step.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import { silentLog } from '../../support/silent-log.ts';

/** Two slices: nothing to segment, so no network is started; the report is made all the same. */
const SMALL = { columns: 20, rows: 20, slices: 2, spacingMm: [0.4, 1.2, 0.4] as const };

async function segmented(releases: readonly (string | undefined)[]): Promise<ProcessorResult> {
  const { items, store } = memoryInstances(phantomStudy(SMALL));
  return await runSegment({
    options: segment.resolve(undefined, { policies: [], models: [] }),
    runId: '0190c8a0-0000-7000-8000-000000000001',
    route: 'rat-brain',
    studyInstanceUid: '1.2.3',
    revision: 1,
    items: items.map((item, n) => {
      const releasedFor = releases[n % releases.length];
      return releasedFor === undefined ? item : { ...item, releasedFor };
    }),
    store,
    pack: {
      append: async () => ({ blob: formatBlobRef('memory/made', 0, 1), sizeBytes: 1, sha256: 'a'.repeat(64) }),
      commit: async () => {},
      abort: async () => {},
    },
    secret: () => Promise.reject(new TypeError('no secret is needed')),
    log: silentLog,
    signal: new AbortController().signal,
    progress: () => {},
  });
}

describe('the release of a segmentation', () => {
  for (const [what, releases, partner] of [
    ['for the partner that all images were released for', ['kct'], 'kct'],
    ['for nobody when some images were not released', ['kct', undefined], undefined],
    ['for nobody when the images were released for different partners', ['kct', 'uef'], undefined],
  ] as const)
    it(`is ${what}, in the report and in the event alike`, async () => {
      const result = await segmented(releases);

      if (result.outcome !== 'done') throw new Error('held');
      const report = result.items.find((item) => item.kind === 'artefact' && item.name === 'segment/result.json');
      const [event] = result.events;
      expect(report?.releasedFor).to.equal(partner);
      expect(event?.type === 'segmentation.completed' ? event.data.partner : 'no event').to.equal(partner);
    });
});
