import { appendFile, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { WatchedFolder, type WatchedFolderOptions } from '../../../gateway/folder/watched-folder.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';
import { ARCHIVE_LIMITS, watch, type Watched } from './watched.ts';

describe('a file that cannot be taken', function () {
  this.timeout(30_000);

  describe('from a folder of a gateway', () => {
    let hub: Watched;
    afterEach(async () => {
      await hub.remove();
    });

    it('is tried again by a running hub when its note is deleted', async () => {
      hub = await watch();
      const path = await hub.put('half', mrInstance().part10.subarray(0, 900));
      await hub.holds('half', 'half.error');
      const first = await readFile(`${path}.error`, 'utf8');

      await rm(`${path}.error`);
      await hub.holds('half', 'half.error');

      expect(await readFile(`${path}.error`, 'utf8')).not.to.equal(first);
    });

    it('is told of when its name is not in UTF-8, and the others are taken', async () => {
      hub = await watch();
      const name = Buffer.concat([Buffer.from(`${hub.folder}/M`), Buffer.from([0xfc]), Buffer.from('ller')]);
      await writeFile(name, mrInstance().part10);
      const { part10, studyInstanceUid } = mrInstance();
      await hub.put('exam.error/IM1', part10);

      const told = await waitFor('the problem', async () =>
        hub.gateway.checkFolders().then(
          () => undefined,
          (error: unknown) => (error instanceof HubError ? error : undefined),
        ),
      );

      expect(told.fields['reason']).to.equal(
        '1 names in it are not in UTF-8, too long or too deep, the hub cannot open them',
      );
      expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
      await rm(name);
    });

    it('is told of when it lies too deep to be opened, and the others are taken', async () => {
      hub = await watch();
      const half = Array.from({ length: 10 }, () => 'x'.repeat(240)).join('/');
      const [outer, inner] = [join(hub.folder, half), join(hub.folder, 'inner')];
      await mkdir(outer, { recursive: true });
      await mkdir(join(inner, half), { recursive: true });
      // Put together of two: no path of all of it can be given to the system.
      await rename(inner, join(outer, 'inner'));
      await mkdir(join(hub.folder, ...Array.from({ length: 34 }, () => 'deep')), { recursive: true });
      const { part10, studyInstanceUid } = mrInstance();
      await hub.put('exam.error/IM1', part10);

      // A look may see the one folder before the other is there.
      const told = await waitFor('the problem of both', async () =>
        hub.gateway.checkFolders().then(
          () => undefined,
          (error: unknown) =>
            error instanceof HubError && String(error.fields['reason']).startsWith('2 ') ? error : undefined,
        ),
      ).finally(async () => rename(join(outer, 'inner'), inner));

      expect(told.fields['reason']).to.equal(
        '2 names in it are not in UTF-8, too long or too deep, the hub cannot open them',
      );
      expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
    });
  });

  describe('from a disk that cannot read it', () => {
    const folder = temporaryFolder();
    const tried: string[] = [];
    const ended: boolean[] = [];
    let watched: WatchedFolder;
    let options: WatchedFolderOptions;
    let failure: Error;
    const open = (over: Partial<WatchedFolderOptions> = {}) => {
      watched = new WatchedFolder(
        { ...options, ...over },
        {
          // As the disk would fail while the file is read.
          receive: (prefix) => {
            tried.push(Buffer.from(prefix).toString('latin1'));
            throw failure;
          },
          store: () => Promise.reject(new TypeError('nothing comes so far')),
          canTake: () => true,
          onSeen: () => undefined,
          onEnded: (_, isWhole) => void ended.push(isWhole),
          scratch: { folder: folder.path, roomBytes: () => 0 },
          clock: { now: () => new Date() },
          log: silentLog,
        },
      );
      watched.start();
    };

    beforeEach(async () => {
      failure = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
      tried.length = 0;
      ended.length = 0;
      const path = join(await realpath(folder.path), 'in');
      await rm(path, { recursive: true, force: true });
      await mkdir(path);
      options = {
        ...{ name: 'pv-export', path, scanMs: 20, minAgeMs: 0, ignore: [], archives: ARCHIVE_LIMITS },
        whenTaken: { kind: 'delete' },
      };
    });
    afterEach(async () => watched.stop(1_000));

    it('keeps none behind it from being tried, however many there are', async () => {
      const files = Array.from({ length: 25 }, (_, n) => join(options.path, `IM${String(n)}`));
      await Promise.all(files.map(async (path) => writeFile(path, mrInstance().part10)));

      open();
      await waitFor('all to be tried', () => tried.length >= files.length);

      expect(tried).to.have.length(files.length);
      await waitFor('the problem', () => watched.problem === '25 files cannot be read: EIO');
    });

    it('is tried again at the next start when it was the hub that had a defect', async () => {
      const path = join(options.path, 'IM1');
      await writeFile(path, mrInstance().part10);
      failure = new TypeError('no such thing');
      open();
      await waitFor('the note', async () =>
        /internal\.unexpected/.test(await readFile(`${path}.error`, 'utf8').catch(() => '')),
      );
      await watched.stop(1_000);
      expect(tried).to.have.length(1);

      open();

      await waitFor('another try', () => tried.length === 2);
    });

    it('holds no batch open', async () => {
      await writeFile(join(options.path, 'IM1'), mrInstance().part10);

      open();
      await waitFor('the end of the batch', () => ended.length > 0);

      expect(ended[0]).to.equal(false);
    });

    it('holds no batch open beside one that never stops changing', async () => {
      await writeFile(join(options.path, 'IM1'), mrInstance().part10);
      const log = join(options.path, 'export.log');
      await writeFile(log, 'begun\n');
      const writing = setInterval(() => void appendFile(log, 'and on\n'), 10);

      try {
        open({ minAgeMs: 100, batchIdleMs: 400 });
        await waitFor('a try', () => tried.length > 0);
        expect(ended).to.deep.equal([]);
        await waitFor('the end of the batch', () => ended.length > 0);
      } finally {
        clearInterval(writing);
      }

      expect(ended[0]).to.equal(false);
    });
  });
});
