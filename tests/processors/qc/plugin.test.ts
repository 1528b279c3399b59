import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decode } from 'fast-png';
import { phantomStudy, type StudyOptions } from '../../../demo/phantom/study.ts';
import { checkEvent } from '../../../core/events.ts';
import type { PastScan } from '../../../core/ledger/qc-history.ts';
import type { ProcessorResult } from '../../../core/plugins.ts';
import type { Logger } from '../../../core/ports.ts';
import { formatBlobRef, type InstanceItem, type RunItem } from '../../../core/store.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { qc } from '../../../processors/qc/index.ts';
import { run as runQc } from '../../../processors/qc/step.ts';

const SMALL = { columns: 48, rows: 40, slices: 12, spacingMm: [0.4, 1.2, 0.4] as const, noise: 0.01 };

describe('the qc processor', () => {
  let dataDir: string;
  let packs = 0;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'qc-'));
    mkdirSync(join(dataDir, 'store'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  it('leaves the instances as they are and adds pictures of each series and two reports', async () => {
    const { items, result, read } = await work(await store(SMALL));

    expect(result.items.slice(0, items.length)).to.deep.equal(items);
    const [sheet, background, slices, page, report] = result.items.slice(items.length);
    const series = items[0]?.seriesInstanceUid ?? '';
    expect(sheet).to.include({ kind: 'artefact', name: `qc/${series}/mosaic.png`, mediaType: 'image/png' });
    expect(background).to.include({ name: `qc/${series}/background.png`, mediaType: 'image/png' });
    expect(slices).to.include({ name: `qc/${series}/slice-signal.svg`, mediaType: 'image/svg+xml' });
    expect(page).to.include({ kind: 'artefact', name: 'qc/report.html', mediaType: 'text/html' });
    expect(report).to.include({ kind: 'artefact', name: 'qc/report.json', mediaType: 'application/json' });
    const image = decode(await read(sheet));
    expect(image.channels).to.equal(1);
    expect(new Set(image.data).size).to.be.above(50);
  });

  it('gives no judgement without limits, and one with the limits of the site', async () => {
    const instances = await store(SMALL);
    const limits = (limit: object) => ({ limits: { anatomical: { snr_normal_db: limit } } });

    const verdicts = [];
    for (const argument of [undefined, limits({ failBelow: 5 }), limits({ warnBelow: 90 }), limits({ failBelow: 90 })])
      verdicts.push(eventOf((await work(instances, argument)).result).verdict);

    expect(verdicts).to.deep.equal(['not-enough-history', 'pass', 'warn', 'fail']);
  });

  it('says in a sentence what is below which limit', async () => {
    const { result } = await work(await store(SMALL), { limits: { any: { slices: { failBelow: 20 } } } });

    expect(eventOf(result).series[0]?.findings).to.deep.equal([
      "Number of slices is 12, below the site's limit of 20.",
    ]);
  });

  it('finds a missing slice and still measures the rest', async () => {
    const instances = (await store(SMALL)).toSpliced(5, 1);

    const event = eventOf((await work(instances)).result);

    expect(event.verdict).to.equal('fail');
    expect(event.series[0]?.findings).to.deep.equal(['Slices are missing: 1 of 12.']);
    expect(event.series[0]?.measures['snr_normal_db']).to.be.a('number');
  });

  it('holds a scan against the accepted past of its scanner and protocol, and leaves what it measured for the next', async () => {
    const instances = await store(SMALL);
    const [first] = (await work(instances, undefined, [])).result.quality ?? [];
    const past = Array.from({ length: 20 }, () => ({
      measures: { ...first?.measures, snr_normal_db: 40 },
      parameters: { ...first?.parameters, RepetitionTime: 2500 },
      recordedAt: '',
    }));

    const { result } = await work(instances, undefined, past);

    expect(first).to.include({ kind: 'anatomical', verdict: 'not-enough-history', accepted: true });
    expect(first?.parameters).to.include({ RepetitionTime: 3200, Slices: 12 });
    expect(result.quality?.[0]).to.include({
      scanKey: first?.scanKey,
      protocolKey: first?.protocolKey,
      accepted: false,
    });
    const [series] = eventOf(result).series;
    expect(series?.verdict).to.equal('fail');
    expect(series?.judgements?.map(({ measure, limit }) => [measure, limit === null])).to.deep.equal([
      ['RepetitionTime', false],
      ['snr_normal_db', false],
    ]);
    expect(JSON.stringify(result.quality)).not.to.match(/Mallieläin|INV-|RARE|SIM-/);
  });

  it('holds a study that fails where the route says so, and lets it go on everywhere else', async () => {
    const instances = await store(SMALL);
    const limits = { any: { slices: { failBelow: 20 } } };

    const held = await work(instances, { limits, hold: 'fail' }).catch((error: unknown) => error);
    const warned = await work(instances, { limits: { any: { slices: { warnBelow: 20 } } }, hold: 'fail' });

    expect(held).to.have.nested.property('kept.events[0].data.verdict', 'fail');
    expect(held)
      .to.have.nested.property('kept.items')
      .that.satisfies((items: readonly RunItem[]) => {
        return items.some((item) => item.kind === 'artefact' && item.name === 'qc/report.html');
      });
    expect(held).to.deep.include({
      reason: 'quality.failed',
      detail: "Number of slices is 12, below the site's limit of 20.",
      sopInstanceUids: instances.map(({ sopInstanceUid }) => sopInstanceUid),
    });
    expect(eventOf(warned.result).verdict).to.equal('warn');
    expect(eventOf((await work(instances, { limits })).result).verdict).to.equal('fail');
  });

  it('says what the study as a whole lacks', async () => {
    const { result } = await work(await store(SMALL), { protocols: [{ match: 'DTI*', series: 1 }] });

    expect(eventOf(result)).to.deep.include({
      verdict: 'fail',
      findings: ['0 of 1 expected series match DTI*: a scan is missing.'],
    });
  });

  it('does not fail the study for one series that cannot be read', async () => {
    const sound = await store(SMALL);
    const colour = await store({ ...SMALL, seed: 2, attributes: { SamplesPerPixel: 3 } });

    const event = eventOf((await work([...sound, ...colour])).result);

    expect(event.verdict).to.equal('warn');
    expect(event.series.map(({ findings }) => findings).toSorted()).to.deep.equal([
      [],
      ['A colour image cannot be measured.'],
    ]);
  });

  it('releases what it made only when every instance was released for one partner', async () => {
    const instances = await store(SMALL);
    const forPartner = instances.map((item) => ({ ...item, releasedFor: 'kct' }));
    const released = forPartner.map((item) => ({ ...item, studyInstanceUid: '2.25.99' }));

    const inside = await work(instances);
    const outside = await work(released);
    const mixed = await work([...forPartner.slice(0, 6), ...instances.slice(6)]);

    expect(made(inside).some((item) => item.releasedFor !== undefined)).to.equal(false);
    expect(made(outside).every((item) => item.releasedFor === 'kct')).to.equal(true);
    expect(made(mixed).some((item) => item.releasedFor !== undefined)).to.equal(false);
    expect(eventOf(outside.result)).to.include({ partner: 'kct', releasedStudyInstanceUid: '2.25.99' });
  });

  it('says nothing of the patient, in the report, the event or a name', async () => {
    const { result, items, read } = await work(
      await store({ ...SMALL, patientName: 'Salainen^Potilas', attributes: { SeriesDescription: 'Salainen brain' } }),
    );

    const files = [];
    for (const item of made({ result, items })) files.push(Buffer.from(await read(item)).toString('latin1'));
    expect(files.at(-1)).to.include('hub.qc/1');
    const told = JSON.stringify([files, result.events, made({ result, items }).map((item) => item.name)]);
    expect(told).not.to.match(/Salainen|Mallieläin|INV-|Keksitty/);
  });

  it('makes an event that fits its schema, and stays below 64 KiB for a study of many series', async () => {
    const [instance] = await store(SMALL);
    if (instance === undefined) throw new Error('no instance');
    const many = Array.from({ length: 200 }, (_, i) => ({ ...instance, seriesInstanceUid: `2.25.${i + 1}` }));

    const { result } = await work(many);

    const [event] = result.events;
    const data = {
      ...eventOf(result),
      studyInstanceUid: '2.25.1',
      revision: 1,
      runId: '018f3b8e-0000-7000-8000-000000000000',
      route: 'rat-brain',
    };
    checkEvent({ id: 'x', type: 'qc.completed', stream: 'hub.result.v1', key: '2.25.1', time: '', data });
    expect(JSON.stringify(event).length).to.be.below(64 * 1024);
  });

  it('refuses options it does not know', () => {
    for (const argument of ['loud', { limits: { anatomical: { sharpness: {} } } }, { limit: {} }])
      expect(() => qc.resolve(argument, { policies: [], models: [] }))
        .to.throw()
        .with.property('code', 'config.invalid');
  });

  /** The instances of a phantom in the store, as the gateway leaves them. */
  async function store(options: StudyOptions): Promise<InstanceItem[]> {
    const pack = await openFileStore(dataDir).createPack(`received-${packs++}`);
    const items: InstanceItem[] = [];
    for (const instance of phantomStudy(options)) {
      const stored = await pack.append(instance.bytes);
      items.push({
        ...stored,
        kind: 'instance',
        studyInstanceUid: instance.studyInstanceUid,
        seriesInstanceUid: instance.seriesInstanceUid,
        sopInstanceUid: instance.sopInstanceUid,
        sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
        transferSyntaxUid: '1.2.840.10008.1.2.1',
      });
    }
    await pack.commit();
    return items;
  }

  async function work(items: readonly InstanceItem[], argument?: unknown, past?: readonly PastScan[]) {
    const files = openFileStore(dataDir);
    const pack = await files.createPack(`run-${packs++}`);
    const result = await runQc({
      options: qc.resolve(argument, { policies: [], models: [] }),
      runId: 'run',
      route: 'route',
      studyInstanceUid: '2.25.1',
      revision: 1,
      items,
      store: files,
      pack,
      secret: async () => new Uint8Array(32),
      ...(past === undefined
        ? {}
        : {
            quality: {
              past: async () => past,
              device: async () => ({ source: 'pv-7t', serialNumber: 'SIM-000-7' }),
            },
          }),
      log: silent,
      signal: new AbortController().signal,
      progress: () => {},
    });
    await pack.commit();
    if (result.outcome !== 'done') throw Object.assign(new Error('not done'), result);
    const read = async (item: RunItem | undefined): Promise<Uint8Array> => {
      const source = await files.open(item?.blob ?? formatBlobRef('none', 0, 0));
      try {
        return await source.read(0, source.sizeBytes);
      } finally {
        await source.close();
      }
    };
    return { items, result, read };
  }
});

function made({ items, result }: { items: readonly RunItem[]; result: ProcessorResult }) {
  if (result.outcome !== 'done') throw new Error('not done');
  return result.items.slice(items.length).filter((item) => item.kind === 'artefact');
}

function eventOf(result: ProcessorResult) {
  const event = result.outcome === 'done' ? result.events[0] : undefined;
  if (event?.type !== 'qc.completed') throw new Error('no event');
  return event.data;
}

const silent: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => silent,
};
