/**
 * Every endpoint of the partner API with every wrong identity and every foreign identifier. Endpoints are those of the API's
 * own description, so that a new one is attacked from the day it is described; and nothing is served that is not described.
 */
import { expect } from 'chai';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { createCursors } from '../../../connectors/feed/cursor.ts';
import { wadoOperations } from '../../../connectors/partner-api/described.ts';
import { PARTNER_SCOPES } from '../../../core/partners.ts';
import { wadoRouter } from '../../../gateway/dicomweb/wado.ts';
import { PixelWorkers } from '../../../pixels/workers.ts';
import { MemoryStore } from '../../support/outgoing.ts';
import {
  type Auth,
  type PartnerHub,
  partnerSettings,
  type ReleasedStudy,
  startPartnerHub,
} from '../../support/partner-hub.ts';
import { silentLog } from '../../support/silent-log.ts';
import { waitFor } from '../../support/wait-for.ts';

interface Endpoint {
  readonly method: string;
  readonly path: string;
  readonly scopes: readonly string[] | undefined;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: readonly string[];
}

/** A body that every operation with one takes for good, so that what refuses it is not its form. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /webhooks': { url: 'https://127.0.0.1/hook' },
  'PATCH /webhooks/{webhookId}': { description: 'x' },
  'POST /webhooks/{webhookId}/keys': {},
  'POST /webhooks/{webhookId}/test': {},
  'POST /webhooks/{webhookId}/redeliver': { since: '2020-01-01T00:00:00Z' },
  'POST /webhooks/{webhookId}/messages/{messageId}/redeliver': {},
  'POST /tokens/{tokenId}/rotate': {},
  'POST /studies': {},
  'POST /studies/{studyInstanceUid}': {},
};

describe('isolation of partners', () => {
  let hub: PartnerHub;
  let endpoint: Server;
  let endpoints: readonly Endpoint[];
  /** The victim's, and what it has. */
  let victim: Auth;
  let study: ReleasedStudy;
  let foreign: Readonly<Record<string, string>>;
  let foreignCursor: string;
  let secrets: readonly string[];
  /** Who attacks: it has a study, a webhook and a message too. */
  let attacker: Auth;

  before(async () => {
    endpoint = createServer((request, response) => {
      request.resume();
      response.writeHead(204).end();
    });
    endpoint.listen(0, '127.0.0.1');
    await once(endpoint, 'listening');
    const url = `http://127.0.0.1:${String((endpoint.address() as AddressInfo).port)}/victims-path`;
    hub = await startPartnerHub([
      partnerSettings('victim', { webhookHosts: ['127.0.0.1'] }),
      partnerSettings('attacker', { webhookHosts: ['127.0.0.1'] }),
      partnerSettings('ended', { expiresAtMs: 1 }),
    ]);
    hub.startSender();
    [victim, attacker] = [await hub.as('victim'), await hub.as('attacker')];

    const created = await hub.call(victim, 'POST', '/webhooks', { url });
    await hub.call(attacker, 'POST', '/webhooks', { url: url.replace('victims', 'attackers') });
    study = await hub.release('victim');
    await hub.release('attacker');
    const webhookId = String(created.json['webhookId']);
    const message = await waitFor('the message', async () => {
      const { json } = await hub.call(victim, 'GET', `/webhooks/${webhookId}/messages`);
      const [found] = json['items'] as readonly { messageId: string; state: string }[];
      return found?.state === 'succeeded' ? found : undefined;
    });
    const deliveryId = randomUUID();
    await hub.ledger.deliveries.open({ group: 'test', eventId: randomUUID() }, [
      {
        ...{ deliveryId, runId: study.runId, destination: 'victim-pacs', partner: 'victim' },
        releasedStudyInstanceUid: study.studyInstanceUid,
      },
    ]);
    const tokens = (await hub.call(victim, 'GET', '/tokens')).json['items'] as readonly { tokenId: string }[];
    foreignCursor = String((await hub.call(victim, 'GET', '/events')).json['cursor']);
    foreign = {
      studyInstanceUid: study.studyInstanceUid,
      seriesInstanceUid: study.seriesInstanceUid,
      sopInstanceUid: study.sopInstanceUid,
      frames: '1',
      path: '7FE00010',
      webhookId,
      messageId: message.messageId,
      deliveryId,
      tokenId: tokens[0]?.tokenId ?? '',
    };
    const { frames: _frames, path: _path, ...identifiers } = foreign;
    secrets = [
      ...Object.values(identifiers),
      study.original,
      study.runId,
      url,
      'victim',
      'rat-brain',
      String(created.json['secret']),
      foreignCursor,
    ];

    const document = (await (await fetch(`${hub.http.url}/partner/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security: { token?: string[] }[]; parameters: Endpoint['parameters'] }>>;
    };
    endpoints = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security, parameters }]) => ({
        method: method.toUpperCase(),
        path,
        scopes: security.length === 0 ? undefined : (security[0]?.token ?? []),
        parameters,
      })),
    );
  });
  after(async () => {
    await hub.stop();
    endpoint.closeAllConnections();
    endpoint.close();
    await once(endpoint, 'close');
  });

  /** For whoever has a token, and for everybody. */
  const isElsewhere = ({ path }: Endpoint): boolean => path === '/report-key' || path === '/openapi.json';
  const attacked = () => endpoints.filter((each) => !isElsewhere(each));
  /** What is returned may be of any study: the partner has named it itself. */
  const hasIdentifier = ({ path, method }: Endpoint): boolean =>
    path.includes('{') && !(method === 'POST' && path.startsWith('/studies'));

  const ask = async (
    { method, path }: Pick<Endpoint, 'method' | 'path'>,
    headers: Readonly<Record<string, string>>,
    values: Readonly<Record<string, string>>,
    query = '',
  ): Promise<Answer> => {
    const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? `no-value-for-${name}`);
    const body = BODIES[`${method} ${path}`];
    const stop = new AbortController();
    const response = await fetch(`${hub.http.url}/partner/v1${target}${query}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: stop.signal,
    });
    const isStream = response.headers.get('content-type')?.includes('event-stream') === true;
    const text = isStream ? '' : await response.text();
    stop.abort();
    const names = [...response.headers.keys()].toSorted();
    return { status: response.status, text, headers: names };
  };
  /** What two answers must have in common to tell nothing: all but the number of the request. */
  const shapeOf = ({ status, text, headers }: Answer) => ({
    status,
    headers,
    text: text.replaceAll(/urn:hub:request:[0-9a-f-]+/g, 'urn:hub:request:N'),
  });

  it('has endpoints to attack, a body for each that takes one, and a value for each parameter', () => {
    const unknown = attacked().flatMap(({ path }) =>
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).filter((name) => !(name in foreign)),
    );
    const withoutBody = attacked()
      .filter(({ method }) => method === 'POST' || method === 'PATCH')
      .map(({ method, path }) => `${method} ${path}`)
      .filter((name) => !(name in BODIES));

    expect(attacked().length).to.be.greaterThan(30);
    expect([unknown, withoutBody]).to.deep.equal([[], []]);
  });

  it('describes every path of WADO-RS that it serves', () => {
    const workers = new PixelWorkers({ entry: new URL('../../../wiring/pixel-worker.ts', import.meta.url) });
    const app = express();
    const router = wadoRouter({
      instancesOf: () => Promise.resolve([]),
      store: new MemoryStore(),
      workers,
      log: silentLog,
    });
    app.use(router);
    const names: Readonly<Record<string, string>> = {
      study: 'studyInstanceUid',
      series: 'seriesInstanceUid',
      instance: 'sopInstanceUid',
    };
    const served = router.stack
      .map(({ route }) => route?.path ?? '')
      .map((path) => path.replaceAll(/[:*](\w+)/g, (_, name: string) => `{${names[name] ?? name}}`));

    expect(served.toSorted()).to.deep.equal(wadoOperations.map(({ path }) => path).toSorted());
  });

  it('answers nobody without a token, with nonsense, or with a token that ended, was revoked or is of no partner', async () => {
    const expired = await hub.as('victim', PARTNER_SCOPES, '2020-01-01T00:00:00Z');
    const revoked = await hub.as('victim');
    const { items } = (await hub.call(victim, 'GET', '/tokens')).json as { items: readonly { tokenId: string }[] };
    const revokedId = items.map(({ tokenId }) => tokenId).find((id) => revoked.Authorization.includes(id)) ?? '';
    await hub.ledger.tokens.revoke(revokedId);
    const rows: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
      ['none', {}, 401],
      ['nonsense', { Authorization: 'Bearer nonsense' }, 401],
      [
        'unknown',
        { Authorization: `Bearer hub_${randomBytes(6).toString('hex')}_${randomBytes(32).toString('base64url')}` },
        401,
      ],
      ['basic', { Authorization: 'Basic dmljdGltOng=' }, 401],
      ['expired', expired, 401],
      ['revoked', revoked, 401],
      ['admin', await hub.http.as('admin'), 403],
      ['operator', await hub.http.as('operator'), 403],
      ['auditor', await hub.http.as('auditor'), 403],
      ['a partner whose access has ended', await hub.as('ended'), 403],
      ['a partner that is configured no more', await hub.as('gone'), 403],
    ];

    for (const [who, headers, status] of rows) {
      const answers = await Promise.all(
        attacked().flatMap((each) => [
          ask(each, headers, foreign),
          ask(each, headers, Object.fromEntries(Object.keys(foreign).map((name) => [name, guess(name)]))),
        ]),
      );
      expect(new Set(answers.map((answer) => answer.status)), who).to.deep.equal(new Set([status]));
      // One text for all: it depends on who asks, never on what is asked for.
      expect(new Set(answers.map((answer) => shapeOf(answer).text)).size, who).to.equal(1);
      for (const { text } of answers) expectNothingOf(text, who);
    }
  });

  it('refuses a token without the scope, whatever is asked for, and lets every other through', async () => {
    for (const each of attacked()) {
      const [scope] = each.scopes ?? [];
      if (scope === undefined) continue;
      const others = await hub.as(
        'victim',
        PARTNER_SCOPES.filter((other) => other !== scope),
      );

      const [there, guessed] = [
        await ask(each, others, foreign),
        await ask(each, others, Object.fromEntries(Object.keys(foreign).map((name) => [name, guess(name)]))),
      ];

      expect([there.status, guessed.status], `${each.method} ${each.path}`).to.deep.equal([403, 403]);
      expect(shapeOf(there)).to.deep.equal(shapeOf(guessed));
    }
  });

  it('answers for what is another partner’s exactly as for what is not there', async () => {
    for (const each of attacked().filter(hasIdentifier)) {
      const [theirs, nobodys] = [await ask(each, attacker, foreign), await ask(each, attacker, nobody())];

      const name = `${each.method} ${each.path}`;
      expect(theirs.status, name).to.equal(404);
      expect(shapeOf(theirs), name).to.deep.equal(shapeOf(nobodys));
      expectNothingOf(theirs.text, name);
    }
  });

  it('lets the partner itself have it: what is attacked is really there', async () => {
    const reads = attacked().filter(
      (each) => each.method === 'GET' && hasIdentifier(each) && !each.path.includes('{path}'),
    );

    const statuses = await Promise.all(
      reads.map(async (each) => [each.path, (await ask(each, { ...victim, Accept: '*/*' }, foreign)).status] as const),
    );

    expect(statuses.filter(([, status]) => status !== 200)).to.deep.equal([]);
  });

  it('mixes no identifiers: a message under another webhook, a series or instance under another study', async () => {
    const own = await hub.release('attacker');
    const hooks = (await hub.call(attacker, 'GET', '/webhooks')).json['items'] as readonly { webhookId: string }[];
    const mixed = {
      ...foreign,
      studyInstanceUid: own.studyInstanceUid,
      webhookId: hooks[0]?.webhookId ?? '',
    };
    const paths = attacked().filter(({ path }) => path.includes('{seriesInstanceUid}') || path.includes('{messageId}'));

    for (const each of paths) {
      const answer = await ask(each, attacker, mixed);
      expect(answer.status, each.path).to.equal(404);
      expectNothingOf(answer.text, each.path);
    }
  });

  it('lists nothing of another partner, whatever place is asked for', async () => {
    const lists = attacked().filter(
      (each) => each.method === 'GET' && !hasIdentifier(each) && each.path !== '/events/stream',
    );
    const places = ['deliveryId', 'tokenId'].map((name) => `?before=${foreign[name] ?? ''}`);
    const befores = ['', ...places, '?before=1', '?before=999999'];

    for (const each of lists) {
      for (const query of each.parameters.some(({ name }) => name === 'before') ? befores : ['']) {
        const { status, text } = await ask(each, attacker, {}, query);
        expect([200, 400], `${each.path}${query}`).to.include(status);
        expectNothingOf(text, `${each.path}${query}`);
      }
    }
  });

  it('takes no cursor of another partner, of the future, of another key, or made up, and says the same to each', async () => {
    const own = String((await hub.call(attacker, 'GET', '/events')).json['cursor']);
    const flipped = Buffer.from(own, 'base64url');
    flipped[3] = (flipped[3] ?? 0) ^ 1;
    const wrong = [
      foreignCursor,
      createCursors(randomBytes(32)).format('partner.attacker.v1', 1),
      flipped.toString('base64url'),
      randomBytes(16).toString('base64url'),
      'x',
      '0',
    ];

    const answers = [];
    for (const cursor of wrong) {
      answers.push(await ask({ method: 'GET', path: '/events' }, attacker, {}, `?after=${cursor}`));
      answers.push(await ask({ method: 'GET', path: '/events/stream' }, attacker, {}, `?after=${cursor}`));
      answers.push(await ask({ method: 'GET', path: '/events/stream' }, { ...attacker, 'Last-Event-ID': cursor }, {}));
      const made = await hub.call(attacker, 'POST', '/webhooks', { url: 'http://127.0.0.1:1/', after: cursor });
      expect([made.status, made.json['detail']]).to.deep.equal([400, 'not a cursor of this feed']);
    }

    expect(new Set(answers.map((answer) => shapeOf(answer).text)).size).to.equal(1);
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([400]));
  });

  it('says nothing of others on paths that are not there, by methods that are not served, and in headers', async () => {
    const odd: readonly (readonly [string, string])[] = [
      ['GET', '/studies/'],
      ['GET', '/partners'],
      ['GET', '/webhooks/../webhooks'],
      ['PUT', `/webhooks/${foreign['webhookId'] ?? ''}`],
      ['DELETE', `/studies/${study.studyInstanceUid}`],
      ['POST', '/events'],
      ['GET', `/studies/${study.studyInstanceUid}%00`],
      ['GET', `/studies/${study.original}`],
      ['GET', `/studies/${study.original}/metadata`],
    ];

    for (const [method, path] of odd) {
      const answer = await ask({ method, path }, attacker, {});
      expect([400, 404, 405, 200], path).to.include(answer.status);
      expectNothingOf(answer.text.replaceAll(path.slice(1), ''), path);
    }
    expect((await ask({ method: 'GET', path: `/studies/${study.original}` }, victim, {})).status).to.equal(404);
  });

  it('asks the ledger the same, and hears the same, for what is another partner’s as for what is not there: no time tells', async () => {
    const looks = async (each: Endpoint, values: Readonly<Record<string, string>>) => {
      hub.asked.length = 0;
      await ask(each, attacker, values);
      return hub.asked.map(({ what, answer }) => ({ what, answer }));
    };
    // When the token was used last is noted once a minute; a fact in the audit has a place of its own.
    await ask({ method: 'GET', path: '/account' }, attacker, {});
    const same = (all: Awaited<ReturnType<typeof looks>>) =>
      all.map(({ what, answer }) => (what === 'events.append' ? { what } : { what, answer }));

    for (const each of attacked().filter(hasIdentifier)) {
      const [theirs, nobodys] = [await looks(each, foreign), await looks(each, nobody())];
      expect(nobodys.length, `${each.method} ${each.path}`).to.be.greaterThan(0);
      expect(same(theirs), `${each.method} ${each.path}`).to.deep.equal(same(nobodys));
    }
  });

  function expectNothingOf(text: string, context: string): void {
    for (const secret of secrets) expect(text, context).not.to.contain(secret);
  }

  /** Identifiers that have the form and belong to nobody. */
  function nobody(): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.keys(foreign).map((name) => [name, guess(name)]));
  }

  function guess(name: string): string {
    if (name.endsWith('Uid')) return `2.25.${BigInt(`0x${randomBytes(12).toString('hex')}`).toString()}`;
    if (name === 'tokenId') return randomBytes(6).toString('hex');
    return name === 'frames' || name === 'path' ? (foreign[name] ?? '') : randomUUID();
  }
});
