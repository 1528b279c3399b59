import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { fileMeta } from '../../../core/dicom/part10.ts';
import { identity, sampleFile } from '../../support/dicom-samples.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { waitFor } from '../../support/wait-for.ts';
import { watch, type Watched } from './watched.ts';

describe('what a watched folder does not take', function () {
  this.timeout(30_000);

  let hub: Watched;
  afterEach(async () => {
    await hub.remove();
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
