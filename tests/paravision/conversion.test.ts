import { join } from 'node:path';
import { expect } from 'chai';
import {
  convertedIn,
  type ConvertedScan,
  errorsOf,
  gathered,
  itemsIn,
  readFrames,
} from '../support/paravision-converted.ts';
import { KINDS, ORIENTATIONS } from '../support/paravision-scans.ts';
import { list, text, writeStudy } from '../support/paravision-study.ts';
import { integer, seeded } from '../support/seeded.ts';
import { BANANA, converting, kind } from './converting.ts';

const VERSIONS = ['5.1', '6.0.1', '7.0.0', '360.3.6'] as const;

describe('a ParaVision reconstruction as Enhanced MR', () => {
  const { folder, converted } = converting();

  for (const [name, scan] of Object.entries(KINDS))
    it(`has every voxel of ${name} in its place, with its value`, async () => {
      const made = await converted(scan);

      const { value, mm } = errorsOf({ ...scan, number: 3 }, made);
      expect(mm).to.be.below(1e-9);
      // 32-bit floats are scaled to 65,536 steps of what each frame spans, which here is 8.
      expect(value).to.be.below(name === 'maps' ? 8 / 65_535 : 1e-6);
      const indices = readFrames(made).map(({ index }) => index.join(' '));
      expect(new Set(indices).size, 'no two frames of one index').to.equal(indices.length);
    });

  for (const version of VERSIONS)
    it(`is made of what ParaVision ${version} writes`, async () => {
      const scan = kind('slices and repetitions');

      const made = await converted(scan, { version });

      expect(errorsOf({ ...scan, number: 3 }, made)).to.satisfy(
        ({ value, mm }: { value: number; mm: number }) => value === 0 && mm < 1e-9,
      );
      expect(made.dataSet.string('SoftwareVersions')).to.equal(`ParaVision ${version}`);
    });

  it('stands in the patient system whatever the subject position: ParaVision has turned it', async () => {
    for (const orientation of Object.values(ORIENTATIONS))
      for (const [position, patientPosition] of [
        ['Head_Supine', 'HFS'],
        ['Head_Prone', 'HFP'],
        ['Head_Left', 'HFDL'],
        ['Foot_Prone', 'FFP'],
      ] as const)
        for (const subjectType of ['Biped', 'Quadruped']) {
          const scan = { ...kind('slices'), orientation };

          const made = await converted(scan, { position, subjectType });

          expect(errorsOf({ ...scan, number: 3 }, made).mm).to.be.below(1e-9);
          expect(made.dataSet.string('PatientPosition')).to.equal(patientPosition);
          // PS3.3 Section C.7.6.2.1.1: a quadruped's axes are left, dorsal, cranial.
          const axes = subjectType === 'Quadruped' ? 'QUADRUPED' : undefined;
          expect(made.dataSet.string('AnatomicalOrientationType')).to.equal(axes);
        }
  });

  describe('whose slices are said to lie beside each other', () => {
    it('stacks them along the normal, at their distance, around the same middle', async () => {
      // Three copies of one scan; in two of them somebody changed VisuCoreOrientation, and nothing else.
      const [axial, sagittal, coronal] = await convertedIn(BANANA);
      const positions = (made: ConvertedScan | undefined) =>
        readFrames(made ?? expect.fail()).map(({ position }) => position);

      const [c, r] = [-22, -21.2];
      const steps = [-4, -2, 0, 2, 4];
      expect(positions(axial)).to.deep.equal(steps.map((s) => [c, r, s]));
      expect(positions(sagittal)).to.deep.equal(steps.map((s) => [0 - s, c, -r]));
      expect(positions(coronal)).to.deep.equal(steps.map((s) => [c, s, -r]));
      for (const made of [sagittal, coronal]) {
        expect(
          readFrames(made ?? expect.fail())[0]
            ?.macro('PixelMeasuresSequence')
            ?.number('SpacingBetweenSlices'),
        ).to.equal(2);
        expect(made?.dataSet.string('ImageComments')).to.match(/VisuCorePosition was turned with VisuCoreOrientation/);
      }
      expect(axial?.dataSet.string('ImageComments')).to.equal(undefined);
      const remarks = (await itemsIn(BANANA)).map((item) => item.kind === 'image' && item.remark !== undefined);
      expect(remarks).to.deep.equal([false, true, true]);
    });

    it('turns each package by itself, and none that can be meant as it is written', async () => {
      const scan = kind('slices');
      const rows = [ORIENTATIONS.sagittal, ORIENTATIONS.sagittal, ORIENTATIONS.coronal, ORIENTATIONS.coronal];
      const good = [3, -4, 5];
      const positions = [-7, -6, 1, -7, -6, 2.5, ...good, 3, -2.5, 5];
      const visu = {
        VisuCoreOrientation: list([...rows.flat(), ...ORIENTATIONS.axial], 5, 9),
        VisuCorePosition: list([...positions, 1, 2, 3], 5, 3),
      };

      const made = readFrames(await converted({ ...scan, visu }));

      expect(made.map(({ position }) => position)).to.deep.equal([
        [-1, -7, 6],
        [-2.5, -7, 6],
        good,
        [3, -2.5, 5],
        [1, 2, 3],
      ]);
    });

    it('leaves slices alone that are displaced in their plane as well, or stand all in one place', async () => {
      const scan = kind('slices');
      const steps = [0, 1, 2, 3, 4];
      for (const positions of [
        steps.map((n) => [n, 0, n * 0.5]),
        steps.map((n) => [n * 0.01, 0, n * 2]),
        steps.map(() => [1, 2, 3]),
      ]) {
        const visu = {
          VisuCoreOrientation: list(
            steps.flatMap(() => [...ORIENTATIONS.sagittal]),
            5,
            9,
          ),
          VisuCorePosition: list(positions.flat(), 5, 3),
        };

        const made = await converted({ ...scan, visu });

        expect(readFrames(made).map(({ position }) => position)).to.deep.equal(positions);
        expect(made.dataSet.has('ImageComments')).to.equal(false);
      }
    });
  });

  it('has slices and repetitions as two dimensions', async () => {
    const made = await converted(kind('slices and repetitions'));

    const labels = made.dataSet.items('DimensionIndexSequence').map((one) => one.string('DimensionDescriptionLabel'));
    expect(labels).to.deep.equal(['Repetition', 'Stack', 'Slice']);
    const frames = readFrames(made);
    expect(frames[0]?.index).to.deep.equal([1, 1, 1]);
    expect(frames[7]?.index).to.deep.equal([2, 1, 2]);
    expect(frames[7]?.macro('FrameContentSequence')?.number('TemporalPositionIndex')).to.equal(2);
    // A minute for four repetitions.
    expect(frames[7]?.macro('FrameContentSequence')?.string('FrameAcquisitionDateTime')).to.equal(
      '20200102031020.678000+0200',
    );
    expect(frames[0]?.macro('PixelMeasuresSequence')?.number('SpacingBetweenSlices')).to.be.closeTo(1.2, 1e-9);
    expect(frames[0]?.macro('PixelMeasuresSequence')?.number('SliceThickness')).to.be.closeTo(0.9, 1e-9);
  });

  it('keeps packages of slices apart', async () => {
    const scan = kind('slices');
    const rows = [
      ORIENTATIONS.axial,
      ORIENTATIONS.axial,
      ORIENTATIONS.sagittal,
      ORIENTATIONS.coronal,
      ORIENTATIONS.coronal,
    ];
    const made = await converted({ ...scan, visu: { VisuCoreOrientation: { size: [5, 9], values: rows.flat() } } });

    const places = readFrames(made).map(({ index }) => index.slice(-2).join('.'));
    expect(places).to.deep.equal(['1.1', '1.2', '2.1', '3.1', '3.2']);
    expect(made.dataSet.strings('ImageType')).to.deep.equal(['ORIGINAL', 'PRIMARY', 'LOCALIZER', 'NONE']);
  });

  it('undoes what was stored turned round when rows and columns differ in number', async () => {
    const scan = kind('slices');
    const [columns, rows] = scan.size;
    const turned = (frame: number, x: number, y: number) => {
      // What the file has at (x, y) of a picture `rows` wide is (y', x') of the one `columns` wide.
      const at = y * columns + x;
      return frame * 331 + (at % rows) * 13 + Math.floor(at / rows);
    };

    const made = await converted({ ...scan, stored: turned, visu: { VisuCoreTransposition: list([1, 1, 1, 1, 1]) } });

    expect(errorsOf({ ...scan, number: 3 }, made)).to.satisfy(({ value }: { value: number }) => value === 0);
  });

  it('says when and how each frame was taken', async () => {
    const echoes = readFrames(await converted(kind('echoes')));
    const inversions = readFrames(await converted(kind('inversion times')));
    const complex = readFrames(await converted(kind('real and imaginary parts')));

    const echoTime = (n: number) => echoes[n]?.macro('MREchoSequence')?.number('EffectiveEchoTime');
    expect([0, 1, 2, 3].map(echoTime)).to.deep.equal([8, 16.5, 25, 8]);
    const inversion = (n: number) => inversions[n]?.macro('MRModifierSequence')?.numbers('InversionTimes');
    expect([inversion(0), inversion(3)]).to.deep.equal([[30], [900]]);
    const part = (n: number) => complex[n]?.macro('MRImageFrameTypeSequence')?.string('ComplexImageComponent');
    expect([part(0), part(4)]).to.deep.equal(['REAL', 'IMAGINARY']);
    expect(echoes[0]?.macro('MRTimingAndRelatedParametersSequence')?.number('RepetitionTime')).to.equal(1500);
  });

  it('has the names and units of maps, which are derived', async () => {
    const made = await converted(kind('maps'));

    const frames = readFrames(made);
    expect(frames[1]?.macro('FrameContentSequence')?.string('FrameLabel')).to.equal('T2 relaxation time');
    const mapping = frames[1]?.macro('RealWorldValueMappingSequence');
    expect(mapping?.items('MeasurementUnitsCodeSequence')[0]?.string('CodeValue')).to.equal('ms');
    expect(mapping?.number('RealWorldValueSlope')).to.be.closeTo(frames[1]?.slope ?? 0, 1e-15);
    expect(made.dataSet.strings('ImageType')[0]).to.equal('DERIVED');
  });

  describe('of 32 bits a value', () => {
    const scan = kind('32 bits that fit in 16');

    it('is exact where a slice spans less than 65,536 whole numbers', async () => {
      const made = await converted(scan);

      expect(errorsOf({ ...scan, number: 3 }, made).value).to.be.below(1e-6);
      expect(made.dataSet.string('ImageComments')).to.equal(undefined);
    });

    it('is off by half a step of its slice at most where it spans more, and says so', async () => {
      const wide = { ...scan, slopes: () => 1, stored: (_: number, x: number, y: number) => x * 10_000_000 + y };
      const made = await converted(wide);

      const step = (13 * 10_000_000 + 11) / 65_535;
      const { value } = errorsOf({ ...wide, number: 3 }, made);
      expect(value)
        .to.be.above(0)
        .and.at.most(step / 2 + 1e-3);
      expect(made.dataSet.string('ImageComments')).to.match(/scaled to 65,536 steps/);
    });

    it('has a pixel of its own for what is no number', async () => {
      const holes = {
        ...scan,
        wordType: '_32BIT_FLOAT' as const,
        slopes: () => 1,
        stored: (_: number, x: number, y: number) => (x === 3 ? Number.NaN : x * 0.5 + y),
      };
      const made = await converted(holes);

      const padding = made.dataSet.number('PixelPaddingValue');
      const [frame] = readFrames(made);
      expect(padding).to.equal(0);
      expect(frame?.valueAt(3, 5)).to.be.below(0);
      expect(frame?.valueAt(4, 5)).to.be.closeTo(7, 17.5 / 65_534);
      expect(frame?.valueAt(0, 0)).to.be.closeTo(0, 1e-9);
    });

    it('is whole where a slice has one value only', async () => {
      const flat = { ...scan, wordType: '_32BIT_FLOAT' as const, slopes: () => 1, stored: () => 0.25 };

      expect(errorsOf({ ...flat, number: 3 }, await converted(flat)).value).to.equal(0);
    });
  });

  it('says whose scan it is', async () => {
    const { dataSet } = await converted(kind('slices'), { subject: { SUBJECT_species: text('Rat', 64) } });

    const values = ['PatientName', 'PatientID', 'PatientSex', 'StudyID', 'StudyDate', 'StudyTime', 'ProtocolName'];
    expect(values.map((name) => dataSet.string(name))).to.deep.equal([
      ...['Planted^Name', 'RAT-7', 'F', 'imaging', '20200102', '030405.678', 'a protocol'],
    ]);
    expect(dataSet.number('PatientWeight')).to.equal(0.31);
    expect(dataSet.number('SeriesNumber')).to.equal(3 * 65_536 + 1);
    expect(dataSet.items('PatientSpeciesCodeSequence')[0]?.string('CodeValue')).to.equal('371564000');
    expect(dataSet.number('MagneticFieldStrength')).to.be.closeTo(9.4024, 1e-3);
    expect(dataSet.items('ContributingEquipmentSequence')[0]?.string('ContributionDescription')).to.match(
      /6\.0\.1: 3\/pdata\/1$/,
    );
  });

  it('cuts a name that is too long between characters, never within one', async () => {
    const long = await converted({ ...kind('slices'), visu: { VisuSubjectName: text(`a${'𠮷'.repeat(80)}`, 400) } });

    expect(long.dataSet.string('PatientName')).to.equal(`a${'𠮷'.repeat(63)}`);
  });

  for (const [written, date] of [
    ['2011-11-30', '20111130'],
    ['Wed Nov 30 10:17:36 2011', '20111130'],
    ['2011-11-30T10:17:36.123456789+0100', '20111130'],
    ['2011-11-31', undefined],
    ['30.11.2011', undefined],
    ['1 Jan 0000', undefined],
  ] as const)
    it(`reads ${written} as ${date ?? 'no date'}`, async () => {
      const { dataSet } = await converted({ ...kind('slices'), visu: { VisuSubjectBirthDate: text(written, 65) } });

      expect(dataSet.string('PatientBirthDate')).to.equal(date);
    });

  it('says of an animal without a species that it is none it knows', async () => {
    const { dataSet } = await converted(kind('slices'));

    expect(dataSet.string('PatientSpeciesDescription')).to.equal('Animal, species not recorded');
    expect(dataSet.items('PatientSpeciesCodeSequence')).to.deep.equal([]);
  });

  it('is the same read by ranges as streamed', async () => {
    const place = join(folder.path, 'ranges');
    await writeStudy(place, { version: '7.0.0', scans: [{ ...kind('8 bits'), number: 1 }] });
    const [item] = await itemsIn(place);
    if (item?.kind !== 'image') expect.fail();
    const { source } = await item.open(new AbortController().signal);
    const whole = Buffer.concat(await gathered(source.stream()));
    const random = seeded(11);

    for (let turn = 0; turn < 300; turn++) {
      const offset = integer(random, whole.length + 10);
      const length = integer(random, 900);
      const read = Buffer.from(await source.read(offset, length));
      expect(read.equals(whole.subarray(offset, offset + length)), `${offset} ${length}`).to.equal(true);
    }
    await source.close();
    expect(whole.length % 2).to.equal(0);
  });
});
