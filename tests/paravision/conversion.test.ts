import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { parseJcamp } from '../../paravision/jcamp.ts';
import { visuFrom } from '../../paravision/without-visu.ts';
import {
  convertedIn,
  type ConvertedScan,
  errorsOf,
  gathered,
  itemsIn,
  readFrames,
} from '../support/paravision-converted.ts';
import { B_IMAGING, B_VALUE, DIRECTIONS, KINDS, ORIENTATIONS } from '../support/paravision-scans.ts';
import { jcamp, list, type SyntheticScan, type SyntheticStudy, text, writeStudy } from '../support/paravision-study.ts';
import { integer, seeded } from '../support/seeded.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const RODENT = resolve(import.meta.dirname, '../../../shared/mri/rodent');
const BANANA = join(RODENT, 'bruker_pv5_banana/bru_banana');
const PV6 = join(RODENT, 'bruker_pv6_meta_only/20151110_170605_4011_1_1');
const VERSIONS = ['5.1', '6.0.1', '7.0.0', '360.3.6'] as const;

describe('a ParaVision reconstruction as Enhanced MR', () => {
  const folder = temporaryFolder();
  let number = 0;

  async function converted(
    scan: Omit<SyntheticScan, 'number'>,
    study: Partial<SyntheticStudy> = {},
  ): Promise<ConvertedScan> {
    const place = join(folder.path, `study-${(number += 1)}`);
    await writeStudy(place, { version: '6.0.1', ...study, scans: [{ ...scan, number: 3 }] });
    const [only] = await convertedIn(place);
    return only ?? expect.fail();
  }
  const kind = (name: string) => KINDS[name] ?? expect.fail();

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

  describe('of diffusion', () => {
    const scan = kind('diffusion');
    const gradients = (made: ConvertedScan) =>
      DIRECTIONS.map((_, n) => {
        const item = readFrames(made)[n * 5]?.macro('MRDiffusionSequence');
        const [direction] = item?.items('DiffusionGradientDirectionSequence') ?? [];
        const numbers = direction?.numbers('DiffusionGradientOrientation');
        return {
          b: Math.round(item?.number('DiffusionBValue') ?? -1),
          kind: item?.string('DiffusionDirectionality'),
          direction: numbers?.map((part) => Math.round(part * 1000) / 1000 + 0),
        };
      });

    it('has b-values and directions of the b-matrix, in the patient system', async () => {
      const made = await converted(scan);

      expect(gradients(made)).to.deep.equal([
        { b: B_IMAGING, kind: 'NONE', direction: undefined },
        { b: B_VALUE + B_IMAGING, kind: 'BMATRIX', direction: [1, 0, 0] },
        { b: B_VALUE + B_IMAGING, kind: 'BMATRIX', direction: [0, 0.6, 0.8] },
        { b: B_VALUE + B_IMAGING, kind: 'BMATRIX', direction: [0.48, -0.6, 0.64] },
      ]);
      const [matrix] = readFrames(made)[15]?.macro('MRDiffusionSequence')?.items('DiffusionBMatrixSequence') ?? [];
      expect(matrix?.number('DiffusionBValueXY')).to.be.closeTo(-288, 1e-6);
      expect(matrix?.number('DiffusionBValueYZ')).to.be.closeTo(-384, 1e-6);
      expect(matrix?.number('DiffusionBValueZZ')).to.be.closeTo(409.6 + 1, 1e-6);
    });

    it('takes the sign, which no b-matrix has, from the gradients that were asked for', async () => {
      // Read runs along −x of the patient: console axes against DICOM's.
      const method = {
        ...scan.method,
        PVM_SPackArrGradOrient: list([1, 0, 0, 0, 1, 0, 0, 0, 1], 1, 3, 3),
        PVM_DwGradVec: list([0, 0, 0, 1, 0, 0, 0, -0.6, 0.8, 0.48, -0.6, -0.64], 4, 3),
      };

      const made = await converted({ ...scan, method });

      expect(gradients(made).map(({ direction }) => direction)).to.deep.equal([
        undefined,
        [-1, 0, 0],
        [0, 0.6, 0.8],
        [-0.48, 0.6, -0.64],
      ]);
    });

    it('of ParaVision 5 goes by the gradients, turned with the slices', async () => {
      const method = {
        ...scan.method,
        PVM_DwEffBval: list([2, 1002, 1002, 1002]),
        PVM_SPackArrGradOrient: list([0, 1, 0, 0, 0, 1, 1, 0, 0], 1, 3, 3),
        PVM_DwGradVec: list([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], 4, 3),
      };

      const made = await converted(
        { ...scan, visu: { VisuAcqDiffusionBMatrix: undefined }, method },
        { version: '5.1' },
      );

      expect(gradients(made)).to.deep.equal([
        { b: 2, kind: 'NONE', direction: undefined },
        { b: 1002, kind: 'DIRECTIONAL', direction: [0, -1, 0] },
        { b: 1002, kind: 'DIRECTIONAL', direction: [0, 0, 1] },
        { b: 1002, kind: 'DIRECTIONAL', direction: [-1, 0, 0] },
      ]);
    });
  });

  describe('has UIDs', () => {
    const scan = kind('one slice');

    it("of ParaVision's where they are of this very scan, and always the same ones", async () => {
      const first = await converted(scan);
      const again = await converted(scan);

      expect(first.dataSet.string('StudyInstanceUID')).to.equal('2.16.756.5.5.100.1384712661.24104.1500000000.1');
      expect(first.dataSet.string('SOPInstanceUID')).to.equal('2.16.756.5.5.100.1384712661.24104.1500000000.301');
      expect(first.dataSet.string('SeriesInstanceUID')).to.match(/^2\.25\.\d+$/);
      expect(Buffer.from(again.bytes.subarray(0, 2000))).to.deep.equal(Buffer.from(first.bytes.subarray(0, 2000)));
      expect(again.dataSet.string('SeriesInstanceUID')).to.equal(first.dataSet.string('SeriesInstanceUID'));
    });

    it('of their own where a scan was copied under another number', async () => {
      const copies = await convertedIn(BANANA);

      const uids = copies.map(({ dataSet }) => dataSet.string('SOPInstanceUID') ?? '');
      expect(new Set(uids).size).to.equal(3);
      expect(uids.every((uid) => /^2\.25\.\d{10,39}$/.test(uid))).to.equal(true);
      expect((await convertedIn(BANANA)).map(({ dataSet }) => dataSet.string('SOPInstanceUID'))).to.deep.equal(uids);
    });

    it("from the study's identity where ParaVision has none, so that its scans stay together", async () => {
      const place = join(folder.path, 'no-uids');
      const visu = { VisuUid: undefined, VisuStudyUid: text('not a uid', 65) };
      await writeStudy(place, {
        version: '6.0.1',
        scans: [1, 2].map((n) => ({ ...scan, number: n, visu })),
        subject: { SUBJECT_study_instance_uid: text('', 65) },
      });

      const [one, two] = await convertedIn(place);

      expect(one?.dataSet.string('StudyInstanceUID')).to.match(/^2\.25\.\d+$/);
      expect(two?.dataSet.string('StudyInstanceUID')).to.equal(one?.dataSet.string('StudyInstanceUID'));
      expect(two?.dataSet.string('SOPInstanceUID')).not.to.equal(one?.dataSet.string('SOPInstanceUID'));
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

  describe('without visu_pars', () => {
    it('is what it is with them, for a scan that has both', async () => {
      const place = join(folder.path, 'banana');
      await cp(join(BANANA, '1'), join(place, '1'), { recursive: true });
      const [expected] = await convertedIn(place);
      await writeFile(join(place, 'subject'), await readFile(join(PV6, 'subject')));
      await rm(join(place, '1/pdata/1/visu_pars'));

      const [made] = await convertedIn(place);

      if (expected === undefined || made === undefined) expect.fail();
      const frames = readFrames(made);
      expect(frames).to.have.length(5);
      readFrames(expected).forEach((frame, n) => {
        const other = frames[n];
        expect(other?.position).to.deep.equal(frame.position);
        expect(other?.orientation).to.deep.equal(frame.orientation);
        expect(other?.spacing).to.deep.equal(frame.spacing);
        expect(other?.valueAt(40, 31)).to.be.closeTo(frame.valueAt(40, 31), 1e-6);
        expect(other?.macro('MREchoSequence')?.number('EffectiveEchoTime')).to.equal(16.5);
      });
      expect(made.dataSet.string('PatientID')).to.equal('4011');
    });

    it('stands where the real visu_pars of another version put three crossed slices', async () => {
      const read = async (name: string) => parseJcamp(await readFile(join(PV6, '1', name), 'utf8'), name);
      const visu = await read('visu_pars');
      const reco = parseJcamp(
        jcamp('6.0', {
          ...{ RECO_size: list([100, 100]), RECO_fov: list([3, 3]), RECO_transposition: list([0, 1, 1]) },
          ...{ RECO_wordtype: '_16BIT_SGN_INT', RECO_map_slope: list([142.264_8]), RECO_image_type: 'MAGNITUDE_IMAGE' },
        }),
        'reco',
      );

      const made = visuFrom(await read('acqp'), undefined, reco);

      for (const name of ['VisuCoreOrientation', 'VisuCorePosition', 'VisuCoreExtent', 'VisuCoreSize'])
        expect(made.parameters.get(name)?.values, name).to.deep.equal(visu.parameters.get(name)?.values);
    });
  });
});

describe('a ParaVision scan that is broken', () => {
  const folder = temporaryFolder();
  const scan: SyntheticScan = { ...(KINDS['slices and repetitions'] ?? expect.fail()), number: 5 };
  let number = 0;

  async function refusal(over: Partial<SyntheticScan>): Promise<HubError> {
    const place = join(folder.path, `study-${(number += 1)}`);
    await writeStudy(place, { version: '6.0.1', scans: [{ ...scan, ...over }] });
    const [item] = await itemsIn(place);
    if (item?.kind === 'broken') return item.error;
    if (item?.kind !== 'image') throw new Error('nothing was found');
    return await item.open(new AbortController().signal).then(
      () => expect.fail('nothing was refused'),
      (error: unknown) => (error instanceof HubError ? error : expect.fail(String(error))),
    );
  }

  for (const [what, visu, code, reason] of [
    ['frame groups that do not make up its frames', { VisuCoreFrameCount: 25 }, 'paravision.mismatch', /bytes|groups/],
    ['another size', { VisuCoreSize: list([15, 12]) }, 'paravision.mismatch', /2dseq has/],
    [
      'no orientation',
      { VisuCoreOrientation: undefined },
      'paravision.parameters-unreadable',
      /VisuCoreOrientation is missing/,
    ],
    [
      'an orientation that is none',
      { VisuCoreOrientation: list([1, 0, 0, 1, 0, 0, 0, 0, 1], 1, 9) },
      'paravision.parameters-unreadable',
      /not an orientation/,
    ],
    [
      'too few positions',
      { VisuCorePosition: list([0, 0, 0, 0, 0, 1], 2, 3) },
      'paravision.parameters-unreadable',
      /no value for frame 3/,
    ],
    ['an extent of nothing', { VisuCoreExtent: list([0, 5]) }, 'paravision.parameters-unreadable', /not an extent/],
    ['a word type nobody knows', { VisuCoreWordType: '_64BIT' }, 'paravision.unsupported', /word type/],
    [
      'an array cut short',
      { VisuCoreDataSlope: { size: [24], values: [1, 1] } },
      'paravision.parameters-unreadable',
      /says 24 values and has 2/,
    ],
    [
      'a scale that is no number',
      { VisuCoreDataSlope: list([Number.NaN], 1) },
      'paravision.parameters-unreadable',
      /has no scale/,
    ],
    ['five dimensions', { VisuCoreDim: 5 }, 'paravision.unsupported', /neither two nor three/],
    [
      'a frame group without a length',
      { VisuFGOrderDesc: list([[0, '<FG_SLICE>', '<>', 0, 0]]) },
      'paravision.parameters-unreadable',
      /without a length/,
    ],
  ] as const)
    it(`says so: ${what}`, async () => {
      const error = await refusal({ visu });

      expect(error.code).to.equal(code);
      expect(error.fields['reason']).to.match(reason);
      expect(error.message).not.to.contain('Planted');
    });

  it('is told of when its acqp is empty, as a full disk leaves it', async () => {
    const place = join(folder.path, 'empty-acqp');
    await writeStudy(place, { version: '6.0.1', scans: [scan, { ...scan, number: 6 }] });
    await writeFile(join(place, '5/acqp'), '');

    const items = await itemsIn(place);

    expect(items.map(({ kind: what, name }) => [what, name])).to.deep.equal([
      ['broken', '5/pdata/1'],
      ['image', '6/pdata/1'],
    ]);
  });

  it('is never read through a link, wherever in the study that stands', async () => {
    const place = join(folder.path, 'links');
    await writeStudy(place, { version: '6.0.1', scans: [scan, { ...scan, number: 6 }, { ...scan, number: 7 }] });
    await rm(join(place, '6/pdata'), { recursive: true });
    await symlink(join(BANANA, '1/pdata'), join(place, '6/pdata'));
    await rm(join(place, '7/pdata/1'), { recursive: true });
    await symlink(join(BANANA, '1/pdata/1'), join(place, '7/pdata/1'));
    await symlink(join(BANANA, '2'), join(place, '8'));

    const items = await itemsIn(place);

    expect(items.map(({ kind: what, name }) => [what, name])).to.deep.equal([
      ['image', '5/pdata/1'],
      ['broken', '6'],
      ['broken', '7'],
    ]);
  });

  it('has no time where none is one, and no frame times beyond all calendars', async () => {
    const place = join(folder.path, 'times');
    const dated = (date: string, duration: number) => ({
      ...scan,
      visu: { VisuAcqDate: text(date, 65), VisuStudyDate: text(date, 65), VisuAcqScanTime: duration },
    });
    await writeStudy(place, {
      version: '6.0.1',
      scans: [
        { ...dated('2020-01-02T25:61:61,000+0200', 60_000), number: 1 },
        { ...dated('99:99:99 30 Nov 2011', 60_000), number: 2 },
        { ...dated('2020-01-02T03:04:05,678+9900', 1e18), number: 3 },
      ],
    });

    const made = await convertedIn(place);

    const values = made.map(({ dataSet }) =>
      ['StudyDate', 'StudyTime', 'TimezoneOffsetFromUTC'].map((name) => dataSet.string(name)),
    );
    expect(values).to.deep.equal([
      ['20200102', undefined, '+0200'],
      ['20111130', undefined, undefined],
      ['20200102', '030405.678', undefined],
    ]);
    expect(made[2]?.dataSet.has('AcquisitionDuration')).to.equal(false);
  });

  it('is no image when it is a spectrum', async () => {
    const place = join(folder.path, 'spectrum');
    const visu = { VisuCoreDim: 1, VisuCoreDimDesc: 'spectroscopic', VisuCoreOrientation: undefined };
    await writeStudy(place, { version: '6.0.1', scans: [{ ...scan, visu }] });

    expect(await itemsIn(place)).to.deep.equal([
      { kind: 'no-image', scan: '5', name: '5/pdata/1', reason: 'spectroscopy' },
    ]);
  });

  it('never becomes an object that cannot be read, whatever was damaged in its parameters', async function () {
    this.timeout(30_000);
    const place = join(folder.path, 'damaged');
    await writeStudy(place, { version: '6.0.1', scans: [scan] });
    const file = join(place, '5/pdata/1/visu_pars');
    const whole = await readFile(file, 'latin1');
    const outcomes = { read: 0, refused: 0 };
    for (let seed = 1; seed <= 400; seed++) {
      const random = seeded(seed);
      const lines = whole.split('\n');
      const at = integer(random, lines.length);
      const line = lines[at] ?? '';
      const numbers = [...line.matchAll(/-?\d+(?:\.\d+)?/g)];
      const chosen = numbers[integer(random, Math.max(1, numbers.length))];
      const changed =
        chosen === undefined || integer(random, 3) === 0
          ? ''
          : `${line.slice(0, chosen.index)}${['0', '-1', 'nan', '1e308', '999999999', 'x'][integer(random, 6)] ?? ''}${line.slice(chosen.index + chosen[0].length)}`;
      await writeFile(file, lines.with(at, changed).join('\n'), 'latin1');

      for (const item of await itemsIn(place)) {
        try {
          if (item.kind === 'broken') throw item.error;
          if (item.kind === 'no-image') continue;
          const { source } = await item.open(new AbortController().signal);
          const bytes = Buffer.concat(await gathered(source.stream()));
          await source.close();
          const { dataSet } = await readHeader(bytesAsSource(bytes));
          expect(dataSet.number('NumberOfFrames'), `seed ${seed}`).to.be.greaterThan(0);
          outcomes.read += 1;
        } catch (error) {
          const isKnown = error instanceof HubError && error.code.startsWith('paravision.');
          expect(
            isKnown,
            `seed ${seed}: line ${at + 1} ${changed}: ${String(error)} ${error instanceof Error ? (error.stack ?? '') : ''}`,
          ).to.equal(true);
          outcomes.refused += 1;
        }
      }
    }
    expect(outcomes.read).to.be.greaterThan(50);
    expect(outcomes.refused).to.be.greaterThan(50);
  });
});
