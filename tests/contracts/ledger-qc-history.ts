import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import type { QcScan } from '../../core/ledger/qc-history.ts';
import { completeStudy, type LedgerSuite, received, STUDY, startRun, type TestClock } from './ledger-facts.ts';

const SCAN: QcScan = {
  scanKey: 'scan-one',
  protocolKey: 'protocol',
  scannerKey: 'scanner',
  seriesInstanceUid: '1.2.826.1.1',
  kind: 'anatomical',
  verdict: 'pass',
  accepted: true,
  measures: { efc: 0.5, cnr: null },
  parameters: { RepetitionTime: 3200, ScanningSequence: 'SE' },
};
const PAST = { protocolKey: 'protocol', exceptScan: 'none', limit: 10 };

export const describeQcHistory: LedgerSuite = (subject) => {
  it('has what a step measured from the moment its result is taken, and not before', async () => {
    const { ledger, clock, reopen } = subject();
    await completeStudy(ledger, clock);

    const stale = await finish(ledger, clock, [SCAN], -1);
    const before = await ledger.quality.past(PAST);
    const taken = await finish(ledger, clock, [SCAN]);
    const after = await reopen();

    expect([stale, taken]).to.deep.equal([false, true]);
    expect(before).to.deep.equal([]);
    const { measures, parameters } = SCAN;
    expect(await after.quality.past(PAST)).to.deep.equal([
      { measures, parameters, recordedAt: clock.now().toISOString() },
    ]);
    const [row] = await after.quality.list({ limit: 10 });
    expect(row).to.deep.include({ ...SCAN, studyInstanceUid: STUDY, revision: 1 });
    expect(await after.quality.get(row?.qualityId ?? '')).to.deep.equal(row);
  });

  it('keeps one row of a scan and revision, however often and by how many routes it is measured', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);

    await finish(ledger, clock, [SCAN]);
    await finish(ledger, clock, [{ ...SCAN, verdict: 'warn', accepted: false }]);

    const rows = await ledger.quality.list({ limit: 10 });
    expect(rows.map(({ verdict, accepted }) => ({ verdict, accepted }))).to.deep.equal([
      { verdict: 'warn', accepted: false },
    ]);
  });

  it('keeps what a person decided when the scan is measured again', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await finish(ledger, clock, [SCAN]);
    const [row] = await ledger.quality.list({ limit: 10 });

    const decided = await ledger.quality.decide(row?.qualityId ?? '', false);
    await finish(ledger, clock, [SCAN]);

    expect([decided, await ledger.quality.decide('unknown', true)]).to.deep.equal([true, false]);
    expect(await ledger.quality.past(PAST)).to.deep.equal([]);
    expect(await ledger.quality.get(row?.qualityId ?? '')).to.deep.include({
      accepted: false,
      decidedAt: clock.now().toISOString(),
    });
  });

  it('holds a scan against accepted ones of its protocol, the newest first, and never against itself', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const scan = (name: string, changes: Partial<QcScan> = {}): QcScan => ({
      ...SCAN,
      scanKey: name,
      measures: { efc: Number(name) },
      ...changes,
    });
    const scans = [
      scan('1'),
      scan('2', { accepted: false }),
      scan('3', { protocolKey: 'other' }),
      scan('4'),
      scan('5'),
    ];

    await finish(ledger, clock, scans);

    const efcs = async (question: Partial<typeof PAST>) =>
      (await ledger.quality.past({ ...PAST, ...question })).map(({ measures }) => measures['efc']);
    expect(await efcs({})).to.deep.equal([5, 4, 1]);
    expect(await efcs({ limit: 2 })).to.deep.equal([5, 4]);
    expect(await efcs({ exceptScan: '4' })).to.deep.equal([5, 1]);
  });

  it('counts a scan of two revisions once, as it was last', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await finish(ledger, clock, [SCAN]);
    await completeStudy(ledger, clock, received(3));

    await finish(ledger, clock, [{ ...SCAN, measures: { efc: 0.7 } }], 0, 2);

    expect((await ledger.quality.past(PAST)).map(({ measures }) => measures)).to.deep.equal([{ efc: 0.7 }]);
    expect(await ledger.quality.list({ limit: 10 })).to.have.length(2);
  });

  it('lists page by page, newest first, by what was asked for', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await finish(ledger, clock, [
      SCAN,
      { ...SCAN, scanKey: 'two', verdict: 'fail', accepted: false },
      { ...SCAN, scanKey: 'three', scannerKey: 'another' },
    ]);

    const keys = async (filter: object) =>
      (await ledger.quality.list({ limit: 10, ...filter })).map(({ scanKey }) => scanKey);
    const [newest] = await ledger.quality.list({ limit: 1 });

    expect(await keys({})).to.deep.equal(['three', 'two', 'scan-one']);
    expect(await keys({ before: newest?.qualityId })).to.deep.equal(['two', 'scan-one']);
    expect(await keys({ accepted: false })).to.deep.equal(['two']);
    expect(await keys({ verdict: 'fail', study: STUDY })).to.deep.equal(['two']);
    expect(await keys({ scanner: 'another', protocol: 'protocol' })).to.deep.equal(['three']);
    expect(await keys({ study: '1.2.3' })).to.deep.equal([]);
  });
};

/** A run of one step, ended with these scans. @param behind - how much too old the fence is */
async function finish(
  ledger: Ledger,
  clock: TestClock,
  quality: readonly QcScan[],
  behind = 0,
  revision = 1,
): Promise<boolean> {
  await startRun(ledger, { revision, steps: [{ processor: 'qc', argument: undefined }] });
  const [job] = await ledger.runs.claim('test', 60_000, clock.now(), 1);
  if (job === undefined) throw new Error('no job');
  const isTaken = await ledger.runs.finishStep(job.jobId, job.fence + behind, { items: [], events: [], quality });
  if (!isTaken) await ledger.runs.giveBack(job.jobId, job.fence, clock.now());
  return isTaken;
}
