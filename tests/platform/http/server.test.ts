import { expect } from 'chai';
import express, { type Response, Router } from 'express';
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isSocketAnswered, listenOnOwnSocket, ownSocketPath } from '../../../platform/http/own-socket.ts';
import { HubError } from '../../../core/errors.ts';
import { createHttpServer } from '../../../platform/http/server.ts';
import { openTestLedger } from '../../support/open-ledger.ts';
import { type RunningHttp, startHttp } from '../../support/running-http.ts';
import type { Logger } from '../../../core/ports.ts';
import { silentLog } from '../../support/silent-log.ts';
import { waitFor } from '../../support/wait-for.ts';
import { thrownBy } from '../../support/thrown.ts';
import type { Ledger } from '../../../core/ledger.ts';

const run = promisify(execFile);
const nothing = {
  routers: [],
  checks: [],
  renderMetrics: () => Promise.reject(new Error('not asked for')),
  log: silentLog,
};

describe('the HTTP server', () => {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let http: RunningHttp | undefined;
  let isDiskLow = false;

  beforeEach(async () => {
    isDiskLow = false;
    ({ ledger, remove } = await openTestLedger());
  });
  afterEach(async () => {
    await http?.stop();
    http = undefined;
    await remove();
  });

  const start = async (router = Router()): Promise<RunningHttp> => {
    http = await startHttp(ledger, () => [{ path: '/door', router }], {
      checks: [
        {
          name: 'ledger',
          check: async () => {
            await ledger.events.head();
          },
        },
        {
          name: 'disk',
          check: async () => {
            if (isDiskLow) throw new HubError('store.full', { freeBytes: 12 });
          },
        },
      ],
    });
    return http;
  };
  const problem = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${http?.url ?? ''}${path}`, init);
    return { response, body: (await response.json()) as Readonly<Record<string, unknown>> };
  };

  it('answers a failure as problem details, without what the failure knows inside', async () => {
    await start(
      Router()
        .get('/known', () => {
          throw new HubError('dataset.conflict', { path: '/secret/place', detail: 'seen before' });
        })
        .get('/defect', () => {
          throw new TypeError('cannot read PatientName of /secret/place');
        }),
    );

    const known = await problem('/door/known', { headers: { 'X-Request-Id': 'mine-1' } });
    const defect = await problem('/door/defect');

    expect(known.response.headers.get('content-type')).to.contain('application/problem+json');
    expect(known.body).to.deep.equal({
      type: 'urn:hub:error:dataset.conflict',
      title: 'Same SOP Instance UID, different bytes',
      status: 409,
      detail: 'seen before',
      remedy: 'The sender reuses a SOP Instance UID for other content. The copy is in quarantine.',
      instance: 'urn:hub:request:mine-1',
    });
    expect([defect.response.status, defect.body['type']]).to.deep.equal([500, 'urn:hub:error:internal.unexpected']);
    expect(JSON.stringify([known.body, defect.body])).not.to.contain('secret');
  });

  it('does so for what it finds wrong itself', async () => {
    await start(Router().post('/json', express.json({ limit: 10 }), (_request, response) => void response.json({})));
    const json = { method: 'POST', headers: { 'Content-Type': 'application/json' } };

    const answers = [
      await problem('/nothing'),
      await problem('/door/json', { ...json, body: '{"name": ' }),
      await problem('/door/json', { ...json, body: JSON.stringify('x'.repeat(100)) }),
    ];

    expect(answers.map(({ body }) => body['type'])).to.deep.equal([
      'urn:hub:error:resource.not-found',
      'urn:hub:error:request.invalid',
      'urn:hub:error:request.too-large',
    ]);
    expect(JSON.stringify(answers[1]?.body)).not.to.contain('name');
  });

  it('does so for a target that is no URL, on each of its ports', async () => {
    http = await startHttp(ledger, () => [], { metricsDoor: { listen: { host: '127.0.0.1', port: 0 } } });

    for (const port of [Number(new URL(http.url).port), http.metricsPort ?? 0]) {
      const socket = connect(port, '127.0.0.1');
      socket.end('GET http://[::1 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n');
      const answer = await text(socket);

      expect(answer).to.match(/^HTTP\/1\.1 404 /);
      expect(answer)
        .to.contain('application/problem+json')
        .and.not.to.match(/html|express/i);
    }
  });

  it('cuts an answer that fails halfway, instead of ending it well', async () => {
    await start(
      Router().get('/half', (_request, response) => {
        response.write('half');
        throw new HubError('store.missing', {});
      }),
    );

    const read = fetch(`${http?.url ?? ''}/door/half`).then((response) => response.text());

    await read.then(
      () => expect.fail('it looked whole'),
      (error: unknown) => expect(error).to.be.instanceOf(TypeError),
    );
  });

  it('calls nobody for a client that hangs up in the middle of its request', async () => {
    const said: string[] = [];
    const note = (message: string) => void said.push(message);
    const log: Logger = { ...silentLog, error: note, debug: note };
    const router = Router().post('/', async (request) => {
      for await (const _ of request);
    });
    const server = createHttpServer({
      ...nothing,
      listen: { host: '127.0.0.1', port: 0 },
      routers: [{ path: '/door', router }],
      log,
    });
    const { port = 0 } = await server.start();
    try {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('POST /door HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf', () => socket.destroy());

      await waitFor('the end of the request', () => said.length > 0);

      expect(said).to.deep.equal(['the client hung up']);
    } finally {
      await server.stop(0);
    }
  });

  it('does not take a request id that could not stand in a log', async () => {
    await start();

    const { response } = await problem('/nothing', { headers: { 'X-Request-Id': 'a b' } });

    expect(response.headers.get('x-request-id')).to.match(/^[0-9a-f-]{36}$/);
  });

  it('is live while it runs and ready while every check holds', async () => {
    await start();

    const [live, ready] = [await problem('/health/live'), await problem('/health/ready')];
    isDiskLow = true;
    const low = await problem('/health/ready');

    expect([live.response.status, ready.response.status, low.response.status]).to.deep.equal([200, 200, 503]);
    expect(low.body).to.deep.equal({
      status: 'not-ready',
      checks: [{ name: 'ledger' }, { name: 'disk', problem: 'Out of storage' }],
    });
  });

  it('logs that it is not ready when that begins and when it ends, however often it is asked', async () => {
    const said: string[] = [];
    const tell = (message: string) => void said.push(message);
    let freeBytes = 12;
    const check = () =>
      isDiskLow ? Promise.reject(new HubError('store.full', { advice: `${freeBytes--} bytes` })) : Promise.resolve();
    const log: Logger = { ...silentLog, warn: tell, info: tell, child: () => log };
    const server = createHttpServer({
      ...nothing,
      listen: { host: '127.0.0.1', port: 0 },
      checks: [{ name: 'disk', check }],
      log,
    });
    const { port = 0 } = await server.start();
    const ask = async () => (await fetch(`http://127.0.0.1:${port}/health/ready`)).status;
    try {
      isDiskLow = true;
      const low = [await ask(), await ask(), await ask()];
      isDiskLow = false;
      const well = [await ask(), await ask()];

      expect([...low, ...well]).to.deep.equal([503, 503, 503, 200, 200]);
      expect(said).to.deep.equal(['not ready', 'ready again']);
    } finally {
      await server.stop(0);
    }
  });

  it('serves metrics, and the schema of every event', async () => {
    await start();

    const metrics = await fetch(`${http?.url ?? ''}/metrics`);
    const list = (await problem('/schemas')).body['schemas'] as readonly string[];
    const schemas = await Promise.all(list.map(async (path) => (await problem(path)).body));

    expect([metrics.headers.get('content-type'), await metrics.text()]).to.deep.equal([
      'text/plain; version=0.0.4',
      'hub_up 1\n',
    ]);
    expect(schemas.map(({ $id }) => $id)).to.deep.equal(list);
    expect(list).to.include.members([
      '/schemas/hub.study.completed.v1.json',
      '/schemas/partner/hub.study.processed.v1.json',
    ]);
    expect(list).not.to.include('/schemas/partner/hub.instance.stored.v1.json');
    const completed = schemas[list.indexOf('/schemas/hub.study.completed.v1.json')];
    expect(completed).to.deep.include({
      type: 'object',
      required: ['studyInstanceUid', 'revision', 'instances', 'source', 'signal', 'quietMs'],
    });
    // A later minor version may add fields; readers must not be told otherwise.
    expect(completed).not.to.have.property('additionalProperties');
    const counts = schemas[list.indexOf('/schemas/hub.study.deidentified.v1.json')]?.['properties'];
    expect((counts as Record<string, unknown>)['counts']).to.have.property('additionalProperties');
  });

  it('shows metrics to whoever has their token alone, and to who is on this machine and the hub’s own user', async () => {
    http = await startHttp(ledger, () => [], { metricsDoor: { token: 'a-secret-for-Prometheus' } });
    const { url, socketPath, as } = http;
    const asked = async (authorization?: string) =>
      await fetch(`${url}/metrics`, authorization === undefined ? {} : { headers: { Authorization: authorization } });

    const refused = await Promise.all(
      [undefined, 'a-secret-for-Prometheus', 'Bearer wrong', 'Bearer ', (await as('admin')).Authorization].map(asked),
    );
    const shown = await asked('Bearer a-secret-for-Prometheus');
    const own = await run('curl', ['-s', '--unix-socket', socketPath, 'http://hub/metrics']);

    for (const answer of refused) {
      expect(answer.status).to.equal(401);
      expect(await answer.text()).not.to.contain('hub_up');
    }
    expect([shown.status, own.stdout]).to.deep.equal([200, 'hub_up 1\n']);
  });

  it('shows them on a port of their own alone, where that is asked, and nothing else there', async () => {
    http = await startHttp(ledger, () => [], {
      metricsDoor: { token: 'secret', listen: { host: '127.0.0.1', port: 0 } },
    });
    const own = `http://127.0.0.1:${String(http.metricsPort)}`;
    const headers = { Authorization: 'Bearer secret' };

    const statuses = await Promise.all(
      [
        fetch(`${http.url}/metrics`, { headers }),
        fetch(`${own}/metrics`),
        fetch(`${own}/health/ready`, { headers }),
        fetch(`${own}/metrics`, { headers }),
      ].map(async (answer) => (await answer).status),
    );

    expect(statuses).to.deep.equal([404, 401, 404, 200]);
  });

  it('has a socket that nobody else can open from the moment that it is there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hub-socket-'));
    const server = createServer();
    const path = join(folder, 'hub.sock');
    const modes: number[] = [];
    // Told before whoever listens goes on.
    server.once('listening', () => modes.push(statSync(path).mode & 0o077));
    const before = process.umask(0);

    await listenOnOwnSocket(server, path).finally(() => process.umask(before));

    expect(modes).to.deep.equal([0]);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    await new Promise((closed) => server.close(closed));
    await rm(folder, { recursive: true });
  });

  it('takes a socket in the data folder for its own user, and only for it', async () => {
    const running = await start(Router());

    expect((await stat(running.socketPath)).mode & 0o777).to.equal(0o600);
  });

  it('will not share a data folder with another hub, but takes over what a killed one left', async () => {
    const running = await start();
    const second = createHttpServer({ ...nothing, ownSocketPath: running.socketPath });
    const left = `${running.socketPath}.left`;
    // What kill -9 leaves: the name of a socket nobody listens on.
    await run(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]).catch(() => undefined);
    expect((await stat(left)).isSocket()).to.equal(true);
    const third = createHttpServer({ ...nothing, ownSocketPath: left });

    const error = await thrownBy(second.start());
    await third.start();

    expect(error.code).to.equal('resource.conflict');
    expect(await isSocketAnswered(left)).to.equal(true);
    await third.stop(0);
  });

  it('puts its socket elsewhere when the data folder has too long a name for one', () => {
    expect(ownSocketPath('/srv/hub')).to.equal('/srv/hub/hub.sock');
    expect(ownSocketPath(`/srv/${'x'.repeat(120)}`))
      .to.match(/hub-[0-9a-f]{16}\.sock$/)
      .and.to.have.property('length')
      .below(108);
  });

  it('says which port it cannot have', async () => {
    const running = await start();
    const port = Number(new URL(running.url).port);
    const second = createHttpServer({ ...nothing, listen: { host: '127.0.0.1', port } });

    const error = await thrownBy(second.start());

    expect([error.code, error.fields['detail']]).to.deep.equal([
      'config.invalid',
      `HTTP cannot listen on 127.0.0.1:${port}: another program holds the port`,
    ]);
  });

  it('lets a request under way end when it stops', async () => {
    const asked = Promise.withResolvers<Response>();
    const running = await start(Router().get('/slow', (_request, response) => asked.resolve(response)));
    const slow = fetch(`${running.url}/door/slow`);
    const response = await asked.promise;

    const stopped = running.server.stop(10_000);
    response.end('done');

    expect(await (await slow).text()).to.equal('done');
    await stopped;
  });

  it('cuts what does not end within the grace', async () => {
    const asked = Promise.withResolvers<true>();
    const running = await start(Router().get('/never', () => asked.resolve(true)));
    const never = fetch(`${running.url}/door/never`);
    await asked.promise;

    await running.server.stop(20);

    await never.then(
      () => expect.fail('it was answered'),
      (error: unknown) => expect(error).to.be.instanceOf(TypeError),
    );
  });
});
