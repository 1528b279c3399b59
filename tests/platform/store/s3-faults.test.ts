import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { expect } from 'chai';
import { formatBlobRef } from '../../../core/store.ts';
import type { S3Options } from '../../../platform/store/s3/client.ts';
import { openS3Store, type S3Store } from '../../../platform/store/s3/store.ts';
import { type S3Bucket, type S3Server, s3Secret, startS3Server, through } from '../../support/s3-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { thrownBy } from '../../support/thrown.ts';

const MIB = 1024 * 1024;

describe('a bucket that fails', function () {
  this.timeout(60_000);
  let server: S3Server;
  let proxy: TcpProxy;
  let bucket: S3Bucket;
  let store: S3Store;
  const opened: S3Store[] = [];
  const open = (options: S3Options) => {
    const made = openS3Store(options, { open: () => Promise.reject(new Error('not local')) }, s3Secret);
    opened.push(made);
    return made;
  };
  before(async () => {
    server = await startS3Server();
  });
  after(() => server.stop());
  beforeEach(async () => {
    proxy = await TcpProxy.start(server.port);
    bucket = await server.bucket();
    store = open(through(bucket, proxy.port, { idleTimeoutMs: 500, connectTimeoutMs: 500 }));
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    bucket.client.destroy();
    await proxy.stop();
  });
  const upload = (pack: string, content: Uint8Array, to = store) =>
    to.upload(pack, content.length, () => chunksOf(content), new AbortController().signal);

  it('is store.unreachable while nobody answers, and works again afterwards', async () => {
    await upload('spool/a/1.seg', bytes(MIB));
    await proxy.down();

    const [writing, reading] = [
      await thrownBy(upload('spool/a/2.seg', bytes(100))),
      await thrownBy(store.open(formatBlobRef('spool/a/1.seg', 0, 10))),
    ];
    await proxy.restore();
    await upload('spool/a/2.seg', bytes(100));

    expect([writing.code, reading.code]).to.deep.equal(['store.unreachable', 'store.unreachable']);
    expect((await bucket.keys()).map(({ key }) => key)).to.deep.equal(['hub/spool/a/1.seg', 'hub/spool/a/2.seg']);
  });

  it('keeps nobody waiting for ever on a connection that nothing comes through, whether it writes or reads', async () => {
    const content = bytes(5 * MIB);
    await upload('spool/a/1.seg', content);
    const source = await store.open(formatBlobRef('spool/a/1.seg', 0, content.length));
    proxy.stall();

    const startedMs = performance.now();
    const errors = await Promise.all([
      thrownBy(upload('spool/a/2.seg', bytes(100))),
      thrownBy(source.read(2 * MIB, MIB)),
      thrownBy(store.open(formatBlobRef('spool/a/1.seg', 0, 10))),
    ]);

    expect(errors.map(({ code }) => code)).to.deep.equal(errors.map(() => 'store.unreachable'));
    expect(performance.now() - startedMs).to.be.below(30_000);
  });

  it('reads on when the connection breaks off in the middle of an answer', async () => {
    const content = bytes(30 * MIB);
    await upload('spool/a/1.seg', content);
    const source = await store.open(formatBlobRef('spool/a/1.seg', 0, content.length));
    const chunks: Uint8Array[] = [];

    for await (const chunk of source.stream()) {
      chunks.push(chunk);
      if (chunks.length === 5) proxy.cut();
    }
    await source.close();

    expect(Buffer.concat(chunks).equals(content)).to.be.true;
  });

  for (const [what, size] of [
    ['in one piece', 4 * MIB],
    ['in parts', 40 * MIB],
  ] as const) {
    it(`sends again what was cut off ${what}: the pack is whole, and once`, async () => {
      proxy.cutAfter(size / 2);

      await upload('spool/a/1.seg', bytes(size));

      expect(await bucket.keys()).to.deep.equal([{ key: 'hub/spool/a/1.seg', sizeBytes: size }]);
    });

    it(`shows nothing of a pack ${what} whose sender gave up, and leaves nothing to sweep`, async () => {
      const ending = new AbortController();
      proxy.slow(2 * MIB);
      const content = bytes(size);
      const sending = thrownBy(
        store.upload(
          'spool/a/1.seg',
          size,
          async function* () {
            yield* chunksOf(content);
            ending.abort();
            await Promise.resolve();
          },
          ending.signal,
        ),
      );

      const error = await sending;
      await proxy.restore();

      expect(error.code).to.equal('store.unreachable');
      expect(await bucket.keys()).to.deep.equal([]);
      expect(await store.removeUnfinished(new Date(Date.now() + 60_000))).to.equal(0);
    });
  }

  it('does not take a pack for its own that another has written under that name', async () => {
    await upload('spool/a/1.seg', bytes(100));

    const error = await thrownBy(upload('spool/a/1.seg', bytes(100)));

    expect(error.code).to.equal('store.failed');
    expect(error.message).to.contain('there already');
  });

  const MISTAKES: readonly (readonly [string, Partial<S3Options>, string])[] = [
    ['there is no such bucket', { bucket: 'hub-tests-nowhere' }, 'store.bucket-missing'],
    [
      'the secret is wrong',
      { credentials: { accessKeyId: { env: 'S3_KEY' }, secretAccessKey: { env: 'S3_KEY' } } },
      'store.credentials',
    ],
    [
      'the key is unknown',
      { credentials: { accessKeyId: { env: 'S3_SECRET' }, secretAccessKey: { env: 'S3_KEY' } } },
      'store.credentials',
    ],
    ['the region is another', { region: 'eu-north-1' }, 'store.wrong-region'],
    ['the endpoint does not exist', { endpoint: 'http://127.0.0.1:1' }, 'store.unreachable'],
  ];
  for (const [what, options, code] of MISTAKES) {
    it(`says in so many words that ${what}`, async () => {
      const mistaken = open(through(bucket, proxy.port, options));

      const errors = [await thrownBy(upload('spool/a/1.seg', bytes(100), mistaken)), await thrownBy(listed(mistaken))];

      expect(errors.map((error) => error.code)).to.deep.equal([code, code]);
      expect(errors[0]?.message).not.to.contain('hub-tests-secret');
    });
  }

  describe('with the answers of a server that is not well', () => {
    let http: Server;
    let answer: (request: { readonly method: string; readonly count: number }) => { status: number; body: string };
    let requests = 0;
    beforeEach(async () => {
      requests = 0;
      http = createServer((request, response) => {
        request.resume();
        request.on('end', () => {
          const { status, body } = answer({ method: request.method ?? '', count: (requests += 1) });
          response.writeHead(status, { 'Content-Type': 'application/xml' }).end(body);
        });
      }).listen(0, '127.0.0.1');
      await once(http, 'listening');
    });
    afterEach(() => {
      http.closeAllConnections();
      http.close();
    });
    const port = () => {
      const address = http.address();
      return address === null || typeof address === 'string' ? 0 : address.port;
    };
    const xml = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;

    const ANSWERS = [
      [503, 'SlowDown', 'store.unreachable'],
      [500, 'InternalError', 'store.unreachable'],
      [502, 'BadGateway', 'store.unreachable'],
      [507, 'XMinioStorageFull', 'store.bucket-full'],
      [403, 'QuotaExceeded', 'store.bucket-full'],
      [403, 'AccessDenied', 'store.denied'],
      [403, 'RequestTimeTooSkewed', 'store.clock-skew'],
      [403, 'ExpiredToken', 'store.credentials'],
      [301, 'PermanentRedirect', 'store.wrong-region'],
      [400, 'BadDigest', 'store.corrupted'],
      [400, 'SomethingElse', 'store.failed'],
    ] as const;
    for (const [status, code, expected] of ANSWERS) {
      it(`takes ${status} ${code} for ${expected}`, async () => {
        answer = () => ({ status, body: xml(code) });
        const sick = open(through(bucket, port()));

        const error = await thrownBy(upload('spool/a/1.seg', bytes(100), sick));

        expect(error.code).to.equal(expected);
        expect(error.row.retry).to.equal('transient');
      });
    }

    it('asks again after a 503, and does not take silence about the checksum for consent', async () => {
      answer = ({ count }) => (count === 1 ? { status: 503, body: xml('SlowDown') } : { status: 200, body: '' });
      const sick = open(through(bucket, port()));

      // The object that a HEAD then finds bears no mark of this upload.
      const error = await thrownBy(upload('spool/a/1.seg', bytes(100), sick));

      expect(requests).to.be.at.least(3);
      expect(error.code).to.equal('store.failed');
    });
  });
});

async function listed(store: S3Store): Promise<number> {
  let count = 0;
  for await (const _ of store.list('')) count += 1;
  return count;
}

function bytes(length: number): Buffer {
  return Buffer.alloc(length, Buffer.from('pixels of a phantom, '));
}

async function* chunksOf(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += MIB) yield await Promise.resolve(content.subarray(at, at + MIB));
}
