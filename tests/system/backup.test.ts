import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { ended, listed, reached, type SeenDelivery, type SeenStudy } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, type MrInstance, newUid } from '../support/mr-instance.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';

const MAIN = resolve('main.ts');

interface Taken {
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  readonly copiedBytes: number;
  readonly removed: readonly string[];
}

describe('hub store backup', function () {
  this.timeout(120_000);
  let hub: HubProcess;
  let target: string;
  let names = 0;

  const sent = async (instances: readonly MrInstance[]) => {
    const folder = join(hub.folder, `sent-${String((names += 1))}`);
    await mkdir(folder);
    const files = await Promise.all(
      instances.map(async ({ part10 }, n) => {
        const file = join(folder, `${String(n)}.dcm`);
        await writeFile(file, part10);
        return file;
      }),
    );
    return await send(hub.dimsePort, files);
  };
  const backup = async (...args: readonly string[]) => (await hub.json('store', 'backup', target, ...args)) as Taken;

  before(async () => {
    hub = await HubProcess.create({ config: {} });
    target = join(hub.folder, 'backups');
    await hub.configure({
      gateway: {
        dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
        // Files come and go while they are copied.
        spool: { segment: '1MiB' },
        retention: { received: '1s', every: '1s' },
      },
      policies: [{ name: 'kct', profile: 'basic' }],
      partners: [{ name: 'kct' }],
      destinations: [
        { name: 'archive', type: 'folder', path: join(hub.folder, 'archive') },
        { name: 'for-kct', type: 'folder', path: join(hub.folder, 'for-kct'), partner: 'kct' },
      ],
      routes: [
        { name: 'kept', when: { PatientID: 'KEPT' } },
        { name: 'all', when: { not: { PatientID: 'KEPT' } }, deliver: ['archive'] },
        { name: 'partner', when: { PatientID: 'SHARED' }, process: [{ deidentify: 'kct' }], deliver: ['for-kct'] },
      ],
    });
    await hub.start();
  });
  after(async () => hub.remove());

  it('is taken beside a hub that receives and removes, and holds all that was acknowledged before', async () => {
    // No destination has these: they are only here.
    const study = newUid();
    const kept = Array.from({ length: 12 }, () => mrInstance({ StudyInstanceUID: study, PatientID: 'KEPT' }));
    const shared = mrInstance({ PatientID: 'SHARED' });
    expect((await sent([...kept, shared])).accepted).to.have.length(13);
    await ended(hub, shared.studyInstanceUid, 'for-kct');
    await reached(hub, study, { state: 'routed', revision: 1 });
    const pseudonyms = await readdir(join(hub.folder, 'for-kct'));
    const over = new AbortController();
    const load = (async () => {
      while (!over.signal.aborted) await sent(Array.from({ length: 8 }, () => mrInstance({}, 256)));
    })();

    let taken: Taken;
    try {
      taken = await backup();
    } finally {
      over.abort();
      await load;
    }
    await hub.kill();
    await rm(hub.dataFolder, { recursive: true });
    const restored = await hub.command('store', 'restore', taken.path);
    await hub.start();

    expect(restored.code, restored.stderr).to.equal(0);
    const stored = await waitFor('all instances to be there', async () => {
      const found = (await (await hub.get(`/api/v1/studies/${study}`)).json()) as SeenStudy;
      return found.instances === 12 ? found : undefined;
    });
    expect(stored.revision).to.equal(1);
    for (const { sopInstanceUid } of kept) {
      const path = `/dicom-web/studies/${study}/instances?SOPInstanceUID=${sopInstanceUid}`;
      expect((await hub.get(path)).status).to.equal(200);
    }
    const retrieved = await hub.get(`/dicom-web/studies/${study}`);
    expect(retrieved.status).to.equal(200);
    expect((await retrieved.arrayBuffer()).byteLength).to.be.above(12 * 1000);
    expect((await hub.command('store', 'verify')).code).to.equal(0);
    await waitFor('what was under way to be delivered', async () =>
      (await listed<SeenDelivery>(hub, 'deliveries')).every(({ state }) => state === 'succeeded'),
    );
    // The keys came back with it: the same pseudonyms, so nothing arrives twice under another name.
    const again = mrInstance({ StudyInstanceUID: shared.studyInstanceUid, PatientID: 'SHARED' });
    expect((await sent([again])).accepted).to.have.length(1);
    await ended(hub, shared.studyInstanceUid, 'for-kct', { revision: 2 });
    expect(await readdir(join(hub.folder, 'for-kct'))).to.deep.equal(pseudonyms);
    expect(await readdir(hub.dataFolder)).not.to.include('backup.pins');
  });

  it('copies only what is new since the one before, and keeps as many as it is told to', async () => {
    const first = await backup();
    const second = await backup();
    const sealed = (await readdir(join(second.path, 'spool'))).toSorted()[0] ?? '';

    expect(second.files).to.be.within(first.files - 1, first.files + 1);
    expect(second.copiedBytes).to.be.below(second.bytes);
    const inode = async (path: string) => (await stat(path)).ino;
    expect(await inode(join(second.path, 'spool', sealed))).to.equal(await inode(join(first.path, 'spool', sealed)));

    const third = await backup('--keep', '2');

    expect(third.removed).to.have.length(2);
    const left = await readdir(target);
    expect(left.map((name) => join(target, name)).toSorted()).to.deep.equal([second.path, third.path].toSorted());
  });

  it('can be restored though the backups that it shares files with are gone or were used', async () => {
    const [older = '', newer = ''] = (await readdir(target)).toSorted();
    await rm(join(target, older), { recursive: true });
    const elsewhere = join(hub.folder, 'elsewhere');
    const before = await filesOf(join(target, newer));

    const first = await hub.command('store', 'restore', join(target, newer), '--data', elsewhere);

    expect(first.code, first.stderr).to.equal(0);
    const copied = await stat(join(elsewhere, 'ledger.db'));
    expect(copied.nlink).to.equal(1);
    expect(copied.mode & 0o777).to.equal(0o600);
    expect(await filesOf(join(target, newer))).to.deep.equal(before);
  });

  it('is refused with a reason where it would do harm', async () => {
    const [name = ''] = await readdir(target);
    const path = join(target, name);
    const elsewhere = join(hub.folder, 'nowhere');
    const [segment = ''] = (await readdir(join(path, 'spool'))).toSorted();
    const file = join(path, 'spool', segment);
    const bytes = await readFile(file);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;

    const onto = await hub.command('store', 'restore', path);
    await rm(file);
    await writeFile(file, bytes);
    const damaged = await hub.command('store', 'restore', path, '--data', elsewhere);
    const noBackup = await hub.command('store', 'restore', hub.folder, '--data', elsewhere);

    expect([onto.code, damaged.code, noBackup.code]).to.deep.equal([1, 1, 1]);
    expect(onto.stderr).to.match(/is not empty: move away what is there/);
    expect(damaged.stderr).to.include(`spool/${segment} is not what was backed up`);
    expect(noBackup.stderr).to.match(/has no backup\.json: it is no finished backup/);
    expect((await readdir(hub.folder)).filter((each) => each.startsWith('nowhere'))).to.deep.equal([]);
  });

  it('leaves nothing that looks like a backup when it is killed, and the next one tidies up', async () => {
    const before = await finished(target);
    const child = spawn(process.execPath, [MAIN, 'store', 'backup', target, '--config', hub.configFile], {
      cwd: hub.folder,
      stdio: 'ignore',
    });
    await waitFor('it to have begun', async () => (await readdir(hub.dataFolder)).includes('backup.pins'));
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');

    expect(await finished(target)).to.deep.equal(before);
    const next = await backup();

    expect((await readdir(target)).toSorted()).to.deep.equal(
      [...before, next.path.slice(target.length + 1)].toSorted(),
    );
    expect(await readdir(hub.dataFolder)).not.to.include('backup.pins');
  });
});

const finished = async (target: string) => (await readdir(target)).filter((name) => /^\d/.test(name)).toSorted();

async function filesOf(folder: string): Promise<readonly (readonly [string, number, number])[]> {
  const files: (readonly [string, number, number])[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { size, mtimeMs } = await stat(path);
    files.push([path, size, mtimeMs]);
  }
  return files.toSorted(([one], [other]) => (one < other ? -1 : 1));
}
