import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import type { Role } from '../../core/ledger/tokens.ts';
import type { QcScan } from '../../core/ledger/qc-history.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { trendPage } from '../../processors/report/trends.ts';
import { completeStudy, heldRun, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { type RunningApi, startApi } from '../support/running-api.ts';

const scan = (place: number): QcScan => ({
  ...{ scanKey: `a${place}`, protocolKey: place < 7 ? 'b1' : 'b2', scannerKey: 'c1', seriesInstanceUid: '2.25.8' },
  ...{ kind: 'anatomical', verdict: place === 3 ? 'fail' : 'pass', accepted: place !== 3 },
  ...{ measures: { efc: 0.5 + place / 100, snr_normal_db: 20 + place }, parameters: { RepetitionTime: 3200 } },
});

describe('the pages of quality', () => {
  const clock = new TestClock();
  let folder: string;
  let store: ReturnType<typeof openFileStore>;
  let ledger: Ledger;
  let api: RunningApi;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pages-'));
    mkdirSync(join(folder, 'store'));
    store = openFileStore(folder);
    api = await startApi({ clock, store, trendPage });
    ({ ledger } = api);
    await completeStudy(ledger, clock);
    await startRun(ledger, { steps: [{ processor: 'qc', argument: undefined }] });
    const pack = await store.createPack('run-1');
    const stored = await pack.append(Buffer.from('<!doctype html><title>Quality of a study</title>✓'));
    await pack.commit();
    const item = {
      ...stored,
      kind: 'artefact',
      name: 'qc/report.html',
      mediaType: 'text/html',
      derivedBy: 'qc',
    } as const;
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    const quality = Array.from({ length: 9 }, (_, i) => scan(i));
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [item], events: [], quality });
  });

  afterEach(async () => {
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  const get = async (role: Role, path: string) => {
    const response = await fetch(`${api.http.url}/api/v1${path}`, { headers: await api.http.as(role) });
    return { status: response.status, headers: response.headers, body: await response.text() };
  };

  it("gives an operator the study's report, which a browser lets do nothing", async () => {
    const { status, headers, body } = await get('operator', `/studies/${STUDY}/quality-report`);

    expect(status).to.equal(200);
    expect(headers.get('content-type')).to.equal('text/html; charset=utf-8');
    expect(headers.get('cache-control')).to.equal('no-store');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy)
      .to.match(/^default-src 'none'; img-src data:;/)
      .and.to.include('sandbox');
    expect(policy).not.to.include('script-src');
    expect(body).to.equal('<!doctype html><title>Quality of a study</title>✓');
  });

  it('gives the report of a run that is held, for whoever has to decide', async () => {
    const run = await startRun(ledger, { route: 'strict', steps: [{ processor: 'qc', argument: undefined }] });
    const pack = await store.createPack('run-2');
    const stored = await pack.append(Buffer.from('<!doctype html><title>Not usable</title>'));
    await pack.commit();
    const names = { kind: 'artefact', name: 'qc/report.html', mediaType: 'text/html', derivedBy: 'qc' } as const;
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    const kept = { items: [{ ...stored, ...names }], events: [] };
    await ledger.runs.quarantine(job?.jobId ?? '', job?.fence ?? 0, heldRun(run), kept);

    const { status, body } = await get('operator', `/studies/${STUDY}/quality-report`);

    expect([status, body]).to.deep.equal([200, '<!doctype html><title>Not usable</title>']);
  });

  it('gives it to nobody else, and none where there is none', async () => {
    const auditor = await get('auditor', `/studies/${STUDY}/quality-report`);
    const another = await get('operator', '/studies/2.25.99999/quality-report');
    const route = await get('operator', `/studies/${STUDY}/quality-report?route=no-such-route`);

    expect([auditor.status, another.status, route.status]).to.deep.equal([403, 404, 404]);
  });

  it('draws what was measured over time, by protocol, with who was not accepted', async () => {
    const { status, headers, body } = await get('operator', '/quality-trends?scanner=c1');
    const one = await get('operator', '/quality-trends?protocol=b2');

    expect(status).to.equal(200);
    expect(headers.get('content-security-policy')).to.include("default-src 'none'");
    expect(body.match(/<section>/g)).to.have.length(2);
    expect(body).to.include('anatomical, 7 scans').and.to.include('anatomical, 2 scans');
    expect(body).to.include('aria-label="Signal to noise (centre over corners): 7 scans, median 23 dB."');
    // One cross in each chart of seven; circles for the accepted.
    const [chart] = /<svg.*?<\/svg>/.exec(body) ?? [''];
    expect(chart.match(/m-3-3l6 6/g)).to.have.length(1);
    expect(chart.match(/<circle/g)).to.have.length(6);
    expect(one.body).not.to.include('7 scans');
  });
});
