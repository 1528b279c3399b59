import { expect } from 'chai';
import { Router } from 'express';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openTestLedger } from '../../support/open-ledger.ts';
import { type RunningHttp, startHttp } from '../../support/running-http.ts';

const WINDOW_MS = 200;

describe('a request body that comes too slowly', () => {
  let http: RunningHttp;
  let remove: () => Promise<void>;
  let taken = 0;
  let isTaking = true;
  let sockets: Socket[] = [];

  before(async () => {
    const opened = await openTestLedger();
    remove = opened.remove;
    const router = Router();
    router.post('/', async (request, response) => {
      taken = 0;
      for await (const chunk of request) {
        taken += (chunk as Buffer).length;
        // A disk that is busy for longer than the peer may be silent.
        if (!isTaking) await delay(WINDOW_MS * 4);
      }
      response.end(String(taken));
    });
    http = await startHttp(opened.ledger, () => [{ path: '/bodies', router }], {
      bodyProgress: { windowMs: WINDOW_MS, minBytes: 1_000 },
    });
  });
  beforeEach(() => {
    isTaking = true;
    sockets = [];
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
  });
  after(async () => {
    await http.stop();
    await remove();
  });

  for (const [how, length] of [
    ['of known length', 'Content-Length: 100000'],
    ['in chunks', 'Transfer-Encoding: chunked'],
  ] as const) {
    it(`is answered with 408 and cut off, ${how}`, async () => {
      const { socket, closed, said } = begin(length);
      const dripping = setInterval(() => socket.write('1\r\nx\r\n'), 50);

      await closed;

      clearInterval(dripping);
      expect(said()).to.match(/^HTTP\/1\.1 408 /);
    });
  }

  it('is taken for as long as enough of it comes', async () => {
    const { socket, closed, said } = begin('Content-Length: 16000');

    for (let n = 0; n < 16; n += 1) {
      socket.write('x'.repeat(1_000));
      await delay(WINDOW_MS / 3);
    }
    await closed;

    expect(said()).to.match(/^HTTP\/1\.1 200 [^]*16000$/);
  });

  it('is not cut off while it is the hub that does not take what came', async () => {
    isTaking = false;
    const { socket, closed, said } = begin('Content-Length: 400000');

    socket.write('x'.repeat(400_000));
    await closed;

    expect(said()).to.match(/^HTTP\/1\.1 200 [^]*400000$/);
  }).timeout(30_000);

  function begin(length: string): {
    readonly socket: Socket;
    readonly closed: Promise<unknown>;
    readonly said: () => string;
  } {
    const socket = connect(Number(new URL(http.url).port), '127.0.0.1');
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    socket.write(`POST /bodies HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n${length}\r\n\r\n`);
    return { socket, closed, said: () => text };
  }
});
