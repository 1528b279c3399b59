import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Command } from '../../support/child-process.ts';
import type { SampleElement } from '../../support/dicom-samples.ts';
import { memoryInstances } from '../../support/memory-instances.ts';
import { attribute, enhancedMr, type MadeSlice, mrSlice, privateBlock, type Vector } from '../../support/mr-series.ts';
import { ourNifti, theirNifti } from '../../support/nifti-made.ts';
import { dcm2niix } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

interface Gradient {
  readonly b: number;
  readonly vector: Vector;
}
const unit = ([x, y, z]: Vector): Vector => {
  const long = Math.hypot(x, y, z);
  return [x / long, y / long, z / long];
};
const GRADIENTS: readonly Gradient[] = [
  { b: 0, vector: [0, 0, 0] },
  { b: 700, vector: unit([1, 0.2, 0.1]) },
  { b: 1000, vector: unit([-0.3, 1, 0.4]) },
  { b: 1000, vector: unit([0.2, -0.5, 1]) },
];
const SLICES = 5;
const PLANES: Readonly<Record<string, readonly number[]>> = {
  axial: [1, 0, 0, 0, 1, 0],
  'oblique axial': [
    Math.cos(0.3),
    Math.sin(0.3),
    0,
    -Math.sin(0.3) * Math.cos(0.2),
    Math.cos(0.3) * Math.cos(0.2),
    Math.sin(0.2),
  ],
  coronal: [1, 0, 0, 0, 0, -1],
  sagittal: [0, 1, 0, 0, 0, -1],
};

type Maker = (gradient: Gradient) => readonly SampleElement[];
const standard: Maker = ({ b, vector }) => [
  attribute('DiffusionBValue', b),
  ...(b === 0 ? [] : [attribute('DiffusionGradientOrientation', vector)]),
];
const MAKERS: Readonly<Record<string, { readonly name: string; readonly elements: Maker }>> = {
  Siemens: {
    name: 'SIEMENS',
    elements: ({ b, vector }) =>
      privateBlock('SIEMENS MR HEADER', 0x0019, [[0x0c, 'IS', b], ...(b === 0 ? [] : [[0x0e, 'FD', vector] as const])]),
  },
  Philips: {
    name: 'Philips Medical Systems',
    elements: ({ b, vector: [x, y, z] }) => [
      ...privateBlock('Philips Imaging DD 001', 0x2001, [[0x03, 'FL', b]]),
      ...privateBlock('Philips MR Imaging DD 001', 0x2005, [
        [0xb0, 'FL', x],
        [0xb1, 'FL', y],
        [0xb2, 'FL', z],
      ]),
    ],
  },
  'GE, phase along columns': {
    name: 'GE MEDICAL SYSTEMS',
    elements: (gradient) => [...ge(gradient), attribute('InPlanePhaseEncodingDirection', 'COL')],
  },
  'GE, phase along rows': {
    name: 'GE MEDICAL SYSTEMS',
    elements: (gradient) => [...ge(gradient), attribute('InPlanePhaseEncodingDirection', 'ROW')],
  },
  'United Imaging': {
    name: 'UIH',
    elements: ({ b, vector }) =>
      privateBlock('Image Private Header', 0x0065, [
        [0x09, 'FD', b],
        ...(b === 0 ? [] : [[0x37, 'FD', vector] as const]),
      ]),
  },
  Bruker: { name: 'Bruker BioSpin MRI GmbH', elements: standard },
};

/** b-values with GE's mark above them. */
function ge({ b, vector: [x, y, z] }: Gradient): readonly SampleElement[] {
  return [
    ...privateBlock('GEMS_ACQU_01', 0x0019, [
      [0xbb, 'DS', x],
      [0xbc, 'DS', y],
      [0xbd, 'DS', z],
    ]),
    ...privateBlock('GEMS_PARM_01', 0x0043, [[0x39, 'IS', [b + (b === 0 ? 0 : 1_000_000_000), 8, 0, 0]]]),
  ];
}

function series(
  orientation: readonly number[],
  manufacturer: string,
  elements: Maker,
  isTopDown = false,
): readonly MadeSlice[] {
  return GRADIENTS.flatMap((gradient, t) =>
    Array.from({ length: SLICES }, (_, z) => {
      const more = [...elements(gradient), attribute('AcquisitionNumber', t + 1)];
      return mrSlice({
        orientation,
        position: along(orientation, (isTopDown ? SLICES - 1 - z : z) * 2),
        instanceNumber: t * SLICES + z + 1,
        rows: 8,
        columns: 8,
        more: [attribute('Manufacturer', manufacturer), ...more],
      });
    }),
  );
}

function along([a = 0, b = 0, c = 0, d = 0, e = 0, f = 0]: readonly number[], mm: number): Vector {
  return [mm * (b * f - c * e) - 10, mm * (c * d - a * f) + 4, mm * (a * e - b * d) + 7];
}

describe('diffusion weighting', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let converter: Command;
  let count = 0;

  before(async () => {
    converter = await dcm2niix();
  });

  const theirsOf = async (slices: readonly MadeSlice[]) => {
    const place = join(folder.path, String((count += 1)));
    await mkdir(join(place, 'in'), { recursive: true });
    for (const { name, bytes } of slices) await writeFile(join(place, 'in', name), bytes);
    return await theirNifti(converter, join(place, 'in'), place);
  };

  for (const [maker, { name, elements }] of Object.entries(MAKERS)) {
    it(`of ${maker} comes out in all planes as dcm2niix writes it, whatever the order of files`, async () => {
      for (const [plane, orientation] of Object.entries(PLANES)) {
        // The second plane is acquired from the other side.
        const slices = series(orientation, name, elements, plane === 'oblique axial');
        const [theirs, ...others] = await theirsOf(slices);
        const { items, store } = memoryInstances(slices.toSorted((a, b) => (a.name < b.name ? 1 : -1)));

        const { made, findings } = await ourNifti(items, store);

        expect(others, plane).to.deep.equal([]);
        expect(findings, plane).to.deep.equal([]);
        expect(made, plane).to.have.length(1);
        expect(made[0]?.nifti.stored, plane).to.deep.equal(theirs?.nifti.stored);
        expectSameGradients(made[0]?.gradients, theirs?.gradients, plane);
      }
    });
  }

  it('of enhanced instances is taken frame by frame from the macro, the b-matrix where there is no direction', async () => {
    const orientation = PLANES['oblique axial'] ?? [];
    const frames = GRADIENTS.flatMap(({ b, vector }, t) =>
      Array.from({ length: SLICES }, (_, z) => ({
        position: along(orientation, z * 2),
        pixels: Array.from({ length: 64 }, (_, i) => t * 640 + z * 64 + i),
        groups: [
          attribute('FrameContentSequence', [
            [
              attribute('StackID', '1'),
              attribute('InStackPositionNumber', z + 1),
              attribute('TemporalPositionIndex', t + 1),
              attribute('DimensionIndexValues', [1, t + 1, z + 1]),
            ],
          ]),
          attribute('MRDiffusionSequence', [[attribute('DiffusionBValue', b), ...directionOf(b, vector, t)]]),
        ],
      })),
    );
    const pointers = ['StackID', 'TemporalPositionIndex', 'InStackPositionNumber'];
    const dimensions = attribute(
      'DimensionIndexSequence',
      pointers.map((keyword) => [
        attribute('DimensionIndexPointer', attribute(keyword, '').tag),
        attribute('FunctionalGroupPointer', attribute('FrameContentSequence', []).tag),
      ]),
    );
    const more = [dimensions];
    const instance = enhancedMr({ orientation, rows: 8, columns: 8, spacing: [1, 1], thickness: 2, frames, more });
    const [theirs] = await theirsOf([instance]);
    const { items, store } = memoryInstances([instance], { sopClassUid: '1.2.840.10008.5.1.4.1.1.4.1' });

    const { made } = await ourNifti(items, store);

    expect(made[0]?.nifti.dims).to.deep.equal([8, 8, SLICES, GRADIENTS.length]);
    if (process.env['DBG'])
      for (const n of [made[0], theirs])
        console.log(
          Array.from({ length: 20 }, (_, i) => n?.nifti.stored[i * 64]).join(' '),
          n?.nifti.dims,
          n?.gradients,
          n?.nifti.sform,
        );
    expect(made[0]?.nifti.stored).to.deep.equal(theirs?.nifti.stored);
    expect(made[0]?.gradients?.bval).to.equal('0 700 1000 1000\n');
    // Of a b-matrix without a direction beside it dcm2niix writes none; it is that of the same vector anywhere else.
    expectSameGradients(made[0]?.gradients, theirs?.gradients, 'enhanced', GRADIENTS.length - 1);
    const plain = memoryInstances(series(orientation, 'SIEMENS', MAKERS['Siemens']?.elements ?? standard));
    const [classic] = (await ourNifti(plain.items, plain.store)).made;
    expectSameGradients(made[0]?.gradients, classic?.gradients, 'b-matrix');
  });

  it('puts slices together by it where each slice was weighted in another order', async () => {
    const orientation = PLANES['axial'] ?? [];
    const slices = Array.from({ length: SLICES }, (_, z) =>
      GRADIENTS.map((_, t) => {
        const gradient = GRADIENTS[(t + z) % GRADIENTS.length] ?? { b: 0, vector: [0, 0, 0] };
        const instanceNumber = z * GRADIENTS.length + t + 1;
        return mrSlice({ orientation, position: along(orientation, z * 2), instanceNumber, more: standard(gradient) });
      }),
    ).flat();
    const { items, store } = memoryInstances(slices);

    const { made, findings } = await ourNifti(items, store);

    expect(findings).to.deep.equal([]);
    expect(made[0]?.gradients?.bval).to.equal('0 700 1000 1000\n');
  });

  it('is not seen where a maker writes b = 0 into every scan', async () => {
    const orientation = PLANES['axial'] ?? [];
    const slices = Array.from({ length: SLICES }, (_, z) =>
      mrSlice({
        orientation,
        position: along(orientation, z * 2),
        instanceNumber: z + 1,
        more: [attribute('DiffusionBValue', 0)],
      }),
    );
    const { items, store } = memoryInstances(slices);

    const { made } = await ourNifti(items, store);

    expect(made).to.have.length(1);
    expect(made[0]?.gradients).to.equal(undefined);
  });
});

/** The last one as a b-matrix. */
function directionOf(b: number, vector: Vector, t: number): readonly SampleElement[] {
  if (b === 0) return [attribute('DiffusionDirectionality', 'NONE')];
  if (t < GRADIENTS.length - 1)
    return [
      attribute('DiffusionDirectionality', 'DIRECTIONAL'),
      attribute('DiffusionGradientDirectionSequence', [[attribute('DiffusionGradientOrientation', vector)]]),
    ];
  const [x, y, z] = vector;
  const entry = (name: string, value: number) => attribute(`DiffusionBValue${name}`, value * b);
  return [
    attribute('DiffusionDirectionality', 'BMATRIX'),
    attribute('DiffusionBMatrixSequence', [
      [
        ...[entry('XX', x * x), entry('XY', x * y), entry('XZ', x * z)],
        ...[entry('YY', y * y), entry('YZ', y * z), entry('ZZ', z * z)],
      ],
    ]),
  ];
}

interface Gradients {
  readonly bval: string;
  readonly bvec: string;
}

function expectSameGradients(
  ours: Gradients | undefined,
  theirs: Gradients | undefined,
  plane: string,
  count = 4,
): void {
  const numbers = (text = '') => text.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  expect(numbers(ours?.bval)[0], plane).to.deep.equal(numbers(theirs?.bval)[0]);
  const [mine, other] = [numbers(ours?.bvec), numbers(theirs?.bvec)];
  for (let axis = 0; axis < 3; axis++)
    GRADIENTS.slice(0, count).forEach((_, t) => {
      expect(mine[axis]?.[t], `${plane}: axis ${axis} of ${t}: ${ours?.bvec}${theirs?.bvec}`).to.be.closeTo(
        other[axis]?.[t] ?? Number.NaN,
        1e-4,
      );
    });
}
