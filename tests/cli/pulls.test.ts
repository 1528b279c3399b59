import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { pulls } from '../../cli/pulls.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const STUDY = parseStudyInstanceUid('1.2.826.1');
const CONFIG = `pulls:
  - name: nightly
    schedule: "0 2 * * *"
    from: { dicom: { host: 10.0.0.1, port: 104, aeTitle: PACS } }
    query: { studyDate: { last: 3d } }
  - { name: off, enabled: false, from: { dicomweb: { url: "http://10.0.0.1/dicom-web" } }, query: { studyDate: { last: 1d } } }
`;

describe('hub pulls', () => {
  const folder = temporaryFolder();
  let data = '';
  let config = '';

  beforeEach(async () => {
    config = join(folder.path, 'hub.yaml');
    await writeFile(config, CONFIG);
    data = join(folder.path, randomUUID());
    await mkdir(data);
    await withLedger(() => Promise.resolve());
  });

  const run = async (...argv: readonly string[]) => {
    const terminal = captureTerminal();
    const code = await pulls([...argv, '--config', config, '--data', data], terminal);
    return { code, text: terminal.lines.join('\n') };
  };
  const withLedger = async <Result>(work: (ledger: Ledger) => Promise<Result>): Promise<Result> => {
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db') });
    try {
      return await work(ledger);
    } finally {
      await ledger.close();
    }
  };

  it('lists what is configured, and whether it is at work', async () => {
    await run('pause', 'nightly');

    const { text } = await run('list');

    expect(text.split('\n')[1]).to.match(/^nightly +paused +c-move +PACS@10\.0\.0\.1:104 /);
    expect(text.split('\n')[2]).to.match(/^off +disabled +wado-rs +http:\/\/10\.0\.0\.1\/dicom-web /);
    await run('resume', 'nightly');
    expect((await run('list')).text).to.contain('enabled');
  });

  it('says until when the windows are closed, and that a run waits for them', async () => {
    const hour = new Date().getUTCHours();
    const clock = (hours: number) => `${String((hour + hours) % 24).padStart(2, '0')}:00`;
    await writeFile(
      config,
      CONFIG.replace('schedule:', `windows: ["${clock(3)}-${clock(5)}"]\n    timeZone: UTC\n    schedule:`),
    );

    const [listed, begun] = [await run('list'), await run('run', 'nightly')];

    const until = `T${clock(3)}:00.000Z`;
    expect(listed.text.split('\n')[0]).to.contain('closed until');
    expect(listed.text.split('\n')[1]).to.contain(until);
    expect(begun.text)
      .to.match(/^nightly looks for studies when its window opens, at /)
      .and.to.contain(until);
  });

  it('asks a hub that is not running for a back-fill: it begins when the hub does', async () => {
    const { code, text } = await run('backfill', 'nightly', '--from', '2020-02-28', '--to', '2020-03-01');

    expect([code, text]).to.deep.equal([0, 'nightly goes through the days; hub pulls show nightly says how far it is']);
    const [requested] = await withLedger((ledger) => ledger.pulls.requested('nightly'));
    expect(requested).to.include({ kind: 'backfill', from: '20200228', to: '20200301', state: 'requested' });
  });

  it('shows how far a run is, and what could not be fetched and why', async () => {
    await withLedger(async (ledger) => {
      await ledger.pulls.request({ runId: 'r', pull: 'nightly', kind: 'backfill', from: '20200101', to: '20200102' });
      await ledger.pulls.plan('r', [
        { from: '20200101', to: '20200101' },
        { from: '20200102', to: '20200102' },
      ]);
      const [question] = await ledger.pulls.questions('nightly', new Date(), 1);
      await ledger.pulls.answer(question?.question ?? 0, [{ studyInstanceUid: STUDY, instances: 5 }]);
      await ledger.pulls.claim('nightly', 1, new Date(), 1);
      const failure = { code: 'pull.incomplete', reason: 'A source has more of a study than came', held: 3 };
      await ledger.pulls.fail('nightly', STUDY, 1, failure, undefined, []);
    });

    const { text } = await run('show', 'nightly');

    expect(text).to.match(/backfill +20200101-20200102 +active +1 of 2 asked +1 +0 +0 +1/);
    expect(text).to.match(new RegExp(`${STUDY.replaceAll('.', '\\.')} +1 +3 +5 +pull\\.incomplete +A source has more`));
  });

  it('ends what it was asked for', async () => {
    await run('run', 'nightly');

    expect((await run('cancel', 'nightly')).text).to.equal('nightly: 1 ended; what was fetched stays');
  });

  const WRONG: readonly (readonly [why: string, argv: readonly string[], code: string])[] = [
    ['what it cannot do', ['stop', 'nightly'], 'command.usage'],
    ['nothing in particular', ['run'], 'command.usage'],
    ['two at a time', ['run', 'nightly', 'off'], 'command.usage'],
    ['a back-fill without its days', ['backfill', 'nightly'], 'command.usage'],
    ['days for something else', ['run', 'nightly', '--from', '2020-01-01'], 'command.usage'],
    ['a day that is none', ['backfill', 'nightly', '--from', '2020-02-30', '--to', '2020-03-01'], 'request.invalid'],
    ['days back to front', ['backfill', 'nightly', '--from', '2020-03-02', '--to', '2020-03-01'], 'request.invalid'],
    [
      'more than a hundred years',
      ['backfill', 'nightly', '--from', '0202-01-01', '--to', '2020-01-01'],
      'request.invalid',
    ],
    ['what is not configured', ['show', 'weekly'], 'resource.not-found'],
    ['what is not enabled', ['run', 'off'], 'resource.conflict'],
  ];
  for (const [why, argv, code] of WRONG) {
    it(`refuses ${why}`, async () => {
      expect((await thrownBy(run(...argv))).code).to.equal(code);
    });
  }
});
