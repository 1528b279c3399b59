import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/ledger.ts';
import type { Role } from '../../core/ledger/tokens.ts';
import type { QcScan } from '../../core/ledger/qc-history.ts';
import { completeStudy, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { type RunningApi, startApi } from '../support/running-api.ts';

const scan = (scanKey: string, changes: Partial<QcScan> = {}): QcScan => ({
  ...{ scanKey, protocolKey: 'b1', scannerKey: 'c1', seriesInstanceUid: '2.25.8', kind: 'anatomical', verdict: 'pass' },
  ...{ accepted: true, measures: { efc: 0.5, cnr: null }, parameters: { RepetitionTime: 3200 } },
  ...changes,
});

describe('the API of measured scans', () => {
  const clock = new TestClock();
  let ledger: Ledger;
  let api: RunningApi;

  beforeEach(async () => {
    api = await startApi({ clock });
    ({ ledger } = api);
    await completeStudy(ledger, clock);
    await startRun(ledger, { steps: [{ processor: 'qc', argument: undefined }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    const quality = [scan('a1'), scan('a2', { verdict: 'fail', accepted: false, scannerKey: 'c2' })];
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [], events: [], quality });
  });

  afterEach(() => api.stop());

  const call = async (role: Role, path: string, method = 'GET') => {
    const response = await fetch(`${api.http.url}/api/v1${path}`, { method, headers: await api.http.as(role) });
    return { status: response.status, body: (await response.json()) as { items?: Row[] } & Row };
  };
  interface Row {
    readonly qualityId: string;
    readonly accepted: boolean;
    readonly verdict: string;
  }

  it('lists scans by what is asked for, without what they are known by', async () => {
    const verdicts = async (query: string) =>
      (await call('auditor', `/quality${query}`)).body.items?.map(({ verdict }) => verdict);

    expect(await verdicts('')).to.deep.equal(['fail', 'pass']);
    expect(await verdicts('?accepted=true')).to.deep.equal(['pass']);
    expect(await verdicts('?scanner=c2&protocol=b1')).to.deep.equal(['fail']);
    expect(await verdicts(`?study=${STUDY}&verdict=pass`)).to.deep.equal(['pass']);
    expect((await call('auditor', '/quality?verdict=good')).status).to.equal(400);
    const [first] = (await call('auditor', '/quality')).body.items ?? [];
    expect(first).to.include.keys('measures', 'parameters', 'protocolKey', 'studyInstanceUid');
    expect(first).not.to.have.any.keys('scanKey');
    expect((await call('auditor', `/quality/${first?.qualityId ?? ''}`)).body).to.deep.equal(first);
  });

  it('lets operators decide, and nobody else', async () => {
    const [first] = (await call('operator', '/quality')).body.items ?? [];
    const path = `/quality/${first?.qualityId ?? ''}`;

    const accepted = await call('operator', `${path}/accept`, 'POST');
    const refused = await call('auditor', `${path}/reject`, 'POST');

    expect([accepted.status, refused.status]).to.deep.equal([200, 403]);
    expect(accepted.body).to.include({ accepted: true, decidedAt: clock.now().toISOString() });
    expect((await call('operator', path)).body.accepted).to.equal(true);
    expect((await call('operator', `/quality/${randomUUID()}/accept`, 'POST')).status).to.equal(404);
  });
});
