import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import type { StoreClaimant } from '../../../platform/store/owner.ts';
import { openS3Store, type S3Store } from '../../../platform/store/s3/store.ts';
import { type S3Bucket, type S3Server, s3Secret, startS3Server, through } from '../../support/s3-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { thrownBy } from '../../support/thrown.ts';

const ONE = 'ledger-1';
const OTHER = 'ledger-2';

describe('a bucket that a ledger has', function () {
  this.timeout(30_000);
  let server: S3Server;
  let bucket: S3Bucket;
  let proxy: TcpProxy;
  const opened: S3Store[] = [];
  before(async () => {
    server = await startS3Server();
  });
  after(() => server.stop());
  beforeEach(async () => {
    bucket = await server.bucket();
    proxy = await TcpProxy.start(server.port);
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
    bucket.client.destroy();
    await proxy.stop();
  });
  const open = (ledger: string | undefined, node = 'gateway-0') => {
    const claimant: StoreClaimant | undefined =
      ledger === undefined ? undefined : { ledgerId: () => Promise.resolve(ledger), node };
    const options = through(bucket, proxy.port, { idleTimeoutMs: 500, connectTimeoutMs: 500 });
    const store = openS3Store(options, { open: () => Promise.reject(new Error('not local')) }, s3Secret, claimant);
    opened.push(store);
    return store;
  };
  const upload = (to: S3Store, pack: string) =>
    to.upload(pack, 3, () => chunk(Buffer.from('abc')), new AbortController().signal);
  const mark = () => ({ Bucket: bucket.options.bucket, Key: `${bucket.options.prefix}owner.json` });

  it('is its own from the first write on, for all replicas on it and for nobody else', async () => {
    await upload(open(ONE), 'spool/a/1.seg');
    await upload(open(ONE, 'gateway-1'), 'spool/b/1.seg');
    const other = open(OTHER);

    const refused = await Promise.all([
      thrownBy(upload(other, 'spool/a/2.seg')),
      thrownBy(other.createPack('run-1')),
      thrownBy(other.remove('spool/a/1.seg')),
      thrownBy(other.removeUnfinished(new Date())),
      thrownBy(other.ownership.check()),
    ]);

    expect(refused.map(({ code }) => code)).to.deep.equal(Array(5).fill('store.foreign'));
    expect(refused[0].fields).to.include({ ledger: ONE, node: 'gateway-0' });
    expect((await bucket.keys()).map(({ key }) => key)).to.deep.equal([
      'hub/owner.json',
      'hub/spool/a/1.seg',
      'hub/spool/b/1.seg',
    ]);
  });

  it('goes to one of many that begin at once, and to no other ledger', async () => {
    const replicas = Array.from({ length: 6 }, (_, n) => open(ONE, `gateway-${String(n)}`));

    await Promise.all(replicas.map((store) => store.ownership.check()));

    expect((await thrownBy(open(OTHER).ownership.check())).code).to.equal('store.foreign');
  });

  it('is the next one’s when it was given up, and the one before finds that out', async () => {
    const [one, other] = [open(ONE), open(OTHER)];
    await upload(one, 'spool/a/1.seg');

    const was = await open(undefined).ownership.giveUp();
    await upload(other, 'spool/a/2.seg');
    const refused = await thrownBy(one.ownership.check());

    expect(was).to.include({ ledger: ONE, node: 'gateway-0' });
    expect(refused.code).to.equal('store.foreign');
    // Found out once, nothing is written on the answer of before.
    expect((await thrownBy(upload(one, 'spool/a/3.seg'))).code).to.equal('store.foreign');
    expect((await bucket.keys()).map(({ key }) => key)).to.include('hub/spool/a/1.seg');
  });

  it('is not touched while neither it nor the ledger can be asked, and is as soon as they can', async () => {
    await proxy.down();
    const store = open(ONE);
    const unreachable = await thrownBy(upload(store, 'spool/a/1.seg'));
    await proxy.restore();
    await upload(store, 'spool/a/1.seg');
    let isUp = false;
    const ledgerId = () => (isUp ? Promise.resolve(ONE) : Promise.reject(new HubError('ledger.unreachable')));
    const waiting = openS3Store(bucket.options, { open: () => Promise.reject(new Error()) }, s3Secret, {
      ...{ ledgerId, node: 'gateway-1' },
    });
    opened.push(waiting);
    const withoutLedger = await thrownBy(upload(waiting, 'spool/b/1.seg'));
    isUp = true;
    await upload(waiting, 'spool/b/1.seg');

    expect([unreachable.code, withoutLedger.code]).to.deep.equal(['store.unreachable', 'ledger.unreachable']);
  });

  it('is somebody’s whose mark no hub has written', async () => {
    await bucket.client.send(new PutObjectCommand({ ...mark(), Body: 'mine\n' }));

    const refused = await thrownBy(open(ONE).ownership.check());
    const { Body } = await bucket.client.send(new GetObjectCommand(mark()));

    expect(refused.code).to.equal('store.foreign');
    expect(await Body?.transformToString()).to.equal('mine\n');
  });
});

async function* chunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
