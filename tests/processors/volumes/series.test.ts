import { expect } from 'chai';
import type { ObjectStore } from '../../../core/store.ts';
import { encodeNumbers } from '../../../core/dicom/encode.ts';
import { thrownBy } from '../../support/thrown.ts';
import { assembleVolumes } from '../../../processors/volumes/assemble.ts';
import { planSeries } from '../../../processors/volumes/series.ts';
import { planToNifti } from '../../../processors/volumes/to-nifti.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import type { SampleElement } from '../../support/dicom-samples.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import {
  attribute,
  enhancedMr,
  type MadeSlice,
  mrSlice,
  privateBlock,
  type SliceOptions,
  type Vector,
} from '../../support/mr-series.ts';
import { ourNifti } from '../../support/nifti-made.ts';
import { seeded } from '../../support/seeded.ts';

const signal = new AbortController().signal;
const AXIAL = [1, 0, 0, 0, 1, 0];
const ENHANCED = { sopClassUid: '1.2.840.10008.5.1.4.1.1.4.1' };
const HUB = { name: 'test', version: '1' };

const assemble = async (instances: readonly MadeSlice[], over = {}) => {
  const { items, store } = memoryInstances(instances, over);
  return await assembleVolumes(items, store, signal);
};
/** Slices every 2 mm in the direction of the head. */
const axial = (slices: number, over: (z: number) => Partial<SliceOptions> = () => ({})) =>
  Array.from({ length: slices }, (_, z) =>
    mrSlice({ orientation: AXIAL, position: [-5, 3, z * 2], instanceNumber: z + 1, ...over(z) }),
  );

describe('volumes of a series', () => {
  it('are apart where two studies use one Series Instance UID', async () => {
    const here = axial(4);
    const there = axial(4).map((slice) => ({ ...slice, studyInstanceUid: '1.2.999.11' }));

    const { volumes, findings } = await assemble([...here, ...there]);

    expect(findings).to.deep.equal([]);
    expect(volumes.map(({ studyInstanceUid, dims }) => [studyInstanceUid, dims[2]])).to.deep.equal([
      ['1.2.999.10', 4],
      ['1.2.999.11', 4],
    ]);
  });

  it('say so when slices of one direction have several sizes, of pixels or of the picture', async () => {
    const coarse = await assemble(axial(6, (z) => (z > 2 ? { spacing: [2, 2] } : {})));
    const small = await assemble(axial(6, (z) => (z > 2 ? { rows: 2, columns: 2 } : {})));

    for (const { volumes, findings } of [coarse, small]) {
      expect(volumes).to.have.length(2);
      expect(findings.map(({ code }) => code)).to.include('grids-mixed');
    }
  });

  it('have 0 where a pixel is padding, whatever its scale makes of that', async () => {
    const pixels = Array.from({ length: 24 }, (_, i) => (i < 5 ? 4000 : i < 8 ? 4090 : i));
    const scale = [attribute('RescaleSlope', '2'), attribute('RescaleIntercept', '-7')];
    const padded = (more: readonly SampleElement[]) => axial(4, () => ({ pixels, more: [...scale, ...more] }));

    const one = await assemble(padded([attribute('PixelPaddingValue', 4000)]));
    const range = await assemble(
      padded([attribute('PixelPaddingValue', 4000), attribute('PixelPaddingRangeLimit', 4095)]),
    );

    expect([...(one.volumes[0]?.data.subarray(0, 10) ?? [])]).to.deep.equal([0, 0, 0, 0, 0, 8173, 8173, 8173, 9, 11]);
    expect([...(range.volumes[0]?.data.subarray(0, 10) ?? [])]).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0, 9, 11]);
    expect(range.findings.map(({ message }) => message)).to.deep.equal([
      'Values that are no part of the picture (Pixel Padding Value) were set to 0: 32 of 96.',
    ]);
  });

  it('have the affine they were made with, in any orientation and order of files', async () => {
    const random = seeded(20_260_914);
    for (let round = 0; round < 40; round++) {
      const { rowDirection, columnDirection, normal } = randomAxes(random);
      const spacing: readonly [number, number] = [0.05 + random() * 3, 0.05 + random() * 3];
      const step = 0.1 + random() * 4;
      const origin: Vector = [random() * 200 - 100, random() * 200 - 100, random() * 200 - 100];
      const [slices, repetitions] = [2 + Math.floor(random() * 6), 1 + Math.floor(random() * 3)];
      const made = Array.from({ length: slices * repetitions }, (_, index) => {
        const [t, z] = [Math.floor(index / slices), index % slices];
        return mrSlice({
          orientation: [...rowDirection, ...columnDirection],
          position: plus(origin, normal, z * step),
          // The scanner numbers from the other end.
          instanceNumber: t * slices + (slices - z),
          spacing: [spacing[1], spacing[0]],
          thickness: step,
          pixels: Array.from({ length: 24 }, (_, i) => (t * 500 + z * 30 + i) % 4096),
          more: [attribute('AcquisitionNumber', t + 1)],
        });
      });

      const { volumes, findings } = await assemble(shuffled(made, random));

      const [volume] = volumes;
      expect(findings).to.deep.equal([]);
      expect(volume?.dims).to.deep.equal([6, 4, slices, repetitions]);
      const expected = [rowDirection, columnDirection, normal].map((axis, i) =>
        axis.map((one) => one * ([...spacing, step][i] ?? 0)),
      );
      for (const row of [0, 1, 2])
        [...expected, origin].forEach((column, index) => {
          expect(volume?.affine[row * 4 + index]).to.be.closeTo(column[row] ?? Number.NaN, 1e-6);
        });
      for (let t = 0; t < repetitions; t++)
        for (let z = 0; z < slices; z++)
          expect(volume?.data[(t * slices + z) * 24 + 7]).to.equal((t * 500 + z * 30 + 7) % 4096);
    }
  });

  it('are one an echo, and magnitude, phase, real and imaginary apart', async () => {
    const kinds = ['M', 'P', 'R', 'I'];
    const instances = [10, 25].flatMap((echoTime, e) =>
      kinds.flatMap((kind, k) =>
        axial(3, (z) => ({
          instanceNumber: (e * 4 + k) * 3 + z + 1,
          more: [attribute('EchoTime', echoTime), attribute('ImageType', `ORIGINAL\\PRIMARY\\${kind}\\ND`)],
        })),
      ),
    );

    const { volumes, findings } = await assemble(instances);

    expect(findings).to.deep.equal([]);
    expect(volumes.map(({ echoTimeMs, component, dims }) => [echoTimeMs, component, dims[3]])).to.have.deep.members(
      [10, 25].flatMap((echoTime) =>
        ['magnitude', 'phase', 'real', 'imaginary'].map((component) => [echoTime, component, 1]),
      ),
    );
  });

  it('of a lost slice in the middle of a time series keep the other repetitions whole', async () => {
    const marks: Readonly<Record<string, (t: number) => readonly SampleElement[]>> = {
      'Temporal Position Identifier': (t) => [attribute('TemporalPositionIdentifier', t + 1)],
      'Acquisition Number': (t) => [attribute('AcquisitionNumber', t + 1)],
      'Instance Number alone': () => [],
    };
    for (const [name, more] of Object.entries(marks)) {
      const all = [0, 1, 2, 3].flatMap((t) =>
        axial(4, (z) => ({ instanceNumber: t * 4 + z + 1, pixels: Array(24).fill(t * 10 + z), more: more(t) })),
      );

      const { volumes, findings } = await assemble(all.filter((_, index) => index !== 1 * 4 + 2));

      expect(
        findings.map(({ message }) => message),
        name,
      ).to.deep.equal(['The last repetition is incomplete: 3 of 4 are whole.']);
      expect(volumes[0]?.dims, name).to.deep.equal([6, 4, 4, 3]);
      expect(firstOfEach(volumes[0]), name).to.deep.equal([0, 1, 2, 3, 20, 21, 22, 23, 30, 31, 32, 33]);
    }
  });

  it('count a slice that came twice once, and say so', async () => {
    const instances = axial(4);
    const again = instances.slice(1, 3).map((one) => ({ ...one, sopInstanceUid: `${one.sopInstanceUid}.9` }));

    const { volumes, findings } = await assemble([...instances, ...again]);

    expect(volumes.map(({ dims }) => dims)).to.deep.equal([[6, 4, 4, 1]]);
    expect(findings.map(({ message }) => message)).to.deep.equal([
      'Slices came more than once and were counted once: 2 of 6.',
    ]);
  });

  it('know when their slices were taken, and the time from one repetition to the next by the clock', async () => {
    const instances = [0, 1, 2].flatMap((t) =>
      axial(4, (z) => ({
        instanceNumber: t * 4 + z + 1,
        more: [
          attribute('AcquisitionTime', clock(t * 3000 + (z % 2) * 1500 + Math.floor(z / 2) * 750)),
          // That of one excitation.
          attribute('RepetitionTime', 93.75),
        ],
      })),
    );

    const { volumes } = await assemble(instances);

    expect(volumes[0]?.repetitionTimeMs).to.equal(3000);
    expect(volumes[0]?.sliceTimesMs).to.deep.equal([0, 1500, 750, 2250]);
  });

  it('are rescaled picture by picture, and kept as stored only where all pictures have one scale', async () => {
    const scaled = axial(3, (z) => ({
      pixels: Array(24).fill(100),
      more: [attribute('RescaleSlope', z + 1), attribute('RescaleIntercept', -z)],
    }));

    const { volumes } = await assemble(scaled);
    const { made } = await ourNifti(...itemsOf(scaled));

    expect(firstOfEach(volumes[0])).to.deep.equal([100, 199, 298]);
    expect(volumes[0]?.storedAs).to.equal(undefined);
    expect(made[0]?.nifti.datatype).to.equal(16);
    expect([0, 24, 48].map((index) => made[0]?.nifti.stored[index])).to.deep.equal([100, 199, 298]);
  });

  it('of Philips are on the scale that its private Scale Slope gives back', async () => {
    const instances = axial(3, (z) => ({
      pixels: Array(24).fill(100),
      more: [
        attribute('RescaleSlope', 2),
        attribute('RescaleIntercept', 10),
        ...privateBlock('Philips MR Imaging DD 001', 0x2005, [[0x0e, 'FL', z === 0 ? 0.5 : 0.25]]),
      ],
    }));

    const { volumes } = await assemble(instances);

    // (100 × 2 + 10) / (2 × SS)
    expect(firstOfEach(volumes[0])).to.deep.equal([210, 420, 420]);
  });

  it('are read from pixels of all sizes, floating-point ones too, where what is no number becomes 0', async () => {
    const floats = (values: readonly number[]) => [
      { tag: 0x7fe00008, vr: 'OF', value: encodeNumbers('FL', values) },
      attribute('BitsAllocated', 32),
    ];
    const values = Array.from({ length: 24 }, (_, i) => (i === 5 ? Number.NaN : i / 8));
    const instances = axial(2, () => ({ more: floats(values), without: ['PixelData', 'BitsStored', 'HighBit'] }));

    const { volumes, findings } = await assemble(instances);

    expect([...(volumes[0]?.data ?? [])].slice(3, 8)).to.deep.equal([0.375, 0.5, 0, 0.75, 0.875]);
    expect(findings.map(({ message }) => message)).to.deep.equal([
      'Pixels are floating-point numbers, which an MR or CT image may not have.',
      'Values that are no numbers were set to 0: 2 of 48.',
    ]);
  });

  const BROKEN: Readonly<Record<string, { readonly over: Partial<SliceOptions>; readonly code: string }>> = {
    'no pixel spacing': { over: { without: ['PixelSpacing'] }, code: 'spacing-missing' },
    'a pixel spacing of 0': { over: { spacing: [0, 1] }, code: 'geometry-damaged' },
    'no orientation': { over: { without: ['ImageOrientationPatient'] }, code: 'geometry-missing' },
    'an orientation of zeros': { over: { orientation: [0, 0, 0, 0, 0, 0] }, code: 'geometry-damaged' },
    'rows along columns': { over: { orientation: [1, 0, 0, 1, 0, 0] }, code: 'geometry-damaged' },
    'a position that is no number': {
      over: { more: [attribute('ImagePositionPatient', '1\\nan\\2')] },
      code: 'geometry-missing',
    },
    'a mosaic without a number of slices': {
      over: { more: [attribute('ImageType', 'ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC')] },
      code: 'mosaic-unknown',
    },
    'frames that share one position': { over: { more: [attribute('NumberOfFrames', 3)] }, code: 'geometry-missing' },
    'pixels shorter than their header says': { over: { pixels: [1, 2, 3] }, code: 'pixels-unreadable' },
    'bits that contradict each other': { over: { more: [attribute('HighBit', 3)] }, code: 'pixels-unreadable' },
  };
  for (const [name, { over, code }] of Object.entries(BROKEN)) {
    it(`are not made of slices with ${name}, which is a finding`, async () => {
      const { volumes, findings } = await assemble(axial(3, () => over));

      expect(volumes).to.deep.equal([]);
      expect([...new Set(findings.map((one) => one.code))]).to.deep.equal([code]);
    });
  }

  it('use stored values, saying so, where rescale is 0 or no number', async () => {
    for (const slope of ['0', 'abc']) {
      const { volumes, findings } = await assemble(
        axial(2, () => ({ pixels: Array(24).fill(7), more: [attribute('RescaleSlope', slope)] })),
      );

      expect(firstOfEach(volumes[0])).to.deep.equal([7, 7]);
      expect(findings.map(({ code }) => code)).to.deep.equal(['scale-damaged']);
    }
  });

  it('are one an orientation where a localizer has three, which is a finding as one slice is', async () => {
    const three = [AXIAL, [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]].map((orientation, n) =>
      mrSlice({ orientation, position: [0, 0, 0], instanceNumber: n + 1 }),
    );

    const { volumes, findings } = await assemble(three);

    expect(volumes).to.have.length(3);
    expect(findings.map(({ message }) => message)).to.deep.equal([
      'Slices have several orientations: 3.',
      'There is one slice only.',
    ]);
  });

  it('whose positions run within their plane are called irregular, not repetitions of one slice without a word', async () => {
    const instances = axial(4, (z) => ({ position: [0, z * 2, 0] }));

    const { volumes, findings } = await assemble(instances);

    expect(findings.map(({ message }) => message)).to.deep.equal([
      'There is one slice only.',
      'Slices are not equally far apart: 3 of 4 stand beside others in one plane.',
    ]);
    expect(volumes[0]?.isRegular).to.equal(false);
  });

  it('of one slice without a thickness say what is assumed', async () => {
    const { volumes, findings } = await assemble(axial(1, () => ({ without: ['SliceThickness'] })));

    expect(volumes[0]?.spacingMm).to.deep.equal([1, 1, 1]);
    expect(findings.map(({ code }) => code)).to.deep.equal(['slice-single', 'spacing-missing']);
  });

  it('of an enhanced instance follow the places of its frames, not their numbers', async () => {
    const order = [3, 0, 2, 1];
    const frames = order.map((z) => ({ position: [0, 0, z * 2] as const, groups: [], pixels: Array(24).fill(z) }));
    const instance = enhancedMr({ orientation: AXIAL, rows: 4, columns: 6, spacing: [1, 1], thickness: 2, frames });

    const { volumes, findings } = await assemble([instance], ENHANCED);

    expect(findings).to.deep.equal([]);
    expect(firstOfEach(volumes[0])).to.deep.equal([0, 1, 2, 3]);
    expect(volumes[0]?.slices.map(({ frameNumber }) => frameNumber)).to.deep.equal([2, 4, 3, 1]);
  });

  it('of two gigabytes in one instance are refused before a pixel is read', async () => {
    const { items, store } = hugeInstance();

    const { volumes, findings } = await assembleVolumes(items, store, signal);
    const { plans } = await planSeries(items, store, signal);
    const [plan] = plans;
    if (plan === undefined) throw new TypeError('no plan was made');
    const failure = await thrownBy(drained(planToNifti(plan, store, HUB, signal, () => {}).bytes));

    expect(volumes).to.deep.equal([]);
    expect(findings.map(({ message }) => message)).to.deep.equal([
      'The series is too large to be measured: 1024 × 1024 × 1024 × 1.',
    ]);
    expect(failure).to.include({ code: 'pixels.too-large' });
  });
});

/** Reading its pixels fails the test. */
function hugeInstance(): ReturnType<typeof memoryInstances> {
  const frames = Array.from({ length: 1024 }, (_, z) => ({ position: [0, 0, z] as const, groups: [], pixels: [] }));
  const small = enhancedMr({ orientation: AXIAL, rows: 1024, columns: 1024, spacing: [1, 1], thickness: 1, frames });
  const bytes = Uint8Array.from(small.bytes);
  // The pixel data element is the last one: its length is what is claimed.
  const claimed = 2 ** 31;
  new DataView(bytes.buffer).setUint32(bytes.length - 4, claimed, true);
  const { items } = memoryInstances([{ ...small, bytes }], { ...ENHANCED, sizeBytes: bytes.length + claimed });
  const store: ObjectStore = {
    open: () =>
      Promise.resolve({
        sizeBytes: bytes.length + claimed,
        read: (offset, length) => {
          if (offset >= bytes.length) throw new Error('a pixel was read');
          return Promise.resolve(bytes.slice(offset, offset + length));
        },
        stream: () => {
          throw new Error('a pixel was read');
        },
        close: () => Promise.resolve(),
      }),
    createPack: () => Promise.reject(new TypeError('nothing is written here')),
  };
  return { items, store };
}

async function drained(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) expect(chunk.length).to.be.above(0);
}

function itemsOf(instances: readonly MadeSlice[]): [ReturnType<typeof memoryInstances>['items'], ObjectStore] {
  const { items, store } = memoryInstances(instances);
  return [items, store];
}

/** The first voxel of each slice. */
function firstOfEach(volume: Volume | undefined): readonly number[] {
  if (volume === undefined) return [];
  const [nx, ny, nz, nt] = volume.dims;
  return Array.from({ length: nz * nt }, (_, slice) => volume.data[slice * nx * ny] ?? Number.NaN);
}

/** 09:15 and so many milliseconds. */
function clock(ms: number): string {
  return `0915${(ms / 1000).toFixed(3).padStart(6, '0')}`;
}

function randomAxes(random: () => number) {
  const [a, b, c, d] = [random(), random(), random(), random()].map((one) => one * 2 - 1);
  const q = [a ?? 0, b ?? 0, c ?? 0, d ?? 0];
  const long = Math.hypot(...q);
  const [w = 0, x = 0, y = 0, z = 0] = q.map((one) => one / long);
  const rowDirection: Vector = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)];
  const columnDirection: Vector = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)];
  const normal: Vector = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)];
  return { rowDirection, columnDirection, normal };
}

function plus([x, y, z]: Vector, [a, b, c]: Vector, factor: number): Vector {
  return [x + a * factor, y + b * factor, z + c * factor];
}

function shuffled<T>(values: readonly T[], random: () => number): readonly T[] {
  return values
    .map((value) => ({ value, key: random() }))
    .toSorted((one, other) => one.key - other.key)
    .map(({ value }) => value);
}
