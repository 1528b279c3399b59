import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commitments, studies } from '../../cli/admin.ts';
import { quarantine } from '../../cli/quarantine.ts';
import { deadLetters, deliveries } from '../../cli/deliveries.ts';
import { token } from '../../cli/token.ts';
import { createApiRouter } from '../../api/router.ts';
import type { Ledger } from '../../core/ledger.ts';
import { createToken, parseToken } from '../../platform/auth/token.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { completeStudy, processed, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { startHttp } from '../support/running-http.ts';
import { silentLog } from '../support/silent-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

type Command = typeof studies;

describe('the commands on studies, deliveries, dead letters, quarantine and tokens', () => {
  const folder = temporaryFolder();
  const clock = new TestClock();
  let data = '';
  let config = '';

  before(async () => {
    config = join(folder.path, 'hub.yaml');
    await writeFile(config, 'partners: [{ name: kct }]\n');
  });
  beforeEach(async () => {
    data = join(folder.path, randomUUID());
    await mkdir(data);
  });

  const run = async (command: Command, ...argv: readonly string[]) => {
    const terminal = captureTerminal();
    const code = await command([...argv, '--config', config, '--data', data], terminal);
    return { code, ...terminal };
  };
  const withLedger = async (work: (ledger: Ledger) => Promise<void>) => {
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db'), clock });
    await work(ledger);
    await ledger.close();
  };
  const hold = async (ledger: Ledger): Promise<string> => {
    const quarantineId = randomUUID();
    await ledger.quarantine.hold({
      quarantineId,
      stage: 'gateway',
      reason: 'dataset.unreadable',
      detail: 'cut off',
      items: [],
      holdsStudy: false,
    });
    return quarantineId;
  };

  it('say so when there is nothing', async () => {
    await withLedger(async () => undefined);

    const answers = [
      await run(studies, 'list'),
      await run(deliveries),
      await run(deadLetters, 'list'),
      await run(quarantine),
      await run(token),
    ];

    expect(answers.map(({ code, lines }) => [code, lines])).to.deep.equal([
      [0, ['no studies']],
      [0, ['no deliveries']],
      [0, ['no dead letters']],
      [0, ['nothing in quarantine']],
      [0, ['no tokens']],
    ]);
  });

  it('list in columns, show one with its history, and print JSON for machines', async () => {
    await withLedger((ledger) => completeStudy(ledger, clock));

    const [list, show, json] = [
      await run(studies, 'list'),
      await run(studies, 'show', STUDY),
      await run(studies, 'list', '--json'),
    ];

    expect(list.lines[0]).to.match(/^study +state +revision +instances +source +last received$/);
    expect(list.lines[1]).to.match(new RegExp(`^${STUDY.replaceAll('.', '\\.')} +completed +1 +2 +pv-7t +2026-03-01`));
    expect(show.lines.join('\n')).to.contain('timeline:').and.to.contain('study.completed');
    expect(JSON.parse(json.lines.join('\n'))).to.have.nested.property('items[0].studyInstanceUid', STUDY);
  });

  it('tell where the list goes on', async () => {
    await withLedger(async (ledger) => {
      for (let index = 0; index < 3; index += 1) await hold(ledger);
    });

    const first = await run(quarantine, 'list', '--limit', '2');
    const before = /--before (\S+)/.exec(first.errors.join(''))?.[1] ?? '';
    const second = await run(quarantine, 'list', '--limit', '2', '--before', before);

    expect([first.lines.length, second.lines.length, second.errors]).to.deep.equal([3, 2, []]);
  });

  it('say which option is wrong, as a mistake of usage', async () => {
    await withLedger(async (ledger) => {
      await hold(ledger);
    });

    const wrong = [
      await thrownBy(run(studies, 'list', '--limit', '0')),
      await thrownBy(run(quarantine, 'list', '--limit', 'many', '--state', 'lost')),
    ];

    expect(wrong.map(({ code }) => code)).to.deep.equal(['command.usage', 'command.usage']);
    expect(wrong[0]?.fields['detail']).to.match(/^--limit: /);
    expect(wrong[1]?.fields['detail']).to.match(/^--limit: .*; --state: /);
  });

  it('want one of the known reasons before anything goes on all the same', async () => {
    let id = '';
    await withLedger(async (ledger) => {
      id = await hold(ledger);
    });

    const wrong = [
      await thrownBy(run(quarantine, 'override', id)),
      await thrownBy(run(quarantine, 'override', id, '--reason', 'why not')),
      await thrownBy(run(quarantine, 'release', id, '--reason', 'test')),
      await thrownBy(run(quarantine, 'override', id, '--reason', 'test')),
      await thrownBy(run(quarantine, 'override', 'x', '--reason', 'test')),
    ];

    expect(wrong.map(({ code }) => code)).to.deep.equal([
      ...Array.from({ length: 3 }, () => 'command.usage'),
      'resource.conflict',
      'resource.not-found',
    ]);
    expect(wrong[1]?.fields['detail']).to.match(/^--reason why not: cannot-be-repeated, accepted-by-owner,/);
  });

  it('release what is held', async () => {
    let id = '';
    await withLedger(async (ledger) => {
      id = await hold(ledger);
    });

    expect((await run(quarantine, 'show', id)).lines.at(-1)).to.equal(
      'what to do: The object is damaged or truncated: export it again. What came over the network is in quarantine.',
    );
    const { lines } = await run(quarantine, 'release', id);

    expect(lines).to.deep.equal(['released: nothing waits for it any longer']);
    expect((await thrownBy(run(quarantine, 'release', id))).code).to.equal('resource.conflict');
  });

  it('make a token before the first start, and print it alone', async () => {
    const { lines } = await run(token, 'create', '--role', 'partner', '--partner', 'kct');

    expect(lines).to.have.length(1);
    const tokenId = parseToken(lines[0] ?? '')?.tokenId ?? '';
    expect((await run(token, 'list')).lines.join('\n'))
      .to.contain(tokenId)
      .and.to.contain('kct');
    expect((await run(token, 'revoke', tokenId)).lines).to.deep.equal([`${tokenId} is revoked`]);
  });

  it('refuse a partner that is not configured', async () => {
    const error = await thrownBy(run(token, 'create', '--role', 'partner', '--partner', 'nobody'));

    expect([error.code, error.fields['detail']]).to.deep.equal(['request.invalid', 'body.partner: no such partner']);
  });

  it('talk to the hub that runs, whose ledger nobody else may open', async () => {
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db'), clock });
    await completeStudy(ledger, clock);
    const http = await startHttp(
      ledger,
      (access_) => [
        {
          path: '/api/v1',
          router: createApiRouter({
            ledger,
            access: access_,
            clock,
            log: silentLog,
            hubName: 'savilahti',
            catalogue: () => ({ configVersion: '1', routes: [], partners: [], destinations: [], policies: [] }),
            mintToken: createToken,
          }),
        },
      ],
      { ownSocketPath: join(data, 'hub.sock') },
    );

    const { lines } = await run(studies, 'list');

    expect(lines[1]).to.contain(STUDY);
    await http.stop();
    await ledger.close();
  });

  it('list why something is held', async () => {
    let id = '';
    await withLedger(async (ledger) => {
      id = await hold(ledger);
    });

    const { lines } = await run(quarantine, 'list');

    expect(lines[0]).to.match(/^entry +state +by +instances +since +reason +detail$/);
    expect(lines[1]).to.match(
      new RegExp(`^${id} +held +gateway +0 +2026-03-01T08:00:00.000Z +dataset.unreadable +cut off$`),
    );
  });

  it('list what scanners were not told, and show why and of which instances', async () => {
    const [commitmentId, other] = [randomUUID(), randomUUID()];
    await withLedger(async (ledger) => {
      const request = {
        ...{ commitmentId, transactionUid: '1.2.3', source: 'pv-7t', callingAeTitle: 'PV7T', calledAeTitle: 'HUB' },
        ...{ associationId: 'association-1', items: [{ sopClassUid: '1.2', sopInstanceUid: '1.2.840.7' }] },
      };
      const startedAt = clock.now().toISOString();
      await ledger.commitments.request({ ...request, commitmentId: other, transactionUid: '1.2.4' }, clock.now());
      await ledger.commitments.request(request, clock.now());
      await ledger.commitments.decide(commitmentId, [{ item: 0, reason: 0x0112 }]);
      await ledger.commitments.attempted(
        commitmentId,
        { ...{ attempt: 1, startedAt, way: 'new-association', outcome: 'failed', detail: 'ECONNREFUSED' } },
        { state: 'failed', reason: 'the peer cannot be reached' },
      );
    });

    const { lines } = await run(commitments, 'list', '--state', 'failed');
    const shown = (await run(commitments, 'show', commitmentId)).lines.join('\n');

    expect(lines).to.have.length(2);
    expect(lines[1]).to.match(new RegExp(`^${commitmentId} +pv-7t +failed +1 +1 .* the peer cannot be reached$`));
    expect(shown)
      .to.match(/new-association +failed +ECONNREFUSED/)
      .and.to.match(/1\.2\.840\.7 +0x0112/);
    expect((await run(commitments, 'show', other)).lines.join('\n')).to.contain('its source was not told yet');
    expect((await thrownBy(run(commitments, 'show', randomUUID()))).code).to.equal('resource.not-found');
  });

  it('show why a route took a study and how far it came, and do it again', async () => {
    await withLedger(async (ledger) => {
      await completeStudy(ledger, clock);
      const run_ = await startRun(ledger, { steps: [{ processor: 'qc', argument: undefined }] });
      const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
      await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [], events: [processed(run_)] });
    });

    const { lines } = await run(studies, 'show', STUDY);
    const { lines: again } = await run(studies, 'replay', STUDY);

    const runLine = lines[lines.indexOf('runs:') + 2];
    expect(runLine).to.match(/ rat-brain .* processed +qc /);
    expect(again[0]).to.match(/^it is done again from the first step: [0-9a-f-]{36}$/);
    expect((await run(studies, 'show', STUDY)).lines.join('\n')).to.contain(again[0]?.split(': ')[1]);
  });

  it('name what is not there', async () => {
    await withLedger(async () => undefined);

    const errors = [
      await thrownBy(run(studies, 'show', '1.2.3')),
      await thrownBy(run(deliveries, 'replay', randomUUID())),
      await thrownBy(run(deadLetters, 'show', 'abc')),
      await thrownBy(run(quarantine, 'release', randomUUID())),
    ];

    expect(errors.map(({ code }) => code)).to.deep.equal(errors.map(() => 'resource.not-found'));
    expect(errors.map(({ fields }) => String(fields['detail']).replace(/\S+$/, ''))).to.deep.equal([
      'there is no study ',
      'there is no delivery ',
      'there is no dead letter ',
      'there is no quarantine entry ',
    ]);
  });

  it('leave no data folder behind where no hub has run', async () => {
    const error = await thrownBy(run(studies, 'list'));

    expect(error.code).to.equal('resource.not-found');
    await access(join(data, 'ledger.db')).then(
      () => expect.fail('a ledger was made'),
      () => undefined,
    );
  });

  it('know wrong usage', async () => {
    const wrong: readonly (readonly [Command, ...string[]])[] = [
      [studies, 'release', STUDY],
      [studies, 'replay'],
      [studies, 'list', STUDY],
      [quarantine, 'list', '--destination', 'kct'],
      [deliveries, 'show'],
      [deliveries, 'show', 'a', 'b'],
      [quarantine, 'list', '--nonsense'],
    ];

    const codes = await Promise.all(
      wrong.map(async ([command, ...argv]) => (await thrownBy(run(command, ...argv))).code),
    );

    expect(codes).to.deep.equal(wrong.map(() => 'command.usage'));
    await withLedger(async () => undefined);
    expect((await thrownBy(run(token, 'create'))).code).to.equal('command.usage');
  });
});
