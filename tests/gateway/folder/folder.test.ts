import { appendFile, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { encodeSample, identity, IMPLICIT, BIG_ENDIAN, pixels } from '../../support/dicom-samples.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
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

  it('takes a file that is larger than what shares a segment', async () => {
    hub = await watch();
    const { part10, studyInstanceUid } = mrInstance({}, 2500);

    await hub.put('large', part10);
    await hub.holds('done/large');

    expect(await hub.instancesOf(studyInstanceUid, 1)).to.have.length(1);
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
});
