import { expect } from 'chai';
import type { ProcessorResult } from '../../../core/plugins.ts';
import { type ArtefactItem, formatBlobRef, type InstanceItem, type RunItem } from '../../../core/store.ts';
import { HubError } from '../../../core/errors.ts';
import { phantomStudy } from '../../../demo/phantom/study.ts';
import { qc } from '../../../processors/qc/index.ts';
import { run as runQc } from '../../../processors/qc/step.ts';
import { segment } from '../../../processors/segment/index.ts';
import { run as runSegment } from '../../../processors/segment/step.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import { silentLog } from '../../support/silent-log.ts';

const SOP = {
  segmentation: '1.2.840.10008.5.1.4.1.1.66.4',
  report: '1.2.840.10008.5.1.4.1.1.88.34',
  capture: '1.2.840.10008.5.1.4.1.1.7',
  pdf: '1.2.840.10008.5.1.4.1.1.104.1',
};
const NOTHING = { policies: [], models: [] };

interface Step {
  readonly result: Extract<ProcessorResult, { outcome: 'done' }>;
  readonly written: ReadonlyMap<string, Uint8Array>;
}

/** Coarse, and still a head. */
const HEAD = { columns: 64, rows: 48, slices: 16, spacingMm: [0.3, 1, 0.3] as const };

/** A head that the bundled model finds a brain in. */
function study(releasedFor?: string) {
  return memoryInstances(phantomStudy(HEAD), releasedFor === undefined ? {} : { releasedFor });
}

async function step(
  plugin: typeof segment | typeof qc,
  argument: unknown,
  { items, store }: { readonly items: readonly RunItem[]; readonly store: ReturnType<typeof study>['store'] },
): Promise<Step> {
  const written = new Map<string, Uint8Array>();
  const context = {
    runId: '0190c8a0-0000-7000-8000-000000000001',
    route: 'rat-brain',
    studyInstanceUid: '1.2.3',
    revision: 1,
    items,
    store,
    pack: {
      append: async (body: Uint8Array | AsyncIterable<Uint8Array>) => {
        if (!(body instanceof Uint8Array)) throw new TypeError('results are made in memory');
        const blob = formatBlobRef('made/results', written.size, body.length);
        written.set(blob, body);
        return { blob, sizeBytes: body.length, sha256: 'a'.repeat(64) };
      },
      commit: async () => {},
      abort: async () => {},
    },
    secret: async () => new Uint8Array(32).fill(7),
    log: silentLog,
    signal: new AbortController().signal,
    progress: () => {},
  };
  const result =
    plugin.name === 'qc'
      ? await runQc({ ...context, options: qc.resolve(argument, NOTHING) })
      : await runSegment({ ...context, options: segment.resolve(argument, NOTHING) });
  if (result.outcome !== 'done') throw new Error('held');
  return { result, written };
}

function made({ result }: Step): { readonly classes: readonly string[]; readonly names: readonly string[] } {
  const items = result.items.filter(({ derivedBy }) => derivedBy !== undefined);
  return {
    classes: items
      .filter((item): item is InstanceItem => item.kind === 'instance')
      .map(({ sopClassUid }) => sopClassUid),
    names: items.filter((item): item is ArtefactItem => item.kind === 'artefact').map(({ name }) => name),
  };
}

describe('what a step gives out', function () {
  this.timeout(60_000);

  it('is a Segmentation and a report of volumes where nothing is said, for the partner of the images alone', async () => {
    const done = await step(segment, 'rodent-brain', study('kct'));

    expect(made(done).classes).to.deep.equal([SOP.segmentation, SOP.report]);
    expect(new Set(done.result.items.map(({ releasedFor }) => releasedFor))).to.deep.equal(new Set(['kct']));
  });

  it('is all that segmentation can make, with subjects by pseudonyms and no patient value outside of the objects', async () => {
    const source = study();
    const outputs = ['seg', 'sr', 'sc', 'pdf', 'nifti'];

    const done = await step(segment, { outputs }, source);

    const { classes, names } = made(done);
    expect(classes).to.have.members([SOP.segmentation, SOP.report, SOP.capture, SOP.pdf]);
    expect(names).to.include.members(['segment/report.pdf', 'segment/bids/dataset_description.json']);
    expect(
      names.filter((name) => /^segment\/bids\/sub-[0-9a-f]{12}\/anat\/.*_desc-brain_mask\.nii\.gz$/.test(name)),
    ).to.have.length(1);
    expect(names.filter((name) => name.endsWith('_dseg.tsv'))).to.have.length(1);
    for (const item of done.result.items)
      if (item.kind === 'artefact') {
        const text = Buffer.from(done.written.get(item.blob) ?? []).toString('latin1');
        expect(`${item.name} ${text}`, item.name).to.not.match(/INV-1001|Hiiri|Keksitty/);
      }
  });

  it('is nothing more than before for quality control, unless it is said', async () => {
    const source = memoryInstances(phantomStudy({ columns: 48, rows: 40, slices: 8, spacingMm: [0.4, 2, 0.4] }));

    const plain = await step(qc, undefined, source);
    const more = await step(qc, { outputs: ['sr', 'sc', 'pdf'] }, source);

    expect(made(plain).classes).to.deep.equal([]);
    expect(made(more).classes).to.have.members([SOP.report, SOP.capture, SOP.pdf]);
    expect(made(more).names).to.deep.equal([...made(plain).names.slice(0, -1), 'qc/report.pdf', 'qc/report.json']);
  });

  it('cannot leave out the Segmentation that the others refer to', () => {
    const refused = () => segment.resolve({ model: 'rodent-brain', outputs: ['sr'] }, NOTHING);

    expect(refused).to.throw(HubError, /seg is always among the outputs/);
  });
});
