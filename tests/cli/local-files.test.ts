import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { leftOutLines, openFile, openLocalFiles, seriesName } from '../../cli/local-files.ts';
import { encodePart10 } from '../../core/dicom/encode.ts';
import { HubError } from '../../core/errors.ts';
import { mrImage } from '../support/outgoing.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

describe('files below a path', () => {
  const folder = temporaryFolder();
  let root = '';
  let number = 0;
  const put = async (name: string, bytes: Uint8Array | string) => writeFile(join(root, name), bytes);

  beforeEach(async () => {
    root = join(folder.path, `root-${(number += 1)}`);
    await mkdir(join(root, 'a', 'b'), { recursive: true });
  });

  it('are told apart: instances, volumes, damaged ones, and what is neither', async () => {
    await put('a/b/1', mrImage(1));
    await put('2.dcm', mrImage(2));
    await put('a/v.nii.gz', 'x');
    await put('a/cut.dcm', mrImage(3).subarray(0, 420));
    await put('notes.txt', 'not DICOM');
    await put('empty', '');
    await put('DICOMDIR', encodePart10({ SOPClassUID: '1.2.840.10008.1.3.10', SOPInstanceUID: '1.2.3' }));

    const files = await openLocalFiles(root);

    expect(files.instances.map(({ path }) => path)).to.deep.equal([join(root, '2.dcm'), join(root, 'a/b/1')]);
    expect(files.niftiFiles).to.deep.equal([join(root, 'a/v.nii.gz')]);
    expect(files.damaged.map(({ name, error }) => [name, error.code])).to.deep.equal([
      ['a/cut.dcm', 'dataset.unreadable'],
    ]);
    expect(files.otherFiles).to.deep.equal(['DICOMDIR', 'empty', 'notes.txt']);
    expect(leftOutLines(files)).to.have.length(3);
    expect(leftOutLines(files)[2]).to.equal('left out, not DICOM: 3 files, such as DICOMDIR');
  });

  it('are read in place, by series', async () => {
    await put('1.dcm', mrImage(1));
    await put('2.dcm', mrImage(2));

    const { instances, store, series } = await openLocalFiles(root);

    const [first] = instances;
    const source = await store.open(first?.blob ?? expect.fail());
    expect(Buffer.from(await source.read(0, source.sizeBytes)).equals(mrImage(1))).to.equal(true);
    await source.close();
    expect(series.map((each) => each.instances)).to.deep.equal([2]);
    expect(seriesName({ series }, first?.seriesInstanceUid ?? '')).to.equal(series[0]?.name);
    expect(seriesName({ series }, '1.2.3')).to.equal('1.2.3');
    const refusal: unknown = await store.createPack('x').catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(TypeError);
  });

  it('say which study a damaged one belongs to, when that much can be read', async () => {
    const nameless = { SOPClassUID: '1.2.840.10008.5.1.4.1.1.4', SOPInstanceUID: '1.2.3.4', StudyInstanceUID: '1.2.3' };
    await put('a.dcm', encodePart10(nameless));

    const { damaged } = await openLocalFiles(root);

    expect(damaged.map(({ studyInstanceUid, error }) => [studyInstanceUid, error.code])).to.deep.equal([
      ['1.2.3', 'dataset.uid-missing'],
    ]);
  });

  it('include linked files, but no linked folders, which may lead in a circle', async () => {
    await put('a/1.dcm', mrImage(1));
    await symlink(join(root, 'a/1.dcm'), join(root, 'link.dcm'));
    await symlink(root, join(root, 'a/b/circle'));
    await symlink(join(root, 'nowhere'), join(root, 'dangling'));

    const { instances, damaged, otherFiles } = await openLocalFiles(root);

    expect(instances.map(({ path }) => path)).to.deep.equal([join(root, 'a/1.dcm'), join(root, 'link.dcm')]);
    expect([damaged, otherFiles]).to.deep.equal([[], []]);
  });

  it('may be one file', async () => {
    await put('1.dcm', mrImage(1));

    const { instances } = await openLocalFiles(join(root, '1.dcm'));

    expect(instances).to.have.length(1);
  });

  it('are named a few at a time', () => {
    const damaged = Array.from({ length: 7 }, (_, index) => ({
      path: '',
      name: `${index}.dcm`,
      error: new HubError('dataset.empty'),
    }));

    const remarks = Array.from({ length: 6 }, (_, index) => `${index}: something`);

    const lines = leftOutLines({ damaged, remarks, otherFiles: [] });

    expect(lines).to.have.length(13);
    expect(lines[5]).to.equal('cannot be taken: 2 more files');
    expect(lines[6]).to.match(/^what to do: /);
    expect(lines.slice(-2)).to.deep.equal(['worth a look: 4: something', 'worth a look: 1 more']);
  });

  it('that are not there are an error that names the path', async () => {
    const error = await thrownBy(openLocalFiles(join(root, 'nowhere')));

    expect(error.code).to.equal('file.failed');
    expect(error.fields['detail']).to.equal(`${join(root, 'nowhere')}: no such file or directory`);
  });

  it('that become shorter while they are read are an error, not fewer bytes', async () => {
    await put('1.dcm', mrImage(1));
    const source = await openFile(join(root, '1.dcm'));
    await truncate(join(root, '1.dcm'), 100);

    const error = await thrownBy(source.read(0, source.sizeBytes));

    expect(error.code).to.equal('file.failed');
    await source.close();
  });
});
