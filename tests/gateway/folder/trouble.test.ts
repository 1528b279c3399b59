import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { mrInstance } from '../../support/mr-instance.ts';
import { skip } from '../../support/skip.ts';
import { waitFor } from '../../support/wait-for.ts';
import { watch, type Watched } from './watched.ts';

describe('a watched folder whose disk or share gives trouble', function () {
  this.timeout(30_000);

  let hub: Watched;
  afterEach(async () => {
    await hub.remove();
  });

  it('waits while the disk is low, and goes on by itself', async () => {
    let isLow = true;
    hub = await watch(
      {},
      {
        files: (real) => ({
          ...real,
          disk: async () => ({ ...(await real.disk()), freeBytes: isLow ? 0 : Number.MAX_SAFE_INTEGER }),
        }),
        options: { disk: { maxUsedFraction: 1, minFreeBytes: 1 } },
      },
    );
    await hub.put('IM1', mrInstance().part10);
    await waitFor('it to wait', async () =>
      /folder_files\{source="pv-export",state="waiting"\} 1\n/.test(await hub.metrics()),
    );
    expect(await hub.files()).to.deep.equal(['IM1']);

    isLow = false;

    await hub.holds('done/IM1');
    expect(hub.lines.filter(({ fields }) => fields['door'] === 'folder').map(({ level }) => level)).to.deep.equal([
      'info',
    ]);
  });

  it('says when the share goes away, takes no other door with it, and comes back by itself', async () => {
    hub = await watch();
    await hub.gateway.checkFolders();
    const away = `${hub.folder}-away`;

    await rename(hub.folder, away);
    const problem = await waitFor('the problem', async () =>
      hub.gateway.checkFolders().then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    expect(problem).to.include({ code: 'folder.unavailable' });
    expect(String(problem)).to.contain('the folder is not there').and.not.to.contain(hub.folder);
    await hub.gateway.check();
    expect(await hub.metrics()).to.contain('hub_gateway_folder_up{source="pv-export"} 0\n');

    await rename(away, hub.folder);
    await waitFor('the folder to be in order', async () =>
      hub.gateway.checkFolders().then(
        () => true,
        () => false,
      ),
    );
    await hub.put('IM1', mrInstance().part10);
    await hub.holds('done/IM1');
    expect(hub.lines.map(({ message }) => message)).to.include('watched folder is in order again');
  });

  it('refuses to work where a taken file could not be renamed to', async () => {
    hub = await watch({ whenTaken: { kind: 'keep', folder: '/dev/shm/hub-other-file-system' } });
    await hub.put('IM1', mrInstance().part10);

    const said = await waitFor('the problem', async () =>
      hub.gateway.checkFolders().then(
        () => undefined,
        (error: unknown) => String(error),
      ),
    );

    expect(said).to.contain('on another file system');
    expect(await hub.files()).to.deep.equal(['IM1']);
  });

  it('tries to put a taken file away until it can, and takes it only once', async () => {
    hub = await watch();
    // A file where the folder for taken files should be.
    await writeFile(join(hub.folder, 'done'), 'in the way');
    const { part10, studyInstanceUid } = mrInstance();
    await hub.put('a/IM1', part10);
    await hub.instancesOf(studyInstanceUid, 1);
    await waitFor('it to be stuck', async () => /state="stuck"\} 1\n/.test(await hub.metrics()));
    const taken = (await hub.metrics()).match(/instances_total\{door="folder".*/g);

    await rm(join(hub.folder, 'done'));
    await hub.holds('a/IM1'.replace('a/', 'done/a/'));

    expect((await hub.metrics()).match(/instances_total\{door="folder".*/g)).to.deep.equal(taken);
  });

  it('puts nothing away that it did not read', async () => {
    const [first, second] = [mrInstance(), mrInstance()];
    const holder: { path: string; isReplaced: boolean } = { path: '', isReplaced: false };
    hub = await watch(
      {},
      {
        // The disk acknowledges: just before the file is put away, its exporter renames the next one over it.
        files: (real) => ({
          ...real,
          create: async (name) => {
            const file = await real.create(name);
            return {
              ...file,
              sync: async () => {
                await file.sync();
                if (holder.path === '' || holder.isReplaced) return;
                holder.isReplaced = true;
                await writeFile(`${holder.path}.tmp`, second.part10);
                await rename(`${holder.path}.tmp`, holder.path);
              },
            };
          },
        }),
      },
    );

    holder.path = join(hub.folder, 'IM1');
    await hub.put('IM1', first.part10);

    expect(await hub.instancesOf(first.studyInstanceUid, 1)).to.have.length(1);
    expect(await hub.instancesOf(second.studyInstanceUid, 1)).to.have.length(1);
    expect(holder.isReplaced).to.equal(true);
    await waitFor('all put away', async () => (await hub.files()).every((name) => name.startsWith('done/')));
  });

  it('tells of a file it may not read, and takes the others', async function () {
    if (process.getuid?.() === 0) skip(this, 'the superuser may read everything');
    hub = await watch();
    const path = await hub.put('mine', mrInstance().part10);
    await chmod(path, 0);
    await hub.put('yours', mrInstance().part10);

    await hub.holds('done/yours', 'mine');
    await waitFor('the problem', async () =>
      hub.gateway.checkFolders().then(
        () => false,
        () => true,
      ),
    );
    await chmod(path, 0o600);

    await hub.holds('done/mine', 'done/yours');
  });
});
