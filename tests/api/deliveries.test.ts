import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Hold } from '../../core/destination-hold.ts';
import { deliveryIdOf } from '../../core/delivery-id.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import { completeStudy, inbox, releasedItem, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { type Json, type RunningApi, startApi } from '../support/running-api.ts';

const DESTINATIONS = [{ name: 'kct-pacs', partner: 'kct' }, { name: 'uef-pacs', partner: 'uef' }, { name: 'own' }];

describe('the administration API on deliveries', () => {
  let clock: TestClock;
  let api: RunningApi;
  let ledger: Ledger;
  let admin: Readonly<Record<string, string>>;

  beforeEach(async () => {
    clock = new TestClock();
    const others = { configVersion: 'abc', routes: [], partners: [], policies: [] };
    api = await startApi({ clock, catalogue: () => ({ ...others, destinations: DESTINATIONS }) });
    ({ ledger, admin } = api);
  });
  afterEach(() => api.stop());

  const call = (method: string, path: string, body?: unknown, headers = admin) =>
    api.call(method, path, { headers, body });
  const processedRun = async (): Promise<NewRun> => {
    if ((await ledger.studies.get(STUDY)) === undefined) await completeStudy(ledger, clock);
    const run = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [releasedItem(1)], events: [] });
    return run;
  };
  const opened = async (destination: string): Promise<string> => {
    const run = await processedRun();
    const deliveryId = deliveryIdOf(run.runId, destination);
    await ledger.deliveries.open(inbox('connectors'), [
      { deliveryId, runId: run.runId, destination, releasedStudyInstanceUid: '2.25.1' },
    ]);
    return deliveryId;
  };
  const died = async (destination: string, code = 'partner.refused'): Promise<string> => {
    const deliveryId = await opened(destination);
    const [leased] = await ledger.deliveries.claim('dispatcher', 60_000, clock.now(), { [destination]: 9 });
    const attempt = {
      attempt: 1,
      startedAt: clock.now().toISOString(),
      durationMs: 5,
      outcome: 'failed',
      code,
    } as const;
    await ledger.deliveries.fail(deliveryId, leased?.fence ?? 0, attempt, [], undefined, []);
    return deliveryId;
  };
  const audited = async () =>
    (await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 100 })).map(({ data }) => data);

  it('says of what waits, and of nothing else, why nothing goes to its destination now, and when it goes', async () => {
    const opens = new Date(clock.now().getTime() + 3_600_000);
    const holds: Readonly<Record<string, readonly Hold[]>> = {
      'kct-pacs': [{ what: 'send-window', until: opens }],
      'uef-pacs': [
        { what: 'send-window', until: opens },
        { what: 'partner-suspended', partner: 'uef' },
      ],
      own: [{ what: 'breaker', until: opens, reason: 'partner.unreachable' }],
    };
    const others = { configVersion: 'abc', routes: [], partners: [], policies: [] };
    await api.stop();
    api = await startApi({
      ...{ clock, catalogue: () => ({ ...others, destinations: DESTINATIONS }) },
      holds: (name) => Promise.resolve(holds[name] ?? []),
    });
    ({ ledger, admin } = api);
    const dead = await died('kct-pacs');
    const [window, suspended] = [await opened('kct-pacs'), await opened('uef-pacs')];
    const [broken, free] = [await opened('own'), await opened('elsewhere')];

    const { body } = await call('GET', '/deliveries');
    const one = await call('GET', `/deliveries/${suspended}`);

    const shown = new Map((body['items'] as readonly Json[]).map((row) => [row['deliveryId'], row]));
    const seen = [dead, window, suspended, broken, free].map((id) => [
      shown.get(id)?.['dueAt'],
      shown.get(id)?.['waitingFor'],
    ]);
    const until = opens.toISOString().replace(/\.\d+Z$/, 'Z');
    const why = [`its send window, which opens at ${until}`, 'partner uef, which is suspended'];
    expect(seen).to.deep.equal([
      [undefined, undefined],
      [opens.toISOString(), why.slice(0, 1)],
      [undefined, why],
      [opens.toISOString(), [`its destination, which failed (partner.unreachable) and is tried again at ${until}`]],
      [clock.now().toISOString(), undefined],
    ]);
    expect([one.body['dueAt'], one.body['waitingFor']]).to.deep.equal([undefined, why]);
  });

  it('counts and replays the dead letters that match, and no others, and says so in the audit', async () => {
    const refused = await died('kct-pacs');
    await died('kct-pacs', 'partner.rejected-instances');
    await died('own');

    const counts = await Promise.all(
      ['', '?destination=kct-pacs', '?destination=kct-pacs&reason=partner.refused'].map((query) =>
        call('GET', `/dead-letters/count${query}`),
      ),
    );
    const { status, body } = await call('POST', '/dead-letters/bulk', {
      ...{ action: 'replay', destination: 'kct-pacs', reason: 'partner.refused' },
    });

    expect(counts.map(({ body: { count } }) => count)).to.deep.equal([3, 2, 1]);
    expect([status, body]).to.deep.equal([
      200,
      {
        action: 'replay',
        filter: 'destination=kct-pacs reason=partner.refused state=dead',
        ...{ done: 1, skipped: 0, deliveryIds: [refused] },
      },
    ]);
    expect((await audited()).at(-1)).to.include({
      action: 'dead-letters.bulk',
      subject: 'replay 1 (destination=kct-pacs reason=partner.refused state=dead)',
    });
    expect(await ledger.deliveries.count({ state: 'dead' }, 9)).to.equal(2);
  });

  it('does a bounded number in one call, and the rest from the cursor on', async () => {
    for (let each = 0; each < 3; each += 1) await died('own');

    const first = await call('POST', '/dead-letters/bulk', { action: 'discard', limit: 2 });
    const second = await call('POST', '/dead-letters/bulk', {
      action: 'discard',
      limit: 2,
      before: first.body['cursor'],
    });
    const tooMany = await call('POST', '/dead-letters/bulk', { action: 'discard', limit: 501 });

    expect([first.body['done'], second.body['done'], second.body['cursor'], tooMany.status]).to.deep.equal([
      ...[2, 1, undefined, 400],
    ]);
  });

  it('sends nothing twice by a filter that does not name what has succeeded', async () => {
    await died('own');

    const replay = await call('POST', '/deliveries/bulk', { action: 'replay', destination: 'own' });
    const reason = await call('GET', '/deliveries/count?reason=because');

    expect([replay.status, reason.status]).to.deep.equal([400, 400]);
  });

  it('tries what waits now, gives it up, and refuses both for what has ended', async () => {
    const deliveryId = await opened('own');

    const answers = [
      await call('POST', `/deliveries/${deliveryId}/retry`),
      await call('POST', `/deliveries/${deliveryId}/cancel`),
      await call('POST', `/deliveries/${deliveryId}/retry`),
      await call('POST', `/deliveries/${deliveryId}/cancel`),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([202, 200, 409, 409]);
  });

  it('shows how each destination does', async () => {
    await died('kct-pacs');
    await opened('gone');

    const { body } = await call('GET', '/destinations');

    expect(body['items']).to.deep.include.members([
      {
        ...{ name: 'kct-pacs', partner: 'kct', configured: true, pending: 0, deadLetters: 1 },
        breaker: { state: 'closed', failures: 0 },
      },
      {
        ...{ name: 'gone', configured: false, pending: 1, deadLetters: 0 },
        breaker: { state: 'closed', failures: 0 },
      },
    ]);
  });

  describe('replaying a study', () => {
    const replay = (body: Json, headers = admin) => call('POST', `/studies/${STUDY}/replay`, body, headers);

    it('has the routes decide again on one that none had taken', async () => {
      await completeStudy(ledger, clock);

      const { status, body } = await replay({});

      expect([status, body]).to.deep.equal([202, { stage: 'received', runIds: [], deliveryIds: [], isRouted: true }]);
      const completed = (await ledger.events.read({ streams: ['hub.ingest.v1'], after: 0, limit: 100 })).filter(
        ({ type }) => type === 'study.completed',
      );
      expect(completed.map(({ data }) => data)).to.have.length(2);
      expect(completed[1]?.data).to.include({ studyInstanceUid: STUDY, revision: 1, instances: 2, signal: 'manual' });
    });

    it('sends what was made of it to a destination that its route does not name', async () => {
      const run = await processedRun();

      const { status, body } = await replay({ to: 'own', fromStage: 'processed' });

      const deliveryId = deliveryIdOf(run.runId, 'own');
      expect([status, body['deliveryIds']]).to.deep.equal([202, [deliveryId]]);
      expect(await ledger.deliveries.get(deliveryId)).to.include({
        ...{ destination: 'own', state: 'pending', releasedStudyInstanceUid: '2.25.1' },
      });
      expect((await replay({ to: 'own' })).status).to.equal(409);
    });

    it('sends nothing to a partner for whom nothing was released, nor to whom nobody knows', async () => {
      await processedRun();

      const answers = [await replay({ to: 'uef-pacs' }), await replay({ to: 'nowhere' })];

      expect(answers.map(({ status }) => status)).to.deep.equal([409, 404]);
      expect(await ledger.deliveries.list({ limit: 9 })).to.deep.equal([]);
    });

    it('has results of the routes of now go to one destination alone', async () => {
      await processedRun();

      const { body } = await replay({ to: 'own', fromStage: 'received' });

      expect(body).to.include({ isRouted: true });
      const [last] = (await ledger.events.read({ streams: ['hub.ingest.v1'], after: 0, limit: 100 })).slice(-1);
      expect(last?.data).to.deep.include({ replayTo: ['own'] });
    });

    it('lets only an administrator name the destination', async () => {
      await processedRun();
      const operator = await api.http.as('operator');

      const answers = [await replay({ to: 'own' }, operator), await replay({ fromStage: 'received' }, operator)];

      expect(answers.map(({ status }) => status)).to.deep.equal([403, 202]);
    });

    it('refuses a study that is still being received, and one that is not there', async () => {
      const unknown = await call('POST', `/studies/1.2.3/replay`, {});

      expect(unknown.status).to.equal(404);
    });
  });

  it('names each thing that may be asked of it', async () => {
    const answers = [
      await call('POST', `/deliveries/${randomUUID()}/retry`),
      await call('POST', `/dead-letters/${randomUUID()}/discard`),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([404, 404]);
  });
});
