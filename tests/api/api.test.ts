import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { ApiPorts } from '../../api/ports.ts';
import { DEFAULT_QUOTAS } from '../../core/partners.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import {
  completeStudy,
  heldRun,
  inbox,
  received,
  record,
  releasedItem,
  startRun,
  STUDY,
  TestClock,
} from '../contracts/ledger-facts.ts';
import { type Json, type RunningApi, startApi } from '../support/running-api.ts';

const CATALOGUE: ReturnType<ApiPorts['catalogue']> = {
  configVersion: 'abc',
  routes: [
    {
      name: 'rat-brain',
      enabled: true,
      when: { source: 'pv-7t' },
      process: [{ processor: 'deidentify', argument: 'kct' }],
      deliver: ['kct-pacs'],
      perSeries: false,
    },
  ],
  partners: [{ name: 'kct', entitlements: {}, quotas: DEFAULT_QUOTAS, webhookHosts: [] }],
  destinations: [{ name: 'kct-pacs', partner: 'kct' }, { name: 'own' }],
  policies: [{ name: 'kct', partner: 'kct' }],
};

const DOORS: NonNullable<ApiPorts['doors']> = {
  sources: () => [{ name: 'pv-7t', lastSeenAt: new Date('2026-03-01T03:00:00Z') }, { name: 'silent' }],
  refusals: () => [
    {
      address: '10.1.2.9',
      callingAeTitle: 'PV7T',
      calledAeTitle: 'HUB',
      why: 'calling AE title',
      count: 3,
      firstAt: new Date('2026-03-01T02:00:00Z'),
      lastAt: new Date('2026-03-01T03:00:00Z'),
    },
  ],
};

describe('the administration API', () => {
  let clock: TestClock;
  let api: RunningApi;
  let ledger: Ledger;
  let admin: Readonly<Record<string, string>>;

  beforeEach(async () => {
    clock = new TestClock();
    api = await startApi({ clock, doors: DOORS, catalogue: () => CATALOGUE });
    ({ ledger, admin } = api);
  });
  afterEach(() => api.stop());

  const call = (method: string, path: string, headers = admin, body?: unknown) =>
    api.call(method, path, { headers, body });
  const items = ({ body }: { readonly body: Json }) => body['items'] as readonly Json[];
  /** A processed run with a delivery that failed for good. */
  const deadLetter = async (): Promise<{ readonly run: NewRun; readonly deliveryId: string }> => {
    await completeStudy(ledger, clock);
    const run = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [releasedItem(1)], events: [] });
    const deliveryId = randomUUID();
    await ledger.deliveries.open(inbox('connectors'), [
      { deliveryId, runId: run.runId, destination: 'kct-pacs', partner: 'kct', releasedStudyInstanceUid: '2.25.1' },
    ]);
    const [leased] = await ledger.deliveries.claim('dispatcher', 60_000, clock.now(), { 'kct-pacs': 1 });
    await ledger.deliveries.fail(
      deliveryId,
      leased?.fence ?? 0,
      {
        attempt: 1,
        startedAt: clock.now().toISOString(),
        durationMs: 5,
        outcome: 'failed',
        code: 'partner.refused',
        retry: 'permanent',
        detail: 'no',
      },
      [],
      undefined,
      [],
    );
    return { run, deliveryId };
  };
  const hold = async (runId?: string) => {
    const quarantineId = randomUUID();
    await ledger.quarantine.hold({
      quarantineId,
      stage: runId === undefined ? 'gateway' : 'processors',
      reason: 'dataset.unreadable',
      detail: 'cut off',
      ...(runId === undefined ? {} : { runId, studyInstanceUid: STUDY }),
      items: [{ blob: releasedItem(1).blob, sizeBytes: 500, sopInstanceUid: '1.2.3' }],
      holdsStudy: false,
    });
    return quarantineId;
  };
  const audits = async () =>
    items(await call('GET', '/audit')).map(({ action, subject, role, outcome }) => [action, subject, role, outcome]);

  it('lists studies page by page and shows one with all that happened to it', async () => {
    const { run, deliveryId } = await deadLetter();

    const list = await call('GET', '/studies?limit=1');
    const next = await call('GET', `/studies?limit=1&before=${String(list.body['cursor'])}`);
    const { body } = await call('GET', `/studies/${STUDY}`);

    expect(items(list)).to.have.length(1);
    expect([items(next), next.body['cursor']]).to.deep.equal([[], undefined]);
    expect(items(list)[0]).to.include({ studyInstanceUid: STUDY, instances: 2, revision: 1, held: false });
    expect(body['series']).to.deep.equal([
      { seriesInstanceUid: `${STUDY}.1`, instances: 2, modality: 'MR', door: 'dimse', source: 'pv-7t' },
    ]);
    expect(
      (body['runs'] as readonly Json[]).map(({ runId, route, items: count }) => [runId, route, count]),
    ).to.deep.equal([[run.runId, 'rat-brain', 1]]);
    expect((body['deliveries'] as readonly Json[]).map((each) => each['deliveryId'])).to.deep.equal([deliveryId]);
    expect((body['timeline'] as readonly Json[]).map(({ what }) => what)).to.include.members([
      'series.received',
      'study.completed',
      'delivery.attempted',
    ]);
    // References to bytes and the patient's digest stay inside.
    expect(JSON.stringify(body)).not.to.contain('spool/').and.not.to.contain('patientDigest');
  });

  it('completes a study that somebody does not want to wait for, once', async () => {
    await record(ledger, received(1));

    const answers = [
      await call('POST', `/studies/${STUDY}/complete`),
      await call('POST', `/studies/${STUDY}/complete`),
    ];

    expect(answers.map(({ body }) => body)).to.deep.equal([{ completed: true }, { completed: false }]);
    expect((await ledger.studies.get(STUDY))?.revision).to.equal(1);
    expect((await call('POST', '/studies/1.2.3/complete')).status).to.equal(404);
  });

  it('gives up a dead letter for good, and tells so in the timeline and the audit', async () => {
    const { deliveryId } = await deadLetter();
    const cancel = `/dead-letters/${deliveryId}/cancel`;

    const cancelled = await call('POST', cancel);
    const later = [await call('POST', cancel), await call('POST', `/deliveries/${deliveryId}/replay`)];

    expect([cancelled.status, cancelled.body]).to.deep.equal([200, { deliveryId, state: 'cancelled' }]);
    expect(later.map(({ status }) => status)).to.deep.equal([404, 409]);
    expect(items(await call('GET', '/dead-letters'))).to.deep.equal([]);
    expect((await ledger.studies.timeline(STUDY)).at(-1)).to.deep.include({ what: 'delivery.cancelled' });
    expect(await audits()).to.deep.include(['dead-letter.cancel', deliveryId, 'admin', 'done']);
  });

  it('shows dead letters with every attempt, and sends one out again', async () => {
    const { deliveryId } = await deadLetter();

    const list = await call('GET', '/dead-letters?destination=kct-pacs');
    const shown = await call('GET', `/dead-letters/${deliveryId}`);
    const replayed = await call('POST', `/dead-letters/${deliveryId}/replay`);
    const again = await call('POST', `/dead-letters/${deliveryId}/replay`);

    expect(items(list).map((each) => [each['deliveryId'], each['reason']])).to.deep.equal([[deliveryId, 'no']]);
    expect((shown.body['history'] as readonly Json[]).map(({ code }) => code)).to.deep.equal(['partner.refused']);
    expect([replayed.status, replayed.body]).to.deep.equal([202, { deliveryId, state: 'pending' }]);
    expect(again.status).to.equal(404);
    expect((await ledger.deliveries.get(deliveryId))?.state).to.equal('pending');
    expect(items(await call('GET', '/dead-letters'))).to.deep.equal([]);
    expect(items(await call('GET', '/deliveries?state=pending'))).to.have.length(1);
  });

  it('does not replay a delivery that is under way', async () => {
    const { deliveryId } = await deadLetter();
    await call('POST', `/deliveries/${deliveryId}/replay`);

    const { status, body } = await call('POST', `/deliveries/${deliveryId}/replay`);

    expect([status, body['type']]).to.deep.equal([409, 'urn:hub:error:resource.conflict']);
  });

  it('replays a run', async () => {
    const { run } = await deadLetter();

    const { status, body } = await call('POST', `/runs/${run.runId}/replay`);

    expect(status).to.equal(202);
    expect((await call('GET', `/runs/${String(body['runId'])}`)).body).to.include({
      route: 'rat-brain',
      studyInstanceUid: STUDY,
    });
    expect((await call('POST', `/runs/${randomUUID()}/replay`)).status).to.equal(404);
  });

  it('replays a study by each route that took its newest revision, once nothing of it is under way', async () => {
    const replay = () => call('POST', `/studies/${STUDY}/replay`);
    const { run } = await deadLetter();

    const { status, body } = await replay();

    const runIds = body['runIds'] as readonly string[];
    expect([status, runIds.length]).to.deep.equal([202, 1]);
    const runs = (await call('GET', `/studies/${STUDY}`)).body['runs'] as readonly Json[];
    expect(runs.map(({ runId }) => runId)).to.have.members([run.runId, ...runIds]);
    const again = await replay();
    expect([again.status, again.body['detail']]).to.deep.equal([
      409,
      'it is being worked on: wait until that has ended',
    ]);
    expect((await call('POST', '/studies/1.2.3/replay')).status).to.equal(404);
  });

  it('does not replay a study of which a run is in quarantine', async () => {
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    await ledger.runs.quarantine(job?.jobId ?? '', job?.fence ?? 0, heldRun(run));
    const held = await call('POST', `/studies/${STUDY}/replay`);

    expect([held.status, held.body['detail']]).to.deep.equal([
      409,
      'a run of it is in quarantine: replay the quarantine entry',
    ]);
  });

  it('releases what is held at the door, and does a held run again', async () => {
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const [atTheDoor, ofARun] = [await hold(), await hold(run.runId)];

    const answers = [
      await call('GET', `/quarantine/${atTheDoor}`),
      await call('POST', `/quarantine/${atTheDoor}/replay`),
      await call('POST', `/quarantine/${atTheDoor}/release`),
      await call('POST', `/quarantine/${atTheDoor}/release`),
      await call('POST', `/quarantine/${ofARun}/replay`),
    ];

    expect(answers[0]?.body)
      .to.include({ reason: 'dataset.unreadable', instances: 1, sizeBytes: 500, state: 'held' })
      .and.not.to.have.property('items');
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 409, 200, 409, 200]);
    expect([answers[2]?.body['state'], answers[4]?.body['state']]).to.deep.equal(['released', 'replayed']);
    expect(items(await call('GET', '/quarantine?state=held'))).to.deep.equal([]);
  });

  it('lets a held run go on all the same: once, with a reason, noted by whom', async () => {
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    const entry = heldRun(run, { reason: 'quality.failed' });
    await ledger.runs.quarantine(job?.jobId ?? '', job?.fence ?? 0, entry, { items: [releasedItem(1)], events: [] });
    const unsafe = await hold(run.runId);
    const override = (quarantineId: string, body: object) =>
      call('POST', `/quarantine/${quarantineId}/override`, admin, body);

    const answers = [
      await override(entry.quarantineId, {}),
      await override(entry.quarantineId, { reason: 'because I say so' }),
      await override(unsafe, { reason: 'test' }),
      await override(entry.quarantineId, { reason: 'limit-does-not-fit', note: 'the coil is new' }),
      await override(entry.quarantineId, { reason: 'limit-does-not-fit' }),
      await override(randomUUID(), { reason: 'test' }),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([400, 400, 409, 200, 200, 404]);
    expect(answers[3]?.body).to.deep.equal({ quarantineId: entry.quarantineId, state: 'released' });
    const shown = (await call('GET', `/quarantine/${entry.quarantineId}`)).body;
    expect(shown['override']).to.include({ reason: 'limit-does-not-fit', role: 'admin', note: 'the coil is new' });
    expect(shown).not.to.have.property('isOverridable');
    expect(await audits()).to.deep.include(['quarantine.override', entry.quarantineId, 'admin', 'done']);
    expect((await call('GET', `/runs/${run.runId}`)).body).to.include({ state: 'running', nextStep: 1 });
  });

  it('makes, lists and revokes tokens, and shows a secret only once', async () => {
    const created = await call('POST', '/tokens', admin, { role: 'partner', partner: 'kct' });
    const text = String(created.body['token']);
    const list = await call('GET', '/tokens');
    const headers = { Authorization: `Bearer ${text}` };

    const before = await call('GET', '/studies', headers);
    const revoked = await call('DELETE', `/tokens/${String(created.body['tokenId'])}`);
    const after = await call('GET', '/studies', headers);

    expect([created.status, created.body['role'], created.body['partner']]).to.deep.equal([201, 'partner', 'kct']);
    expect(JSON.stringify(list.body)).not.to.contain(text);
    expect([before.status, revoked.status, after.status]).to.deep.equal([403, 200, 401]);
  });

  it('says every mistake of a request at once', async () => {
    const wrong = [
      await call('POST', '/tokens', admin, { role: 'partner' }),
      await call('POST', '/tokens', admin, { role: 'king', colour: 'red' }),
      await call('POST', '/tokens', admin, { role: 'partner', partner: 'nobody' }),
      await call('POST', '/tokens', admin, { role: 'operator', partner: 'kct' }),
      await call('GET', '/studies?limit=0&state=lost'),
      await call('GET', '/studies/not-a-uid'),
      await call('GET', '/deliveries/7'),
    ];

    expect(wrong.map(({ status }) => status)).to.deep.equal(wrong.map(() => 400));
    expect(wrong[4]?.body['issues']).to.have.length(2);
    expect(wrong[0]?.body['detail']).to.equal('body.partner: role partner needs a partner, and only it');
  });

  it('refuses what it does not know in a query, and says what it knows', async () => {
    const wrong = [
      await call('GET', '/studies?limt=1'),
      await call('GET', '/dead-letters/count?destinaton=kct-pacs&limit=1'),
      await call('GET', '/routes?limit=1'),
      await call('GET', `/studies?${Array.from({ length: 100 }, (_, index) => `x${String(index)}=1`).join('&')}`),
    ];

    expect(wrong.map(({ status }) => status)).to.deep.equal([400, 400, 400, 400]);
    expect(wrong[0]?.body['issues']).to.deep.equal([
      'query.limt: not known, known are before, limit, state; did you mean limit?',
    ]);
    expect(wrong[1]?.body['detail']).to.contain('did you mean destination?').and.to.contain('query.limit: not known');
    expect(wrong[2]?.body['detail']).to.equal('query.limit: not known, nothing is taken here');
    expect(wrong[3]?.body['issues']).to.have.length(5);
  });

  it('lists tokens in pages', async () => {
    const made = [];
    for (let index = 0; index < 3; index += 1) {
      made.push(String((await call('POST', '/tokens', admin, { role: 'auditor' })).body['tokenId']));
    }

    const first = await call('GET', '/tokens?limit=2');
    const second = await call('GET', `/tokens?limit=2&before=${String(first.body['cursor'])}`);

    const listed = [...items(first), ...items(second)].map(({ tokenId }) => String(tokenId));
    expect(items(first)).to.have.length(2);
    expect(listed).to.include.members(made);
    expect(new Set(listed).size).to.equal(listed.length);
  });

  it('answers a method that a path has not got with those it has', async () => {
    const asked = await Promise.all(
      [
        ['DELETE', '/api/v1/studies'],
        ['PUT', '/api/v1/tokens'],
        ['PATCH', '/api/v1/studies/1.2.3'],
        ['POST', '/api/v1/openapi.json'],
        ['POST', '/health/live'],
        ['DELETE', '/metrics'],
        ['PUT', '/schemas/hub.study.completed.v1.json'],
        ['OPTIONS', '/api/v1/tokens'],
        ['OPTIONS', '/metrics'],
      ].map(([method, path]) => fetch(`${api.http.url}${path ?? ''}`, { method: method ?? '', headers: admin })),
    );
    const [refused] = asked;

    expect(asked.map(({ status, headers }) => `${status} ${headers.get('allow') ?? ''}`)).to.deep.equal([
      '405 GET, HEAD, OPTIONS',
      '405 GET, HEAD, OPTIONS, POST',
      '405 GET, HEAD, OPTIONS',
      '405 GET, HEAD, OPTIONS',
      '405 GET, HEAD, OPTIONS',
      '405 GET, HEAD, OPTIONS',
      '405 GET, HEAD, OPTIONS',
      '204 GET, HEAD, OPTIONS, POST',
      '204 GET, HEAD, OPTIONS',
    ]);
    expect(await refused?.json()).to.include({ type: 'urn:hub:error:request.method', status: 405 });
  });

  it('does not tell somebody without a token which methods a path has', async () => {
    const asked = await fetch(`${api.http.url}/api/v1/studies`, { method: 'DELETE' });

    expect([asked.status, asked.headers.get('allow')]).to.deep.equal([401, null]);
  });

  it('takes JSON and says so to whoever sends anything else', async () => {
    const send = (body: string, type?: string) =>
      fetch(`${api.http.url}/api/v1/tokens`, {
        method: 'POST',
        headers: { ...admin, ...(type === undefined ? {} : { 'Content-Type': type }) },
        body,
      });

    const answers = [
      await send('role=auditor', 'application/x-www-form-urlencoded'),
      await send('{"role":"auditor"}', 'text/plain'),
      await send('{"role":"auditor"}', 'application/json; charset=utf-8'),
      await send('', 'application/json'),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([415, 415, 201, 400]);
  });

  it('makes no token that has ended already', async () => {
    const expiresAt = new Date(clock.now().getTime() - 1000).toISOString();

    const { status, body } = await call('POST', '/tokens', admin, { role: 'auditor', expiresAt });

    expect([status, body['detail']]).to.deep.equal([400, 'body.expiresAt: that time is over']);
  });

  it('shows routes and partners as configured', async () => {
    const [routes, partners] = [await call('GET', '/routes'), await call('GET', '/partners')];

    expect(routes.body).to.deep.equal({ configVersion: 'abc', items: CATALOGUE.routes });
    expect(items(partners).map(({ name, destinations, policies }) => ({ name, destinations, policies }))).to.deep.equal(
      [{ name: 'kct', destinations: ['kct-pacs'], policies: ['kct'] }],
    );
  });

  it("shows the hub's own events in order", async () => {
    await deadLetter();

    const first = await call('GET', '/events?limit=2');
    const rest = await call('GET', `/events?after=${String(first.body['cursor'])}&types=hub.study.completed.v1`);

    expect([items(first).length, first.body['hasMore']]).to.deep.equal([2, true]);
    expect(items(rest).map(({ type }) => type)).to.deep.equal(['hub.study.completed.v1']);
  });

  it('tells when each source was last seen, and admins alone whom the doors turned away', async () => {
    const [sources, refusals, asOperator] = [
      await call('GET', '/sources'),
      await call('GET', '/refusals'),
      await call('GET', '/refusals', await api.http.as('operator')),
    ];

    expect(items(sources)).to.deep.equal([
      { name: 'pv-7t', lastSeenAt: '2026-03-01T03:00:00.000Z' },
      { name: 'silent' },
    ]);
    expect(items(refusals)).to.deep.equal([
      {
        address: '10.1.2.9',
        callingAeTitle: 'PV7T',
        calledAeTitle: 'HUB',
        why: 'calling AE title',
        count: 3,
        firstAt: '2026-03-01T02:00:00.000Z',
        lastAt: '2026-03-01T03:00:00.000Z',
      },
    ]);
    expect(asOperator.status).to.equal(403);
  });

  it('lets auditors read, operators change and only admins deal with tokens; and writes down who did what', async () => {
    const { deliveryId } = await deadLetter();
    const [operator, auditor] = [await api.http.as('operator'), await api.http.as('auditor')];
    const replay = `/dead-letters/${deliveryId}/replay`;

    const statuses = [
      (await call('GET', '/studies', auditor)).status,
      (await call('POST', replay, auditor)).status,
      (await call('GET', '/tokens', operator)).status,
      (await call('POST', '/tokens', operator, { role: 'admin' })).status,
      (await call('POST', replay, operator)).status,
      (await call('POST', replay, operator)).status,
      (await call('GET', '/studies', await api.http.as('partner', 'kct'))).status,
      (await call('GET', '/studies', {})).status,
    ];

    expect(statuses).to.deep.equal([200, 403, 403, 403, 202, 404, 403, 401]);
    expect(await audits()).to.deep.equal([
      ['dead-letter.replay', deliveryId, 'auditor', 'refused'],
      ['token.create', '/tokens', 'operator', 'refused'],
      ['dead-letter.replay', deliveryId, 'operator', 'done'],
      ['dead-letter.replay', deliveryId, 'operator', 'refused'],
    ]);
  });
});
