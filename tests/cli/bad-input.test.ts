import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { convert } from '../../cli/convert.ts';
import { qc } from '../../cli/qc.ts';
import { segment } from '../../cli/segment.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { type MadeNifti, nifti } from '../support/nifti-bytes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const DIMS = [24, 24, 6] as const;
const SFORM = [0.5, 0, 0, -6, 0, 0.5, 0, -6, 0, 0, 1, -3];

/** A bright ball in noise. */
const BALL = Array.from({ length: DIMS[0] * DIMS[1] * DIMS[2] }, (_, i) => {
  const [x, y, z] = [i % 24, Math.floor(i / 24) % 24, Math.floor(i / 576)];
  const isIn = ((x - 12) / 8) ** 2 + ((y - 12) / 8) ** 2 + ((z - 2.5) / 3) ** 2 < 1;
  return (isIn ? 700 + 13 * x + 3 * y + z : 0) + ((i * 7919) % 41);
});

const ball = (made: MadeNifti = {}): Buffer =>
  nifti({ dims: DIMS, values: BALL, sform: SFORM, pixdim: [1, 0.5, 0.5, 1], ...made });

describe('files that are not as they should be', () => {
  const folder = temporaryFolder();
  const write = (name: string, bytes: Uint8Array | string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, bytes);
    return path;
  };

  interface Said {
    readonly exitCode: number;
    readonly series: readonly {
      readonly name: string;
      readonly verdict: string;
      readonly findings: readonly string[];
    }[];
    readonly errors: readonly string[];
  }
  async function measured(path: string, ...more: readonly string[]): Promise<Said> {
    const terminal = captureTerminal();
    const json = join(folder.path, 'report.json');
    const exitCode = await qc([path, '--json', json, ...more], terminal);
    return { exitCode, errors: terminal.errors, ...(JSON.parse(readFileSync(json, 'utf8')) as Pick<Said, 'series'>) };
  }

  it('are measured with what is wrong on the report, as far as a verdict goes', async () => {
    const cases: readonly (readonly [string, Uint8Array, string, RegExp | undefined])[] = [
      ['sound', ball(), 'not-enough-history', undefined],
      ['no-unit', ball({ units: 8 }), 'not-enough-history', /in which unit/],
      [
        'no-size',
        nifti({ dims: DIMS, values: BALL, pixdim: [1, 0, 0, 0] }),
        'fail',
        /how large a voxel is: pixdim is 0 × 0 × 0/,
      ],
      ['size-of-sform', ball({ pixdim: [1, Number.NaN, 0.5, 1] }), 'warn', /pixdim is NaN × 0\.5 × 1; the sform/],
      ['two-sizes', ball({ pixdim: [1, 5, 5, 10] }), 'warn', /two sizes of a voxel/],
      ['holes', ball({ datatype: 16, values: BALL.map((v, i) => (i < 24 ? Number.NaN : v)) }), 'fail', /no numbers/],
      ['turned', turned(ball()), 'fail', /order of bytes/],
      ['slice', ball({ dims: [24, 24, 1], values: BALL.slice(1152, 1728) }), 'warn', /one slice only/],
    ];

    for (const [name, bytes, verdict, finding] of cases) {
      const { exitCode, series } = await measured(write(`${name}.nii`, bytes));

      expect(exitCode, name).to.equal(0);
      expect(series[0]?.verdict, `${name}: ${series[0]?.findings.join(' ') ?? ''}`).to.equal(verdict);
      if (finding === undefined) expect(series[0]?.findings, name).to.deep.equal([]);
      else expect(series[0]?.findings.join(' '), name).to.match(finding);
    }
  });

  it('stand on the report where nothing of them can be read, beside what could be', async () => {
    const scans = join(folder.path, 'scans');
    mkdirSync(scans);
    writeFileSync(join(scans, 'cut.nii'), ball().subarray(0, 2000));
    writeFileSync(join(scans, 'sound.nii'), ball());
    writeFileSync(
      join(scans, 'torn.dcm'),
      Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), Buffer.alloc(20, 7)]),
    );

    const page = join(folder.path, 'page.html');
    const { exitCode, series } = await measured(scans, '--report', page);

    expect(exitCode).to.equal(0);
    expect(series.map(({ name, verdict }) => [name, verdict])).to.deep.equal([
      ['cut.nii', 'fail'],
      ['sound.nii', 'not-enough-history'],
      ['torn.dcm', 'fail'],
    ]);
    expect(series[0]?.findings).to.deep.equal([
      'A file cannot be read: Data set cannot be read (reason fewer voxels than the header says).',
    ]);
    expect(readFileSync(page, 'utf8')).to.include('fewer voxels than the header says');
    expect((await measured(join(scans, 'cut.nii'))).exitCode).to.equal(1);
  });

  it('are neither converted nor segmented where nothing says how large they are, and remarked on otherwise', async () => {
    const unsized = write('unsized.nii', nifti({ dims: DIMS, values: BALL, pixdim: [1, 0, 0, 0] }));
    const holed = write('holed.nii', ball({ datatype: 16, values: BALL.map((v, i) => (i < 24 ? Infinity : v)) }));
    const terminal = captureTerminal();
    const out = join(folder.path, 'out');

    expect(await convert([unsized, '--out', out], terminal)).to.equal(1);
    expect(await segment([unsized, '--out', out], terminal)).to.equal(1);
    expect(terminal.lines.join('\n'))
      .to.match(/not converted: .*how large a voxel is/)
      .and.match(/^unsized.nii: The header/m);
    expect(await convert([holed, '--out', out], terminal)).to.equal(0);
    expect(terminal.lines.join('\n')).to.include('! Values that are no numbers were set to 0: 24 of 3456.');
  });

  it('of two, a header and its voxels, are one; an older format is named', async () => {
    const file = ball();
    const header = Buffer.from(file.subarray(0, 348));
    header.write('ni1\0', 344, 'latin1');
    header.writeFloatLE(0, 108);
    const voxels = write('pair.img', file.subarray(352));
    for (const path of [write('pair.hdr', header), voxels])
      expect((await measured(path)).series.map(({ name, findings }) => [name, findings])).to.deep.equal([
        ['pair.hdr', []],
      ]);

    header.write('\0\0\0\0', 344, 'latin1');
    expect((await measured(write('pair.hdr', header))).errors.join()).to.include('Analyze 7.5');
    expect((await measured(write('other.hdr', '#?RADIANCE'))).errors.join()).to.include('left out, not DICOM');
  });

  it('that are masks are used only where they fit, and it is said where they do not', async () => {
    const scan = write('scan.nii', ball());
    const inside = BALL.map((value): number => (value > 500 ? 1 : 0));
    const volume = 0.25 * inside.reduce((sum, value) => sum + value, 0);
    const mask = (made: MadeNifti = {}) => ball({ datatype: 2, values: inside, ...made });
    const mirrored = [-0.5, 0, 0, 5.5, ...SFORM.slice(4)];
    const cases: readonly (readonly [string, Uint8Array, RegExp | undefined, boolean])[] = [
      ['same', mask(), undefined, true],
      // The same places, said from the other end.
      ['turned', mask({ sform: mirrored, values: reversedRows(inside) }), undefined, true],
      ['aside', mask({ sform: [0.5, 0, 0, -4, ...SFORM.slice(4)] }), /lies elsewhere than the scan/, true],
      ['away', mask({ sform: [0.5, 0, 0, 500, ...SFORM.slice(4)] }), /lies outside of the scan; it is not used/, false],
      ['coarse', mask({ dims: [12, 24, 6], values: inside.slice(0, 1728) }), /12 × 24 × 6 voxels/, false],
      ['empty', mask({ values: inside.map(() => 0) }), /no voxel is in it/, false],
    ];

    for (const [name, bytes, finding, isUsed] of cases) {
      const { series } = await measured(scan, '--mask', write(`${name}-mask.nii`, bytes));

      const findings = series[0]?.findings.join(' ') ?? '';
      if (finding === undefined) expect(findings, name).to.equal('');
      else expect(findings, name).to.match(finding);
      const { measures } = series[0] as unknown as { measures: Record<string, number | undefined> };
      expect(measures['brain_volume_mm3'] ?? 0, name).to.be.closeTo(isUsed ? volume : 0, 1e-4);
    }
    const refused = await thrownBy(qc([scan, '--mask', write('no.nii', 'mask')], captureTerminal()));
    expect(refused).to.include({ code: 'file.failed' });
  });

  it('are said before anything is measured where nothing can be written', async () => {
    const scan = write('again.nii', ball());

    for (const command of [
      () => qc([scan, '--images', '/proc/none/here'], captureTerminal()),
      () => convert([scan, '--out', '/proc/none/here'], captureTerminal()),
      () => convert([scan, '--out', join(scan, 'below')], captureTerminal()),
      () => segment([scan, '--out', ''], captureTerminal()),
    ])
      expect((await thrownBy(command())).code).to.equal('file.failed');
  });
});

/** Its voxels with their bytes the other way round. */
function turned(file: Buffer): Buffer {
  file.subarray(352).swap16();
  return file;
}

function reversedRows(values: readonly number[]): readonly number[] {
  return values.map((_, i) => values[i - (i % 24) + 23 - (i % 24)] ?? 0);
}
