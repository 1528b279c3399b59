import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../../../core/bytes-as-source.ts';
import { readDataSet, readHeader } from '../../../../core/dicom/part10.ts';
import { TAG } from '../../../../core/dicom/tags.ts';
import { findFaceRegion, isFace } from '../../../../processors/deidentify/pixels/faces/face-region.ts';
import { readNifti } from '../../../../processors/volumes/nifti.ts';
import { deidentifyFiles, releasedFiles } from '../../../support/deidentified.ts';
import { skip } from '../../../support/skip.ts';
import {
  AXIAL,
  classicSeries,
  enhancedInstance,
  headPhantom,
  placeIn,
  SAGITTAL,
  volumeOf,
  type Grid,
  type HeadStyle,
} from './head-phantom.ts';

const DEFACE = { options: ['clean-recognizable-visual-features'] };
const REAL_DATA = '../shared/mri';

async function pixelsOf(file: Uint8Array): Promise<Uint16Array> {
  const { dataSet } = await readDataSet(bytesAsSource(file));
  return new Uint16Array(Uint8Array.from(dataSet.element(TAG.PixelData)?.value ?? []).buffer);
}

function detailOf(result: Awaited<ReturnType<typeof deidentifyFiles>>): string {
  return result.outcome === 'held' ? result.detail : 'released';
}

describe('finding the face of a head', function () {
  this.timeout(300_000);

  const styles: Readonly<Record<string, HeadStyle>> = {
    'as T1 shows it, with noise': { noise: 40 },
    'as T2 shows it': { isT2: true, noise: 30 },
    'of a child': { scale: 0.85, noise: 30 },
    'with its chin to the chest, off the centre': { nodDegrees: 12, noise: 30, shiftMm: [4, -6, 5] },
  };
  for (const [name, style] of Object.entries(styles)) {
    it(`takes nose, mouth, chin and eyelids and no voxel of the brain: a head ${name}`, () => {
      const phantom = headPhantom(style);

      const found = findFaceRegion(volumeOf(phantom, SAGITTAL));

      if (found.outcome !== 'found') throw new Error(found.reason);
      for (const [, y, z] of phantom.landmarks) expect(isFace(found.region, y, z)).to.be.true;
      let lost = 0;
      for (let slice = 0; slice < SAGITTAL.slices; slice++)
        for (let row = 0; row < SAGITTAL.rows; row++)
          for (let column = 0; column < SAGITTAL.columns; column++) {
            const place = placeIn(SAGITTAL, column, row, slice);
            if (phantom.isBrain(place) && isFace(found.region, place[1], place[2])) lost += 1;
          }
      expect(lost).to.equal(0);
    });
  }

  const phantom = headPhantom({ noise: 30 });
  const doubts: readonly (readonly [string, () => ReturnType<typeof volumeOf>, RegExp])[] = [
    [
      'noise',
      () =>
        volumeOf(
          { sample: (point) => headPhantom({ noise: 30, seed: Math.abs(Math.round(point[0])) }).sample([900, 0, 0]) },
          SAGITTAL,
        ),
      /top of the head|size|told apart/,
    ],
    ['an upper half only', () => volumeOf(phantom, { ...SAGITTAL, rows: 34 }), /covered|size|no face/],
    [
      'a head without its top',
      () => volumeOf(phantom, { ...SAGITTAL, origin: [-93, -130, 50], rows: 62 }),
      /top of the head/,
    ],
    [
      'a ball',
      () => volumeOf({ sample: ([x, y, z]) => (Math.hypot(x, y, z) < 80 ? 500 : 0) }, SAGITTAL),
      /told apart|face/,
    ],
    ['something as small as a rat', () => volumeOf(headPhantom({ scale: 0.45 }), SAGITTAL), /size/],
    [
      'a head that is upside down in its header',
      () => volumeOf({ sample: ([x, y, z]) => phantom.sample([x, y, -z - 20]) }, SAGITTAL),
      /./,
    ],
  ];
  for (const [name, made, reason] of doubts) {
    it(`is not sure of ${name}`, () => {
      const found = findFaceRegion(made());

      expect(found.outcome).to.equal('unsure');
      expect(found.outcome === 'unsure' ? found.reason : '').to.match(reason);
    });
  }

  it('finds the faces of real heads', async function () {
    const path = join(REAL_DATA, 'human/brainchop_t1_crop.nii.gz');
    if (!existsSync(path)) skip(this, 'the real MRI data is not here');

    const found = findFaceRegion(readNifti(readFileSync(path)));

    if (found.outcome !== 'found') throw new Error(found.reason);
    // Known of this head: 1.6 litres within its skull, and the bridge of its nose 92 mm in front of the origin.
    expect(found.brain.volumeMl).to.be.within(1_400, 1_900);
    expect(isFace(found.region, -92, -30)).to.be.true;
    expect(isFace(found.region, -20, 0)).to.be.false;
  });
});

describe('defacing a study', function () {
  this.timeout(300_000);
  const phantom = headPhantom({ noise: 20 });

  it('blanks the face in the volume, in thick slices of the same frame of reference, and in many frames, and no brain', async () => {
    const thick: Grid = { ...AXIAL, slices: 5, steps: [AXIAL.steps[0], AXIAL.steps[1], [0, 0, 30]] };
    const enhanced: Grid = { ...AXIAL, slices: 21, steps: [AXIAL.steps[0], AXIAL.steps[1], [0, 0, 12]] };
    const files = [
      ...classicSeries(phantom, SAGITTAL),
      ...classicSeries(phantom, thick, '1.2.999.4'),
      enhancedInstance(phantom, enhanced),
    ];

    const { parsed, files: out, report } = await releasedFiles(files, DEFACE);

    const grids = [
      ...Array.from({ length: SAGITTAL.slices }, (_, slice) => ({ grid: SAGITTAL, first: slice, count: 1 })),
      ...Array.from({ length: thick.slices }, (_, slice) => ({ grid: thick, first: slice, count: 1 })),
      { grid: enhanced, first: 0, count: enhanced.slices },
    ];
    let [brain, nose] = [0, 0];
    for (const [index, { grid, first, count }] of grids.entries()) {
      const before = await pixelsOf(files[index] ?? new Uint8Array(0));
      const after = await pixelsOf(out[index] ?? new Uint8Array(0));
      for (let at = 0; at < before.length; at++) {
        const slice = first + Math.floor(at / (grid.rows * grid.columns));
        const inSlice = at % (grid.rows * grid.columns);
        const place = placeIn(grid, inSlice % grid.columns, Math.floor(inSlice / grid.columns), slice);
        const isSame = before[at] === after[at];
        if (phantom.isBrain(place)) {
          brain += 1;
          if (!isSame) throw new Error(`brain changed at ${place.join(' ')}`);
        } else if (!isSame && after[at] !== 0) throw new Error('a voxel that is neither kept nor blanked');
        if (place[1] < -100 && place[2] < -30 && place[2] > -45) nose += isSame ? 1 : 0;
      }
      expect(count).to.be.greaterThan(0);
    }
    expect(brain).to.be.greaterThan(50_000);
    expect(nose).to.equal(0);
    for (const { dataSet } of parsed) {
      expect(dataSet.string('RecognizableVisualFeatures')).to.equal('NO');
      const codes = dataSet.items('DeidentificationMethodCodeSequence').map((item) => item.string('CodeValue'));
      expect(codes).to.deep.equal(['113100', '113102']);
    }
    expect(report.pixels.instancesDefaced).to.equal(files.length);
  });

  it('holds a head that no volume of its frame of reference shows whole', async () => {
    const localizer: Grid = { ...SAGITTAL, slices: 3, steps: [SAGITTAL.steps[0], SAGITTAL.steps[1], [20, 0, 0]] };

    expect(detailOf(await deidentifyFiles([...classicSeries(phantom, localizer)], DEFACE))).to.include(
      'a human head: no volume with its frame of reference shows it whole',
    );
  });

  it('holds what it cannot deface: CT, projections, slices without a place', async () => {
    const one: Grid = { ...SAGITTAL, slices: 1 };
    const cases: readonly (readonly [Parameters<typeof classicSeries>[3], string])[] = [
      [{ Modality: 'CT' }, 'only magnetic resonance is defaced'],
      [{ ImageType: ['ORIGINAL', 'PRIMARY', 'MIP'] }, 'a projection cannot be defaced'],
      [{ BodyPartExamined: undefined, ProtocolName: undefined }, 'it may show a human head'],
    ];
    for (const [over, reason] of cases)
      expect(detailOf(await deidentifyFiles([...classicSeries(phantom, one, '1.2.999.2', over)], DEFACE))).to.include(
        reason,
      );
  });

  it('never touches the head of an animal, and says that it is none of a human', async () => {
    const species = { PatientSpeciesDescription: 'Rattus norvegicus' };
    const files = classicSeries(headPhantom({ scale: 0.2 }), { ...SAGITTAL, slices: 2 }, '1.2.999.2', species);

    const { files: out, parsed, report } = await releasedFiles(files, DEFACE);

    for (const [index, file] of files.entries())
      expect(await pixelsOf(out[index] ?? new Uint8Array(0))).to.deep.equal(await pixelsOf(file));
    expect(parsed[0]?.dataSet.string('RecognizableVisualFeatures')).to.equal('NO');
    expect(report.pixels.instancesDefaced).to.equal(0);
  });

  it('defaces a real head of a real scanner', async function () {
    const [path] = globSync('dicom/siemens_xa30_enhanced_T1w/*.dcm', { cwd: REAL_DATA });
    if (path === undefined) skip(this, 'the real MRI data is not here');
    const file = readFileSync(join(REAL_DATA, path));

    const { files: out, parsed } = await releasedFiles([file], DEFACE);

    expect(parsed[0]?.dataSet.string('RecognizableVisualFeatures')).to.equal('NO');
    const header = await readHeader(bytesAsSource(file));
    expect(header.dataSet.number('NumberOfFrames')).to.equal(96);
    const [before, after] = [await pixelsOf(file), await pixelsOf(out[0] ?? new Uint8Array(0))];
    const changed = before.reduce((sum, value, at) => sum + (after[at] === value ? 0 : 1), 0);
    // Sagittal, 2 mm: the lower front of every slice is gone, the upper half is as it was.
    expect(changed / before.length).to.be.within(0.05, 0.5);
    for (let frame = 0; frame < 96; frame++) {
      const upper = before.subarray(frame * 16_384, frame * 16_384 + 50 * 128);
      expect(upper).to.deep.equal(after.subarray(frame * 16_384, frame * 16_384 + 50 * 128));
    }
  });
});
