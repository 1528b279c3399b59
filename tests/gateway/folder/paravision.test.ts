import { cp, mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { WatchedFolderOptions } from '../../../gateway/folder/watched-folder.ts';
import { paravisionStudies } from '../../../paravision/study-folder.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { type SyntheticScan, writeStudy } from '../../support/paravision-study.ts';
import { waitFor } from '../../support/wait-for.ts';
import { watch, type Watched } from './watched.ts';

const BANANA = resolve(import.meta.dirname, '../../../../shared/mri/rodent/bruker_pv5_banana');
const BANANA_UID = '2.16.756.5.5.100.279771525.31101.1322666256.56';
const SYNTHETIC_UID = '2.16.756.5.5.100.1384712661.24104.1500000000.1';

const SCAN: SyntheticScan = {
  number: 1,
  size: [12, 10],
  spacingMm: [0.5, 0.5, 1],
  groups: [{ id: 'FG_SLICE', length: 3 }],
};

describe('a ParaVision study in a watched folder', function () {
  this.timeout(30_000);

  let hub: Watched;
  let outside: string;
  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), 'hub-study-'));
  });
  afterEach(async () => {
    await hub.remove();
    await rm(outside, { recursive: true, force: true });
  });

  const open = async (over: Partial<WatchedFolderOptions> = {}, folder?: string) =>
    watch(
      { studies: { kind: 'keep', folder: join(folder ?? '/nowhere', 'done') }, ...over },
      { studies: paravisionStudies, ...(folder === undefined ? {} : { folder }) },
    );
  /** Watches an empty folder and lets the study appear in it as a whole. */
  const openWith = async (prepare: (study: string) => Promise<void>, over: Partial<WatchedFolderOptions> = {}) => {
    const folder = await mkdtemp(join(tmpdir(), 'hub-watched-'));
    await prepare(join(outside, 'study'));
    hub = await open(over, folder);
    await rename(join(outside, 'study'), join(folder, 'study'));
  };
  const note = async (name: string) => readFile(join(hub.folder, name), 'utf8');
  const settled = async () =>
    waitFor('the study to be refused', async () => (await hub.files()).includes('study.error'));
  const scans = async (outcome: string) =>
    new RegExp(`hub_gateway_folder_scans_total\\{source="pv-export",outcome="${outcome}"\\} (\\d+)`).exec(
      await hub.metrics(),
    )?.[1];

  it('is taken whole, one object a reconstruction, and kept with its raw data', async () => {
    await openWith((study) => cp(join(BANANA, 'bru_banana'), study, { recursive: true }));

    expect(await hub.instancesOf(BANANA_UID, 3)).to.have.length(3);

    await waitFor('the study to be moved', async () => (await hub.files()).every((name) => name.startsWith('done/')));
    expect(await hub.files())
      .to.include('done/study/1/pdata/1/2dseq')
      .and.to.include('done/study/3/spnam0');
    const series = await hub.ledger.studies.series(parseStudyInstanceUid(BANANA_UID));
    expect(new Set(series.map(({ provenance }) => provenance.associationId)).size).to.equal(1);
    expect(series).to.have.length(3);
    expect(await scans('converted')).to.equal('3');
    expect(JSON.stringify(hub.lines)).not.to.contain('Fruits');
  });

  it('keeps its good scans when others are broken, with a note beside each of those', async () => {
    await openWith(async (study) => {
      await cp(join(BANANA, 'bru_banana'), study, { recursive: true });
      await cp(join(BANANA, 'bru_banana_bad_1/18'), join(study, '18'), { recursive: true });
      // Without visu_pars, and none the worse for it.
      await cp(join(BANANA, 'bru_banana_bad_2/18'), join(study, '19'), { recursive: true });
      await cp(join(BANANA, 'bru_banana_bad_3/18'), join(study, '20'), { recursive: true });
      await truncate(join(study, '2/pdata/1/2dseq'), 51_000);
      const visu = join(study, '3/pdata/1/visu_pars');
      await writeFile(visu, (await readFile(visu, 'latin1')).replace('<mm> <mm>', '<mm> <mm'));
    });
    await settled();

    expect(await hub.instancesOf(BANANA_UID, 2)).to.have.length(2);
    expect(await note('study/18.error'))
      .to.contain('what: 18/pdata/1')
      .and.to.contain('there is no 2dseq');
    expect(await note('study/20.error')).to.contain('there is no reconstruction below pdata');
    expect(await note('study/2.error')).to.contain('2dseq has 51000 bytes, its parameters say 51200');
    expect(await note('study/3.error'))
      .to.contain('at: 3/pdata/1/visu_pars:28')
      .and.to.contain('not closed');
    const summary = await note('study.error');
    expect(summary).to.match(/^The hub did not take all of this study\.\n/);
    expect(summary).to.contain('objects of this study that are in the hub: 2').and.to.contain('scan 18\nscan 20');
    expect([await scans('converted'), await scans('refused')]).to.deep.equal(['2', '4']);
    const told = hub.lines.filter(({ message }) => message.startsWith('scan not taken'));
    expect(told.map(({ fields }) => fields['scan'])).to.deep.equal([...['2/pdata/1', '3/pdata/1', '18/pdata/1', '20']]);
    expect(JSON.stringify(hub.lines) + summary).not.to.contain('Fruits');
  });

  it('is taken again when a broken scan was mended, and its notes go', async () => {
    await openWith(async (study) => {
      await writeStudy(study, { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 2 }] });
      await truncate(join(study, '2/pdata/1/2dseq'), 100);
    });
    await settled();
    await hub.instancesOf(SYNTHETIC_UID, 1);

    await writeStudy(join(outside, 'again'), { version: '6.0.1', scans: [{ ...SCAN, number: 2 }] });
    await rename(join(outside, 'again/2/pdata/1/2dseq'), join(hub.folder, 'study/2/pdata/1/2dseq'));

    expect(await hub.instancesOf(SYNTHETIC_UID, 2)).to.have.length(2);
    await waitFor('the study to be moved', async () => (await hub.files()).every((name) => name.startsWith('done/')));
    expect((await hub.files()).filter((name) => name.endsWith('.error'))).to.deep.equal([]);
  });

  it('is not tried again after a restart until something changes', async () => {
    await openWith(async (study) => {
      await writeStudy(study, { version: '6.0.1', scans: [{ ...SCAN, number: 2 }] });
      await truncate(join(study, '2/pdata/1/2dseq'), 100);
    });
    await settled();
    const { folder } = hub;
    await hub.stop();

    hub = await open({}, folder);
    await waitFor('it to be counted', async () => /state="refused"\} 1\n/.test(await hub.metrics()));

    expect(hub.lines.filter(({ message }) => message.startsWith('scan not taken'))).to.deep.equal([]);
  });

  it('waits until nothing in it changes any more', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hub-watched-'));
    hub = await open({ minAgeMs: 700 }, folder);
    await writeStudy(join(folder, 'study'), { version: '6.0.1', scans: [SCAN] });
    await waitFor('it to be seen', async () => /state="waiting"\} 1\n/.test(await hub.metrics()));

    await writeStudy(join(folder, 'study'), { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 2 }] });

    expect(await hub.instancesOf(SYNTHETIC_UID, 1)).to.have.length(2);
  });

  it('may stay where it is, and is read again when a scan is added', async () => {
    await openWith((study) => writeStudy(study, { version: '360.3.6', scans: [SCAN] }), { studies: { kind: 'leave' } });
    const [first] = await hub.instancesOf(SYNTHETIC_UID, 1);
    await writeStudy(join(outside, 'more'), { version: '360.3.6', scans: [{ ...SCAN, number: 2 }] });

    await rename(join(outside, 'more/2'), join(hub.folder, 'study/2'));

    expect(await hub.instancesOf(SYNTHETIC_UID, 2))
      .to.have.length(2)
      .and.to.include(first);
    expect((await hub.files()).every((name) => name.startsWith('study/'))).to.equal(true);
    expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);
  });

  it('is kept where others are deleted: its raw data is nowhere else', async () => {
    await openWith((study) => writeStudy(study, { version: '7.0.0', scans: [SCAN] }), {
      whenTaken: { kind: 'delete' },
    });
    await hub.instancesOf(SYNTHETIC_UID, 1);

    await waitFor('the study to be moved', async () => (await hub.files()).includes('done/study/1/fid'));

    expect(await readFile(join(hub.folder, 'done/study/1/fid'), 'utf8')).to.equal('raw data');
  });

  it('gives what ParaVision exported itself in place of what would be made of it', async () => {
    const exported = mrInstance({ StudyInstanceUID: SYNTHETIC_UID, PatientID: 'RAT-7' });
    await openWith(async (study) => {
      await writeStudy(study, { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 2 }] });
      await mkdir(join(study, '1/pdata/1/dicom'));
      await writeFile(join(study, '1/pdata/1/dicom/MRIm01.dcm'), exported.part10);
    });

    const uids = await hub.instancesOf(SYNTHETIC_UID, 2);

    expect(uids).to.have.length(2).and.to.include(exported.sopInstanceUid);
    expect([await scans('exported'), await scans('converted')]).to.deep.equal(['1', '1']);
  });

  it('is a folder of files like others when the configuration says so', async () => {
    await openWith((study) => writeStudy(study, { version: '6.0.1', scans: [SCAN] }), { studies: undefined });

    await waitFor('its files to be counted', async () => /state="other"\} 7\n/.test(await hub.metrics()));

    expect(await hub.ledger.studies.list({ limit: 10 })).to.deep.equal([]);
  });
});
