import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { qc } from '../../cli/qc.ts';
import type { QcScan } from '../../core/ledger/qc-history.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { completeStudy, startRun, TestClock } from '../contracts/ledger-facts.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const SNR = [30, 31, 29, 30, 31, 30, 29, 12];

const scan = (place: number, more: Partial<QcScan> = {}): QcScan => ({
  ...{ scanKey: `a${place}`, protocolKey: 'b1', scannerKey: 'c1', seriesInstanceUid: '2.25.8', kind: 'anatomical' },
  ...{ verdict: 'pass', accepted: place < 7, parameters: { RepetitionTime: 3200, Columns: 64 } },
  measures: { snr_normal_db: SNR[place] ?? 0, efc: 0.5, cnr: null },
  ...more,
});

describe('hub qc trends', () => {
  const folder = temporaryFolder();
  const clock = new TestClock();
  let options: readonly string[] = [];

  before(async () => {
    const config = join(folder.path, 'hub.yaml');
    const data = join(folder.path, randomUUID());
    await mkdir(data);
    await writeFile(config, 'hub: { name: test }\n');
    options = ['--config', config, '--data', data];
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db'), clock });
    await completeStudy(ledger, clock);
    await startRun(ledger, { steps: [{ processor: 'qc', argument: undefined }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    const quality = [
      ...SNR.map((_, place) => scan(place)),
      scan(20, { protocolKey: 'b2', scannerKey: 'c2', kind: 'functional', measures: { tsnr: 40 } }),
    ];
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [], events: [], quality });
    await ledger.close();
  });

  const run = async (...argv: readonly string[]) => {
    const terminal = captureTerminal();
    const code = await qc(['trends', ...argv, ...options], terminal);
    return { code, ...terminal };
  };

  it('tells how each measure of a protocol went, and where the newest scan stands', async () => {
    const { code, lines } = await run();

    expect(code).to.equal(0);
    expect(lines).to.deep.equal([
      'anatomical, 8 scans, 7 accepted (RepetitionTime 3200, Columns 64)',
      '  scanner c1, protocol b1',
      '  measure        unit  scans  median  newest  limits   state',
      '  snr_normal_db  dB    8      30      12      ≥ 24.81  FAIL',
      'functional, 1 scan, 0 accepted (RepetitionTime 3200, Columns 64)',
      '  scanner c2, protocol b2',
      '  no measure has changed yet',
    ]);
  });

  it('gives machines the points, of the protocol and the measures that were asked for', async () => {
    const { lines } = await run('--json', '--protocol', 'b1', '--measure', 'efc', '--measure', 'snr_normal_db');

    const { trends } = JSON.parse(lines.join('\n')) as {
      trends: readonly { protocolKey: string; scans: number; measures: readonly Record<string, unknown>[] }[];
    };
    expect(trends).to.have.length(1);
    expect(trends[0]).to.include({ protocolKey: 'b1', scannerKey: 'c1', kind: 'anatomical', scans: 8, accepted: 7 });
    expect(trends[0]?.measures.map(({ measure, state }) => [measure, state])).to.deep.equal([
      ['efc', 'within'],
      ['snr_normal_db', 'fail'],
    ]);
    const points = trends[0]?.measures[1]?.['points'] as readonly { value: number; isAccepted: boolean }[];
    expect(points.map(({ value }) => value)).to.deep.equal(SNR);
    expect(points.at(-1)).to.include({ isAccepted: false });
    expect((await run('--scanner', 'c9')).lines).to.deep.equal(['nothing was measured yet']);
  });

  it('draws a chart of each, and the page that the API gives', async () => {
    const out = join(folder.path, 'charts');

    const { lines } = await run('--out', out);

    expect(await readdir(out)).to.deep.equal(['01-anatomical-snr_normal_db.svg', 'trends.html']);
    expect(lines.slice(-2)).to.deep.equal([join(out, '01-anatomical-snr_normal_db.svg'), join(out, 'trends.html')]);
    const chart = await readFile(join(out, '01-anatomical-snr_normal_db.svg'), 'utf8');
    expect(chart).to.match(/^<svg xmlns/);
    expect(chart.match(/<circle/g)).to.have.length(7);
    expect(await readFile(join(out, 'trends.html'), 'utf8')).to.include('Quality over time');
  });

  it('refuses a measure that there is none of, and says which was meant', async () => {
    const failure = await thrownBy(run('--measure', 'snr_normal'));

    expect(failure.code).to.equal('command.usage');
    expect(failure.fields['detail']).to.include('snr_normal_db');
    expect((await thrownBy(run('of-something'))).code).to.equal('command.usage');
  });
});
