import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openNifti, readNifti } from '../../../processors/volumes/nifti.ts';
import { niftiBytes } from '../../../processors/volumes/nifti-writer.ts';
import { volumeToNifti } from '../../../processors/volumes/to-nifti.ts';
import { type MadeNifti, nifti, NIFTI_DATATYPES } from '../../support/nifti-bytes.ts';
import { parseNifti } from '../../support/nifti-file.ts';
import { seeded } from '../../support/seeded.ts';

const reasonOf = (file: Uint8Array): unknown => {
  try {
    readNifti(file);
    return undefined;
  } catch (error) {
    return (error as { fields?: Record<string, unknown> }).fields?.['reason'];
  }
};

describe('NIfTI-1', () => {
  it('is read in every scalar type and both byte orders, plain and gzip', () => {
    for (const datatype of NIFTI_DATATYPES)
      for (const littleEndian of [true, false]) {
        const file = nifti({ datatype, littleEndian });

        expect([...readNifti(file).data], `${datatype}`).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        expect(readNifti(gzipSync(file)).data).to.deep.equal(readNifti(file).data);
      }
  });

  it('scales by slope and intercept unless the slope is 0 or no number', () => {
    const values = [10, 20];
    const dims = [2, 1, 1];

    expect([...readNifti(nifti({ dims, values, slope: 0.5, intercept: 1 })).data]).to.deep.equal([6, 11]);
    expect([...readNifti(nifti({ dims, values, slope: 0, intercept: 1 })).data]).to.deep.equal(values);
    expect([...readNifti(nifti({ dims, values, slope: Number.NaN, intercept: 1 })).data]).to.deep.equal(values);
  });

  it('takes the sform, else the qform with its handedness, else the size of voxels; a matrix that is none is passed by', () => {
    const sform = [0, -2, 0, 5, 3, 0, 0, 6, 0, 0, 4, 7];
    // A quarter turn about the third axis, which is turned round.
    const quaternion = [0, 0, Math.SQRT1_2, 1, 2, 3];
    const pixdim = [-1, 2, 3, 4];

    const lps = (file: Buffer) => readNifti(file).affine.map((one) => Math.round(one * 1e5) / 1e5 + 0);

    expect(lps(nifti({ sform, quaternion, pixdim }))).to.deep.equal([
      0, 2, 0, -5, -3, 0, 0, -6, 0, 0, 4, 7, 0, 0, 0, 1,
    ]);
    expect(lps(nifti({ quaternion, pixdim }))).to.deep.equal([0, 3, 0, -1, -2, 0, 0, -2, 0, 0, -4, 3, 0, 0, 0, 1]);
    expect(lps(nifti({ sform: Array<number>(12).fill(0), quaternion, pixdim }))).to.deep.equal(
      lps(nifti({ quaternion, pixdim })),
    );
    expect(lps(nifti({ pixdim }))).to.deep.equal([-2, 0, 0, 0, 0, -3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1]);
  });

  it('says nothing by the qform, which cannot shear, of slices that lie askew', async () => {
    const askew = readNifti(nifti({ sform: [1, 0, 0, 0, 0, 1, 0.7, 0, 0, 0, 2, 0], pixdim: [1, 1, 1, 2.119] }));
    const straight = readNifti(nifti({ sform: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0], pixdim: [1, 1, 1, 2] }));

    const files = [await joined(volumeToNifti(askew)), await joined(volumeToNifti(straight))];

    expect(files.map((file) => [file.readInt16LE(252), file.readInt16LE(254)])).to.deep.equal([
      [0, 1],
      [1, 1],
    ]);
    expect(files.map((file) => [...readNifti(file).affine])).to.deep.equal([[...askew.affine], [...straight.affine]]);
  });

  it('has a rotation of a quaternion that is longer than one, and no repetition time without end', () => {
    const pixdim = [1, 2, 3, 4, Infinity];
    const { affine, repetitionTimeMs } = readNifti(
      nifti({ dims: [3, 1, 2, 2], quaternion: [2, 2, 2, 0, 0, 0], pixdim }),
    );

    const lengths = [0, 1, 2].map((column) => Math.hypot(...[0, 4, 8].map((row) => affine[row + column] ?? 0)));
    expect(lengths.map((length) => Math.round(length * 1e5) / 1e5)).to.deep.equal([2, 3, 4]);
    expect(repetitionTimeMs).to.equal(undefined);
  });

  it('passes a matrix by whose voxels are larger than any magnet', () => {
    const sform = [1e30, 0, 0, 0, 0, 1e30, 0, 0, 0, 0, 1e30, 0];

    const { affine } = readNifti(nifti({ sform }));

    expect([affine[0], affine[5], affine[10]]).to.deep.equal([-2, -3, 4]);
  });

  it('is in millimetres and milliseconds whatever its units', () => {
    const metres = readNifti(nifti({ units: 1 + 8, dims: [3, 2, 1, 2], pixdim: [1, 0.002, 0.003, 0.004, 1.5] }));
    const microns = readNifti(nifti({ units: 3 + 16, dims: [3, 2, 1, 2], pixdim: [1, 2000, 3000, 4000, 1500] }));

    for (const { spacingMm, repetitionTimeMs, dims } of [metres, microns]) {
      expect(spacingMm.map((mm) => Math.round(mm * 1e4) / 1e4)).to.deep.equal([2, 3, 4]);
      expect(repetitionTimeMs).to.equal(1500);
      expect(dims).to.deep.equal([3, 2, 1, 2]);
    }
  });

  it('has 0 where it holds no number', () => {
    const values = [1, Number.NaN, Infinity, -Infinity];

    expect([...readNifti(nifti({ datatype: 16, dims: [2, 2, 1], values })).data]).to.deep.equal([1, 0, 0, 0]);
  });

  it('says what its header leaves out, has wrong, or says twice', () => {
    const sform = [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0];
    const identity = [0, 0, 0, 0, 0, 0];
    const halfTurn = [0, 0, 1, 0, 0, 0];
    const cases: readonly (readonly [MadeNifti, readonly string[]])[] = [
      [{ sform, pixdim: [1, 2, 3, 4] }, []],
      [{ quaternion: identity }, []],
      [{ sform, units: 0, pixdim: [1, 2, 3, 4] }, ['unit-missing']],
      [{}, ['orientation-missing']],
      [{ pixdim: [1, 0, 3, 4] }, ['orientation-missing', 'spacing-unknown']],
      [{ pixdim: [1, Number.NaN, 3, 4] }, ['orientation-missing', 'spacing-unknown']],
      [{ pixdim: [1, 1e30, 3, 4] }, ['orientation-missing', 'spacing-unknown']],
      [{ pixdim: [1, -2, 3, 4] }, ['orientation-missing', 'spacing-damaged']],
      // A quaternion turns voxels of the stated size, of which there is none.
      [{ quaternion: identity, pixdim: [1, 0, 0, 0] }, ['orientation-missing', 'spacing-unknown']],
      [{ sform, pixdim: [1, 0, 0, 0] }, ['spacing-damaged']],
      [{ sform, pixdim: [1, 2, 3, 9] }, ['spacing-contradicts']],
      [{ sform: Array<number>(12).fill(Number.NaN) }, ['geometry-damaged', 'orientation-missing']],
      [{ sform, quaternion: identity, pixdim: [1, 2, 3, 4] }, []],
      [{ sform, quaternion: halfTurn, pixdim: [1, 2, 3, 4] }, ['orientation-contradicts']],
      // An atlas is another place; left is left there too.
      [{ sform, quaternion: halfTurn, pixdim: [1, 2, 3, 4], codes: { sform: 4, qform: 1 } }, []],
      [
        { sform, quaternion: identity, pixdim: [-1, 2, 3, 4], codes: { sform: 4, qform: 1 } },
        ['orientation-contradicts'],
      ],
      [{ quaternion: identity, pixdim: [1, 0.002, 0.003, 0.004] }, ['size-implausible']],
      [{ quaternion: identity, slope: Number.NaN }, ['scale-damaged']],
      [{ quaternion: identity, dims: [4, 3, 1] }, ['slice-single']],
      [{ quaternion: identity, dims: [4, 3], pixdim: [1, 2, 3, 0] }, ['spacing-missing', 'slice-single']],
      [{ quaternion: identity, dims: [2, 2, 2, 3, 2] }, ['dimensions-many']],
      [
        { quaternion: identity, datatype: 16, dims: [2, 2, 2], values: [1, 2, Number.NaN, 4, Infinity, 6, 7, 8] },
        ['values-not-finite'],
      ],
    ];

    for (const [made, codes] of cases)
      expect(
        openNifti(nifti(made)).findings.map(({ code }) => code),
        JSON.stringify(made),
      ).to.deep.equal(codes);
    expect(openNifti(nifti({ datatype: 16, values: [1, Number.NaN, ...Array<number>(10).fill(3)] })).volume).to.include(
      {
        zeroed: 1,
      },
    );
  });

  it('takes size and place of a voxel from one description', () => {
    const sform = [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0];

    expect(readNifti(nifti({ sform, pixdim: [1, 0.2, 0.3, 0.4] })).spacingMm).to.deep.equal([2, 3, 4]);
    expect(readNifti(nifti({ pixdim: [1, -2, 3, 4] })).spacingMm).to.deep.equal([2, 3, 4]);
  });

  it('notices that bytes stand in another order than the header says, and nothing else for it', () => {
    const dims = [32, 32, 3];
    const picture = Array.from({ length: 32 * 32 * 3 }, (_, i) => {
      const [x, y] = [(i % 32) - 16, (Math.floor(i / 32) % 32) - 16];
      return Math.hypot(x, y) < 11 ? 1500 + 40 * x + 3 * y * y : 20 + ((i * 7919) % 23);
    });
    const noise = randoms(32 * 32 * 3);
    const codesOf = (made: MadeNifti, isTurned: boolean) => {
      const file = nifti({ dims, quaternion: [0, 0, 0, 0, 0, 0], ...made });
      const values = file.subarray(352);
      if (isTurned) made.datatype === 16 ? values.swap32() : values.swap16();
      return openNifti(file).findings.map(({ code }) => code);
    };

    for (const datatype of [4, 512, 16])
      for (const littleEndian of [true, false]) {
        expect(codesOf({ datatype, littleEndian, values: picture }, true)).to.deep.equal(['bytes-swapped']);
        expect(codesOf({ datatype, littleEndian, values: picture }, false)).to.deep.equal([]);
      }
    expect(codesOf({ datatype: 4, values: noise }, false)).to.deep.equal([]);
    const holed = picture.map((value, i) => (i % 32 < 3 ? Number.NaN : value));
    expect(codesOf({ datatype: 16, values: holed }, false)).to.deep.equal(['values-not-finite']);
  });

  it('is read from NIfTI-2, and from a header and its voxels in two files', () => {
    const values = [1, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    const one = nifti({ values, slope: 2, intercept: 1, quaternion: [0, 0, 0, 5, 6, 7] });
    const header = Buffer.from(one.subarray(0, 348));
    header.write('ni1\0', 344, 'latin1');
    header.writeFloatLE(0, 108);

    for (const littleEndian of [true, false]) {
      const second = secondFormat({ values, littleEndian });
      const { volume, findings } = openNifti(gzipSync(second));
      expect([...volume.data]).to.deep.equal(values.map((value) => 2 * value + 1));
      expect(volume).to.deep.include({ dims: [3, 2, 2, 1], spacingMm: [2, 3, 4] });
      expect(volume.affine).to.deep.equal(readNifti(one).affine);
      expect(findings).to.deep.equal([]);
      expect(reasonOf(second.subarray(0, 500))).to.equal('too short for a NIfTI header');
      expect(reasonOf(second.subarray(0, second.length - 1))).to.equal('fewer voxels than the header says');
    }
    expect(openNifti(header, one.subarray(352)).volume).to.deep.equal(readNifti(one));
    expect(openNifti(header, gzipSync(one.subarray(352))).volume).to.deep.equal(readNifti(one));
  });

  it('is not Analyze 7.5, which is said', () => {
    expect(reasonOf(nifti({ magic: '\0\0\0\0' }))).to.match(/^Analyze 7\.5/);
  });

  it('is refused with the reason when it is damaged or of another kind', () => {
    const whole = nifti();
    const zipped = gzipSync(nifti({ dims: [40, 40, 40], values: randoms(64_000) }));

    expect(reasonOf(whole.subarray(0, 100))).to.equal('too short for a NIfTI header');
    expect(reasonOf(whole.subarray(0, whole.length - 1))).to.equal('fewer voxels than the header says');
    expect(reasonOf(zipped.subarray(0, zipped.length - 40_000))).to.equal('gzip is damaged or cut off');
    expect(reasonOf(Buffer.from([0x1f, 0x8b, 1, 2, 3]))).to.equal('gzip is damaged');
    expect(reasonOf(Buffer.alloc(400))).to.equal('not NIfTI');
    expect(reasonOf(nifti({ magic: 'ni1\0' }))).to.equal('its voxels stand in another file');
    expect(reasonOf(nifti({ datatype: 32 }))).to.equal('complex numbers are not read');
    expect(reasonOf(nifti({ datatype: 128 }))).to.equal('colours are not read');
    expect(reasonOf(nifti({ datatype: 77 }))).to.equal('data type 77 is not known');
    expect(reasonOf(nifti({ dims: [3, -2, 2], values: [] }))).to.equal('its dimensions are no dimensions');
  });

  it('is refused by its header before it is unpacked when it would not fit into memory', () => {
    const bomb = gzipSync(nifti({ dims: [32_000, 32_000, 100], values: [] }));

    expect(reasonOf(bomb)).to.equal('32000 × 32000 × 100 × 1 voxels are too many');
  });

  it('is written as it was read, in its own type, geometry and scale', async () => {
    for (const datatype of [2, 4, 8, 16, 512, 768]) {
      const sform = [0, -2, 0.1, 5, 3, 0, 0, 6, 0, 0.2, 4, 7];
      const file = nifti({ datatype, sform, slope: 0.25, intercept: -3, dims: [3, 2, 1, 2] });

      const again = parseNifti(await joined(volumeToNifti(readNifti(file))));

      const before = parseNifti(file);
      expect(again.dims).to.deep.equal([3, 2, 1, 2]);
      expect(again.sform).to.deep.equal(before.sform);
      expect(again.pixdim[4]).to.equal(1.5);
      const value = (one: typeof again) => [...one.stored].map((stored) => stored * one.slope + one.intercept);
      expect(value(again)).to.deep.equal(value(before));
      expect(again.datatype).to.equal(datatype);
    }
  });

  it('says the same place in quaternion and matrix, for any rotation and handedness', async () => {
    const random = seeded(7);
    for (let round = 0; round < 60; round++) {
      const affine = randomAffine(random, round);
      const source = nifti({ sform: affine, pixdim: [1, ...[0, 1, 2].map((column) => columnLength(affine, column))] });

      const { sform, qform } = parseNifti(await joined(volumeToNifti(readNifti(source))));

      qform.forEach((value, index) => {
        // Single precision near half a turn: three digits.
        expect(value, `round ${round}, ${index}`).to.be.closeTo(sform[index] ?? Number.NaN, 5e-3);
      });
    }
  });

  it('has no room for more than 32767 voxels along an axis, which is said', async () => {
    const volume = { ...readNifti(nifti()), dims: [40_000, 1, 1, 1] as const };

    const failure = await joined(niftiBytes(volume, () => Promise.resolve())).then(
      () => undefined,
      (error: unknown) => error,
    );

    expect(failure).to.include({ code: 'pixels.too-large' });
  });
});

/** As nifti2.h lays it out: 16-bit integers at a place of their own. */
function secondFormat({
  values,
  littleEndian: le,
}: {
  readonly values: readonly number[];
  readonly littleEndian: boolean;
}) {
  const start = 560;
  const file = Buffer.alloc(start + 2 * values.length);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  view.setInt32(0, 540, le);
  file.write('n+2\0\r\n\u001a\n', 4, 'latin1');
  view.setInt16(12, 4, le);
  view.setInt16(14, 16, le);
  [3, 3, 2, 2, 1, 1, 1, 1].forEach((size, i) => view.setBigInt64(16 + 8 * i, BigInt(size), le));
  [1, 2, 3, 4].forEach((size, i) => view.setFloat64(104 + 8 * i, size, le));
  view.setBigInt64(168, BigInt(start), le);
  [2, 1].forEach((value, i) => view.setFloat64(176 + 8 * i, value, le));
  view.setInt32(344, 1, le);
  [0, 0, 0, 5, 6, 7].forEach((value, i) => view.setFloat64(352 + 8 * i, value, le));
  view.setInt32(500, 10, le);
  values.forEach((value, i) => view.setInt16(start + 2 * i, value, le));
  return file;
}

function randoms(count: number): readonly number[] {
  const random = seeded(3);
  return Array.from({ length: count }, () => Math.floor(random() * 30_000));
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function columnLength(affine: readonly number[], column: number): number {
  return Math.hypot(...[0, 4, 8].map((row) => affine[row + column] ?? 0));
}

/** Every third one exactly half a turn about an axis. */
function randomAffine(random: () => number, round: number): readonly number[] {
  const axes: readonly (readonly number[])[] = [
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
  ];
  const drawn = [random() * 2 - 1, random() * 2 - 1, random() * 2 - 1, random() * 2 - 1];
  const q = round % 3 === 0 ? (axes[(round / 3) % 3] ?? drawn) : drawn;
  const long = Math.hypot(...q);
  const [w = 0, x = 0, y = 0, z = 0] = q.map((one) => one / long);
  const [sx, sy, sz] = [0.5 + random(), 0.5 + random(), (round % 2 === 0 ? 1 : -1) * (0.5 + random())];
  return [
    ...[(1 - 2 * (y * y + z * z)) * sx, 2 * (x * y - w * z) * sy, 2 * (x * z + w * y) * sz, 10],
    ...[2 * (x * y + w * z) * sx, (1 - 2 * (x * x + z * z)) * sy, 2 * (y * z - w * x) * sz, -20],
    ...[2 * (x * z - w * y) * sx, 2 * (y * z + w * x) * sy, (1 - 2 * (x * x + y * y)) * sz, 30],
  ];
}
