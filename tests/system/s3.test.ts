/** The hub on a bucket, as its users have it: what it promises while the bucket is there, and while it is not. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { ended, listed, reached, type SeenStudy } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { startCommitmentScu } from '../support/commitment-scu.ts';
import { filesBelow } from '../support/files-below.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { S3_SECRETS, type S3Bucket, type S3Server, startS3Server } from '../support/s3-server.ts';
import { send } from '../support/scanner.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
/** 2,200 × 2,200 × 2 bytes: too large for a shared segment. */
const LARGE_PIXELS = 2200;

describe('the hub on S3', function () {
  this.timeout(180_000);
  let server: S3Server;
  before(async () => {
    server = await startS3Server();
  });
  after(() => server.stop());

  let bucket: S3Bucket;
  let proxy: TcpProxy;
  let hub: HubProcess;
  beforeEach(async () => {
    bucket = await server.bucket();
    proxy = await TcpProxy.start(server.port);
    hub = await HubProcess.create({ config: {}, env: S3_SECRETS });
    await configure();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(hub.log().slice(-6000));
    await hub.remove();
    bucket.client.destroy();
    await proxy.stop();
  });
  const configure = (
    store: Readonly<Record<string, unknown>> = {},
    retention: Readonly<Record<string, unknown>> = {},
  ) =>
    hub.configure({
      hub: { name: 'tested', data: hub.dataFolder, node: 'hub-0' },
      gateway: {
        spool: { segment: '1MiB' },
        retention,
        dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
      },
      store: {
        ...bucket.config,
        endpoint: `http://127.0.0.1:${proxy.port}`,
        timeouts: { connect: '1s', idle: '2s' },
        ...store,
      },
      destinations: [{ name: 'archive', type: 'folder', path: join(hub.folder, 'archive') }],
      routes: [{ name: 'all', when: { Modality: 'MR' }, process: ['qc'], deliver: ['archive'] }],
    });
  const sendAll = async (instances: readonly MrInstance[]) => {
    const folder = join(hub.folder, 'scanner');
    await mkdir(folder, { recursive: true });
    const files = await Promise.all(
      instances.map(async ({ sopInstanceUid, part10 }) => {
        const file = join(folder, `${sopInstanceUid}.dcm`);
        await writeFile(file, part10);
        return file;
      }),
    );
    return send(hub.dimsePort, files, { timeoutMs: 60_000 });
  };
  const packs = async () => (await bucket.keys()).filter(({ key }) => !key.endsWith('/owner.json'));
  const segments = async () => (await readdir(join(hub.dataFolder, 'spool'))).filter((name) => name.endsWith('.seg'));
  const delivered = async () => {
    const files = await filesBelow(join(hub.folder, 'archive'));
    const instances = files.filter(({ path }) => path.endsWith('.dcm'));
    return new Map(instances.map(({ path, bytes }) => [path.split('/').at(-1), bytes]));
  };
  const expectDelivered = async (instances: readonly MrInstance[]) => {
    const there = await delivered();
    for (const { sopInstanceUid, dataSet } of instances) {
      // In front of the data set stands the hub's own file meta information.
      const bytes = there.get(`${sopInstanceUid}.dcm`)?.subarray(-dataSet.length) ?? Buffer.alloc(0);
      expect(bytes.equals(dataSet), sopInstanceUid).to.be.true;
    }
  };

  it('receives, processes and delivers a study, and the local disk keeps nothing of it', async () => {
    const study = studyOf(12);
    const large = mrInstance(
      { StudyInstanceUID: study[0]?.studyInstanceUid, SeriesInstanceUID: newUid() },
      LARGE_PIXELS,
    );
    const all = [...study, large];
    await hub.start();

    const sent = await sendAll(all);
    const delivery = await ended(hub, large.studyInstanceUid, 'archive', { deadlineMs: 60_000 });
    await waitFor('closed segments to leave the disk', async () => (await segments()).length <= 1);
    const keys = (await bucket.keys()).map(({ key }) => key);
    await hub.stop();
    await hub.start();
    await waitFor('the last segment to leave the disk', async () => (await segments()).length === 0);

    expect(sent.accepted).to.have.length(all.length);
    expect(delivery.state, hub.log()).to.equal('succeeded');
    await expectDelivered(all);
    expect(keys.some((key) => /^hub\/spool\/hub-0\/\d{10}-\d+-\d+-[0-9a-f]{12}\.seg$/.test(key))).to.be.true;
    expect(keys.some((key) => key.startsWith('hub/results/'))).to.be.true;
    // Everything is read from the bucket now: WADO-RS, and a storage commitment, which reads each byte.
    const answer = await hub.get(`/dicom-web/studies/${large.studyInstanceUid}`);
    expect(answer.status).to.equal(200);
    const body = Buffer.from(await answer.arrayBuffer());
    for (const { dataSet } of all) expect(body.includes(Buffer.from(dataSet.subarray(-2000)))).to.be.true;
    const scu = await startCommitmentScu({
      port: hub.dimsePort,
      items: all.map(({ sopInstanceUid }) => [MR_IMAGE_STORAGE, sopInstanceUid] as const),
      wait: 'same',
    });
    const [result] = await scu.results();
    await scu.stop();
    expect(result?.committed).to.have.members(all.map(({ sopInstanceUid }) => sopInstanceUid));
    expect(result?.failed).to.deep.equal([]);
  });

  it('starts and acknowledges while the bucket is down, says what waits, and delivers all of it in order when it is back', async () => {
    await proxy.down();
    await hub.start();
    const studies = [studyOf(8), studyOf(8)];
    const all = studies.flat();

    const sent = await sendAll(all);
    const metrics = await waitFor('the metrics', async () => {
      const text = await (await hub.get('/metrics')).text();
      return Number(/^hub_spool_oldest_age_seconds ([\d.]+)$/m.exec(text)?.[1]) > 0 ? text : undefined;
    });
    await waitFor('the log', () => /object store does not take what was received/.test(hub.log()));
    await proxy.restore();
    for (const [first] of studies) await ended(hub, first?.studyInstanceUid ?? '', 'archive', { deadlineMs: 60_000 });

    expect(sent.accepted).to.have.length(all.length);
    expect(Number(/^hub_spool_pending_bytes (\d+)$/m.exec(metrics)?.[1])).to.be.at.least(16 * 200_000);
    expect(hub.log())
      .to.match(/"code":"store.unreachable"/)
      .and.to.match(/"objects":\d+/)
      .and.to.match(/"oldestSeconds":\d+/);
    await waitFor('the good news', () => /object store takes what was received again/.test(hub.log()));
    await expectDelivered(all);
    for (const { revision } of await listed<SeenStudy>(hub, 'studies')) expect(revision).to.equal(1);
  });

  it('loses nothing when it is killed while it ships, again and again', async () => {
    proxy.slow(2_000_000);
    const all = Array.from({ length: 5 }, () => studyOf(6)).flat();
    const accepted: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      await hub.start();
      const sent = await sendAll(all.slice(round * 6, round * 6 + 6));
      accepted.push(...sent.accepted);
      await hub.kill();
    }
    await proxy.restore();

    await hub.start();
    for (const study of new Set(all.map(({ studyInstanceUid }) => studyInstanceUid)))
      await ended(hub, study, 'archive', { deadlineMs: 60_000 });

    expect(accepted).to.have.length(30);
    await expectDelivered(all);
    await waitFor('closed segments to leave the disk', async () => (await segments()).length <= 1);
  });

  it('is looked through, copied out and verified from the bucket, and a lost ledger is built from it', async () => {
    const study = studyOf(12);
    await hub.start();
    await sendAll(study);
    await ended(hub, study[0]?.studyInstanceUid ?? '', 'archive');
    await hub.stop();
    await hub.start();
    await waitFor('all segments to leave the disk', async () => (await segments()).length === 0);
    await hub.stop();

    const usage = await hub.json('store', 'usage');
    const verified = await hub.command('store', 'verify');
    const exported = await hub.command('store', 'export', join(hub.folder, 'export'));
    for (const name of await readdir(hub.dataFolder)) {
      if (name.startsWith('ledger.db')) await rm(join(hub.dataFolder, name));
    }
    const rebuilt = await hub.command('store', 'rebuild');
    await damage(bucket);
    const damaged = await hub.command('store', 'verify');

    // Heads of records: what is needed of a pack are the objects in it.
    expect(usage).to.have.property('removableBytes').below(20_000);
    expect(usage)
      .to.have.property('spoolBytes')
      .greaterThan(12 * 200_000);
    expect(usage).to.have.property('resultsBytes').greaterThan(0);
    expect(verified.stdout, verified.stderr).to.match(/^12 objects, .* read: all as they were written$/m);
    expect(exported.stdout, exported.stderr).to.match(/^12 instances written to /m);
    expect((await filesBelow(join(hub.folder, 'export'))).map(({ path }) => path.split('/').at(-1))).to.have.members(
      study.map(({ sopInstanceUid }) => `${sopInstanceUid}.dcm`),
    );
    expect(rebuilt.stdout, rebuilt.stderr).to.match(/^12 instances of 1 study are in a new ledger/m);
    expect(damaged.code).to.equal(1);
    expect(damaged.stdout).to.match(/^damaged data set: study 2\.25\.\d+ instance 2\.25\.\d+, hub-0\/\d{10}-/m);
    await hub.start();
    expect((await listed<SeenStudy>(hub, 'studies')).map(({ instances, held }) => [instances, held])).to.deep.equal([
      [12, true],
    ]);
  });

  it('keeps receiving on a bucket that turns out to be another ledger’s, and leaves it alone', async () => {
    await proxy.down();
    await hub.start();
    const study = studyOf(4);
    const mark = { Bucket: bucket.options.bucket, Key: `${bucket.options.prefix}owner.json` };
    const Body = JSON.stringify({ ledger: 'another', node: 'hub-0', since: '2026-01-01T00:00:00.000Z' });
    await bucket.client.send(new PutObjectCommand({ ...mark, Body }));

    await proxy.restore();
    const sent = await sendAll(study);
    await waitFor('the log', () => /"code":"store.foreign"/.test(hub.log()), 30_000);
    const keys = (await bucket.keys()).map(({ key }) => key);
    await hub.command('store', 'disown');
    await ended(hub, study[0]?.studyInstanceUid ?? '', 'archive', { deadlineMs: 60_000 });

    expect(sent.accepted).to.have.length(4);
    expect(keys).to.deep.equal([mark.Key]);
    await expectDelivered(study);
  });

  it('removes from the bucket what was delivered and is old enough, and nothing that another ledger knew', async () => {
    const [first, kept] = [studyOf(6), studyOf(6)];
    await configure({}, { received: '1s', results: '1s', every: '1s' });
    await hub.start();
    await sendAll(first);
    await ended(hub, first[0]?.studyInstanceUid ?? '', 'archive');
    await waitFor('the bucket to be empty', async () => (await packs()).length === 0, 60_000);
    await hub.stop();
    await configure({}, { received: '365d', results: '365d', every: '1s' });
    await hub.start();
    await sendAll(kept);
    await ended(hub, kept[0]?.studyInstanceUid ?? '', 'archive');
    await hub.stop();
    await hub.start();
    await waitFor('all segments to leave the disk', async () => (await segments()).length === 0);
    const before = await packs();
    await hub.stop();
    for (const name of await readdir(hub.dataFolder)) {
      if (name.startsWith('ledger.db')) await rm(join(hub.dataFolder, name));
    }

    hub.launch();
    const refused = await hub.ready().catch(String);
    const disowned = await hub.command('store', 'disown');
    await hub.start();
    const another = studyOf(2);
    await sendAll(another);
    await waitFor(
      'the delivery',
      async () => (await delivered()).has(`${another[0]?.sopInstanceUid ?? ''}.dcm`),
      60_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // Looks that must find nothing: there is no event to wait for.

    expect(refused).to.contain('The bucket belongs to another ledger').and.to.contain('hub store disown');
    expect(disowned.stdout).to.match(/^the bucket was that of ledger [0-9a-f-]{36}, taken by hub-0 at /m);
    expect(before.length).to.be.greaterThan(1);
    expect(await packs()).to.include.deep.members([...before]);
  });

  it('goes on from a hub that kept everything on its disk: what was received before is read from there', async () => {
    const [before, after] = [studyOf(3), studyOf(3)];
    await configure({
      kind: 'file',
      ...Object.fromEntries(Object.keys(bucket.config).map((key) => [key, undefined])),
      timeouts: undefined,
      endpoint: undefined,
    });
    await hub.start();
    await sendAll(before);
    await ended(hub, before[0]?.studyInstanceUid ?? '', 'archive');
    await hub.stop();
    await configure();
    await hub.start();

    await sendAll(after);
    await ended(hub, after[0]?.studyInstanceUid ?? '', 'archive');

    for (const [{ studyInstanceUid, dataSet } = expect.fail()] of [before, after]) {
      const answer = await hub.get(`/dicom-web/studies/${studyInstanceUid}`);
      expect(Buffer.from(await answer.arrayBuffer()).includes(Buffer.from(dataSet.subarray(-2000)))).to.be.true;
    }
    await reached(hub, before[0]?.studyInstanceUid ?? '', { state: 'routed' });
  });
});

/** Changes one byte of the first pack of received objects, far behind its head. */
async function damage({ client, keys, options }: S3Bucket): Promise<void> {
  const key = (await keys()).find((each) => each.key.includes('/spool/'))?.key ?? expect.fail('no pack');
  const object = { Bucket: options.bucket, Key: key };
  const bytes = await (await client.send(new GetObjectCommand(object))).Body?.transformToByteArray();
  const changed = Buffer.from(bytes ?? []);
  changed.writeUInt8(changed.readUInt8(100_000) ^ 0xff, 100_000);
  await client.send(new PutObjectCommand({ ...object, Body: changed }));
}

function studyOf(instances: number): readonly MrInstance[] {
  const uids = { StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
  return Array.from({ length: instances }, (_, n) => mrInstance({ ...uids, InstanceNumber: String(n + 1) }, 320));
}
