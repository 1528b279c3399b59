import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { deidentifyFiles, KEY, releasedFile, releasedFiles } from '../../support/deidentified.ts';
import {
  ALL_ENCODINGS,
  BIG_ENDIAN,
  element,
  encapsulated,
  EXPLICIT,
  identity,
  pixels,
  sampleFile,
  type SampleElement,
} from '../../support/dicom-samples.ts';

describe('a de-identified study', () => {
  it('keeps its UIDs consistent across instances and references', async () => {
    const slice = (number: number) =>
      sampleFile([
        ...identity({ instance: `1.2.999.3.${number}` }),
        element('FrameOfReferenceUID', '1.2.999.4'),
        ...pixels(),
      ]);
    const segmentation = sampleFile([
      ...identity({ sopClass: '1.2.840.10008.5.1.4.1.1.66.4', series: '1.2.999.9', instance: '1.2.999.3.7' }),
      element('ReferencedSeriesSequence', [
        [
          element('SeriesInstanceUID', '1.2.999.2'),
          element('ReferencedInstanceSequence', [
            [
              element('ReferencedSOPClassUID', '1.2.840.10008.5.1.4.1.1.4'),
              element('ReferencedSOPInstanceUID', '1.2.999.3.2'),
            ],
          ]),
        ],
      ]),
    ]);

    const { parsed } = await releasedFiles([slice(1), slice(2), segmentation]);

    const [first, second, seg] = parsed.map(({ dataSet }) => dataSet);
    expect(first?.string('StudyInstanceUID'))
      .to.match(/^2\.25\.\d+$/)
      .and.equal(seg?.string('StudyInstanceUID'));
    expect(first?.string('SeriesInstanceUID')).to.equal(second?.string('SeriesInstanceUID'));
    expect(first?.string('FrameOfReferenceUID')).to.equal(second?.string('FrameOfReferenceUID'));
    expect(first?.string('SOPInstanceUID')).to.not.equal(second?.string('SOPInstanceUID'));
    const [series] = seg?.items('ReferencedSeriesSequence') ?? [];
    const [reference] = series?.items('ReferencedInstanceSequence') ?? [];
    expect(series?.string('SeriesInstanceUID')).to.equal(first?.string('SeriesInstanceUID'));
    expect(reference?.string('ReferencedSOPInstanceUID')).to.equal(second?.string('SOPInstanceUID'));
    expect(reference?.string('ReferencedSOPClassUID')).to.equal('1.2.840.10008.5.1.4.1.1.4');
  });

  describe('of which one instance names somebody whom another one tells of', () => {
    const told = element('SoftwareVersions', 'said Korhonen, badge OP-77123');
    const instance = (number: number, ...more: readonly SampleElement[]) =>
      sampleFile([...identity({ instance: `1.2.999.3.${number}` }), ...more, ...pixels()]);
    const named = [element('OperatorsName', 'Korhonen^Liisa'), element('StationName', 'OP-77123')];

    for (const [order, files] of [
      ['before', [instance(1, ...named), instance(2, told), instance(3)]],
      ['after', [instance(1), instance(2, told), instance(3, ...named)]],
    ] as const) {
      it(`says nothing of it where it is named ${order} it is told`, async () => {
        const { files: written, parsed, report } = await releasedFiles(files);

        expect(parsed).to.have.length(3);
        expect(Buffer.concat([...written]).toString('latin1')).not.to.match(/korhonen|77123/i);
        expect(report.counts['blanked']).to.equal(1);
      });
    }

    it('says it where nobody of the study is called so', async () => {
      const { files: written } = await releasedFiles([instance(1), instance(2, told)]);

      expect(Buffer.concat([...written]).toString('latin1')).to.contain('said Korhonen');
    });
  });

  it('comes out the same again, in another order too, and otherwise for another key or partner', async () => {
    const files = [1, 2, 3].map((number) =>
      sampleFile([...identity({ instance: `1.2.999.3.${number}` }), ...pixels()]),
    );

    const once = (await releasedFiles(files)).files;
    const again = (await releasedFiles(files.toReversed())).files.toReversed();
    const otherKey = (await releasedFiles(files, {}, new Uint8Array(32))).parsed;
    const otherPartner = (await releasedFiles(files, { partner: 'other' })).parsed;

    expect(again.map((file) => Buffer.compare(file, once[again.indexOf(file)] ?? Buffer.alloc(0)))).to.deep.equal([
      0, 0, 0,
    ]);
    const uids = [once[0] ?? Buffer.alloc(0)].map((file) => Buffer.from(file).toString('latin1'));
    for (const other of [otherKey, otherPartner]) {
      const uid = other[0]?.dataSet.string('SOPInstanceUID') ?? 'none';
      expect(uids[0]).to.not.include(uid);
      expect(other[0]?.dataSet.string('PatientID')).to.match(/^P[0-9A-Z]{15}$/);
    }
  });

  for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
    it(`keeps pixels and kept elements byte for byte in ${name}`, async () => {
      const values = [1, 2, 3, 0xfffe];
      const { header, dataSet } = await releasedFile(
        sampleFile(
          [
            ...identity(),
            element('EchoTime', '05.00 '),
            element('FlipAngle', '+1.50E+01'),
            element('PixelSpacing', '0.1\\\\3'),
            ...pixels(values, encoding === BIG_ENDIAN),
          ],
          encoding,
        ),
      );

      expect(header.transferSyntaxUid).to.equal(encoding.transferSyntaxUid);
      expect(dataSet.numbers('PixelData')).to.deep.equal(values);
      const text = (tag: number) => Buffer.from(dataSet.element(tag)?.value ?? []).toString('latin1');
      expect(text(0x00180081)).to.equal('05.00 ');
      expect(text(0x00181314)).to.equal('+1.50E+01 ');
      expect(text(0x00280030)).to.equal('0.1\\\\3');
    });
  }

  it('is marked with profile, plan and options, added to what was said before', async () => {
    const before = [
      element('CodeValue', '113108'),
      element('CodingSchemeDesignator', 'DCM'),
      element('CodeMeaning', 'Retain Patient Characteristics Option'),
    ];
    const { dataSet, report } = await releasedFile(
      sampleFile([
        ...identity(),
        element('DeidentificationMethod', 'scanner console'),
        element('DeidentificationMethodCodeSequence', [before]),
        ...pixels(),
      ]),
      { options: ['Retain Longitudinal Temporal Information Modified Dates Option', 'retain-patient-characteristics'] },
    );

    expect(dataSet.string('PatientIdentityRemoved')).to.equal('YES');
    expect(dataSet.strings('DeidentificationMethod')).to.deep.equal([
      'scanner console',
      report.policyHash,
      'Basic Application Level Confidentiality Profile, 2026c',
    ]);
    const codes = dataSet.items('DeidentificationMethodCodeSequence').map((item) => item.string('CodeValue'));
    expect(codes).to.deep.equal(['113108', '113100', '113107']);
    expect(dataSet.string('LongitudinalTemporalInformationModified')).to.equal('MODIFIED');
  });

  it('has file meta information of its own, no preamble, and nothing behind the pixel data', async () => {
    const file = sampleFile([
      ...identity(),
      ...pixels(),
      { tag: 0xfffcfffc, vr: 'OB', value: 'Kanariala' },
      { tag: 0x7fe10010, vr: 'LO', value: 'Kanariala' },
    ]);
    file.set(Buffer.from('Kanariala in the preamble'), 0);

    const { header, bytes, dataSet } = await releasedFile(Buffer.concat([file, Buffer.from('Kanariala')]));

    expect(Buffer.from(bytes).toString('latin1')).to.not.include('Kanariala');
    expect(header.meta.string('MediaStorageSOPInstanceUID')).to.equal(dataSet.string('SOPInstanceUID'));
    expect(header.meta.has('SourceApplicationEntityTitle')).to.equal(false);
    expect(header.end).to.equal(bytes.length);
  });

  it('names the patient by a pseudonym everywhere, and keeps an animal an animal', async () => {
    const { dataSet } = await releasedFile(
      sampleFile([
        ...identity(),
        element('AccessionNumber', 'ACC-1234'),
        element('StudyID', 'STUDY-77'),
        element('PatientSexNeutered', 'UNALTERED'),
        element('PatientSpeciesDescription', 'Rattus norvegicus'),
        ...pixels(),
      ]),
    );

    const id = dataSet.string('PatientID');
    expect(id).to.match(/^P[0-9A-HJKMNP-TV-Z]{15}$/);
    expect(dataSet.string('PatientName')).to.equal(id);
    expect(dataSet.string('AccessionNumber')).to.match(/^A.{15}$/);
    expect(dataSet.string('StudyID')).to.match(/^S.{15}$/);
    // Type 2C in the Patient Study Module of an animal.
    expect(dataSet.has('PatientSexNeutered')).to.equal(true);
    expect(dataSet.string('PatientSexNeutered')).to.equal(undefined);
  });

  it('never replaces a UID of the standard', async () => {
    const { dataSet } = await releasedFile(
      sampleFile([
        ...identity(),
        // Talairach Brain Atlas Frame of Reference, PS3.6 Table A-2.
        element('FrameOfReferenceUID', '1.2.840.10008.1.4.1.1'),
        element('AnatomicRegionSequence', [[element('ContextUID', '1.2.840.10008.6.1.2')]]),
        element('ReferencedColorPaletteInstanceUID', '1.2.999.77'),
        ...pixels(),
      ]),
    );

    expect(dataSet.string('FrameOfReferenceUID')).to.equal('1.2.840.10008.1.4.1.1');
    expect(dataSet.items('AnatomicRegionSequence')[0]?.string('ContextUID')).to.equal('1.2.840.10008.6.1.2');
    expect(dataSet.string('ReferencedColorPaletteInstanceUID')).to.match(/^2\.25\./);
  });
});

describe('whole or not at all', () => {
  it('holds the study when one of its instances is held', async () => {
    const good = sampleFile([...identity(), ...pixels()]);
    const capture = sampleFile([
      ...identity({ sopClass: '1.2.840.10008.5.1.4.1.1.7', instance: '1.2.999.3.9' }),
      ...pixels(),
    ]);

    const result = await deidentifyFiles([good, capture, good]);

    expect(result).to.include({ outcome: 'held', reason: 'policy.unsafe' });
    expect(result).to.have.deep.property('instances', ['1']);
  });

  it('holds a study of two patients, and one that is damaged', async () => {
    const file = (patientId: string) => sampleFile([...identity({ patientId }), ...pixels()]);

    expect(await deidentifyFiles([file('R1'), file('R2')])).to.include({
      outcome: 'held',
      reason: 'dataset.patient-mismatch',
    });
    const whole = file('R1');
    expect(await deidentifyFiles([whole, whole.subarray(0, whole.length - 3)])).to.include({
      outcome: 'held',
      reason: 'dataset.unreadable',
    });
    expect(await deidentifyFiles([])).to.include({ outcome: 'held', reason: 'dataset.empty' });
  });

  it('holds a study whose patient has one ID and two birth dates, or names that have nothing in common', async () => {
    const file = (name: string, birthDate: string) =>
      sampleFile([...identity({ patientName: name }), element('PatientBirthDate', birthDate), ...pixels()]);
    const outcomeOf = async (...files: Uint8Array[]) => {
      const result = await deidentifyFiles(files);
      return result.outcome === 'held' ? result.reason : result.outcome;
    };

    expect(await outcomeOf(file('A^B', '19800101'), file('A^B', '19810101'))).to.equal('dataset.patient-mismatch');
    expect(await outcomeOf(file('Doe^John', ''), file('Smith^Jane', ''))).to.equal('dataset.patient-mismatch');
    expect(await outcomeOf(file('Doe^John', '1980.01.01'), file('DOE^JOHN^M', '19800101'))).to.equal('released');
    expect(await outcomeOf(file('Doe^John', '19800101'), file('', ''))).to.equal('released');
  });

  it('refuses to work with another key than the one the policy names', async () => {
    const file = sampleFile([...identity(), ...pixels()]);
    const keyDigest = createHash('sha256').update(KEY).digest('hex');

    expect((await deidentifyFiles([file], { keyDigest })).outcome).to.equal('released');
    const other = await deidentifyFiles([file], { keyDigest }, new Uint8Array(32)).catch((error: unknown) => error);
    expect(other).to.be.instanceOf(HubError).and.have.property('code', 'config.invalid');
  });

  it('says nothing of the patient when it holds or reports', async () => {
    const held = await deidentifyFiles([
      sampleFile([...identity(), element('BurnedInAnnotation', 'YES'), ...pixels()]),
    ]);
    const { report } = await releasedFile(sampleFile([...identity(), ...pixels()]));

    for (const said of [JSON.stringify(held), JSON.stringify(report)])
      for (const secret of ['Kanariala', 'Aino', 'RAT-0815', '1.2.999']) expect(said).to.not.include(secret);
    expect(report.counts['pseudonym']).to.equal(2);
    expect(report.attributes).to.deep.include({
      tag: '(0010,0020)',
      keyword: 'PatientID',
      action: 'pseudonym',
      count: 1,
    });
  });

  it('stops when it is told to', async () => {
    const stop = AbortSignal.abort(new Error('enough'));
    const { deidentifyInstances } = await import('../../../processors/deidentify/study.ts');
    const { compilePlan } = await import('../../../processors/deidentify/plan.ts');
    const { policySchema } = await import('../../../processors/deidentify/policy.ts');
    const plan = compilePlan(policySchema.parse({ name: 'test', profile: 'basic' }));
    const instances = [{ sopInstanceUid: '1', open: async () => bytesAsSource(new Uint8Array(0)) }];

    const work = deidentifyInstances(instances, {
      plan,
      secret: KEY,
      signal: stop,
      write: () => Promise.reject(new Error('written')),
    });

    expect(await work.catch((error: unknown) => String(error))).to.equal('Error: enough');
  });

  const reasons: readonly (readonly [string, Parameters<typeof identity>[0], readonly ReturnType<typeof element>[]])[] =
    [
      ['secondary capture', { sopClass: '1.2.840.10008.5.1.4.1.1.7.4' }, []],
      ['encapsulated document', { sopClass: '1.2.840.10008.5.1.4.1.1.104.1' }, []],
      ['SOP class is not one the policy names', { sopClass: '1.3.12.2.1107.5.9.1' }, []],
      ['SOP class is not one the policy names', { sopClass: '1.2.840.10008.5.1.4.1.1.6.1' }, []],
      ['raw data', { sopClass: '1.2.840.10008.5.1.4.1.1.66' }, []],
      ['burned-in annotation', {}, [element('BurnedInAnnotation', 'YES')]],
      ['converted from another source', {}, [element('ConversionType', 'WSD')]],
      ['screen save', {}, [element('ImageType', 'DERIVED\\SECONDARY\\SCREEN SAVE')]],
      ['no patient ID', { patientId: '' }, []],
      ['an overlay inside the pixel data', {}, [{ tag: 0x60000010, vr: 'US', value: new Uint8Array(2) }]],
    ];
  for (const [reason, over, more] of reasons) {
    it(`holds: ${reason} ${JSON.stringify(over)}`, async () => {
      const result = await deidentifyFiles([sampleFile([...identity(over), ...more, ...pixels()])]);

      expect(result.outcome).to.equal('held');
      expect(result).to.have.property('detail').that.includes(reason);
    });
  }

  it('processes a class that the policy names', async () => {
    const sopClass = '1.2.840.10008.5.1.4.1.1.7';
    const { dataSet } = await releasedFile(sampleFile([...identity({ sopClass }), ...pixels()]), {
      classes: [sopClass],
    });

    expect(dataSet.string('SOPClassUID')).to.equal(sopClass);
  });

  it('holds video', async () => {
    const video = { ...EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.4.102' };
    const file = Buffer.concat([sampleFile(identity(), video), encapsulated([new Uint8Array(8)])]);

    expect(await deidentifyFiles([file]))
      .to.have.property('detail')
      .that.includes('video');
  });
});
