import { expect } from 'chai';
import type { ApiPorts } from '../../api/ports.ts';
import { createApiRouter } from '../../api/router.ts';
import type { Ledger } from '../../core/ledger.ts';
import { DEFAULT_QUOTAS } from '../../core/partners.ts';
import { createToken } from '../../platform/auth/token.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { type RunningHttp, startHttp } from '../support/running-http.ts';
import { silentLog } from '../support/silent-log.ts';

type Json = Readonly<Record<string, unknown>>;

const CATALOGUE: ReturnType<ApiPorts['catalogue']> = {
  configVersion: 'abc',
  routes: [
    {
      ...{ name: 'rat', enabled: true, when: {}, deliver: [], perSeries: false },
      process: [{ processor: 'deidentify', argument: 'basic-kct' }],
    },
  ],
  partners: [
    {
      name: 'kct',
      contact: 'imaging@kct.example.org',
      entitlements: { types: ['study.processed', 'qc.completed'] },
      quotas: DEFAULT_QUOTAS,
      webhookHosts: [],
    },
  ],
  destinations: [{ name: 'kct-pacs', partner: 'kct' }],
  policies: [{ name: 'basic-kct', partner: 'kct' }],
};

describe('partners in the administration API', () => {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let http: RunningHttp;
  let grants: number;
  let admin: Readonly<Record<string, string>>;

  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger());
    grants = 0;
    http = await startHttp(ledger, (access) => [
      {
        path: '/api/v1',
        router: createApiRouter({
          ...{ ledger, access, log: silentLog, hubName: 'savilahti', mintToken: createToken },
          clock: { now: () => new Date() },
          catalogue: () => CATALOGUE,
          onGrant: () => (grants += 1),
        }),
      },
    ]);
    admin = await http.as('admin');
  });
  afterEach(async () => {
    await http.stop();
    await remove();
  });

  const call = async (method: string, path: string, body?: unknown, headers = admin) => {
    const response = await fetch(`${http.url}/api/v1${path}`, {
      method,
      headers: { ...headers, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: (await response.json()) as Json };
  };

  it('are shown with what they may have, how they receive, and what they made themselves', async () => {
    await http.as('partner', 'kct', { scopes: ['feed:read'] });
    await ledger.webhooks.create(
      {
        webhookId: '6f4c2c1e-8d6b-4c52-9a53-0d0b5d1f2a11',
        ...{ partner: 'kct', url: 'https://hooks.kct.example.org/', ordered: true },
        secret: { sealed: 'never-shown', publicKey: 'whpk_x' },
      },
      9,
    );

    const { json } = await call('GET', '/partners/kct');

    expect(json['needs']).to.deep.equal([]);
    expect(json).to.deep.include({
      name: 'kct',
      contact: 'imaging@kct.example.org',
      destinations: ['kct-pacs'],
      suspended: false,
      entitlements: { types: ['study.processed', 'qc.completed'] },
      quotas: DEFAULT_QUOTAS,
      tokens: 1,
      webhooks: 1,
    });
    expect((json['webhookList'] as readonly Json[])[0]).to.include({
      url: 'https://hooks.kct.example.org/',
      failures: 0,
    });
    expect(JSON.stringify(json)).not.to.contain('never-shown');
    expect((await call('GET', '/partners/nobody')).status).to.equal(404);
  });

  it('are narrowed at once, step by step, and widened no further than the configuration', async () => {
    const steps = [
      await call('PATCH', '/partners/kct', { suspended: true, quotas: { webhooks: 2 } }),
      await call('PATCH', '/partners/kct', { suspended: false, types: ['qc.completed', 'study.deidentified'] }),
      await call('PATCH', '/partners/kct', { quotas: { requestsPerSecond: 9_999 }, expiresAt: '2030-01-01T00:00:00Z' }),
      await call('PATCH', '/partners/kct', { types: null, quotas: null, expiresAt: null }),
    ];

    expect(steps.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200]);
    const [first, second, third, last] = steps.map(({ json }) => json);
    expect(first).to.deep.include({ suspended: true, quotas: { ...DEFAULT_QUOTAS, webhooks: 2 } });
    expect(second).to.deep.include({ suspended: false, entitlements: { types: ['qc.completed'] } });
    expect(third).to.deep.include({
      quotas: { ...DEFAULT_QUOTAS, webhooks: 2 },
      expiresAt: '2030-01-01T00:00:00.000Z',
    });
    expect(last).to.deep.include({
      quotas: DEFAULT_QUOTAS,
      entitlements: { types: ['study.processed', 'qc.completed'] },
    });
    expect(last).not.to.have.property('expiresAt');
    expect(grants).to.equal(4);
    const audit = (await call('GET', '/audit')).json['items'] as readonly Json[];
    expect(audit.map(({ action, subject }) => [action, subject])).to.deep.equal(
      steps.map(() => ['partner.grant', 'kct']),
    );
  });

  it('are made at run time, suspended, extended and shown with who did it, and have tokens like any other', async () => {
    const made = await call('POST', '/partners', {
      ...{ name: 'uef', contact: 'data@uef.example.org', expiresAt: '2030-01-01T00:00:00Z' },
      ...{ routes: ['rat'], quotas: { requestsPerSecond: 5 } },
    });
    const suspended = await call('PATCH', '/partners/uef', { suspended: true });
    const extended = await call('PATCH', '/partners/uef', { suspended: false, expiresAt: '2031-01-01T00:00:00Z' });
    const token = await call('POST', '/tokens', { role: 'partner', partner: 'uef' });

    expect([made.status, suspended.status, extended.status, token.status]).to.deep.equal([201, 200, 200, 201]);
    expect(made.json).to.deep.include({
      ...{ name: 'uef', origin: 'run-time', contact: 'data@uef.example.org', suspended: false },
      ...{ expiresAt: '2030-01-01T00:00:00.000Z', entitlements: { routes: ['rat'] }, destinations: [] },
      quotas: { ...DEFAULT_QUOTAS, requestsPerSecond: 5 },
    });
    expect(made.json['needs']).to.deep.equal([
      'results: a route with { deidentify: POLICY }, of a policy for it',
      'results, destinations and webhookHosts: partners: [{ name: uef }] in the configuration',
      'its Kafka topic partner.uef.v1: the same; hub partners acls then says what to set up',
      'returning what it made of studies: the same, with returns',
    ]);
    expect([suspended.json['suspended'], extended.json['suspended']]).to.deep.equal([true, false]);
    expect(extended.json['expiresAt']).to.equal('2031-01-01T00:00:00.000Z');
    const { json: shown } = await call('GET', '/partners/uef');
    const changes = shown['changes'] as readonly Json[];
    expect(changes.map(({ change }) => (change as Json)['expiresAt'])).to.deep.equal([
      '2031-01-01T00:00:00.000Z',
      undefined,
      '2030-01-01T00:00:00.000Z',
    ]);
    expect(new Set(changes.map(({ actor }) => actor))).to.have.property('size', 1);
    const listed = (await call('GET', '/partners')).json['items'] as readonly Json[];
    expect(listed.map(({ name, origin, tokens }) => [name, origin, tokens])).to.deep.equal([
      ['kct', 'configuration', 0],
      ['uef', 'run-time', 1],
    ]);
    const audit = (await call('GET', '/audit')).json['items'] as readonly Json[];
    expect(audit.map(({ action, subject }) => [action, subject])).to.deep.equal([
      ['partner.create', 'uef'],
      ['partner.grant', 'uef'],
      ['partner.grant', 'uef'],
      ['token.create', token.json['tokenId']],
    ]);
    expect(grants).to.equal(3);
  });

  it('are made by admins alone, under a name that was nobody’s, with what there is', async () => {
    await call('POST', '/tokens', { role: 'partner', partner: 'kct' });

    const answers = [
      await call('POST', '/partners', { name: 'uef' }, await http.as('operator')),
      await call('POST', '/partners', { name: 'kct' }),
      await call('POST', '/partners', { name: 'UEF!' }),
      await call('POST', '/partners', { name: 'uef', routes: ['no-such-route'] }),
      await call('POST', '/partners', { name: 'uef', webhookHosts: ['10.0.0.1'] }),
      await call('POST', '/partners', { name: 'uef' }),
      await call('POST', '/partners', { name: 'uef' }),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([403, 409, 400, 400, 400, 201, 409]);
  });

  it('are changed by admins alone, and not to what is not there', async () => {
    const answers = [
      await call('PATCH', '/partners/kct', { suspended: true }, await http.as('operator')),
      await call('PATCH', '/partners/nobody', { suspended: true }),
      await call('PATCH', '/partners/kct', { routes: ['no-such-route'] }),
      await call('PATCH', '/partners/kct', { types: ['instance.stored'] }),
      await call('PATCH', '/partners/kct', { name: 'other' }),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([403, 404, 400, 400, 400]);
    expect(await ledger.partners.grants()).to.deep.equal([]);
  });

  it('get tokens of some scopes, or of all, and nobody else gets scopes', async () => {
    const some = await call('POST', '/tokens', { role: 'partner', partner: 'kct', scopes: ['feed:read'] });
    const all = await call('POST', '/tokens', { role: 'partner', partner: 'kct' });
    const wrong = [
      await call('POST', '/tokens', { role: 'admin', scopes: ['feed:read'] }),
      await call('POST', '/tokens', { role: 'partner', partner: 'kct', scopes: ['everything'] }),
      await call('POST', '/tokens', { role: 'partner', partner: 'kct', scopes: [] }),
    ];

    expect(some.json['scopes']).to.deep.equal(['feed:read']);
    expect(all.json['scopes']).to.include.members(['feed:read', 'studies:read', 'webhooks:write', 'tokens:write']);
    expect(wrong.map(({ status }) => status)).to.deep.equal([400, 400, 400]);
  });

  it('of before there were scopes keep what their tokens could do then', async () => {
    await http.as('partner', 'kct');

    const listed = (await call('GET', '/tokens')).json['items'] as readonly Json[];

    expect(listed.find(({ role }) => role === 'partner')?.['scopes']).to.deep.equal(['feed:read', 'studies:read']);
    expect(listed.find(({ role }) => role === 'admin')).not.to.have.property('scopes');
  });
});
