import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { readNifti } from '../../processors/volumes/nifti.ts';
import { type Command, run } from '../support/child-process.ts';
import { convertedIn, readFrames } from '../support/paravision-converted.ts';
import { ALL_KINDS, B_IMAGING, B_VALUE, KINDS, ORIENTATIONS } from '../support/paravision-scans.ts';
import { framesOf, placeOf, storedAt, type SyntheticScan, writeStudy } from '../support/paravision-study.ts';
import { brkraw, dciodvfy, dcm2niix, type Peer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BANANA = resolve(import.meta.dirname, '../../../shared/mri/rodent/bruker_pv5_banana/bru_banana');
/** Of the banana's first scan, as its visu_pars says. */
const SLOPE = 11.027_018_871_867_7;

/** What dcm2niix makes of a file; volumes of echoes or of complex parts are files of their own. */
interface Volume {
  readonly name: string;
  readonly dims: readonly number[];
  readonly at: (x: number, y: number, z: number, t: number) => number;
  /** Of a place in the patient system of DICOM; a voxel's only where the parts are whole. */
  readonly voxelAt: (place: readonly number[]) => readonly number[];
}

describe('the objects made of ParaVision studies', function () {
  this.timeout(120_000);

  const folder = temporaryFolder();
  let validator: Peer;
  let converter: Command;
  before(async () => {
    validator = await dciodvfy();
    converter = await dcm2niix();
  });

  /** Writes each reconstruction as a file, named after its scan. */
  async function write(study: string, into: string): Promise<readonly string[]> {
    await mkdir(into, { recursive: true });
    const files: string[] = [];
    for (const { name, bytes } of await convertedIn(study)) {
      const file = join(into, `${name.split('/')[0] ?? ''}.dcm`);
      await writeFile(file, bytes);
      files.push(file);
    }
    return files;
  }

  async function errorsIn(file: string): Promise<readonly string[]> {
    const { stdout, stderr } = await run(validator.command('dciodvfy'), [file]);
    expect(stdout + stderr).to.contain('EnhancedMRImage');
    return (stdout + stderr).split('\n').filter((line) => line.startsWith('Error'));
  }

  it('have no error that dciodvfy finds, whatever the version and the frame groups', async () => {
    for (const version of ['5.1', '6.0.1', '360.3.6'] as const) {
      const place = join(folder.path, version);
      await writeStudy(place, { version, scans: ALL_KINDS });

      for (const file of await write(place, `${place}-dicom`)) expect(await errorsIn(file), file).to.deep.equal([]);
    }
  });

  it('have no error that dciodvfy finds when a real scanner wrote them', async () => {
    const files = await write(BANANA, join(folder.path, 'banana'));

    expect(files).to.have.length(3);
    for (const file of files) expect(await errorsIn(file), file).to.deep.equal([]);
  });

  describe('for dcm2niix', () => {
    const place = () => join(folder.path, 'niix');
    let volumes: readonly Volume[];
    before(async () => {
      await writeStudy(place(), { version: '6.0.1', scans: ALL_KINDS });
      await write(place(), join(place(), 'dicom'));
      volumes = await converted(join(place(), 'dicom'));
    });

    /** The scan number stands in the series number, and that in the file's name. */
    async function converted(dicom: string): Promise<readonly Volume[]> {
      const args = ['-m', 'dcm2niix', '-b', 'n', '-z', 'n', '-f', '%s', '-o', dicom, dicom];
      const { code, stdout } = await run(converter, args);
      expect(code, stdout).to.equal(0);
      const names = (await readdir(dicom)).filter((name) => name.endsWith('.nii')).toSorted();
      return await Promise.all(
        names.map(async (name) => {
          const { dims, data, affine } = readNifti(await readFile(join(dicom, name)));
          const [columns, rows, slices] = dims;
          return {
            name: name.replace('.nii', ''),
            dims,
            at: (x: number, y: number, z: number, t: number) =>
              data[((t * slices + z) * rows + y) * columns + x] ?? Number.NaN,
            voxelAt: (place) => solved(affine, place),
          };
        }),
      );
    }

    const of = (kind: string): { readonly scan: SyntheticScan; readonly files: readonly Volume[] } => {
      const scan = ALL_KINDS[Object.keys(KINDS).indexOf(kind)] ?? expect.fail(kind);
      const series = String(scan.number * 65_536 + 1);
      return { scan, files: volumes.filter(({ name }) => name === series || name.startsWith(`${series}_`)) };
    };

    for (const [kind, dims] of [
      ['slices', [[14, 12, 5, 1]]],
      ['slices and repetitions', [[14, 12, 6, 4]]],
      ['repetitions before slices', [[14, 12, 4, 3]]],
      [
        'echoes',
        [
          [14, 12, 5, 1],
          [14, 12, 5, 1],
          [14, 12, 5, 1],
        ],
      ],
      ['diffusion', [[14, 12, 5, 4]]],
      [
        'real and imaginary parts',
        [
          [14, 12, 4, 1],
          [14, 12, 4, 1],
        ],
      ],
      ['maps', [[14, 12, 4, 3]]],
      // A volume is turned to lie as its reader likes it.
      ['a volume', [[9, 14, 12, 1]]],
      ['volumes over time', [[14, 12, 9, 3]]],
      ['another scale each slice', [[14, 12, 4, 1]]],
      ['32 bits that fit in 16', [[14, 12, 4, 1]]],
      ['big end first', [[14, 12, 4, 6]]],
    ] as const)
      it(`${kind}: slices and repetitions are two dimensions, each voxel is where it was, with its value`, () => {
        const { scan, files } = of(kind);

        expect(files.map((file) => file.dims)).to.deep.equal(dims);
        expect(differences(scan, files)).to.deep.equal([]);
      });

    it('have the b-values and, to the sign, the directions of their b-matrices', async () => {
      const { scan } = of('diffusion');
      const file = join(place(), 'dicom', String(scan.number * 65_536 + 1));

      const read = async (ending: string) =>
        (await readFile(`${file}.${ending}`, 'utf8'))
          .trim()
          .split('\n')
          .map((line) => line.trim().split(/\s+/).map(Number));

      const b = B_VALUE + B_IMAGING;
      expect(await read('bval')).to.deep.equal([[B_IMAGING, b, b, b]]);
      // FSL's convention: along the rows as they are stored, and those are turned round.
      const columns = (await read('bvec')).map((row) => row.map((part) => Math.round(part * 1000) / 1000));
      expect(columns).to.deep.equal([
        [0, 1, 0, 0.48],
        [0, 0, -0.6, 0.6],
        [0, 0, 0.8, 0.64],
      ]);
    });

    it('of a real scanner are where its visu_pars says, stacked along the normal, with its values', async () => {
      const dicom = join(folder.path, 'banana-niix');
      await write(BANANA, dicom);
      const stored = await readFile(join(BANANA, '1/pdata/1/2dseq'));
      const scan: SyntheticScan = {
        number: 1,
        size: [80, 64],
        spacingMm: [44 / 80, 44 / 64, 2],
        groups: [{ id: 'FG_SLICE', length: 5 }],
        stored: (frame, x, y) => stored.readInt16LE(2 * ((frame * 64 + y) * 80 + x)),
        slopes: () => SLOPE,
      };

      const made = await converted(dicom);

      const places = {
        65537: { orientation: ORIENTATIONS.axial, position: [-22, -21.2, -4] },
        131073: { orientation: ORIENTATIONS.sagittal, position: [4, -22, 21.2] },
        196609: { orientation: ORIENTATIONS.coronal, position: [-22, -4, 21.2] },
      } as const;
      for (const [series, place] of Object.entries(places)) {
        const volumes = made.filter(({ name }) => name === series);
        expect(volumes.map(({ dims }) => dims)).to.deep.equal([[80, 64, 5, 1]]);
        expect(differences({ ...scan, ...place }, volumes)).to.deep.equal([]);
      }
    });
  });

  it('agree with brkraw on the values and the places of a real scan', async () => {
    const python = await brkraw();
    const script = [
      'import brkraw, json, sys',
      'scan = brkraw.load(sys.argv[1]).get_scan(1)',
      'data = scan.get_dataobj(reco_id=1)',
      "affine = scan.get_affine(reco_id=1, space='raw')",
      'points = [[0, 0, 0], [40, 31, 2], [79, 63, 4], [12, 50, 1]]',
      'print(json.dumps({"shape": data.shape, "affine": affine.tolist(), "values": [int(data[tuple(p)]) for p in points]}))',
    ].join('\n');

    const { code, stdout, stderr } = await run(python, ['-c', script, BANANA]);

    expect(code, stderr).to.equal(0);
    const theirs = parsed(stdout);
    const [made] = await convertedIn(BANANA);
    const frames = readFrames(made ?? expect.fail());
    expect(theirs.shape).to.deep.equal([80, 64, 5]);
    const points = [
      [0, 0, 0],
      [40, 31, 2],
      [79, 63, 4],
      [12, 50, 1],
    ] as const;
    expect(points.map(([x, y, z]) => Math.round((frames[z]?.valueAt(x, y) ?? 0) / SLOPE))).to.deep.equal(theirs.values);
    // Of its third column only the direction: it adds the gap between slices to their distance, which has it already.
    const [x, y, z] = [0, 1, 2].map((column) => theirs.affine.map((row) => row[column] ?? 0));
    const [first] = frames;
    expect(x?.slice(0, 3)).to.deep.equal((first?.orientation ?? []).slice(0, 3).map((part) => part * (44 / 80)));
    expect(y?.slice(0, 3)).to.deep.equal((first?.orientation ?? []).slice(3).map((part) => part * (44 / 64)));
    expect(z?.slice(0, 2)).to.deep.equal([0, 0]);
    expect(theirs.affine.slice(0, 3).map((row) => row[3])).to.deep.equal(first?.position);
  });
});

/** Voxels that are not what they were where they were; how dcm2niix orders rows and slices is its own. */
function differences(scan: SyntheticScan, files: readonly Volume[]): readonly string[] {
  const [columns, rows, planes = 1] = scan.size;
  const lengths = scan.groups.map(({ length }) => length);
  const slices = scan.groups.findIndex(({ id }) => id === 'FG_SLICE');
  const splits = scan.groups.findIndex(({ id }) => id === 'FG_ECHO' || id === 'FG_COMPLEX');
  const found: string[] = [];
  for (let frame = 0; frame < framesOf(scan); frame++) {
    const index = lengths.map(
      (length, n) => Math.floor(frame / lengths.slice(0, n).reduce((a, b) => a * b, 1)) % length,
    );
    const slice = index[slices] ?? 0;
    // Imaginary before real: in the order of their names.
    const part = index[splits] ?? 0;
    const isComplex = scan.groups[splits]?.id === 'FG_COMPLEX';
    const volume = files[isComplex ? files.length - 1 - part : part];
    let time = 0;
    let stride = 1;
    lengths.forEach((length, n) => {
      if (n === slices || n === splits) return;
      time += (index[n] ?? 0) * stride;
      stride *= length;
    });
    for (let z = 0; z < planes; z++)
      for (const [x, y] of [
        [0, 0],
        [columns - 1, 0],
        [3, 7],
        [columns - 1, rows - 1],
      ] as const) {
        const place = placeOf(scan, slice, x, y, z);
        const value = storedAt(scan, frame, x, y, z) * (scan.slopes?.(frame) ?? 1) + (scan.offsets?.(frame) ?? 0);
        const [i = 0, j = 0, k = 0] = volume?.voxelAt(place) ?? [];
        const isVoxel = [i, j, k].every((part) => Math.abs(part - Math.round(part)) < 1e-2);
        const seen = volume?.at(Math.round(i), Math.round(j), Math.round(k), time) ?? Number.NaN;
        const tolerance = scan.wordType === '_32BIT_FLOAT' ? 8 / 65_535 : Math.max(1e-3, Math.abs(value) * 1e-6);
        const isFound = isVoxel && Math.abs(seen - value) <= tolerance;
        if (!isFound && found.length < 5)
          found.push(`frame ${frame} (${x}, ${y}, ${z}): ${value} at ${place.join(' ')}`);
      }
  }
  return found;
}

/** By Cramer's rule. @param affine - four by four, row by row */
function solved(affine: readonly number[], place: readonly number[]): readonly number[] {
  const column = (n: number) => [0, 4, 8].map((row) => affine[row + n] ?? 0);
  const axes = [column(0), column(1), column(2)];
  const target = column(3).map((start, row) => (place[row] ?? 0) - start);
  const determinant = ([a = [], b = [], c = []]: readonly (readonly number[])[]) =>
    [0, 1, 2].reduce((sum, n) => {
      const [next, last] = [(n + 1) % 3, (n + 2) % 3];
      return sum + (a[n] ?? 0) * ((b[next] ?? 0) * (c[last] ?? 0) - (b[last] ?? 0) * (c[next] ?? 0));
    }, 0);
  return axes.map((_, n) => determinant(axes.with(n, target)) / determinant(axes));
}

function parsed(text: string): { shape: number[]; affine: number[][]; values: number[] } {
  return JSON.parse(text) as { shape: number[]; affine: number[][]; values: number[] };
}
