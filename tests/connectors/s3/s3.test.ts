import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { readFile } from 'node:fs/promises';
import { open as openS3, probe as probeS3 } from '../../../connectors/s3/connector.ts';
import { s3 } from '../../../connectors/s3/index.ts';
import type { Connector } from '../../../core/plugins.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { type S3Bucket, S3_SECRETS, type S3Server, startS3Server } from '../../support/s3-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { startHttpFront } from '../../support/http-front.ts';
import { startTlsFront } from '../../support/tls-front.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('the S3 connector', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let server: S3Server;
  let bucket: S3Bucket;
  const opened: Connector[] = [];

  before(async function () {
    this.timeout(900_000);
    server = await startS3Server();
  });
  beforeEach(async () => {
    bucket = await server.bucket();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((connector) => connector.close()));
  });
  after(() => server.stop());

  function optionsOf(changes: Readonly<Record<string, unknown>> = {}) {
    const { kind: _, ...place } = bucket.config;
    return { name: 'kct-bucket', type: 's3', ...place, timeouts: { connect: '2s', idle: '5s' }, ...changes };
  }

  function open(store: MemoryStore, changes: Readonly<Record<string, unknown>> = {}, secrets = S3_SECRETS): Connector {
    const connector = openS3(s3.options.parse(optionsOf(changes)), contextOf(store, secrets));
    opened.push(connector);
    return connector;
  }

  async function objectOf(key: string): Promise<Buffer> {
    const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.options.bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async function put(key: string, body: string): Promise<void> {
    await bucket.client.send(
      new PutObjectCommand({ Bucket: bucket.options.bucket, Key: key, Body: body, ChecksumAlgorithm: 'SHA256' }),
    );
  }

  it('creates each file under its template, byte for byte, and a manifest', async () => {
    const store = new MemoryStore();
    const files = [mrImage(1), mrImage(2)];
    const items = await Promise.all(files.map((bytes) => store.instance(bytes)));
    const delivered: string[] = [];
    const order = orderOf([...items, store.artefact('qc/report.json', '{}')], { partner: 'kct' });

    await open(store, { partner: 'kct', layout: '{partner}/{study}/{series}/{instance}.dcm' }).deliver(order, (uid) =>
      delivered.push(uid),
    );

    const results = `results/r1-${order.deliveryId.slice(0, 8)}/qc/report.json`;
    expect((await bucket.keys()).map(({ key }) => key)).to.have.members([
      'hub/kct/2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm',
      'hub/kct/2.25.7000/2.25.7000.1/2.25.7000.1.1.2.dcm',
      'hub/kct/2.25.7000/manifest.json',
      `hub/kct/2.25.7000/${results}`,
    ]);
    expect((await objectOf('hub/kct/2.25.7000/2.25.7000.1/2.25.7000.1.1.2.dcm')).equals(mrImage(2))).to.equal(true);
    const manifest = JSON.parse((await objectOf('hub/kct/2.25.7000/manifest.json')).toString()) as {
      files: { path: string; sha256: string }[];
    };
    expect(manifest.files.map(({ path, sha256: digest }) => [path, digest])).to.deep.equal([
      ['2.25.7000.1/2.25.7000.1.1.1.dcm', items[0]?.sha256],
      ['2.25.7000.1/2.25.7000.1.1.2.dcm', items[1]?.sha256],
      [results, sha256(Buffer.from('{}'))],
    ]);
    expect(delivered).to.have.members(items.map(({ sopInstanceUid }) => sopInstanceUid));
    expect(store.openSources).to.equal(0);
  });

  it('sends a large file in parts, whose checksum the store has compared', async () => {
    const store = new MemoryStore();
    const bytes = mrImage(1, { PixelData: { vr: 'OW', value: new Uint8Array(12_000_000).fill(9) } });
    const item = await store.instance(bytes);

    await open(store, { partSize: '5MiB' }).deliver(orderOf([item]), () => undefined);

    const key = 'hub/2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm';
    expect(sha256(await objectOf(key))).to.equal(item.sha256);
    const head = await bucket.client.send(
      new HeadObjectCommand({ Bucket: bucket.options.bucket, Key: key, ChecksumMode: 'ENABLED' }),
    );
    expect(head.ETag).to.match(/-3"$/);
    expect(head.ChecksumCRC32).to.be.a('string');
  });

  it('leaves what is there alone when it is the same, and replaces what the hub itself put there before', async () => {
    const store = new MemoryStore();
    const connector = open(store);
    const before = await store.instance(mrImage(1));
    const after = await store.instance(mrImage(1, { SeriesDescription: 'corrected' }));
    const key = 'hub/2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm';
    await connector.deliver(orderOf([before]), () => undefined);
    const tagOf = async () =>
      (await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.options.bucket, Key: key }))).LastModified;
    const [first] = [await tagOf()];

    await connector.deliver(orderOf([before]), () => undefined);
    const second = await tagOf();
    await connector.deliver(orderOf([after], { revision: 2 }), () => undefined);

    expect(second).to.deep.equal(first);
    expect(sha256(await objectOf(key))).to.equal(after.sha256);
    const manifest = JSON.parse((await objectOf('hub/2.25.7000/manifest.json')).toString()) as {
      revision: number;
      deliveries: unknown[];
      files: { sha256: string }[];
    };
    expect([manifest.revision, manifest.deliveries.length]).to.deep.equal([2, 3]);
    expect(manifest.files.map((file) => file.sha256)).to.deep.equal([after.sha256]);
  });

  it("does not write over somebody else's object, says which, and delivers the others without a manifest", async () => {
    const store = new MemoryStore();
    const items = await Promise.all([1, 2].map((index) => store.instance(mrImage(index))));
    await put('hub/2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm', 'not yours');
    const delivered: string[] = [];

    const error = await thrownBy(open(store).deliver(orderOf(items), (uid) => delivered.push(uid)));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.rejected-instances', 'permanent']);
    expect(String(error.fields['rejected'])).to.equal('2.25.7000.1.1.1 0x0111 another object has its key');
    expect(delivered).to.deep.equal(['2.25.7000.1.1.2']);
    expect((await objectOf('hub/2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm')).toString()).to.equal('not yours');
    expect((await bucket.keys()).some(({ key }) => key.endsWith('manifest.json'))).to.equal(false);
  });

  it("takes somebody else's object with the same bytes for the file", async () => {
    const store = new MemoryStore();
    const bytes = mrImage(1);
    const item = await store.instance(bytes);
    await bucket.client.send(
      new PutObjectCommand({
        Bucket: bucket.options.bucket,
        Key: 'hub/2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm',
        Body: bytes,
      }),
    );
    const delivered: string[] = [];

    await open(store).deliver(orderOf([item]), (uid) => delivered.push(uid));

    expect(delivered).to.deep.equal([item.sopInstanceUid]);
  });

  it('loses no entry of the manifest when another hub extends it between reading and writing', async () => {
    const store = new MemoryStore();
    const [mine, others] = [await store.instance(mrImage(1)), await store.instance(mrImage(2))];
    let isFirst = true;
    const front = await startHttpFront(server.port, async ({ method, url }) => {
      if (!isFirst || method !== 'PUT' || url?.includes('manifest.json') !== true) return undefined;
      isFirst = false;
      await open(store).deliver(orderOf([others]), () => undefined);
      return undefined;
    });
    try {
      await open(store, { endpoint: `http://127.0.0.1:${front.port}` }).deliver(orderOf([mine]), () => undefined);

      const manifest = JSON.parse((await objectOf('hub/2.25.7000/manifest.json')).toString()) as {
        deliveries: unknown[];
        files: unknown[];
      };
      expect([isFirst, manifest.deliveries.length, manifest.files.length]).to.deep.equal([false, 2, 2]);
    } finally {
      await front.stop();
    }
  });

  it('finds by HEAD what is not there any more, or not as it was', async () => {
    const store = new MemoryStore();
    const items = await Promise.all([1, 2, 3].map((index) => store.instance(mrImage(index))));
    const connector = open(store);
    const order = orderOf(items);
    await connector.deliver(order, () => undefined);
    await put('hub/2.25.7000/2.25.7000.1/2.25.7000.1.1.2.dcm', 'x'.repeat(items[1]?.sizeBytes ?? 0));

    const found = await connector.reconcile?.(orderOf([...items, await store.instance(mrImage(4))]));

    expect(found?.missing).to.have.members(['2.25.7000.1.1.2', '2.25.7000.1.1.4']);
  });

  it('goes on where a store that died in the middle left off', async () => {
    const store = new MemoryStore();
    const items = await Promise.all(Array.from({ length: 12 }, (_, index) => store.instance(mrImage(index))));
    const delivered = new Set<string>();
    const connector = open(store, { parallel: 1 });
    let killed: Promise<void> | undefined;

    const error = await thrownBy(
      connector.deliver(orderOf(items), (uid) => {
        delivered.add(uid);
        if (delivered.size === 5) killed = server.kill();
      }),
    );
    await killed;
    await server.again();
    const before = delivered.size;
    await connector.deliver(orderOf(items, { delivered: new Set(delivered), attempt: 2 }), (uid) => delivered.add(uid));

    expect(error.row.retry).to.not.equal('permanent');
    expect(before).to.be.within(5, 11);
    expect(delivered.size).to.equal(12);
    expect((await connector.reconcile?.(orderOf(items)))?.missing).to.deep.equal([]);
  });

  it('says what stands in the way: keys, bucket, nobody there', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);

    const [wrongKey, noBucket, nobody] = [
      await thrownBy(open(store, {}, { ...S3_SECRETS, S3_SECRET: 'wrong' }).deliver(order, () => undefined)),
      await thrownBy(open(store, { bucket: 'no-such-bucket' }).deliver(order, () => undefined)),
      await thrownBy(open(store, { endpoint: 'http://127.0.0.1:9' }).deliver(order, () => undefined)),
    ];

    expect([wrongKey.code, wrongKey.fields['detail']]).to.deep.equal(['partner.refused', 'our secret key is wrong']);
    expect([noBucket.code, noBucket.fields['detail']]).to.deep.equal(['partner.refused', 'there is no such bucket']);
    expect([nobody.code, nobody.fields['reason']]).to.deep.equal(['partner.unreachable', 'ECONNREFUSED']);
  });

  it('trusts the authority it is given, and no other', async () => {
    const authority = await makeAuthority(folder.path);
    const front = await startTlsFront(server.port, await authority.sign('s3', '/CN=s3'));
    try {
      const store = new MemoryStore();
      const order = orderOf([await store.instance(mrImage(1))]);
      const endpoint = `https://127.0.0.1:${front.port}`;
      const secrets = { ...S3_SECRETS, CA: await readFile(authority.certificate, 'utf8') };

      const error = await thrownBy(open(store, { endpoint }).deliver(order, () => undefined));
      await open(store, { endpoint, ca: { env: 'CA' } }, secrets).deliver(order, () => undefined);

      expect(error.code).to.equal('partner.unreachable');
      expect(await bucket.keys()).to.have.length(2);
    } finally {
      await front.stop();
    }
  });

  it('is diagnosed: the bucket, a test object there and back, and what is wrong with it', async () => {
    const diagnose = async (changes: Readonly<Record<string, unknown>>, secrets = S3_SECRETS, sendTest = true) => {
      const store = new MemoryStore();
      const options = s3.options.parse(optionsOf(changes));
      const context = { ...contextOf(store, secrets), sendTest, signal: new AbortController().signal };
      const found = [];
      for await (const each of probeS3(options, context)) found.push(`${each.id} ${each.verdict}`);
      return found;
    };

    expect(await diagnose({})).to.deep.equal([
      'tcp fine',
      'bucket fine',
      'test-object fine',
      'test-object.condition fine',
      'test-object.read-back fine',
    ]);
    expect(await bucket.keys()).to.deep.equal([]);
    expect(await diagnose({}, S3_SECRETS, false)).to.deep.equal(['tcp fine', 'bucket fine', 'test-object skipped']);
    expect(await diagnose({ bucket: 'no-such-bucket' })).to.deep.equal(['tcp fine', 'bucket wrong']);
    expect(await diagnose({}, { ...S3_SECRETS, S3_SECRET: 'wrong' })).to.deep.equal(['tcp fine', 'bucket wrong']);
    expect(await diagnose({ endpoint: 'http://127.0.0.1:9' })).to.deep.equal(['tcp wrong']);
  });

  it('refuses layouts by which names would collide or escape, each with its reason', () => {
    const mistakeOf = (layout: string, more: Readonly<Record<string, unknown>> = {}) => {
      const result = s3.options.safeParse(optionsOf({ layout, ...more }));
      return result.success ? '' : (result.error.issues[0]?.message ?? '');
    };

    expect(mistakeOf('{study}/{instance}.dcm')).to.equal('');
    expect(mistakeOf('x/{destination}-{study}/r{revision}/{instance}')).to.equal('');
    expect(mistakeOf('{partner}/{study}/{instance}.dcm')).to.contain('{partner} needs partner');
    expect(mistakeOf('{partner}/{study}/{instance}.dcm', { partner: 'kct' })).to.equal('');
    expect(mistakeOf('{study}/{series}.dcm')).to.contain('{instance}');
    expect(mistakeOf('{series}/{instance}.dcm')).to.contain('{study}');
    expect(mistakeOf('{series}/{study}/{instance}.dcm')).to.contain('{series} may only come');
    expect(mistakeOf('{patient}/{study}/{instance}.dcm')).to.contain('no such placeholder: {patient}');
    for (const bad of ['/{study}/{instance}', '../{study}/{instance}', '{study}//{instance}', '{study}/.{instance}'])
      expect(mistakeOf(bad), bad).to.contain('not a path');
  });

  it('ends when it is told to, without waiting for the store', async () => {
    const proxy = await TcpProxy.start(server.port);
    try {
      const store = new MemoryStore();
      const order = orderOf([await store.instance(mrImage(1))]);
      const ending = new AbortController();
      proxy.stall();
      const delivering = open(store, { endpoint: `http://127.0.0.1:${proxy.port}` })
        .deliver({ ...order, signal: ending.signal }, () => undefined)
        .then(
          () => 'delivered',
          () => 'ended',
        );

      ending.abort();

      expect(await delivering).to.equal('ended');
    } finally {
      await proxy.stop();
    }
  });
});
