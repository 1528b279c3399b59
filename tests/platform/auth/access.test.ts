import { expect } from 'chai';
import { Router } from 'express';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Ledger } from '../../../core/ledger.ts';
import { ensureFirstToken } from '../../../platform/auth/access.ts';
import { createToken, isSameText, parseToken } from '../../../platform/auth/token.ts';
import { TestClock } from '../../contracts/ledger-facts.ts';
import { openTestLedger } from '../../support/open-ledger.ts';
import { type RunningHttp, startHttp } from '../../support/running-http.ts';

describe('access over HTTP', () => {
  let clock: TestClock;
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let http: RunningHttp;

  beforeEach(async () => {
    clock = new TestClock();
    ({ ledger, remove } = await openTestLedger(clock));
    http = await startHttp(
      ledger,
      (access) => [
        {
          path: '/work',
          router: Router().get(
            '/',
            access.require('admin', 'operator'),
            (from, to) => void to.json(access.identityOf(from)),
          ),
        },
        {
          path: '/local',
          router: Router().get(
            '/',
            access.requireExceptLoopback('operator'),
            (from, to) => void to.json(access.identityOf(from)),
          ),
        },
        { path: '/open', router: Router().get('/', (from, to) => void to.json(access.identityOf(from))) },
      ],
      { clock },
    );
  });
  afterEach(async () => {
    await http.stop();
    await remove();
  });

  const ask = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(`${http.url}${path}`, { headers });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Readonly<Record<string, unknown>>,
    };
  };

  it('lets a token of the right role through and says who it is', async () => {
    const headers = await http.as('operator');

    const { status, body } = await ask('/work', headers);

    expect([status, body]).to.deep.equal([
      200,
      { actor: parseToken(headers.Authorization.slice(7))?.tokenId, role: 'operator' },
    ]);
  });

  it('forbids other roles, and asks for a token where there is none', async () => {
    const answers = [
      await ask('/work', await http.as('auditor')),
      await ask('/work', await http.as('partner', 'kct')),
      await ask('/work'),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([403, 403, 401]);
    expect(answers[2]?.headers.get('www-authenticate')).to.equal('Bearer realm="hub"');
  });

  it('believes no token that is unknown, altered, revoked or expired', async () => {
    const good = await http.as('admin');
    const altered = `${good.Authorization.slice(0, -1)}${good.Authorization.endsWith('A') ? 'B' : 'A'}`;
    const expiring = createToken();
    await ledger.tokens.create({
      ...expiring,
      role: 'admin',
      createdAt: clock.now().toISOString(),
      expiresAt: clock.advance(1000).toISOString(),
    });
    clock.advance(1);
    const revoked = await http.as('admin');
    await ledger.tokens.revoke(parseToken(revoked.Authorization.slice(7))?.tokenId ?? '');
    const wrong = [
      `Bearer ${createToken().token}`,
      altered,
      `Bearer ${expiring.token}`,
      revoked.Authorization,
      'Bearer',
      'Bearer x y',
      `Basic ${Buffer.from('admin:admin').toString('base64')}`,
      good.Authorization.replace(/hub_[0-9a-f]{12}/, 'hub_000000000000'),
    ];

    const statuses = await Promise.all(
      wrong.map(async (authorization) => (await ask('/work', { Authorization: authorization })).status),
    );

    expect(statuses).to.deep.equal(wrong.map(() => 401));
    expect((await ask('/work', good)).status).to.equal(200);
  });

  it('needs no token from this machine where the door says so, but a wrong one is still wrong', async () => {
    const answers = [
      await ask('/local'),
      await ask('/local', { Authorization: 'Bearer x' }),
      await ask('/local', { 'X-Forwarded-For': '10.0.0.1' }),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([200, 401, 401]);
    expect(answers[0]?.body).to.deep.equal({ actor: 'loopback', role: 'operator' });
  });

  it('takes what a proxy on this machine passes on for a stranger, by whatever header it says so', async () => {
    const headers = [
      ['Forwarded', 'for=10.0.0.1'],
      ['X-Forwarded-Host', 'hub.example'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Real-IP', '10.0.0.1'],
      ['Via', '1.1 proxy'],
    ] as const;

    const statuses = await Promise.all(
      headers.map(async ([name, value]) => (await ask('/local', { [name]: value })).status),
    );

    expect(statuses).to.deep.equal(headers.map(() => 401));
  });

  it('takes a page that leads a name of its own to this machine for a stranger', async () => {
    const port = Number(new URL(http.url).port);
    const statusWith = async (host: string) => {
      const sent = request({ host: '127.0.0.1', port, path: '/local', headers: { Host: host } }).end();
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      answer.resume();
      return answer.statusCode;
    };

    const own = [`localhost:${String(port)}`, '127.0.0.1', '127.0.1.1:80', `[::1]:${String(port)}`];
    const others = ['evil.example', `evil.example:${String(port)}`, 'localhost.evil.example', '127.0.0.1.evil.example'];

    expect(await Promise.all(own.map(statusWith))).to.deep.equal(own.map(() => 200));
    expect(await Promise.all(others.map(statusWith))).to.deep.equal(others.map(() => 401));
  });

  it('takes no token from the address or from a cookie, where logs and other pages would see it', async () => {
    const token = (await http.as('admin')).Authorization.slice(7);

    const answers = [
      await ask(`/work?access_token=${token}&token=${token}&authorization=Bearer%20${token}`),
      await ask('/work', { Cookie: `authorization=Bearer ${token}; token=${token}` }),
    ];

    expect(answers.map(({ status }) => status)).to.deep.equal([401, 401]);
  });

  it('guards HEAD like GET', async () => {
    const statuses = await Promise.all(
      ['/work', '/local'].map(
        async (path) =>
          (await fetch(`${http.url}${path}`, { method: 'HEAD', headers: { Authorization: 'Bearer x' } })).status,
      ),
    );

    expect(statuses).to.deep.equal([401, 401]);
  });

  it('tells nobody who asks on a door without a guard', async () => {
    expect((await ask('/open')).status).to.equal(401);
  });

  it("takes whoever can open the hub's own socket for an admin", async () => {
    const body = await new Promise<string>((resolve, reject) => {
      request({ socketPath: http.socketPath, path: '/work' }, (response) => {
        response.setEncoding('utf8');
        response.once('data', resolve);
      })
        .once('error', reject)
        .end();
    });

    expect(JSON.parse(body)).to.deep.equal({ actor: 'local', role: 'admin' });
  });

  it('makes one admin token on the first start, and none on a later one, even if it was revoked', async () => {
    const first = await ensureFirstToken(ledger, clock, 'replica');
    await ledger.tokens.revoke(parseToken(first ?? '')?.tokenId ?? '');
    const second = await ensureFirstToken(ledger, clock, 'replica');

    expect([first === undefined, second]).to.deep.equal([false, undefined]);
    expect((await ledger.tokens.list()).map(({ role }) => role)).to.deep.equal(['admin']);
  });

  it('makes one for all replicas that start at once', async () => {
    const tokens = await Promise.all(['a', 'b', 'c'].map((replica) => ensureFirstToken(ledger, clock, replica)));

    expect(tokens.filter((token) => token !== undefined)).to.have.length(1);
    expect(await ledger.tokens.list()).to.have.length(1);
  });
});

describe('a token', () => {
  it('is an id and 256 bits, of which only the digest is kept', () => {
    const { tokenId, token, secretSha256 } = createToken();

    expect(token).to.match(/^hub_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    expect(parseToken(token)).to.deep.equal({ tokenId, secretSha256 });
    expect(secretSha256).to.match(/^[0-9a-f]{64}$/);
    expect(new Set(Array.from({ length: 50 }, () => createToken().token)).size).to.equal(50);
  });

  it('is not what has another shape', () => {
    const { token } = createToken();

    expect(['', 'hub_', token.slice(1), `${token}x`, token.toUpperCase(), ` ${token}`].map(parseToken)).to.deep.equal(
      Array.from({ length: 6 }, () => undefined),
    );
  });

  it('is compared as a whole', () => {
    expect([isSameText('abc', 'abc'), isSameText('abc', 'abd'), isSameText('abc', 'abcd')]).to.deep.equal([
      true,
      false,
      false,
    ]);
  });
});
