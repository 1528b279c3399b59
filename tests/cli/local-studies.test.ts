import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { deidentify } from '../../cli/deidentify.ts';
import { convert } from '../../cli/convert.ts';
import { openLocalFiles } from '../../cli/local-files.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { assembleVolumes } from '../../processors/volumes/assemble.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { pathsBelow } from '../support/files-below.ts';
import { mrImage } from '../support/outgoing.ts';
import { convertedIn } from '../support/paravision-converted.ts';
import { KINDS } from '../support/paravision-scans.ts';
import { storedAt, type SyntheticScan, writeStudy } from '../support/paravision-study.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { zipArchive } from '../support/zip-archive.ts';

const BANANA = resolve(import.meta.dirname, '../../../shared/mri/rodent/bruker_pv5_banana');
const SCAN: SyntheticScan = { ...(KINDS['slices and repetitions'] ?? expect.fail()), number: 1 };
const signal = new AbortController().signal;

describe('ParaVision studies below a path', () => {
  const folder = temporaryFolder();
  let root = '';
  let number = 0;
  beforeEach(async () => {
    root = join(folder.path, `root-${(number += 1)}`);
    await mkdir(root);
  });

  it('are instances beside those of DICOM files, and their parameters are no files of their own', async () => {
    await writeStudy(join(root, 'study'), { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 12 }] });
    await writeFile(join(root, 'image.dcm'), mrImage(1));
    await writeFile(join(root, 'notes.txt'), 'nothing');

    const files = await openLocalFiles(root);

    expect(files.instances.map(({ path }) => path.slice(root.length + 1))).to.deep.equal([
      ...['image.dcm', 'study/1/pdata/1/2dseq', 'study/12/pdata/1/2dseq'],
    ]);
    expect([files.damaged, files.otherFiles, files.niftiFiles]).to.deep.equal([[], ['notes.txt'], []]);
    expect(files.series.map(({ name }) => name)).to.include('a protocol');
  });

  it('may be in a zip archive, which is read as its folder is, and what it was unpacked to is removed', async () => {
    await writeStudy(join(root, 'study'), { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 2 }] });
    await truncate(join(root, 'study/2/pdata/1/2dseq'), 10);
    const entries = (await pathsBelow(join(root, 'study'))).map(async (path) => ({
      name: path.slice(root.length + 1),
      content: await readFile(path),
    }));
    await writeFile(join(root, 'study.zip'), zipArchive(await Promise.all(entries)));
    const terminal = captureTerminal();
    const hub = resolve(import.meta.dirname, '../../bin/hub.mjs');
    const scratch = join(root, 'tmp');
    await mkdir(scratch);

    const zipped = spawnSync(process.execPath, [hub, 'convert', 'study.zip', '--out', 'zipped', '--to', 'dicom'], {
      ...{ cwd: root, encoding: 'utf8', env: { ...process.env, TMPDIR: scratch } },
    });
    await convert([join(root, 'study'), '--out', join(root, 'plain'), '--to', 'dicom'], terminal);

    expect(zipped.stderr).to.contain('study/2/pdata/1').and.to.contain('2dseq has 10 bytes');
    expect(await readdir(scratch)).to.deep.equal([]);
    const digestsIn = async (name: string) =>
      Promise.all((await pathsBelow(join(root, name))).map(async (path) => (await readFile(path)).toString('base64')));
    expect(await digestsIn('zipped'))
      .to.have.length(1)
      .and.to.deep.equal(await digestsIn('plain'));
  });

  it('may be one scan only, of the study it lies in', async () => {
    await writeStudy(join(root, 'study'), { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 2 }] });

    const { instances, store } = await openLocalFiles(join(root, 'study/2'));

    expect(instances).to.have.length(1);
    const source = await store.open(instances[0]?.blob ?? expect.fail());
    const { dataSet } = await readHeader(source);
    await source.close();
    expect(dataSet.number('SeriesNumber')).to.equal(2 * 65_536 + 1);
    // Of the study's own file.
    expect(dataSet.string('PatientID')).to.equal('RAT-7');
  });

  it('may be one scan only that a link leads to, with names below the link', async () => {
    await writeStudy(join(root, 'study'), { version: '6.0.1', scans: [SCAN, { ...SCAN, number: 2 }] });
    await symlink(join(root, 'study/2'), join(root, '2'));

    const { instances, otherFiles } = await openLocalFiles(join(root, '2'));

    expect(instances.map(({ path }) => path)).to.deep.equal([join(root, '2/pdata/1/2dseq')]);
    expect(otherFiles).to.deep.equal([]);
  });

  it('become volumes with the values that were stored', async () => {
    await writeStudy(join(root, 'study'), { version: '360.3.6', scans: [SCAN] });
    const { instances, store } = await openLocalFiles(root);

    const { volumes, findings } = await assembleVolumes(instances, store, signal);

    expect(findings).to.deep.equal([]);
    expect(volumes.map(({ dims }) => dims)).to.deep.equal([[14, 12, 6, 4]]);
    expect(volumes[0]?.data[((2 * 6 + 3) * 12 + 5) * 14 + 7]).to.equal(storedAt(SCAN, 2 * 6 + 3, 7, 5, 0));
  });

  it('become one volume each, whatever way the orientation was turned, and that is told', async () => {
    const terminal = captureTerminal();

    const code = await convert([join(BANANA, 'bru_banana'), '--out', join(root, 'out'), '--json'], terminal);

    expect(code).to.equal(0);
    const { series } = JSON.parse(terminal.lines.join('\n')) as { series: { dims: number[]; findings: string[] }[] };
    expect(series.map(({ dims, findings }) => [...dims, ...findings])).to.deep.equal([
      ...[
        [80, 64, 5, 1],
        [80, 64, 5, 1],
        [80, 64, 5, 1],
      ],
    ]);
    const told = terminal.errors.join('\n');
    expect(told)
      .to.match(/worth a look: 2\/pdata\/1: its slices/)
      .and.to.match(/look: 3\/pdata\/1/);
    expect(told).not.to.contain('look: 1/');
  });

  it('have broken scans named, and the others read', async () => {
    await cp(join(BANANA, 'bru_banana'), join(root, 'study'), { recursive: true });
    await cp(join(BANANA, 'bru_banana_bad_3/18'), join(root, 'study/18'), { recursive: true });
    await truncate(join(root, 'study/2/pdata/1/2dseq'), 10);

    const { instances, damaged } = await openLocalFiles(root);

    expect(instances).to.have.length(2);
    expect(damaged.map(({ name, error }) => [name, error.code])).to.deep.equal([
      ['study/2/pdata/1', 'paravision.mismatch'],
      ['study/18', 'paravision.incomplete'],
    ]);
  });

  it('give what ParaVision exported itself in place of what would be made of it', async () => {
    await writeStudy(join(root, 'study'), { version: '6.0.1', scans: [SCAN] });
    await mkdir(join(root, 'study/1/pdata/1/dicom'));
    await writeFile(join(root, 'study/1/pdata/1/dicom/MRIm1.dcm'), mrImage(1));

    const { instances } = await openLocalFiles(root);

    expect(instances.map(({ path }) => path.slice(root.length + 1))).to.deep.equal(['study/1/pdata/1/dicom/MRIm1.dcm']);
  });

  it('are converted to DICOM, byte for byte what the hub would take', async () => {
    await writeStudy(join(root, 'study'), { version: '6.0.1', scans: [SCAN] });
    const to = captureTerminal();

    const code = await convert([join(root, 'study'), '--to', 'dicom', '--out', join(root, 'out')], to);

    expect(code, to.errors.join('\n')).to.equal(0);
    const names = (await readdir(join(root, 'out'), { recursive: true })).filter((name) => name.endsWith('.dcm'));
    const [expected] = await convertedIn(join(root, 'study'));
    const written = await readFile(join(root, 'out', names[0] ?? ''));
    expect(names).to.have.length(1);
    expect(written.equals(expected?.bytes ?? expect.fail())).to.equal(true);
  });

  it('are de-identified: nothing of whose they are is left', async function () {
    this.timeout(20_000);
    await cp(join(BANANA, 'bru_banana'), join(root, 'study'), { recursive: true });
    const to = captureTerminal();
    const out = join(root, 'out');

    const code = await deidentify([join(root, 'study'), out, '--data', join(root, 'data')], to);

    expect(code, to.errors.join('\n')).to.equal(0);
    const names = (await readdir(out, { recursive: true })).filter((name) => name.endsWith('.dcm'));
    expect(names).to.have.length(3);
    for (const name of names)
      expect((await readFile(join(out, name))).toString('latin1')).not.to.match(/Fruits|Douglas|Banana|279771525/);
  });
});
