import { expect } from 'chai';
import { randomBytes, randomUUID } from 'node:crypto';
import { createCursors } from '../../../connectors/feed/cursor.ts';
import { createPlaces } from '../../../connectors/feed/places.ts';
import { readHeader } from '../../../core/dicom/part10.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import {
  DEFAULT_QUOTAS,
  narrowed,
  PARTNER_SCOPES,
  type PartnerGrant,
  type PartnerSettings,
} from '../../../core/partners.ts';
import { grantOnly } from '../../support/grants.ts';
import { type Auth, type PartnerHub, partnerSettings, startPartnerHub } from '../../support/partner-hub.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

type Json = Readonly<Record<string, unknown>>;

describe('the partner API', () => {
  let hub: PartnerHub;
  let kct: Auth;

  const start = async (changes: Partial<PartnerSettings> = {}) => {
    hub = await startPartnerHub([partnerSettings('kct', changes), partnerSettings('uef')], { heartbeatMs: 100 });
    kct = await hub.as('kct');
  };
  afterEach(() => hub.stop());

  const events = async (query = '') => {
    const { status, json } = await hub.call(kct, 'GET', `/events${query}`);
    expect(status, JSON.stringify(json)).to.equal(200);
    return json['events'] as readonly { subject: string; time: string; type: string }[];
  };
  const feedHas = (count: number) => waitFor(`${String(count)} events`, async () => (await events()).length === count);

  describe('shows a partner to itself', () => {
    it('says who it is, what it may have, and what its token may do', async () => {
      await start({ expiresAtMs: Date.parse('2999-01-01T00:00:00Z'), entitlements: { types: ['study.processed'] } });
      const reader = await hub.as('kct', ['feed:read']);

      const { status, json } = await hub.call(reader, 'GET', '/account');

      expect(status).to.equal(200);
      expect(json).to.deep.include({
        partner: 'kct',
        hub: 'savilahti',
        expiresAt: '2999-01-01T00:00:00.000Z',
        entitlements: { types: ['hub.study.processed.v1'] },
      });
      expect(json['token']).to.deep.include({ scopes: ['feed:read'] });
    });

    it('lists what was released to it, and gives the bytes of it', async () => {
      await start();
      const one = await hub.release('kct');
      await hub.release('uef');
      const two = await hub.release('kct');

      const { json } = await hub.call(kct, 'GET', '/studies?limit=1');
      const next = await hub.call(kct, 'GET', `/studies?limit=1&before=${String(json['cursor'])}`);
      const retrieved = await fetch(
        `${hub.http.url}/partner/v1/studies/${one.studyInstanceUid}/series/${one.seriesInstanceUid}/instances/${one.sopInstanceUid}`,
        { headers: { ...kct, Accept: 'application/dicom' } },
      );

      const uids = [json, next.json].map((page) => (page['items'] as readonly Json[])[0]?.['studyInstanceUid']);
      expect(uids).to.deep.equal([two.studyInstanceUid, one.studyInstanceUid]);
      expect(next.json).not.to.have.property('cursor');
      expect(retrieved.status).to.equal(200);
      const { dataSet } = await readHeader(bytesAsSource(new Uint8Array(await retrieved.arrayBuffer())));
      expect(dataSet.string('StudyInstanceUID')).to.equal(one.studyInstanceUid);
    });

    it('says by no place in a list how much is released to others', async () => {
      await start();
      const cursorOf = async () => (await hub.call(kct, 'GET', '/studies?limit=1')).json['cursor'] as string;
      const place = async (before: string) => (await hub.call(kct, 'GET', `/studies?before=${before}`)).status;
      await hub.release('kct');
      await hub.release('kct');
      const first = await cursorOf();
      await hub.release('uef');
      await hub.release('kct');
      const feed = String((await hub.call(kct, 'GET', '/events')).json['cursor']);
      const theirs = await hub.release('uef').then(() => hub.as('uef'));

      const cursors = [first, await cursorOf()];

      for (const cursor of cursors) expect(cursor).to.match(/^[A-Za-z0-9_-]{22}$/);
      // What a number is encrypted in says neither the number nor which of two is greater.
      expect(new Set(cursors).size).to.equal(2);
      expect([await place(first), await place('3'), await place(feed)]).to.deep.equal([200, 400, 400]);
      expect((await hub.call(theirs, 'GET', `/studies?before=${first}`)).status).to.equal(400);
    });

    it('gives each instance once, of the newest run that has it', async () => {
      await start();
      const first = await hub.release('kct');
      const second = await hub.release('kct');
      // The second run's results are of the first one's study too, as those of a later revision are.
      const run = await hub.ledger.runs.get(second.runId);
      const [item] = run?.items ?? [];
      if (item === undefined) throw new Error('the run has no item');
      const metadata = async () =>
        (await fetch(`${hub.http.url}/partner/v1/studies/${first.studyInstanceUid}/metadata`, {
          headers: kct,
        }).then((answer) => answer.json())) as readonly Json[];

      await hub.ledger.partners.project({ group: 'x', eventId: 'x' }, [], {
        ...{ partner: 'kct', studyInstanceUid: first.studyInstanceUid, runId: second.runId },
        ...{ route: 'rat-brain', releasedAtMs: Date.now() },
      });

      // What does not bear the study's own pseudonym is not shown under it, whatever a row says.
      expect(await metadata()).to.have.length(1);
    });

    it('says gone when what was released to it has been removed, and only then', async () => {
      await start();
      const { studyInstanceUid, runId } = await hub.release('kct');
      const deliveryId = randomUUID();
      const { deliveries, retention } = hub.ledger;
      await deliveries.open({ group: 'test', eventId: randomUUID() }, [
        {
          ...{ deliveryId, runId, destination: 'kct-pacs' },
          partner: 'kct',
          releasedStudyInstanceUid: studyInstanceUid,
        },
      ]);
      const [leased] = await deliveries.claim('d', 30_000, new Date(), { 'kct-pacs': 1 });
      const attempt = { attempt: 1, startedAt: new Date().toISOString(), durationMs: 1, outcome: 'succeeded' } as const;
      await deliveries.succeed(deliveryId, leased?.fence ?? 0, attempt, []);
      const expired = await retention.expire({ resultsBefore: new Date(Date.now() + 60_000) });

      const answer = await hub.call(kct, 'GET', `/studies/${studyInstanceUid}/metadata`);
      const other = await hub.call(await hub.as('uef'), 'GET', `/studies/${studyInstanceUid}/metadata`);

      expect(expired.runs).to.equal(1);
      expect([answer.status, other.status]).to.deep.equal([410, 404]);
    });
  });

  describe('keeps to what a partner is entitled to', () => {
    it('in what is projected, and of what was released by another route', async () => {
      await start({ entitlements: { routes: ['rat-brain'] } });
      const ours = await hub.release('kct');
      const other = await hub.release('kct', { route: 'mouse' });
      await feedHas(1);

      const get = async (uid: string) => (await hub.call(kct, 'GET', `/studies/${uid}/metadata`)).status;

      expect((await events()).map(({ subject }) => subject)).to.deep.equal([ours.studyInstanceUid]);
      expect([await get(ours.studyInstanceUid), await get(other.studyInstanceUid)]).to.deep.equal([200, 404]);
      const listed = (await hub.call(kct, 'GET', '/studies')).json['items'] as readonly Json[];
      expect(listed.map((row) => row['studyInstanceUid'])).to.deep.equal([ours.studyInstanceUid]);
    });

    it('in what is read: types, and from when, narrowed at any time', async () => {
      await start();
      const { studyInstanceUid } = await hub.release('kct');
      await feedHas(1);
      const grant = async (change: PartnerGrant) => {
        await grantOnly(hub.ledger, 'kct', change);
        hub.directory.forget();
      };
      const seen = async () => [
        (await events()).length,
        (await hub.call(kct, 'GET', `/studies/${studyInstanceUid}/metadata`)).status,
      ];

      await grant({ types: ['qc.completed'] });
      const ofTypes = await seen();
      await grant({ fromMs: Date.now() + 60_000 });
      const fromLater = await seen();
      await grant({});

      // Types are of events: a released study may be retrieved whatever events are asked for.
      expect([ofTypes, fromLater, await seen()]).to.deep.equal([
        [0, 200],
        [0, 404],
        [1, 200],
      ]);
    });

    it('ends everything at once when access ends, also a stream that is open', async () => {
      await start();
      const stream = await fetch(`${hub.http.url}/partner/v1/events/stream`, { headers: kct });
      const reading = (async () => {
        for await (const _part of stream.body ?? []) continue;
      })();

      await grantOnly(hub.ledger, 'kct', { expiresAtMs: Date.now() });
      hub.directory.forget();

      await reading;
      expect((await hub.call(kct, 'GET', '/events')).status).to.equal(403);
    });

    it('ends the stream of a token that was revoked, and no other', async () => {
      await start();
      const short = await hub.as('kct');
      const open = (auth: Auth) => fetch(`${hub.http.url}/partner/v1/events/stream`, { headers: auth });
      const [revoked, other] = [await open(short), await open(kct)];
      const ended = (async () => {
        for await (const _part of revoked.body ?? []) continue;
      })();
      const tokenId = /hub_([0-9a-f]+)_/.exec(short.Authorization)?.[1] ?? '';

      const answer = await hub.call(kct, 'DELETE', `/tokens/${tokenId}`);

      await ended;
      expect(answer.status).to.equal(200);
      expect((await hub.call(short, 'GET', '/account')).status).to.equal(401);
      await other.body?.cancel();
    });
  });

  describe('can be read again', () => {
    it('from any cursor, from any moment, and not from both', async () => {
      await start();
      await hub.release('kct');
      await feedHas(1);
      const { cursor } = (await hub.call(kct, 'GET', '/events')).json;
      await hub.release('kct');
      await feedHas(2);
      const [first, second] = await events();

      const answers = [
        (await events(`?from=${first?.time ?? ''}`)).length,
        (await events(`?from=${new Date(Date.parse(second?.time ?? '')).toISOString()}`)).length,
        (await events('?from=2999-01-01T00:00:00Z')).length,
        (await events(`?after=${String(cursor)}`)).length,
      ];

      expect(answers[0]).to.equal(2);
      expect(answers[1]).to.be.within(1, 2);
      expect(answers.slice(2)).to.deep.equal([0, 1]);
      const both = await hub.call(kct, 'GET', `/events?after=${String(cursor)}&from=2020-01-01T00:00:00Z`);
      const nonsense = await hub.call(kct, 'GET', '/events?from=yesterday');
      expect([both.status, nonsense.status]).to.deep.equal([400, 400]);
    });

    it('by type, under its name in full or in short', async () => {
      await start();
      await hub.release('kct');
      await feedHas(1);
      const [only] = await events();
      const short = /^hub\.(.*)\.v1$/.exec(only?.type ?? '')?.[1] ?? '';

      const counts = [
        (await events(`?types=${only?.type ?? ''}`)).length,
        (await events(`?types=${short}`)).length,
        (await events('?types=delivery.dead-lettered')).length,
      ];
      const unknown = await hub.call(kct, 'GET', '/events?types=instance.stored');

      expect([short, ...counts, unknown.status]).to.deep.equal(['study.processed', 1, 1, 0, 400]);
    });

    it('but not from a place that the ledger has not come to', async () => {
      await start();
      const key = randomBytes(32);
      const places = createPlaces(hub.ledger, key);
      const partner = narrowed(partnerSettings('kct'));
      const head = await hub.ledger.events.head();
      const cursor = (position: number) => createCursors(key).format('partner.kct.v1', position);

      const future = await thrownBy(places.find(partner, { after: cursor(head + 1) }));

      expect([future.code, future.fields['detail']]).to.deep.equal(['request.invalid', 'not a cursor of this feed']);
      expect(await places.find(partner, { after: cursor(head) })).to.equal(head);
    });
  });

  describe('bounds what is asked of it', () => {
    it('answers 429 and when to try again above the rate of a token, and serves the others', async () => {
      await start({ quotas: { ...DEFAULT_QUOTAS, requestsPerSecond: 5 } });
      const other = await hub.as('kct');

      const answers = await Promise.all(Array.from({ length: 20 }, () => hub.call(kct, 'GET', '/account')));
      const refused = answers.filter(({ status }) => status === 429);
      const again = await hub.call(other, 'GET', '/account');

      expect(answers.length - refused.length).to.be.within(5, 10);
      expect(refused[0]?.headers.get('retry-after')).to.equal('1');
      expect(refused[0]?.json).to.include({ type: 'urn:hub:error:request.too-many' });
      expect(again.status).to.equal(200);
      await waitFor('the next second', async () => (await hub.call(kct, 'GET', '/account')).status === 200);
    });

    it('answers a method that a path has not got with those it has, and says the same of what is not there', async () => {
      await start();
      const ours = await hub.release('kct');
      const ask = async (method: string, path: string) => {
        const { status, headers } = await fetch(`${hub.http.url}/partner/v1${path}`, { method, headers: kct });
        return `${status} ${headers.get('allow') ?? ''}`;
      };

      const answers = [
        await ask('DELETE', '/events'),
        await ask('POST', '/events/stream'),
        await ask('PUT', '/webhooks'),
        await ask('POST', '/account'),
        await ask('DELETE', `/studies/${ours.studyInstanceUid}`),
        await ask('DELETE', '/studies/1.2.3'),
        await ask('OPTIONS', '/webhooks'),
        await ask('DELETE', '/nothing'),
      ];

      expect(answers).to.deep.equal([
        '405 GET, HEAD, OPTIONS',
        '405 GET, HEAD, OPTIONS',
        '405 GET, HEAD, OPTIONS, POST',
        '405 GET, HEAD, OPTIONS',
        '405 GET, HEAD, OPTIONS, POST',
        '405 GET, HEAD, OPTIONS, POST',
        '204 GET, HEAD, OPTIONS, POST',
        '404 ',
      ]);
    });

    it('refuses a body that is too large, broken, or has keys that nobody knows', async () => {
      await start();
      const post = (body: string) =>
        fetch(`${hub.http.url}/partner/v1/webhooks`, {
          method: 'POST',
          headers: { ...kct, 'Content-Type': 'application/json' },
          body,
        });

      const statuses = [
        (await post(JSON.stringify({ url: `https://example.org/${'x'.repeat(70_000)}` }))).status,
        (await post('{"url": ')).status,
        (await post(JSON.stringify({ url: 'https://example.org/', secret: 'mine' }))).status,
        (await post('[]')).status,
      ];

      expect(statuses).to.deep.equal([413, 400, 400, 400]);
    });
  });

  describe('lets a partner change its tokens', () => {
    it('with an overlap, to the same scopes and the same end, and never to more scopes than it asks with', async () => {
      await start();
      const end = '2999-01-01T00:00:00.000Z';
      const narrow = await hub.as('kct', ['feed:read', 'tokens:read', 'tokens:write'], end);
      const idOf = ({ Authorization }: Auth) => /hub_([0-9a-f]+)_/.exec(Authorization)?.[1] ?? '';

      const rotated = await hub.call(narrow, 'POST', `/tokens/${idOf(narrow)}/rotate`, { overlapSeconds: 60 });
      const wider = await hub.call(narrow, 'POST', `/tokens/${idOf(kct)}/rotate`, {});
      const fresh = { Authorization: `Bearer ${String(rotated.json['token'])}` };
      const both = [await hub.call(narrow, 'GET', '/account'), await hub.call(fresh, 'GET', '/account')];
      const atOnce = await hub.call(fresh, 'POST', `/tokens/${idOf(fresh)}/rotate`, { overlapSeconds: 0 });

      expect([rotated.status, wider.status]).to.deep.equal([201, 403]);
      expect(rotated.json).to.deep.include({ scopes: ['feed:read', 'tokens:read', 'tokens:write'], expiresAt: end });
      expect(both.map(({ status }) => status)).to.deep.equal([200, 200]);
      expect(atOnce.status).to.equal(201);
      expect((await hub.call(fresh, 'GET', '/account')).status).to.equal(401);
      const listed = (await hub.call(kct, 'GET', '/tokens')).json['items'] as readonly Json[];
      expect(JSON.stringify(listed)).not.to.contain('sha256').and.not.to.contain(String(rotated.json['token']));
      expect(listed.map(({ tokenId }) => tokenId)).to.include.members([idOf(narrow), rotated.json['tokenId']]);
      const page = (await hub.call(kct, 'GET', '/tokens?limit=1')).json;
      const next = (await hub.call(kct, 'GET', `/tokens?limit=1&before=${String(page['cursor'])}`)).json;
      expect([page, next].flatMap(({ items }) => items)).to.deep.equal(listed.slice(0, 2));
    });
  });

  it('gives no token that is valid for longer than the one it is asked with, nor any number of them', async () => {
    await start();
    const idOf = ({ Authorization }: Auth) => /hub_([0-9a-f]+)_/.exec(Authorization)?.[1] ?? '';
    const lent = await hub.as('kct', PARTNER_SCOPES, new Date(Date.now() + 3_600_000).toISOString());
    const rotate = (auth: Auth, token: Auth) => hub.call(auth, 'POST', `/tokens/${idOf(token)}/rotate`, {});

    const longer = await rotate(lent, kct);
    const shorter = await rotate(kct, lent);
    const many: number[] = [];
    for (let count = 0; count < 100; count += 1) many.push((await rotate(kct, lent)).status);

    expect([longer.status, shorter.status]).to.deep.equal([403, 201]);
    expect([many.filter((status) => status === 201).length, many.at(-1)]).to.deep.equal([97, 409]);
  });

  it('writes down what a partner changed, and what it tried and may not', async () => {
    await start({ webhookHosts: ['127.0.0.1'] });
    const { json } = await hub.call(kct, 'POST', '/webhooks', { url: 'http://127.0.0.1:9/' });
    await hub.call(kct, 'POST', '/webhooks', { url: 'https://10.0.0.1/' });

    const audit = await hub.ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 9 });

    expect(audit.map(({ data }) => data)).to.deep.equal([
      {
        ...{ actor: /hub_([0-9a-f]+)_/.exec(kct.Authorization)?.[1], role: 'partner', action: 'webhook.create' },
        ...{ subject: json['webhookId'], outcome: 'done' },
      },
      {
        ...{ actor: /hub_([0-9a-f]+)_/.exec(kct.Authorization)?.[1], role: 'partner', action: 'webhook.create' },
        ...{ subject: '/webhooks', outcome: 'refused' },
      },
    ]);
  });
});
