import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { convert } from '../../cli/convert.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { attribute, mrSlice } from '../support/mr-series.ts';
import { parseNifti } from '../support/nifti-file.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const MRI = resolve(import.meta.dirname, '../../../shared/mri');
const PLANTED = /Mallieläin|INV-|Keksitty|Olematonkatu|Hämäräinen|Kanariala|RAT-0815|2026|2\.25\.|1\.2\.999/;

describe('hub convert', () => {
  const place = temporaryFolder();
  let count = 0;
  const folder = (): string => {
    const path = join(place.path, String((count += 1)));
    mkdirSync(path);
    return path;
  };
  const put = (path: string, files: readonly { readonly name: string; readonly bytes: Uint8Array }[]) => {
    for (const { name, bytes } of files) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), bytes);
    }
  };
  const jsonOf = (lines: readonly string[]) =>
    JSON.parse(lines.join('\n')) as {
      readonly series: readonly {
        readonly name: string;
        readonly files?: readonly string[];
        readonly error?: string;
      }[];
    };

  it('writes NIfTI and a sidecar that says how it was scanned and nothing of whom', async () => {
    const [input, out] = [folder(), join(folder(), 'new', 'place')];
    put(input, phantomStudy({ columns: 24, rows: 20, slices: 8, spacingMm: [0.8, 2, 0.8] }));
    const terminal = captureTerminal();

    const exitCode = await convert([input, '--out', out], terminal);

    expect(exitCode).to.equal(0);
    expect(readdirSync(out).toSorted()).to.deep.equal(['3_T2_TurboRARE.json', '3_T2_TurboRARE.nii.gz']);
    const sidecar = readFileSync(join(out, '3_T2_TurboRARE.json'), 'utf8');
    expect(JSON.parse(sidecar)).to.include({ EchoTime: 0.036, RepetitionTime: 3.2, MagneticFieldStrength: 7 });
    expect(sidecar).to.not.match(PLANTED);
    const nifti = readFileSync(join(out, '3_T2_TurboRARE.nii.gz'));
    expect(parseNifti(nifti).dims).to.deep.equal([24, 20, 8]);
    expect(terminal.lines.join('\n')).to.equal(
      `T2_TurboRARE: 24 × 20 × 8 × 1\n  ${out}/3_T2_TurboRARE.nii.gz\n  ${out}/3_T2_TurboRARE.json`,
    );
  });

  it('names echoes and components apart, writes gradients, and says findings; --json for machines', async () => {
    const [input, out] = [folder(), folder()];
    const slices = [12, 40].flatMap((echoTime, e) =>
      ['M', 'P'].flatMap((kind, k) =>
        [0, 2].map((z) =>
          mrSlice({
            orientation: [1, 0, 0, 0, 1, 0],
            position: [0, 0, z],
            instanceNumber: (e * 2 + k) * 2 + z / 2 + 1,
            more: [
              attribute('EchoTime', echoTime),
              attribute('ImageType', `ORIGINAL\\PRIMARY\\${kind}`),
              attribute('DiffusionBValue', 500),
              attribute('DiffusionGradientOrientation', [0, 1, 0]),
            ],
          }),
        ),
      ),
    );
    put(input, slices);
    const terminal = captureTerminal();

    const exitCode = await convert([input, '--out', out, '--json'], terminal);

    expect(exitCode).to.equal(0);
    const stems = ['3_made_here_e1', '3_made_here_e1_ph', '3_made_here_e2', '3_made_here_e2_ph'];
    expect(readdirSync(out).toSorted()).to.deep.equal(
      stems.flatMap((stem) => ['bval', 'bvec', 'json', 'nii.gz'].map((ending) => `${stem}.${ending}`)).toSorted(),
    );
    expect(readFileSync(join(out, '3_made_here_e2.bvec'), 'utf8')).to.equal('0\n-1\n0\n');
    expect(jsonOf(terminal.lines).series.map(({ files }) => files?.length)).to.deep.equal([4, 4, 4, 4]);
  });

  it('goes on after a series that cannot be converted, says why, leaves no half file and ends with 1', async () => {
    const [input, out] = [folder(), folder()];
    const cut = (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 20);
    const bad = [0, 2].map((z) =>
      mrSlice({ orientation: [1, 0, 0, 0, 1, 0], position: [0, 0, z], instanceNumber: z + 1 }),
    );
    put(
      input,
      bad.map((one) => ({ ...one, name: `bad/${one.name}`, bytes: cut(one.bytes) })),
    );
    put(input, phantomStudy({ columns: 24, rows: 20, slices: 4, spacingMm: [0.8, 2, 0.8] }));
    const terminal = captureTerminal();

    const exitCode = await convert([input, '--out', out, '--json'], terminal);

    expect(exitCode).to.equal(1);
    expect(readdirSync(out).toSorted()).to.deep.equal(['3_T2_TurboRARE.json', '3_T2_TurboRARE.nii.gz']);
    expect(jsonOf(terminal.lines).series.find(({ error }) => error !== undefined)?.error).to.match(/^Pixel/);
  });

  it('takes NIfTI files too, and names one that is cut off', async () => {
    const [input, out] = [folder(), folder()];
    const source = folder();
    put(source, phantomStudy({ columns: 24, rows: 20, slices: 4, spacingMm: [0.8, 2, 0.8] }));
    await convert([source, '--out', input], captureTerminal());
    const whole = readFileSync(join(input, '3_T2_TurboRARE.nii.gz'));
    writeFileSync(join(input, 'broken.nii.gz'), whole.subarray(0, whole.length >> 1));
    const terminal = captureTerminal();

    const exitCode = await convert([input, '--out', out, '--json'], terminal);

    expect(exitCode).to.equal(1);
    const { dims, sform, stored } = parseNifti(whole);
    expect(parseNifti(readFileSync(join(out, '3_T2_TurboRARE.nii.gz')))).to.deep.include({ dims, sform, stored });
    expect(jsonOf(terminal.lines).series.map(({ name, error }) => ({ name, error }))).to.deep.equal([
      { name: '3_T2_TurboRARE.nii.gz', error: undefined },
      { name: 'broken.nii.gz', error: 'Data set cannot be read (reason gzip is damaged or cut off)' },
    ]);
  });

  it('--to dicom writes each series into a folder, byte for byte', async () => {
    const [input, out] = [folder(), folder()];
    const study = phantomStudy({ columns: 24, rows: 20, slices: 4, spacingMm: [0.8, 2, 0.8] });
    put(input, study);
    writeFileSync(join(input, 'mask.nii.gz'), gzipSync(Buffer.alloc(400)));
    const terminal = captureTerminal();

    const exitCode = await convert([input, '--out', out, '--to', 'dicom'], terminal);

    expect(exitCode).to.equal(1);
    const written = readdirSync(join(out, 'T2_TurboRARE')).toSorted();
    expect(written.map((name) => readFileSync(join(out, 'T2_TurboRARE', name)))).to.deep.equal(
      study.map(({ bytes }) => Buffer.from(bytes)),
    );
    expect(terminal.lines.join('\n')).to.include('mask.nii.gz\n  not converted: NIfTI does not say whose scan it is');
  });

  it('refuses wrong usage, another format and a path that is not there, and fails where nothing is to be converted', async () => {
    const empty = folder();
    writeFileSync(join(empty, 'notes.txt'), 'not DICOM');

    expect((await thrownBy(convert([]))).code).to.equal('command.usage');
    expect((await thrownBy(convert([empty]))).code).to.equal('command.usage');
    expect((await thrownBy(convert([empty, '--out', folder(), '--to', 'dicon']))).fields['detail']).to.include('dicom');
    expect((await thrownBy(convert([join(empty, 'no'), '--out', folder()]))).code).to.equal('file.failed');
    expect(await convert([empty, '--out', folder()], captureTerminal())).to.equal(1);
  });

  it('writes nothing of a real patient beside the voxels', async function () {
    if (!existsSync(MRI)) skip(this, '../shared/mri is not here');
    const [input, out] = [folder(), folder()];
    const real = join(MRI, 'dicom/siemens_xa30_enh_asl');
    for (const name of readdirSync(real)) copyFileSync(join(real, name), join(input, name));

    await convert([input, '--out', out], captureTerminal());

    const sidecar = readFileSync(join(out, '27_Perfusion_Weighted.json'), 'utf8');
    expect(sidecar).to.include('SliceTiming');
    expect(sidecar).to.not.match(/XAtest|hucheng|Bloomington|Indiana|67093|Cheng|2022|1991|1\.3\.12/);
  });
});
