import { readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { mountSmallDisk, type SmallDisk } from '../platform/small-disk.ts';
import { run } from '../support/child-process.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { curl } from '../support/peers.ts';
import { RawPeer, statusOf, storeRequest } from '../support/raw-association.ts';
import { send } from '../support/scanner.ts';
import { skip } from '../support/skip.ts';
import { waitFor } from '../support/wait-for.ts';

const MB = 1_000_000;
const DISK_BYTES = 64 * MB;
const BOUNDARY = 'part-of-the-study';
/** 2,600 × 2,600 × 2 bytes: more than is left, and too large for a shared segment. */
const LARGE_PIXELS = 2_600;

describe('a hub on a disk that fills up', function () {
  this.timeout(60_000);
  let disk: SmallDisk | undefined;
  let reason = '';
  let hub: HubProcess;
  let ballast = '';

  before(async () => {
    const mounted = await mountSmallDisk(DISK_BYTES);
    if (typeof mounted === 'string') reason = mounted;
    else disk = mounted;
  });
  beforeEach(async function () {
    if (disk === undefined) skip(this, reason);
    hub = await HubProcess.create({ config: {} });
    await symlink(disk.path, hub.dataFolder);
    ballast = join(disk.path, 'ballast');
  });
  afterEach(async () => {
    await hub.remove();
    for (const name of await readdir(disk?.path ?? '')) await rm(join(disk?.path ?? '', name), { recursive: true });
  });
  after(async () => disk?.remove());

  it('refuses at every door before it acknowledges a byte, and goes on by itself when there is room', async () => {
    await hub.configure({
      gateway: { disk: { minFree: '2MB', maxUsedPercent: 60 }, http: { anonymousLoopback: true } },
    });
    await hub.start();
    const [first, second, third, fourth] = [mrInstance(), mrInstance(), mrInstance(), mrInstance()];
    const files = await written(hub.folder, { first, second, third, fourth });
    const body = await stowBody(hub.folder, third.part10);
    const open = await RawPeer.associate(hub.dimsePort);
    expect((await send(hub.dimsePort, [files.first])).code).to.equal(0);

    await writeFile(ballast, new Uint8Array(45 * MB));
    const probe = await waitFor('the disk to be low', async () => {
      const answer = await fetch(`${hub.url}/health/ready`);
      return answer.status === 503 ? await answer.text() : undefined;
    });
    const rejected = await send(hub.dimsePort, [files.second]);
    open.send(storeRequest(fourth, fourth.dataSet));
    const refused = statusOf(await open.next());
    const stow = await stowStatus(hub, body);

    expect(rejected.code).to.not.equal(0);
    // PS3.8 Table 9-21: transient (2), service provider, presentation related (3), local limit exceeded (2)
    expect(rejected.output)
      .to.match(/Rejected Transient/)
      .and.to.match(/Local Limit Exceeded/);
    expect(refused).to.equal(0xa700);
    expect(stow).to.equal('507');
    expect(probe).to.match(/% of the disk is used and 0\.\d+ GB are free/);
    expect(hub.log()).to.match(/disk is low: nothing is received until there is room/);
    expect(JSON.stringify(await hub.json('quarantine', 'list'))).to.not.contain(fourth.sopInstanceUid);

    await rm(ballast);
    await waitFor('the hub to be ready again', async () => (await fetch(`${hub.url}/health/ready`)).ok);
    open.send(storeRequest({ ...fourth, messageId: 2 }, fourth.dataSet));
    expect(statusOf(await open.next())).to.equal(0);
    expect((await send(hub.dimsePort, [files.second])).code).to.equal(0);
    expect(await stowStatus(hub, body)).to.equal('200');
    open.destroy();
  });

  it('answers A700 to an object the disk has no room for in the middle, and keeps nothing of it', async () => {
    await hub.configure({ gateway: { disk: { minFree: '0B', maxUsedPercent: 100 } } });
    await hub.start();
    const [small, large] = [mrInstance(), mrInstance({}, LARGE_PIXELS)];
    const files = await written(hub.folder, { small, large });
    expect((await send(hub.dimsePort, [files.small])).code).to.equal(0);
    const room = 6 * MB;
    const used = await usedBytes(disk?.path ?? '');
    await writeFile(ballast, new Uint8Array(DISK_BYTES - used - room));

    const full = await send(hub.dimsePort, [files.large]);
    const kept = await spoolBytes(hub);
    await rm(ballast);
    const again = await send(hub.dimsePort, [files.large]);

    expect(full.output).to.match(/Refused: OutOfResources/i);
    expect(kept).to.be.lessThan(MB);
    expect(again.code, again.output).to.equal(0);
    expect(await spoolBytes(hub)).to.be.greaterThan(large.dataSet.length);
  });
});

async function written<Name extends string>(
  folder: string,
  instances: Readonly<Record<Name, { readonly part10: Uint8Array }>>,
): Promise<Readonly<Record<Name, string>>> {
  const files: Record<string, string> = {};
  for (const [name, { part10 }] of Object.entries<{ readonly part10: Uint8Array }>(instances)) {
    files[name] = join(folder, `${name}.dcm`);
    await writeFile(files[name], part10);
  }
  return files as Record<Name, string>;
}

async function stowBody(folder: string, part10: Uint8Array): Promise<string> {
  const file = join(folder, 'stow.body');
  await writeFile(
    file,
    Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n`),
      part10,
      Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
    ]),
  );
  return file;
}

async function stowStatus(hub: HubProcess, body: string): Promise<string> {
  const type = `Content-Type: multipart/related; type="application/dicom"; boundary=${BOUNDARY}`;
  const args = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', type, '--data-binary', `@${body}`];
  return (await run((await curl()).command('curl'), [...args, `${hub.url}/dicom-web/studies`])).stdout;
}

async function spoolBytes(hub: HubProcess): Promise<number> {
  return await usedBytes(join(hub.dataFolder, 'spool'));
}

async function usedBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(names.map(async (name) => stat(join(folder, name))));
  return sizes.reduce((sum, each) => sum + (each.isFile() ? each.blocks * 512 : 0), 0);
}
