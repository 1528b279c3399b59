import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { exchange } from '../../../connectors/exchange.ts';
import { createAddressGuard } from '../../../connectors/webhook/address-guard.ts';
import { createPoster, type Poster } from '../../../connectors/webhook/post.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

describe('one request to an endpoint that may be anything', () => {
  let server: Server;
  let poster: Poster;
  let url: URL;
  let answer: RequestListener;
  let connections = 0;

  beforeEach(async () => {
    connections = 0;
    server = createServer((request, response) => {
      request.resume();
      answer(request, response);
    });
    server.on('connection', () => (connections += 1));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = new URL(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/hook`);
    poster = createPoster(createAddressGuard(['127.0.0.1'], 'partner'));
  });
  afterEach(async () => {
    poster.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const post = (timeoutMs = 5_000) =>
    poster.post({ url, headers: {}, body: '{}', timeoutMs, signal: new AbortController().signal });

  const exchangeOnce = () =>
    exchange({
      ...{ method: 'POST', url, headers: {}, body: { sizeBytes: 2, chunks: [Buffer.from('{}')] } },
      ...{ connectTimeoutMs: 1_000, idleTimeoutMs: 1_000, totalTimeoutMs: 1_000, signal: new AbortController().signal },
    });

  it('uses a connection again after an answer that was read', async () => {
    answer = (_request, response) => void response.end('garbage that is no JSON');

    const statuses = [];
    for (let count = 0; count < 10; count += 1) statuses.push((await post()).status);

    expect(new Set(statuses)).to.deep.equal(new Set([200]));
    // The next one may begin before the body of the one before is through.
    expect(connections).to.be.at.most(3);
  });

  it('takes a status as the answer though the body never ends, and lets go of the connection', async () => {
    let isClosed = false;
    answer = (_request, response) => {
      response.writeHead(200);
      const stream = setInterval(() => response.write(Buffer.alloc(65_536)), 1);
      response.on('close', () => {
        clearInterval(stream);
        isClosed = true;
      });
    };

    expect((await post()).status).to.equal(200);
    await waitFor('the connection to be closed', () => isClosed);
  });

  it('lets go of a connection whose answer hangs in the middle', async () => {
    let isClosed = false;
    answer = (_request, response) => {
      response.writeHead(204, { 'X-Slow': '1' });
      response.flushHeaders();
      response.on('close', () => (isClosed = true));
    };
    expect((await post()).status).to.equal(204);
    answer = (_request, response) => {
      response.writeHead(200);
      response.write('half');
      response.on('close', () => (isClosed = true));
    };

    expect((await post()).status).to.equal(200);
    await waitFor('the connection to be closed', () => isClosed);
  });

  it('gives up an endpoint that says nothing, as one that may have it', async () => {
    answer = () => undefined;

    const error = await thrownBy(post(200));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.timeout', 'ambiguous']);
  });

  it('is through with an endpoint that switches to another protocol', async () => {
    answer = (request) =>
      request.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');

    const ends = [await thrownBy(post(1_000)), await thrownBy(exchangeOnce())];

    expect(ends.map(({ code }) => code)).to.deep.equal(['partner.refused', 'partner.refused']);
  });

  it('follows no redirect', async () => {
    let asked = 0;
    answer = (_request, response) => {
      asked += 1;
      response.writeHead(307, { Location: url.href }).end();
    };

    expect([(await post()).status, asked]).to.deep.equal([307, 1]);
  });

  it('tries once more when a connection kept open was closed just then', async () => {
    const used = new WeakSet<Socket>();
    let cut = 0;
    answer = (request, response) => {
      if (used.has(request.socket)) {
        cut += 1;
        request.socket.destroy();
        return;
      }
      used.add(request.socket);
      response.end();
    };

    await waitFor('a connection to be used again', async () => {
      expect((await post()).status).to.equal(200);
      return cut > 0;
    });
  });

  it('says whether anybody was reached', async () => {
    answer = (request) => request.socket.destroy();
    const broken = await thrownBy(post());
    server.close();
    server.closeAllConnections();
    const nobody = await thrownBy(post());
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');

    expect([broken.code, nobody.code]).to.deep.equal(['partner.unreachable', 'partner.unreachable']);
    expect([broken.fields['detail'], nobody.fields['detail']]).to.deep.equal(['the connection broke', 'no connection']);
  });

  it('never connects to this machine through a name that only the partner says what it is', async () => {
    answer = (_request, response) => void response.end();
    const named = new URL(url);
    named.hostname = 'localhost';
    const post_ = (namedBy: 'administrator' | 'partner') => {
      const each = createPoster(createAddressGuard(['localhost'], namedBy));
      return each
        .post({ url: named, headers: {}, body: '{}', timeoutMs: 2_000, signal: new AbortController().signal })
        .finally(() => each.close());
    };

    const refused = await thrownBy(post_('partner'));

    expect([refused.code, connections]).to.deep.equal(['partner.refused', 0]);
    expect((await post_('administrator')).status).to.equal(200);
  });
});
