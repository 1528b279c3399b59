import { expect } from 'chai';
import { mkdir, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { qc } from '../../cli/qc.ts';
import type { QcScan } from '../../core/ledger/qc-history.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { completeStudy, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const SCAN: QcScan = {
  ...{ scanKey: 'aa', protocolKey: 'bb', scannerKey: 'cc', seriesInstanceUid: '2.25.8', kind: 'anatomical' },
  ...{ verdict: 'warn', accepted: false, measures: { efc: 0.5, cnr: null }, parameters: { RepetitionTime: 3200 } },
};

describe('hub qc history', () => {
  const folder = temporaryFolder();
  const clock = new TestClock();
  let options: readonly string[] = [];

  beforeEach(async () => {
    const config = join(folder.path, 'hub.yaml');
    const data = join(folder.path, randomUUID());
    await mkdir(data);
    await writeFile(config, 'hub: { name: test }\n');
    options = ['--config', config, '--data', data];
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db'), clock });
    await completeStudy(ledger, clock);
    await startRun(ledger, { steps: [{ processor: 'qc', argument: undefined }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    const quality = [SCAN, { ...SCAN, scanKey: 'dd', verdict: 'pass', accepted: true }];
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [], events: [], quality });
    await ledger.close();
  });

  const run = async (...argv: readonly string[]) => {
    const terminal = captureTerminal();
    const code = await qc([...argv, ...options], terminal);
    return { code, ...terminal };
  };
  const rows = async (...argv: readonly string[]) => {
    const answer = JSON.parse((await run('history', '--json', ...argv)).lines.join('\n')) as {
      items: readonly { qualityId: string; verdict: string; accepted: boolean; scanKey?: string }[];
    };
    return answer.items;
  };

  it('lists what was measured, and shows one with its numbers', async () => {
    const [newest, oldest] = await rows();

    const { lines } = await run('history');
    const shown = (await run('history', oldest?.qualityId ?? '')).lines.join('\n');

    expect(lines).to.have.length(3);
    expect(lines[1]).to.match(
      new RegExp(`^${newest?.qualityId ?? ''} .* anatomical +pass +yes +bb +${STUDY} +2\\.25\\.8$`),
    );
    expect(shown).to.contain('efc').and.to.contain('RepetitionTime').and.to.contain('warn');
    expect(newest).not.to.have.property('scanKey');
    expect(await rows('--study', '1.2.3')).to.deep.equal([]);
  });

  it('takes a person’s word on a scan, which is written down', async () => {
    const [newest, oldest] = await rows();

    const accepted = await run('accept', oldest?.qualityId ?? '');
    const rejected = await run('reject', newest?.qualityId ?? '');

    expect([accepted.code, rejected.code]).to.deep.equal([0, 0]);
    expect(accepted.lines[0]).to.match(/^accepted: /);
    expect((await rows()).map((row) => row.accepted)).to.deep.equal([false, true]);
    expect((await run('history')).lines[1]).to.match(/ no, by a person /);
    const ledger = await openSqliteLedger({ file: join(options[3] ?? '', 'ledger.db') });
    const audited = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 10 });
    await ledger.close();
    const actions = audited.map(({ data }) => ('action' in data ? `${data.action} ${data.subject}` : ''));
    expect(actions).to.deep.equal([
      `quality.accept ${oldest?.qualityId ?? ''}`,
      `quality.reject ${newest?.qualityId ?? ''}`,
    ]);
  });

  it('names a scan that is not there', async () => {
    const { code, fields } = await thrownBy(run('accept', randomUUID()));

    expect(code).to.equal('resource.not-found');
    expect(fields['detail']).to.match(/^there is no measured scan /);
  });
});
