import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { WatchedFolderOptions } from '../../../gateway/folder/watched-folder.ts';
import { paravisionStudies } from '../../../paravision/study-folder.ts';
import { pathsBelow } from '../../support/files-below.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { type SyntheticScan, writeStudy } from '../../support/paravision-study.ts';
import { waitFor } from '../../support/wait-for.ts';
import { zipArchive, type ZipEntry } from '../../support/zip-archive.ts';
import { watch, type Watched } from './watched.ts';

const STUDY_UID = '2.16.756.5.5.100.1384712661.24104.1500000000.1';
const SCAN: SyntheticScan = {
  number: 1,
  size: [12, 10],
  spacingMm: [0.5, 0.5, 1],
  groups: [{ id: 'FG_SLICE', length: 3 }],
};
const SCANS = [SCAN, { ...SCAN, number: 2 }];

describe('a zip archive of a ParaVision study in a watched folder', function () {
  this.timeout(30_000);

  let hub: Watched;
  let outside: string;
  let folder: string;
  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), 'hub-study-'));
    folder = await mkdtemp(join(tmpdir(), 'hub-watched-'));
  });
  afterEach(async () => {
    await hub.remove();
    await rm(outside, { recursive: true, force: true });
  });

  const open = async (over: Partial<WatchedFolderOptions> = {}, dataDir?: string) => {
    hub = await watch(
      { studies: { kind: 'keep', folder: join(folder, 'done') }, ...over },
      { studies: paravisionStudies, folder, ...(dataDir === undefined ? {} : { dataDir }) },
    );
  };
  /** The study as entries of an archive. */
  const entriesOf = async (study: string): Promise<readonly ZipEntry[]> =>
    Promise.all(
      (await pathsBelow(study)).map(async (path) => ({ name: relative(outside, path), content: await readFile(path) })),
    );
  /** Renamed in, so that it is whole when it appears. */
  const put = async (entries: readonly ZipEntry[], name = 'study.zip') => {
    await writeFile(join(outside, name), zipArchive(entries));
    await rename(join(outside, name), join(folder, name));
  };
  const study = async (scans: readonly SyntheticScan[] = SCANS) => {
    await writeStudy(join(outside, 'study'), { version: '6.0.1', scans });
    return join(outside, 'study');
  };
  const digests = async () => {
    const page = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(STUDY_UID));
    return page.map(({ sopInstanceUid, sha256 }) => `${sopInstanceUid} ${sha256}`).toSorted();
  };
  /** Whole: it is seen while it is written. */
  const noteThat = async (says: RegExp) =>
    waitFor(`a note that says ${String(says)}`, async () => {
      const text = await readFile(join(folder, 'study.zip.error'), 'utf8').catch(() => '');
      return says.test(text) && text.endsWith('deleted.\n') ? text : undefined;
    });
  const note = async () => {
    await hub.holds('study.zip', 'study.zip.error');
    return await noteThat(/^why: /m);
  };
  const unpacked = async () => readdir(join(hub.dataDir, 'unpacked'));

  it('is taken as the folder itself would be, to the byte, and nothing of it stays unpacked', async () => {
    const path = await study();
    await open();
    await put(await entriesOf(path));
    await hub.holds('done/study.zip');
    await hub.instancesOf(STUDY_UID, 2);
    const zipped = await digests();
    expect(await unpacked()).to.deep.equal([]);
    await hub.remove();
    await mkdir(folder, { recursive: true });
    await open();

    await rename(path, join(folder, 'study'));
    await hub.instancesOf(STUDY_UID, 2);

    expect(await digests()).to.deep.equal(zipped);
  });

  it('is known without a folder around it, and beside DICOM of another study', async () => {
    const path = await study();
    const other = mrInstance();
    await open();
    const bare = (await entriesOf(path)).map(({ name, content }) => ({ name: name.slice('study/'.length), content }));
    await put(bare, 'bare.zip');
    await hub.instancesOf(STUDY_UID, 2);

    await put([...(await entriesOf(path)), { name: 'pacs/IM1', content: other.part10 }]);

    await hub.holds('done/bare.zip', 'done/study.zip');
    expect(await hub.instancesOf(other.studyInstanceUid, 1)).to.deep.equal([other.sopInstanceUid]);
  });

  it('is unpacked under no name of its folder, and told apart by it all the same', async () => {
    // Of what else a study would be told apart by nothing is left.
    const visu = Object.fromEntries(
      ['VisuStudyUid', 'VisuUid', 'VisuSubjectId', 'VisuStudyDate', 'VisuStudyNumber'].map((name) => [name, undefined]),
    );
    const paths = ['anna_1', 'anna_2'].map((name) => join(outside, name));
    for (const path of paths) {
      await writeStudy(path, { version: '6.0.1', scans: [{ ...SCAN, visu }] });
      await rm(join(path, 'subject'));
    }
    const entries = (await Promise.all(paths.map(entriesOf))).flat();
    const seen: string[] = [];
    const studies = {
      ...paravisionStudies,
      recognise: async (...asked: Parameters<typeof paravisionStudies.recognise>) => {
        seen.push(asked[0]);
        return await paravisionStudies.recognise(...asked);
      },
    };
    hub = await watch({ studies: { kind: 'keep', folder: join(folder, 'done') } }, { studies, folder });
    const uids = async () =>
      (await hub.ledger.studies.list({ limit: 10 })).map(({ studyInstanceUid }) => studyInstanceUid).toSorted();

    await put(entries);
    await hub.holds('done/study.zip');

    expect(seen.filter((path) => path.includes('/unpacked/'))).to.have.length.above(0);
    expect(seen.filter((path) => path.includes('anna'))).to.deep.equal([]);
    const zipped = await waitFor('both', async () => ((await uids()).length === 2 ? await uids() : undefined));
    await hub.remove();
    await mkdir(folder, { recursive: true });
    await open();
    for (const path of paths) await rename(path, join(folder, relative(outside, path)));
    await waitFor('both folders', async () => (await uids()).length === 2);
    expect(await uids()).to.deep.equal(zipped);
  });

  it('gives its good scans, and says in one note what the others lack', async () => {
    const path = await study([...SCANS, { ...SCAN, number: 3 }, { ...SCAN, number: 4 }]);
    await truncate(join(path, '2/pdata/1/2dseq'), 100);
    await rm(join(path, '3/pdata'), { recursive: true });
    await open();

    // A damaged entry is one of one scan.
    await put(
      (await entriesOf(path)).map((each) => (each.name === 'study/4/pdata/1/2dseq' ? { ...each, crc32: 1 } : each)),
    );
    const text = await note();

    expect(await hub.instancesOf(STUDY_UID, 1)).to.have.length(1);
    expect(text).to.match(/^The hub did not take this file\.\n/);
    expect(text).to.contain('instances of this archive that are in the hub: 1');
    expect(text).to.contain('what: 2/pdata/1').and.to.contain('2dseq has 100 bytes, its parameters say 720');
    expect(text).to.contain('what: 3\n').and.to.contain('there is no reconstruction below pdata');
    expect(text)
      .to.match(/entry \d+: Archive cannot be read/)
      .and.to.contain('what: 4/pdata/1');
    expect(text + JSON.stringify(hub.lines)).not.to.contain('Planted');
    expect(await hub.metrics()).to.contain('hub_gateway_folder_scans_total{source="pv-export",outcome="refused"} 3\n');
    expect(await unpacked()).to.deep.equal([]);
  });

  it('is kept where archives are deleted: its raw data is nowhere else', async () => {
    const path = await study();
    await open({ whenTaken: { kind: 'delete' } });

    await put([{ name: 'IM1', content: mrInstance().part10 }], 'dicom.zip');
    await put(await entriesOf(path));

    await hub.holds('done/study.zip');
  });

  it('is taken after a crash, and what that left of it is gone', async () => {
    const path = await study();
    const dataDir = await mkdtemp(join(tmpdir(), 'hub-gateway-'));
    await mkdir(join(dataDir, 'unpacked/half/study-1/study/1'), { recursive: true });
    await writeFile(join(dataDir, 'unpacked/half/study-1/study/1/acqp'), '##TITLE=');
    await put(await entriesOf(path));

    await open({}, dataDir);

    await hub.holds('done/study.zip');
    expect(await hub.instancesOf(STUDY_UID, 2)).to.have.length(2);
    expect(await unpacked()).to.deep.equal([]);
  });

  it('waits for room on the disk by itself, keeps no other file waiting, and is taken when there is some', async () => {
    let freeBytes = 1_000;
    hub = await watch(
      { studies: { kind: 'keep', folder: join(folder, 'done') } },
      {
        ...{ studies: paravisionStudies, folder },
        files: (real) => ({ ...real, disk: () => Promise.resolve({ usedFraction: 0.1, freeBytes }) }),
      },
    );
    const path = await study();
    const beside = mrInstance();
    await put([...(await entriesOf(path)), { name: 'study/notes.zip', content: zipArchive([]) }]);
    const text = await note();

    await hub.put('IM1', beside.part10);
    await hub.instancesOf(beside.studyInstanceUid, 1);
    await hub.holds('done/IM1', 'study.zip', 'study.zip.error');
    freeBytes = 1e9;
    await hub.instancesOf(STUDY_UID, 2);
    const again = await noteThat(/an archive inside an archive/);

    expect(text)
      .to.match(/^The hub did not take this file yet\.\n\nwhy: No room to unpack a study/)
      .and.to.match(/^roomBytes: 1000$/m)
      .and.to.match(/^It is tried again by itself when there is room, /m);
    expect(again).to.match(/^The hub did not take this file\.\n/);
    expect(await hub.metrics()).to.contain('state="refused"} 1\n');
  });

  it('has no archive opened inside it, and no entry written over another', async () => {
    const path = await study();
    await open();

    await put([
      ...(await entriesOf(path)),
      { name: 'study/1/acqp', content: Buffer.from('##TITLE=another') },
      { name: 'study/1/acqp/inside', content: Buffer.from('a file is no folder') },
      { name: 'study/notes.zip', content: zipArchive([{ name: 'IM1', content: mrInstance().part10 }]) },
    ]);
    const text = await note();

    expect(await hub.instancesOf(STUDY_UID, 2)).to.have.length(2);
    expect(text).to.contain('entries that were not taken: 3');
    expect(text.match(/^entry \d+: .*its name is that of another/gm)).to.have.length(2);
  });

  it('is an archive of files like others when the configuration says so', async () => {
    const path = await study();
    await open({ studies: undefined });

    await put(await entriesOf(path));

    await waitFor('it to be counted', async () => /state="other"\} 1\n/.test(await hub.metrics()));
    expect(await hub.ledger.studies.list({ limit: 10 })).to.deep.equal([]);
  });
});
