import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { reidentify } from '../../cli/reidentify.ts';
import { token } from '../../cli/token.ts';
import type { PositionedEvent } from '../../core/events.ts';
import type { CrosswalkPart } from '../../core/ledger/crosswalk.ts';
import { openDataFolder } from '../../platform/data-folder.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { crosswalkCodec, type PartContent } from '../../processors/crosswalk/codec.ts';
import { completeStudy, newRun, startRun, TestClock } from '../contracts/ledger-facts.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const STUDY: PartContent = {
  kind: 'study',
  study: ['2.25.1', '1.2.999.1'],
  patient: { issuer: 'UEF', id: 'RAT-0815-X' },
  releasedPatientId: 'P0',
  policy: 'kct',
  policyHash: '0',
  days: [],
  texts: [],
  attributes: '',
};
const SERIES: PartContent = {
  kind: 'series',
  study: '2.25.1',
  series: ['2.25.2', '1.2.999.2'],
  uids: [['2.25.3', '1.2.999.3']],
};

describe('hub reidentify', () => {
  const folder = temporaryFolder();
  const clock = new TestClock();
  const before_ = process.env['HUB_TOKEN'];
  let data = '';
  let config = '';

  beforeEach(async () => {
    data = join(folder.path, randomUUID());
    await mkdir(data);
    config = join(folder.path, 'hub.yaml');
    await writeFile(config, 'partners: [{ name: kct }, { name: uta }]\npolicies: [{ name: kct, profile: basic }]\n');
    const codec = crosswalkCodec(await (await openDataFolder(data, {})).secret('crosswalk'), 'kct');
    const key = (uid: string) => [codec.uidKey(uid)];
    await release([
      { ...codec.seal(STUDY), keys: [{ kind: 'study', uidKeys: key('2.25.1') }] },
      {
        ...codec.seal(SERIES),
        keys: [
          { kind: 'series', uidKeys: key('2.25.2') },
          { kind: 'instance', uidKeys: key('2.25.3') },
        ],
      },
    ]);
    process.env['HUB_TOKEN'] = await made('reidentifier');
  });
  afterEach(() => {
    if (before_ === undefined) delete process.env['HUB_TOKEN'];
    else process.env['HUB_TOKEN'] = before_;
  });

  const ask = async (...argv: readonly string[]) => {
    const terminal = captureTerminal();
    const code = await reidentify([...argv, '--config', config, '--data', data], terminal);
    return { code, ...terminal };
  };
  const made = async (role: string): Promise<string> => {
    const terminal = captureTerminal();
    await token(['create', '--role', role, '--config', config, '--data', data], terminal);
    return terminal.lines[0] ?? '';
  };
  const withLedger = async <T>(work: (ledger: Awaited<ReturnType<typeof openSqliteLedger>>) => Promise<T>) => {
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db'), clock });
    try {
      return await work(ledger);
    } finally {
      await ledger.close();
    }
  };
  const release = (crosswalk: readonly CrosswalkPart[]) =>
    withLedger(async (ledger) => {
      await completeStudy(ledger, clock);
      await startRun(ledger, newRun({ steps: [{ processor: 'deidentify', argument: 'kct' }] }));
      const [job] = await ledger.runs.claim('worker', 30_000, clock.now(), 1);
      await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [], events: [], crosswalk });
    });
  const audited = () =>
    withLedger(async (ledger): Promise<readonly PositionedEvent[]> => {
      const events = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 100 });
      return events.filter(({ data: said }) => 'action' in said && said.action === 'reidentify');
    });

  it('says what an instance was, and whose, and puts the question on record without a value of it', async () => {
    const { code, lines } = await ask('2.25.3');

    expect(code).to.equal(0);
    expect(lines.map((line) => line.replace(/ {2,}/, ': '))).to.deep.equal([
      'partner: kct',
      'is: instance',
      'Study Instance UID: 1.2.999.1',
      'Series Instance UID: 1.2.999.2',
      'SOP Instance UID: 1.2.999.3',
      'Patient ID: RAT-0815-X',
      'Issuer of Patient ID: UEF',
      'policy: kct',
    ]);
    const [event] = await audited();
    expect(event?.data).to.include({ role: 'reidentifier', subject: '2.25.1', outcome: 'done' });
    expect(JSON.stringify(event)).to.not.match(/1\.2\.999|RAT|UEF/);
  });

  it('answers for machines, and for one partner only', async () => {
    const { lines } = await ask('2.25.2', '--partner', 'kct', '--json');
    const other = await thrownBy(ask('2.25.2', '--partner', 'uta'));

    expect(JSON.parse(lines.join('\n'))).to.have.nested.property('items[0].seriesInstanceUid', '1.2.999.2');
    expect(other).to.include({ code: 'resource.not-found' });
  });

  it('knows nothing of an original, and what was asked in vain is on record without it', async () => {
    const error = await thrownBy(ask('1.2.999.3'));

    expect(error).to.include({ code: 'resource.not-found' });
    const [event] = await audited();
    expect(event?.data).to.include({ outcome: 'refused' });
    expect(JSON.stringify(event)).to.not.include('1.2.999');
  });

  it('tells nobody without the role, whoever owns the machine, and that is on record, too', async () => {
    process.env['HUB_TOKEN'] = await made('admin');

    const error = await thrownBy(ask('2.25.3'));

    expect(error).to.include({ code: 'request.forbidden' });
    expect((await audited())[0]?.data).to.include({ role: 'admin', outcome: 'refused' });
  });

  it('asks for a token before anything is opened', async () => {
    process.env['HUB_TOKEN'] = '';

    expect(await thrownBy(ask('2.25.3'))).to.include({ code: 'command.usage' });
    expect(await audited()).to.deep.equal([]);
  });

  it('is of no use with another key than that of the crosswalk', async () => {
    await writeFile(join(data, 'keys', 'crosswalk.key'), `${'7'.repeat(64)}\n`);

    expect(await thrownBy(ask('2.25.3'))).to.include({ code: 'resource.not-found' });
  });
});
