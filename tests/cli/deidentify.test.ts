import { globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { deidentify } from '../../cli/deidentify.ts';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { encodePart10 } from '../../core/dicom/encode.ts';
import { checkPixelData, readDataSet, readHeader } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { element, identity, pixels, sampleFile } from '../support/dicom-samples.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

describe('hub deidentify', () => {
  const folder = temporaryFolder();
  let input = '';
  let output = '';
  let count = 0;

  beforeEach(async () => {
    input = join(folder.path, `in-${count}`);
    output = join(folder.path, `out-${(count += 1)}`);
    await mkdir(join(input, 'Kanariala_Aino', 'deep'), { recursive: true });
  });

  it('writes a study whole, under its new names only, gathered from the whole tree', async () => {
    await put('Kanariala_Aino/a.dcm', sampleFile([...identity({ instance: '1.2.999.3.1' }), ...pixels([9, 8, 7, 6])]));
    await put('Kanariala_Aino/deep/b', sampleFile([...identity({ instance: '1.2.999.3.2' }), ...pixels()]));
    await put('README.txt', Buffer.from('Kanariala'));

    const { code, out, err } = await call([]);

    expect(code).to.equal(0);
    const written = files();
    expect(written.length).to.equal(2);
    for (const path of written) {
      expect(path).to.match(/^2\.25\.\d+\/2\.25\.\d+\/2\.25\.\d+\.dcm$/);
      const bytes = await readFile(join(output, path));
      expect(bytes.toString('latin1')).to.not.match(/Kanariala|RAT-0815|1\.2\.999/);
      const source = bytesAsSource(bytes);
      const { header, dataSet } = { header: await readHeader(source), dataSet: (await readDataSet(source)).dataSet };
      expect(await checkPixelData(source, header)).to.equal(bytes.length);
      expect(path).to.include(dataSet.string('SOPInstanceUID'));
      expect(dataSet.numbers('PixelData')).to.deep.be.oneOf([
        [9, 8, 7, 6],
        [1, 2, 3, 4],
      ]);
    }
    expect(out).to.include('1 study released, 0 quarantined, 1 file not DICOM');
    expect(err).to.include('README.txt');
  });

  it('is the same again with the key it made, and another with another key', async () => {
    await put('a.dcm', sampleFile([...identity(), ...pixels()]));

    await call([]);
    const once = files();
    const first = await readFile(join(output, once[0] ?? ''));
    await call([]);
    const again = files();
    output = `${output}-other`;
    await call([], 'other-data');

    expect(again).to.deep.equal(once);
    expect(Buffer.compare(await readFile(join(output.replace('-other', ''), once[0] ?? '')), first)).to.equal(0);
    expect(files()).to.not.deep.equal(once);
  });

  it('quarantines a whole study with its reason, releases the others, and says so by exit code 3', async () => {
    await put('good.dcm', sampleFile([...identity(), ...pixels()]));
    const bad = identity({ study: '1.2.999.8', instance: '1.2.999.8.1' });
    await put('bad1.dcm', sampleFile([...bad, element('BurnedInAnnotation', 'YES'), ...pixels()]));
    await put('bad2.dcm', sampleFile([...identity({ study: '1.2.999.8', instance: '1.2.999.8.2' }), ...pixels()]));
    const whole = sampleFile([...identity({ study: '1.2.999.9' }), ...pixels()]);
    await put('cut.dcm', whole.subarray(0, 420));
    const report = join(folder.path, `report-${count}.json`);

    const { code, out, err } = await call(['--report', report]);

    expect(code).to.equal(3);
    expect(files().length).to.equal(1);
    expect(out).to.include('burned-in annotation').and.include('1 study released, 2 quarantined');
    expect(err).to.include('bad1.dcm').and.include('bad2.dcm').and.include('cut.dcm');
    const text = await readFile(report, 'utf8');
    expect(text).to.not.match(/Kanariala|RAT-0815|1\.2\.999|bad1|cut\.dcm/);
    expect(JSON.parse(text)).to.have.property('studies').with.lengthOf(3);
  });

  it('holds the whole study of which one file belongs to no series', async () => {
    await put('a.dcm', sampleFile([...identity(), ...pixels()]));
    const nameless = identity({ instance: '1.2.999.3.9' }).filter(({ tag }) => tag !== TAG.SeriesInstanceUID);
    await put('b.dcm', sampleFile([...nameless, ...pixels()]));

    const { code, out } = await call([]);

    expect(code).to.equal(3);
    expect(out).to.include('0 studies released, 1 quarantined');
  });

  it('leaves the index of a medium behind: it names the patients', async () => {
    await put('a.dcm', sampleFile([...identity(), ...pixels()]));
    await put('DICOMDIR', encodePart10({ SOPClassUID: '1.2.840.10008.1.3.10', SOPInstanceUID: '1.2.3' }));

    const { code, out } = await call([]);

    expect(code).to.equal(0);
    expect(out).to.include('1 study released, 0 quarantined, 1 file not DICOM');
  });

  it('keeps copies of one instance apart', async () => {
    await put('a.dcm', sampleFile([...identity(), ...pixels()]));
    await put('copy.dcm', sampleFile([...identity(), ...pixels()]));

    expect((await call([])).code).to.equal(0);
    expect(files().length).to.equal(2);
  });

  it('works by the policy of a file, and answers a wrong one with its line', async () => {
    await put('a.dcm', sampleFile([...identity(), element('StudyDate', '20140310'), ...pixels()]));
    const policy = join(folder.path, `policy-${count}.yaml`);
    await writeFile(policy, 'name: kct\nprofile: basic\noptions: [retain-longitudinal-full-dates]\n');

    const { code, out } = await call(['--policy-file', policy, '--json']);

    expect(code).to.equal(0);
    expect(JSON.parse(out)).to.include({ policy: 'kct', tableEdition: '2026c' });
    const [path] = files();
    const bytes = await readFile(join(output, path ?? ''));
    expect((await readHeader(bytesAsSource(bytes))).dataSet.string('StudyDate')).to.equal('20140310');

    await writeFile(policy, 'name: kct\nprofile: basic\noption: []\n');
    const error = await thrownBy(call(['--policy-file', policy]));
    expect(error.code).to.equal('config.invalid');
    expect(error.fields['detail']).to.include('option');
  });

  it('refuses what it cannot mean', async () => {
    const codes = await Promise.all([
      thrownBy(deidentify([input])),
      thrownBy(deidentify([input, join(input, 'out')])),
      thrownBy(deidentify([input, input])),
      thrownBy(deidentify([input, output, '--wrong'])),
      thrownBy(deidentify([join(input, 'nowhere'), output, '--data', folder.path])),
      thrownBy(deidentify([input, output, '--policy-file', join(input, 'nowhere')])),
    ]);

    expect(codes.map(({ code }) => code)).to.deep.equal([
      'command.usage',
      'command.usage',
      'command.usage',
      'command.usage',
      'file.failed',
      'config.invalid',
    ]);
  });

  it('fails when there is no DICOM file at all', async () => {
    await put('README.txt', Buffer.from('nothing'));

    expect((await call([])).code).to.equal(1);
  });

  async function put(name: string, bytes: Uint8Array): Promise<void> {
    await writeFile(join(input, name), bytes);
  }

  async function call(more: readonly string[], data = 'data') {
    const out: string[] = [];
    const err: string[] = [];
    const to = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
    const code = await deidentify([input, output, '--data', join(folder.path, data), ...more], to);
    return { code, out: out.join('\n'), err: err.join('\n') };
  }

  function files(): readonly string[] {
    return globSync('**/*', { cwd: output, withFileTypes: false })
      .filter((path) => path.endsWith('.dcm'))
      .toSorted();
  }
});
