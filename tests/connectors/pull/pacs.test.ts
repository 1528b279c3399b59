import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { PullFrom } from '../../../connectors/pull/options.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { startTlsFront } from '../../support/tls-front.ts';
import { FIND, GET, MadePacs, MOVE } from './made-pacs.ts';
import { fromPacs, PULL, type Pulling, startPulling, uids } from './pulling.ts';
import { waitFor } from '../../support/wait-for.ts';

describe('a pull from a PACS', function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  let pacs: MadePacs;
  let pulling: Pulling | undefined;

  beforeEach(async () => {
    pacs = await MadePacs.start();
  });
  afterEach(async () => {
    await pulling?.stop();
    await pacs.stop();
    pulling = undefined;
  });

  const start = async (...more: Parameters<typeof startPulling>) => {
    pulling = await startPulling(more[0], { pacs, ...more[1] });
    return pulling;
  };
  const outcomes = async () =>
    ((await pulling?.studies()) ?? []).map(({ state, code, attempts }) => [state, code, attempts]);

  for (const kind of ['c-move', 'c-get'] as const) {
    describe(`by ${kind}`, () => {
      it('fetches each instance once, and finds it here the next time', async () => {
        const study = pacs.add(3);
        const { run, held } = await start({ from: fromPacs(pacs, kind) });

        const [first, second] = [await run(), await run()];

        expect(first).to.include({ state: 'done', found: 1, fetched: 1, instances: 3 });
        expect(second).to.include({ state: 'done', found: 1, fetched: 0, skipped: 1 });
        expect([...(await held(study.uid))].sort()).to.deep.equal(uids(study.instances));
        expect([...pacs.sent].sort()).to.deep.equal(uids(study.instances));
      });

      it('asks by name for what is missing of a series', async () => {
        const study = pacs.add(4);
        pacs.studies = [{ ...study, instances: study.instances.slice(0, 3) }];
        const { run, held } = await start({ from: fromPacs(pacs, kind) });
        await run();
        pacs.studies = [study];

        const again = await run();

        expect(again).to.include({ state: 'done', fetched: 1 });
        expect(pacs.asked.at(-2)).to.equal(kind === 'c-move' ? 'MOVE IMAGE' : 'GET IMAGE');
        expect(pacs.sent).to.have.length(4);
        expect(await held(study.uid)).to.have.length(4);
      });

      it('tries again what a PACS that hangs up in the middle did not send, and only that', async () => {
        const study = pacs.add(4);
        let times = 0;
        pacs.behave = async (asked) => {
          if (asked.command === FIND || times > 0) {
            await pacs.honest(asked);
            return;
          }
          times += 1;
          const instances = pacs.instancesOf(asked.identifier);
          if (asked.command === GET) for (const instance of instances.slice(0, 2)) await asked.store(instance);
          else await pacs.send(asked, instances, { hangUpAfter: 2 });
          asked.socket.destroy();
        };
        const { run, held } = await start({ from: fromPacs(pacs, kind) });

        const only = await run();

        expect(only).to.include({ state: 'done', fetched: 1, instances: 4 });
        expect(await outcomes()).to.deep.equal([['done', undefined, 2]]);
        expect([...pacs.sent].sort()).to.deep.equal(uids(study.instances));
        expect(await held(study.uid)).to.have.length(4);
      });

      it('lists a study as failed when its PACS says that it sent what did not come', async () => {
        pacs.add(2);
        pacs.behave = async (asked) => {
          if (asked.command === FIND) await pacs.honest(asked);
          else asked.end(0, { completed: 2, failed: 0 });
        };
        const { run, studies } = await start({ from: fromPacs(pacs, kind) });

        const only = await run();

        expect(only).to.include({ state: 'incomplete', fetched: 0, failed: 1 });
        expect(await outcomes()).to.deep.equal([['failed', 'pull.incomplete', 2]]);
        const [study] = await studies();
        expect(study?.reason).to.contain('held=0').and.to.contain('instances=2');
      });

      it('does not believe a PACS that counts more than it has', async () => {
        const study = pacs.add(2);
        pacs.behave = (asked) => {
          if (asked.command === FIND && asked.identifier.string('QueryRetrieveLevel') === 'SERIES') {
            asked.pending({
              SeriesInstanceUID: study.series,
              NumberOfSeriesRelatedInstances: '5',
            });
            asked.end();
            return undefined;
          }
          return pacs.honest(asked);
        };
        const { run, held } = await start({ from: fromPacs(pacs, kind) });

        const only = await run();

        expect(only).to.include({ state: 'incomplete', failed: 1 });
        expect(await outcomes()).to.deep.equal([['failed', 'pull.incomplete', 2]]);
        expect(await held(study.uid)).to.have.length(2);
      });

      it('refuses what it did not ask for, and keeps its bytes in quarantine', async () => {
        const [asked, other] = [pacs.add(1), pacs.add(1, '20250101')];
        pacs.behave = async (what) => {
          if (what.command === FIND) await pacs.honest(what);
          else {
            if (what.command === MOVE) await pacs.send(what, other.instances);
            else for (const instance of other.instances) await what.store(instance);
            what.end(0, { completed: 1 });
          }
        };
        const { run, held, ledger } = await start({ from: fromPacs(pacs, kind) });

        await run();

        expect(await outcomes()).to.deep.equal([['failed', 'pull.incomplete', 2]]);
        expect([await held(asked.uid), await held(other.uid)]).to.deep.equal([[], []]);
        expect(pacs.sent).to.deep.equal([]);
        const rows = await waitFor('the quarantine', async () => {
          const entries = await ledger.quarantine.list({ limit: 10 });
          return entries.length > 0 ? entries : undefined;
        });
        expect(rows.map(({ reason, provenance }) => [reason, provenance?.source])).to.deep.include([
          'dataset.study-mismatch',
          PULL,
        ]);
      });

      it('gives up a PACS that says "pending" for ever', async () => {
        pacs.add(1);
        const timers: NodeJS.Timeout[] = [];
        pacs.behave = (asked) => {
          if (asked.command === FIND) return pacs.honest(asked);
          timers.push(setInterval(() => asked.pending(undefined, { remaining: 1, completed: 0 }), 20));
          return undefined;
        };
        const { run } = await start({ from: fromPacs(pacs, kind) });

        const only = await run();

        expect(only).to.include({ state: 'incomplete', failed: 1 });
        expect(await outcomes()).to.deep.equal([['failed', 'partner.timeout', 2]]);
        for (const timer of timers) clearInterval(timer);
      });
    });
  }

  it('takes what a PACS sends without saying for which move', async () => {
    const study = pacs.add(2);
    pacs.behave = async (asked) => {
      if (asked.command !== MOVE) {
        await pacs.honest(asked);
        return;
      }
      await pacs.send(asked, pacs.instancesOf(asked.identifier), { named: false });
      asked.end();
    };
    const { run, ledger, held } = await start({ from: fromPacs(pacs) });

    const only = await run();

    expect(only).to.include({ state: 'done', fetched: 1 });
    expect(await held(study.uid)).to.have.length(2);
    const [row] = await ledger.studies.list({ limit: 1 });
    expect(row?.source).to.equal(PULL);
  });

  it('takes nothing of a PACS that sends by itself and is no source', async () => {
    const study = pacs.add(1);
    const { held } = await start({ from: fromPacs(pacs) });

    const statuses = await pacs.send({ callingAeTitle: 'HUB', messageId: 1 }, study.instances);

    expect(statuses).to.deep.equal([0x0124]);
    expect(await held(study.uid)).to.deep.equal([]);
  });

  it('asks in parts what is too much for one answer: by days, then by hours', async () => {
    for (let day = 1; day <= 6; day += 1) pacs.add(1, `2026030${day}`);
    for (let hour = 0; hour < 8; hour += 1) pacs.add(1, '20260308', `0${hour}0000`);
    const { run, metrics } = await start({ from: fromPacs(pacs, 'c-get'), maxMatches: 3, concurrency: 4 });

    const only = await run();

    expect(only).to.include({ state: 'done', found: 14, fetched: 14, unanswered: 0 });
    expect(only.questions).to.be.greaterThan(4);
    expect(pacs.asked).to.include('CANCEL');
    expect(await metrics()).to.match(/hub_pull_questions_total\{pull="nightly",outcome="split"\} [4-9]/);
  });

  it('says so where even a minute is too much', async () => {
    for (let n = 0; n < 5; n += 1) pacs.add(1, '20260301', '120000');
    const { run } = await start({
      from: fromPacs(pacs),
      maxMatches: 2,
      query: { studyDate: { from: '20260301', to: '20260301' } },
    });

    const only = await run();

    expect(only).to.include({ state: 'incomplete', found: 0, unanswered: 1 });
  });

  it('is not kept for ever by an answer without end', async () => {
    const timers: NodeJS.Timeout[] = [];
    pacs.behave = (asked) => {
      const timer = setInterval(() => {
        for (let n = 0; n < 50; n += 1)
          if (asked.socket.writable) asked.pending({ StudyInstanceUID: `1.2.${timers.length}.${n}` });
      }, 1);
      timers.push(timer);
    };
    const { run } = await start({ from: fromPacs(pacs), maxMatches: 100 });

    const only = await run();

    expect(only).to.include({ state: 'incomplete', found: 0, unanswered: 1 });
    for (const timer of timers) clearInterval(timer);
  });

  it('gives up a question that is never answered', async () => {
    pacs.behave = () => undefined;
    const { run } = await start({ from: fromPacs(pacs) });

    const only = await run();

    expect(only).to.include({ state: 'incomplete', questions: 1, unanswered: 1, found: 0 });
  });

  it('leaves alone what does not match its own question, and says so of what has no valid Study Instance UID', async () => {
    const [wanted] = [pacs.add(1), pacs.add(1, '20200101')];
    pacs.behave = async (asked) => {
      if (asked.command !== FIND || asked.identifier.string('QueryRetrieveLevel') !== 'STUDY') {
        await pacs.honest(asked);
        return;
      }
      for (const { uid, date } of pacs.studies) asked.pending({ StudyInstanceUID: uid, StudyDate: date });
      asked.pending({ StudyInstanceUID: '../../etc/passwd' });
      asked.end();
    };
    const { run, studies } = await start({ from: fromPacs(pacs, 'c-get') });

    const only = await run();

    expect(only).to.include({ state: 'incomplete', found: 1, fetched: 1, answered: 0, unanswered: 1 });
    expect(only.reason).to.equal('A source found studies without a valid Study Instance UID (matches=1)');
    expect((await studies()).map(({ studyInstanceUid }) => studyInstanceUid)).to.deep.equal([wanted.uid]);
  });

  it('waits for a PACS that is down and counts nothing against it', async () => {
    const study = pacs.add(2);
    const { port } = pacs;
    await pacs.stop();
    const { ledger, held, metrics } = await start({ from: fromPacs({ port, aeTitle: 'PACS' }, 'c-get') });
    await ledger.pulls.request({ runId: 'run', pull: PULL, kind: 'manual' });
    await waitFor('it to notice', async () => (await metrics()).includes('state="source-down"} 1'));

    const back = await MadePacs.start();
    back.studies = [study];
    const other = back.port;
    expect(other).to.not.equal(port);
    await back.stop();
    await back.listen(port);

    await waitFor('the study', async () => (await held(study.uid)).length === 2);
    const [run] = await ledger.pulls.runs({ pull: PULL, limit: 1 });
    expect(run).to.include({ unanswered: 0, failed: 0 });
    await pulling?.stop();
    pulling = undefined;
    await back.stop();
    pacs = await MadePacs.start();
  });

  it('speaks TLS, shows its certificate, and says nothing to a source whose certificate it does not trust', async () => {
    const study = pacs.add(2);
    const authority = await makeAuthority(folder.path);
    const stranger = await makeAuthority(folder.path, 'stranger');
    const names = { names: 'IP:127.0.0.1' };
    const [own, ours] = [
      await authority.sign('pacs', '/CN=pacs', names),
      await authority.sign('hub', '/CN=hub', names),
    ];
    const front = await startTlsFront(pacs.port, own, authority);
    const fromWith = async (ca: string): Promise<PullFrom> => {
      const [trusted, cert, key] = await Promise.all([ca, ours.certificate, ours.key].map((file) => readFile(file)));
      const { peer } = fromPacs(pacs, 'c-get') as Extract<PullFrom, { kind: 'c-get' }>;
      return {
        kind: 'c-get',
        peer: () => ({ ...peer(), port: front.port, tls: { ...{ ca: trusted, cert, key } } }),
      };
    };
    try {
      const { ledger } = await start({ from: await fromWith(stranger.certificate) });
      await ledger.pulls.request({ runId: 'run', pull: PULL, kind: 'manual' });
      await waitFor('it to be refused', async () => (await pulling?.metrics())?.includes('state="source-down"} 1'));
      const askedBefore = [...pacs.asked];
      await pulling?.stop();

      const { run, held } = await start({ from: await fromWith(authority.certificate) });
      const only = await run();

      expect(askedBefore).to.deep.equal([]);
      expect(only).to.include({ state: 'done', fetched: 1, instances: 2 });
      expect(await held(study.uid)).to.have.length(2);
      expect(new Set(front.clients)).to.deep.equal(new Set(['hub']));
    } finally {
      await front.stop();
    }
  });

  it('drops what it is fetching when it is cancelled', async () => {
    pacs.add(1);
    pacs.behave = (asked) => (asked.command === GET ? undefined : pacs.honest(asked));
    const { ledger } = await start({
      from: fromPacs(pacs, 'c-get'),
      timeouts: { answerMs: 500, stallMs: 20_000, settleMs: 300 },
    });
    await ledger.pulls.request({ runId: 'run', pull: PULL, kind: 'manual' });
    await waitFor('it to ask', () => pacs.asked.includes('GET STUDY'));

    await ledger.pulls.cancel(PULL);

    await waitFor('it to let go', async () => (await outcomes())[0]?.[0] === 'cancelled');
    const [run] = await ledger.pulls.runs({ pull: PULL, limit: 1 });
    expect(run?.state).to.equal('cancelled');
  });
});
