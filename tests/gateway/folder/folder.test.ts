import { appendFile, chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { fileMeta } from '../../../core/dicom/part10.ts';
import { encodeSample, identity, IMPLICIT, BIG_ENDIAN, pixels, sampleFile } from '../../support/dicom-samples.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { skip } from '../../support/skip.ts';
import { waitFor } from '../../support/wait-for.ts';
import { watch, type Watched } from './watched.ts';

describe('a watched folder', function () {
  this.timeout(30_000);

  let hub: Watched;
  afterEach(async () => {
    await hub.remove();
  });

  it('takes nested files of any name, keeps them under the same name, and says where they came from', async () => {
    hub = await watch();
    const study = newUid();
    const instances = Array.from({ length: 3 }, () => mrInstance({ StudyInstanceUID: study }));
    const names = ['exam 1/5/pdata/1/dicom/MRIm01.dcm', 'IM0001', 'b/ä-2'];

    for (const [n, name] of names.entries()) await hub.put(name, instances[n]?.part10 ?? '');
    await hub.holds(...names.map((name) => join('done', name)));

    const uids = await hub.instancesOf(study, 3);
    expect(uids).to.deep.equal(instances.map(({ sopInstanceUid }) => sopInstanceUid).toSorted());
    const series = await hub.ledger.studies.series(parseStudyInstanceUid(study));
    const provenance = series.map((each) => each.provenance);
    expect(provenance.map(({ door, source }) => [door, source])).to.deep.equal([
      ['folder', 'pv-export'],
      ['folder', 'pv-export'],
      ['folder', 'pv-export'],
    ]);
    expect(await readFile(join(hub.folder, 'done', names[1] ?? ''))).to.deep.equal(
      Buffer.from(instances[1]?.part10 ?? ''),
    );
    expect(await hub.metrics()).to.match(
      /hub_gateway_instances_total\{door="folder",source="pv-export",outcome="stored"\} 3\n/,
    );
  });

  it('waits for a slow copy to its last byte', async () => {
    hub = await watch({ minAgeMs: 300 });
    const { part10, studyInstanceUid } = mrInstance({}, 64);
    const path = await hub.put('slow.dcm', part10.subarray(0, 500));

    for (let at = 500; at < part10.length; at += 1500) {
      await appendFile(path, part10.subarray(at, at + 1500));
      // A pause shorter than the age; what it waits for is the clock itself.
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(await hub.files()).to.deep.equal(['slow.dcm']);
    }
    await hub.holds('done/slow.dcm');

    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
    expect(await hub.metrics()).not.to.contain('outcome="refused"');
  });

  it('does not believe a date: a copy may carry its last one from the beginning', async () => {
    hub = await watch({ minAgeMs: 400 });
    const startedMs = performance.now();
    const outside = await hub.put('.moving.tmp', mrInstance().part10);

    await rename(outside, join(hub.folder, 'renamed'));
    await hub.holds('done/renamed');

    expect(performance.now() - startedMs).to.be.greaterThan(400);
  });

  it('deletes what is durable when it is told to', async () => {
    hub = await watch({ whenTaken: { kind: 'delete' } });
    const { part10, studyInstanceUid } = mrInstance();

    await hub.put('a/b', part10);
    await hub.holds();

    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
  });

  it('keeps both files when one name comes twice', async () => {
    hub = await watch();
    const [first, second] = [mrInstance(), mrInstance()];
    await hub.put('MRIm01.dcm', first.part10);
    await hub.holds('done/MRIm01.dcm');

    await hub.put('MRIm01.dcm', second.part10);
    const files = await waitFor('both', async () => {
      const found = await hub.files();
      return found.length === 2 && found.every((name) => name.startsWith('done/')) ? found : undefined;
    });

    expect(files[1]).to.match(/^done\/MRIm01\.dcm\.\d{8}T\d{9}Z$/);
    expect(await readFile(join(hub.folder, 'done/MRIm01.dcm'))).to.deep.equal(Buffer.from(first.part10));
    expect(await hub.instancesOf(second.studyInstanceUid, 1)).to.have.length(1);
  });

  it('takes a file that comes again for the same bytes, and puts it away', async () => {
    hub = await watch({ whenTaken: { kind: 'delete' } });
    const { part10, studyInstanceUid } = mrInstance();
    await hub.put('a', part10);
    await hub.holds();

    await hub.put('b', part10);
    await hub.holds();

    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
    expect(await hub.metrics()).to.match(/outcome="same"\} 1\n/);
  });

  for (const [title, encoding] of [
    ['implicit VR little endian', IMPLICIT],
    ['explicit VR little endian', undefined],
    ['explicit VR big endian', BIG_ENDIAN],
  ] as const) {
    it(`takes a data set without preamble in ${title}`, async () => {
      hub = await watch();
      const study = newUid();
      const elements = [
        ...identity({ study, instance: newUid() }),
        ...pixels([1, 2, 3, 4], encoding?.bigEndian ?? false),
      ].toSorted((one, other) => one.tag - other.tag);

      await hub.put('bare', encodeSample(elements, encoding));
      await hub.holds('done/bare');

      await hub.instancesOf(study, 1);
      const [series] = await hub.ledger.studies.series(parseStudyInstanceUid(study));
      expect(series?.attributes['Modality']).to.deep.equal(['MR']);
    });
  }

  it('takes a file whose preamble is missing', async () => {
    hub = await watch();
    const { part10, studyInstanceUid } = mrInstance();

    await hub.put('no-preamble', part10.subarray(132));
    await hub.holds('done/no-preamble');

    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
  });

  it('leaves what is no instance where it is, silently but for one line and a gauge', async () => {
    hub = await watch();
    const directory = sampleFile(identity({ sopClass: '1.2.840.10008.1.3.10' }));
    await hub.put('visu_pars', '##TITLE=Parameter List, ParaVision 6.0.1\n##$VisuVersion=3\n');
    await hub.put('DICOMDIR', directory);
    await hub.put('empty', '');
    await hub.put('Thumbs.db', 'no instance, and nobody looks');
    await hub.put('IM1', mrInstance().part10);

    await hub.holds('DICOMDIR', 'Thumbs.db', 'done/IM1', 'empty', 'visu_pars');
    await waitFor('three of them counted', async () =>
      /folder_files\{source="pv-export",state="other"\} 3\n/.test(await hub.metrics()),
    );
    const lines = hub.lines.filter(({ message }) => message.includes('no instances'));

    expect(lines.at(-1)).to.deep.include({ level: 'info' });
    expect(lines.at(-1)?.fields).to.include({ files: 3, source: 'pv-export' });
    expect(hub.lines.filter(({ level }) => level === 'warn' || level === 'error')).to.deep.equal([]);
    const settled = lines.length;
    await hub.put('IM2', mrInstance().part10);
    await hub.holds('DICOMDIR', 'Thumbs.db', 'done/IM1', 'done/IM2', 'empty', 'visu_pars');
    expect(hub.lines.filter(({ message }) => message.includes('no instances'))).to.have.length(settled);
  });

  it('leaves a note beside what it cannot take, without a value of the patient, and tries again when it changes', async () => {
    hub = await watch();
    const { part10, studyInstanceUid } = mrInstance({ PatientName: 'Secret^Name' }, 64);
    const path = await hub.put('half', part10.subarray(0, part10.length - 100));
    await hub.holds('half', 'half.error');

    const note = await readFile(`${path}.error`, 'utf8');
    expect(note).to.contain('The hub did not take this file.').and.to.contain('why: Data set cannot be read');
    expect(note).to.contain('code: dataset.unreadable').and.not.to.contain('Secret');
    expect(JSON.stringify(hub.lines)).not.to.contain('Secret').and.not.to.contain(hub.folder);
    expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);

    await writeFile(path, part10);
    await hub.holds('done/half');
    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
  });

  it('knows after a restart what it did not take, and tries when the note is deleted', async () => {
    hub = await watch();
    const { part10 } = mrInstance();
    await hub.put('half', part10.subarray(0, 900));
    await hub.holds('half', 'half.error');
    await hub.stop();
    const note = await readFile(join(hub.folder, 'half.error'), 'utf8');

    const again = await watch({}, { dataDir: hub.dataDir, folder: hub.folder });
    await waitFor('the file to be known', async () =>
      /folder_files\{source="pv-export",state="refused"\} 1\n/.test(await again.metrics()),
    );
    expect(await readFile(join(hub.folder, 'half.error'), 'utf8')).to.equal(note);
    expect(again.lines.filter(({ level }) => level === 'warn')).to.deep.equal([]);
    await again.stop();

    await rm(join(hub.folder, 'half.error'));
    const third = await watch({}, { dataDir: hub.dataDir, folder: hub.folder });
    await third.holds('half', 'half.error');
    await third.stop();
  });

  it('takes a note away with the file it speaks of, and no file that only looks like a note', async () => {
    hub = await watch();
    const path = await hub.put('half', mrInstance().part10.subarray(0, 900));
    await hub.put('somebody.error', 'my own');
    await hub.holds('half', 'half.error', 'somebody.error');

    await rm(path);

    await hub.holds('somebody.error');
  });

  it('puts other bytes of a known instance into quarantine, and says so beside the file', async () => {
    hub = await watch();
    const { part10, attributes, studyInstanceUid } = mrInstance();
    await hub.put('first', part10);
    await hub.holds('done/first');
    await hub.instancesOf(studyInstanceUid, 1);

    await hub.put('second', mrInstance({ ...attributes, StudyDescription: 'other words' }).part10);
    await hub.holds('done/first', 'second', 'second.error');

    expect(await readFile(join(hub.folder, 'second.error'), 'utf8')).to.contain('code: dataset.conflict');
    const entries = await waitFor('the entry', async () => {
      const found = await hub.ledger.quarantine.list({ limit: 10 });
      return found.length > 0 ? found : undefined;
    });
    expect(entries.map(({ reason }) => reason)).to.deep.equal(['dataset.conflict']);
  });

  it('never follows a symbolic link, to a file or a folder', async () => {
    hub = await watch();
    const outside = mrInstance();
    const elsewhere = join(hub.dataDir, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'IM1'), outside.part10);

    await symlink(join(elsewhere, 'IM1'), join(hub.folder, 'file-link'));
    await symlink(elsewhere, join(hub.folder, 'folder-link'));
    await symlink(hub.folder, join(hub.folder, 'circle'));
    const { part10 } = mrInstance();
    await hub.put('IM2', part10);
    await hub.holds('circle', 'done/IM2', 'file-link', 'folder-link');

    expect(await hub.ledger.studies.get(parseStudyInstanceUid(outside.studyInstanceUid))).to.equal(undefined);
  });

  it('writes no note through a link that somebody laid there', async () => {
    hub = await watch();
    const victim = join(hub.dataDir, 'victim');
    await writeFile(victim, 'precious');
    await symlink(victim, join(hub.folder, 'half.error'));

    await hub.put('half', mrInstance().part10.subarray(0, 900));
    await waitFor('the note', async () =>
      (await readFile(join(hub.folder, 'half.error'), 'utf8')).startsWith('The hub'),
    );

    expect(await readFile(victim, 'utf8')).to.equal('precious');
  });

  it('takes a file that is larger than what shares a segment', async () => {
    hub = await watch();
    const { part10, studyInstanceUid } = mrInstance({}, 2500);

    await hub.put('large', part10);
    await hub.holds('done/large');

    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
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

  it('removes folders that it emptied, after a while, and none that it took nothing from', async () => {
    hub = await watch({ removeEmptyMs: 200 });
    await mkdir(join(hub.folder, 'template/of/somebody'), { recursive: true });

    await hub.put('exam/5/pdata/1/IM1', mrInstance().part10);
    await hub.put('exam/5/visu_pars', '##TITLE=Parameter List');
    await hub.holds('done/exam/5/pdata/1/IM1', 'exam/5/visu_pars');

    await waitFor('the emptied ones to go', async () => !(await readdir(join(hub.folder, 'exam/5'))).includes('pdata'));
    expect(await readdir(join(hub.folder, 'template/of'))).to.deep.equal(['somebody']);
    expect(await hub.files()).to.deep.equal(['done/exam/5/pdata/1/IM1', 'exam/5/visu_pars']);
  });

  it('removes folders that it emptied by deleting, and none that it took nothing from', async () => {
    hub = await watch({ removeEmptyMs: 200, whenTaken: { kind: 'delete' } });
    await mkdir(join(hub.folder, 'template/of/somebody'), { recursive: true });

    await hub.put('exam/5/pdata/1/IM1', mrInstance().part10);
    await hub.put('later/6/IM1', mrInstance().part10);

    await waitFor('the emptied ones to go', async () => (await readdir(hub.folder)).join() === 'template');
    expect(await readdir(join(hub.folder, 'template/of'))).to.deep.equal(['somebody']);
  });

  it('ends a batch once nothing waits any more', async () => {
    hub = await watch();
    const study = newUid();
    for (let n = 0; n < 4; n += 1) await hub.put(`IM${String(n)}`, mrInstance({ StudyInstanceUID: study }).part10);

    const line = await waitFor('the end', () => hub.lines.find(({ message }) => message === 'folder batch ended'));

    expect(line.fields).to.include({ instances: 4, refused: 0, source: 'pv-export' });
  });

  it('does not take a file of meta information alone for an instance', async () => {
    hub = await watch();
    const meta = fileMeta({
      sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
      sopInstanceUid: newUid(),
      transferSyntaxUid: '1.2.840.10008.1.2.1',
    });

    await hub.put('meta', meta);
    await hub.holds('meta', 'meta.error');

    expect(await readFile(join(hub.folder, 'meta.error'), 'utf8')).to.contain('code: dataset.empty');
  });
});
