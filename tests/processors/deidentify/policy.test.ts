import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { deidentify } from '../../../processors/deidentify/index.ts';
import { compilePlan } from '../../../processors/deidentify/plan.ts';
import { PRIVATE_LIST_NAMES } from '../../../processors/deidentify/private-lists.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { createPseudonyms } from '../../../processors/deidentify/pseudonyms.ts';
import { shiftDate, shiftDateTime } from '../../../processors/deidentify/dates.ts';
import { deidentifyFiles, releasedFile } from '../../support/deidentified.ts';
import { element, identity, pixels, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';

const policy = (over: Readonly<Record<string, unknown>> = {}) =>
  policySchema.parse({ name: 'test', profile: 'basic', ...over });

describe('de-identification policy', () => {
  it('understands the options by the names people use', () => {
    const options = ['Retain Longitudinal Temporal Information Full Dates Option', 'retainUIDs', 'clean-descriptors'];

    expect(policy({ options }).options).to.deep.equal([
      'retain-longitudinal-full-dates',
      'retain-uids',
      'clean-descriptors',
    ]);
  });

  const mistakes: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['no such option', { options: ['retain everything'] }],
    ['Unrecognized key', { option: [] }],
    ['a private group is odd', { privateAllow: [{ creator: 'X', group: '0018', element: '01', vr: 'IS' }] }],
    ['a text needs a pattern', { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'LO' }] }],
    [
      'not a regular expression',
      { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'LO', pattern: '(' }] },
    ],
    ['Invalid option', { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'OB' }] }],
    [
      'no text that could match',
      { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'US', pattern: '1' }] },
    ],
    ['no such list of private elements', { privateAllow: ['siemens-everything'] }],
    ['not a keyword', { overrides: { PatientNmae: 'keep' } }],
    ['Invalid input', { profile: 'none' }],
    ['Invalid input', { whenUnsure: 'release' }],
  ];
  for (const [message, over] of mistakes) {
    it(`refuses ${JSON.stringify(over)}: ${message}`, () => {
      const result = policySchema.safeParse({ name: 'test', profile: 'basic', ...over });

      expect(result.error?.message).to.include(message);
    });
  }

  const contradictions: readonly (readonly [string, string, Readonly<Record<string, unknown>>])[] = [
    [
      '/options/1',
      'contradict each other: dates are either kept or moved',
      { options: ['retain-longitudinal-full-dates', 'retain-longitudinal-modified-dates'] },
    ],
    ['/overrides/SOPInstanceUID', 'names the instance', { overrides: { SOPInstanceUID: 'keep' } }],
    ['/overrides/SpecificCharacterSet', 'how to read it', { overrides: { SpecificCharacterSet: 'remove' } }],
    ['/overrides/PatientIdentityRemoved', 'written by the hub', { overrides: { PatientIdentityRemoved: 'remove' } }],
    ['/overrides/StationName', 'is no UID', { overrides: { StationName: 'new-uid' } }],
    [
      '/overrides/FrameOfReferenceUID',
      'contradict each other',
      { options: ['retain-uids'], overrides: { FrameOfReferenceUID: 'new-uid' } },
    ],
    [
      '/privateAllow/1',
      'is named before',
      {
        privateAllow: [
          { creator: 'X', group: '0019', element: '0a', vr: 'IS' },
          { creator: 'X', group: '0019', element: '0A', vr: 'DS' },
        ],
      },
    ],
  ];
  for (const [place, message, over] of contradictions) {
    it(`refuses what contradicts itself, with place and reason: ${JSON.stringify(over)}`, () => {
      const issues = policySchema.safeParse({ name: 'test', profile: 'basic', ...over }).error?.issues ?? [];

      expect(issues.map(({ path }) => `/${path.map(String).join('/')}`)).to.deep.equal([place]);
      expect(issues[0]?.message).to.include(message);
    });
  }

  it('has one hash for one set of decisions', () => {
    const hash = (over: Readonly<Record<string, unknown>>) => compilePlan(policy(over)).hash;

    expect(hash({ options: ['retain-uids', 'clean-descriptors'] })).to.equal(
      hash({ options: ['clean-descriptors', 'retain-uids'] }),
    );
    expect(hash({ name: 'other', partner: 'p' })).to.equal(hash({}));
    const hashes = [
      {},
      { options: ['retain-uids'] },
      { overrides: { Manufacturer: 'remove' } },
      { classes: ['1.2'] },
    ].map(hash);
    expect(new Set(hashes).size).to.equal(4);
  });

  it('survives structured cloning and says whom it releases for', () => {
    const plan = deidentify.resolve('kct', { policies: [policy({ name: 'kct', partner: 'kct' })], models: [] });

    expect(structuredClone(plan)).to.deep.equal(plan);
    expect(deidentify.releasesFor?.(plan)).to.equal('kct');
    expect(() => deidentify.resolve('other', { policies: [], models: [] })).to.throw(HubError, 'no such policy');
    expect(() => deidentify.resolve(undefined, { policies: [], models: [] })).to.throw(HubError, 'name of a policy');
    expect(() => deidentify.resolve('x', { policies: [{ name: 'x' }], models: [] })).to.throw(HubError, 'policy x');
  });
});

describe('options of the profile', () => {
  it('shift every date by the same days and keep the time of day', async () => {
    const file = sampleFile([
      ...dated(),
      element('CalibrationDateTime', '201407'),
      element('DerivationCodeSequence', [[element('SecondaryReviewDate', '20140312')]]),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file, { options: ['retain-longitudinal-modified-dates'] });

    const shifted = days(dataSet.string('StudyDate')) - days('20140310');
    expect(shifted).to.be.within(-3650, -1);
    expect(dataSet.has('PatientBirthDate')).to.equal(true);
    expect(dataSet.string('PatientBirthDate')).to.equal(undefined);
    expect(days(dataSet.string('SeriesDate')) - days('20140311')).to.equal(shifted);
    expect(days(dataSet.string('AcquisitionDateTime')?.slice(0, 8)) - days('20140310')).to.equal(shifted);
    expect(dataSet.string('AcquisitionDateTime')?.slice(8)).to.equal('235959.120000+0200');
    expect(dataSet.string('StudyTime')).to.equal('235958');
    expect(dataSet.string('TimezoneOffsetFromUTC')).to.equal('+0200');
    // A month cannot move by days.
    expect(dataSet.string('CalibrationDateTime')).to.equal(undefined);
    const [item] = dataSet.items('DerivationCodeSequence');
    expect(days(item?.string('SecondaryReviewDate')) - days('20140312')).to.equal(shifted);
    expect(dataSet.string('LongitudinalTemporalInformationModified')).to.equal('MODIFIED');
  });

  it('keep full dates, or remove all of them, those outside the table too', async () => {
    const file = sampleFile([...dated(), element('SecondaryReviewDate', '20140312'), ...pixels()]);

    const full = await releasedFile(file, { options: ['retain-longitudinal-full-dates'] });
    const none = await releasedFile(file);

    expect(full.dataSet.string('StudyDate')).to.equal('20140310');
    expect(full.dataSet.string('SecondaryReviewDate')).to.equal('20140312');
    expect(full.dataSet.string('LongitudinalTemporalInformationModified')).to.equal('UNMODIFIED');
    expect(none.dataSet.string('StudyDate')).to.equal(undefined);
    expect(none.dataSet.string('SecondaryReviewDate')).to.equal('20000101');
    expect(Buffer.from(none.bytes).toString('latin1')).to.not.include('2014');
  });

  it('retain UIDs, device, institution and patient characteristics, each only its own', async () => {
    const file = sampleFile([
      ...identity(),
      element('StationName', 'ST-9000'),
      element('InstitutionName', 'Savilahti'),
      element('PatientSex', 'F'),
      element('PatientWeight', '0.35'),
      ...pixels(),
    ]);
    const kept = async (option: string) => {
      const { dataSet } = await releasedFile(file, { options: [option] });
      return ['SOPInstanceUID', 'StationName', 'InstitutionName', 'PatientSex', 'PatientWeight'].filter((keyword) => {
        const value = dataSet.string(keyword);
        return value !== undefined && !value.startsWith('2.25.');
      });
    };

    expect(await kept('retain-uids')).to.deep.equal(['SOPInstanceUID']);
    expect(await kept('retain-device-identity')).to.deep.equal(['StationName']);
    expect(await kept('retain-institution-identity')).to.deep.equal(['InstitutionName']);
    expect(await kept('retain-patient-characteristics')).to.deep.equal(['PatientSex', 'PatientWeight']);
  });

  it('clean descriptors down to words that identify nobody', async () => {
    const file = sampleFile([
      ...identity({ patientName: 'Sagittal^Aino' }),
      element('SeriesDescription', 'T1 MPRAGE sagittal Kanariala 1mm RAT-0815-X'),
      element('ProtocolName', 'Kanariala'),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file, { options: ['clean-descriptors'] });

    expect(dataSet.string('SeriesDescription')).to.equal('T1 MPRAGE 1mm');
    expect(dataSet.has('ProtocolName')).to.equal(false);
  });

  it('retain what is safe of private elements, with its creator, and nothing else of the block', async () => {
    const file = sampleFile([
      ...identity(),
      { tag: 0x00190010, vr: 'LO', value: 'SIEMENS MR HEADER' },
      { tag: 0x0019100c, vr: 'IS', value: '1000' },
      { tag: 0x0019100e, vr: 'FD', value: new Uint8Array(24) },
      { tag: 0x00191008, vr: 'CS', value: 'IMAGE NUM 4' },
      { tag: 0x00290010, vr: 'LO', value: 'SIEMENS CSA HEADER' },
      { tag: 0x00291010, vr: 'OB', value: 'Kanariala' },
      { tag: 0x00430010, vr: 'LO', value: 'SOMEBODY ELSE' },
      { tag: 0x00431039, vr: 'IS', value: '1000' },
      ...pixels(),
    ]);

    const { dataSet, report } = await releasedFile(file, { options: ['retain-safe-private'] });

    const left = dataSet.elements.map(({ tag }) => tag).filter((tag) => (tag >>> 16) % 2 === 1);
    expect(left).to.deep.equal([0x00190010, 0x0019100c, 0x0019100e]);
    expect(report.privateKept).to.deep.equal(['(0019,"SIEMENS MR HEADER",0C)', '(0019,"SIEMENS MR HEADER",0E)']);
  });

  it('keep a private element the policy names only while its value is what the policy says', async () => {
    const file = (value: string, vr = 'LO') =>
      sampleFile([
        ...identity(),
        { tag: 0x00190010, vr: 'LO', value: 'MAKER' },
        { tag: 0x00191001, vr, value },
        ...pixels(),
      ]);
    const privateAllow = [{ creator: 'MAKER', group: '0019', element: '01', vr: 'LO', pattern: 'coil [0-9]+' }];
    const isKept = async (bytes: Uint8Array) =>
      (await releasedFile(bytes, { privateAllow })).dataSet.element(0x00191001) !== undefined;

    expect(await isKept(file('coil 4'))).to.equal(true);
    expect(await isKept(file('coil 4\\Smith'))).to.equal(false);
    expect(await isKept(file('coil 4', 'UT'))).to.equal(false);
  });

  it('override the table by keyword', async () => {
    const file = sampleFile([
      ...identity(),
      element('Manufacturer', 'SIEMENS'),
      element('PatientSex', 'F'),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file, { overrides: { Manufacturer: 'remove', PatientSex: 'keep' } });

    expect(dataSet.has('Manufacturer')).to.equal(false);
    expect(dataSet.string('PatientSex')).to.equal('F');
    expect((await deidentifyFiles([file])).outcome).to.equal('released');
  });
});

describe('Clean Graphics', () => {
  const overlay = (group: number, type: string): readonly SampleElement[] => [
    { tag: group + 0x0010, vr: 'US', value: Buffer.from([2, 0]) },
    { tag: group + 0x0011, vr: 'US', value: Buffer.from([2, 0]) },
    { tag: group + 0x0022, vr: 'LO', value: 'tumour of Aino' },
    { tag: group + 0x0040, vr: 'CS', value: type },
    { tag: group + 0x3000, vr: 'OW', value: Buffer.from([5, 0]) },
    { tag: group + 0x4000, vr: 'LT', value: 'comment' },
  ];

  it('keeps regions of interest and drops drawings, which may be letters, and all their texts', async () => {
    const file = sampleFile([...identity(), ...overlay(0x60000000, 'R'), ...overlay(0x60020000, 'G'), ...pixels()]);

    const { dataSet } = await releasedFile(file, { options: ['clean-graphics'] });
    const without = await releasedFile(file);

    const tags = (one: typeof dataSet) => one.elements.map(({ tag }) => tag).filter((tag) => tag >>> 24 === 0x60);
    expect(tags(dataSet)).to.deep.equal([0x60000010, 0x60000011, 0x60000040, 0x60003000]);
    expect(tags(without.dataSet)).to.deep.equal([]);
  });

  it('keeps the shapes of annotations and of their texts the harmless words', async () => {
    const text = (value: string) => [element('UnformattedTextValue', value)];
    const file = sampleFile([
      ...identity({ sopClass: '1.2.840.10008.5.1.4.1.1.11.1' }),
      element('GraphicAnnotationSequence', [
        [
          element('GraphicLayer', 'LAYER1'),
          element('TextObjectSequence', [text('left kidney, Kanariala'), text('see Xyzzy')]),
          element('GraphicObjectSequence', [[element('GraphicType', 'POLYLINE')]]),
        ],
      ]),
    ]);

    const { dataSet } = await releasedFile(file, { options: ['clean-graphics'] });

    const [annotation] = dataSet.items('GraphicAnnotationSequence');
    expect(annotation?.string('GraphicLayer')).to.equal('LAYER1');
    expect(annotation?.items('TextObjectSequence').map((item) => item.string('UnformattedTextValue'))).to.deep.equal([
      'left kidney',
      'REMOVED',
    ]);
    expect(annotation?.items('GraphicObjectSequence')[0]?.string('GraphicType')).to.equal('POLYLINE');
  });
});

describe('Clean Structured Content', () => {
  const SR = '1.2.840.10008.5.1.4.1.1.88.33';
  const code = (value: string, scheme: string, meaning: string) => [
    element('CodeValue', value),
    element('CodingSchemeDesignator', scheme),
    element('CodeMeaning', meaning),
  ];
  const item = (name: readonly SampleElement[], valueType: string, value: SampleElement) => [
    element('RelationshipType', 'CONTAINS'),
    element('ValueType', valueType),
    element('ConceptNameCodeSequence', [name]),
    value,
  ];
  const report = (more: readonly (readonly SampleElement[])[] = []) =>
    sampleFile([
      ...identity({ sopClass: SR }),
      element('ContentSequence', [
        item(code('121008', 'DCM', 'Person Observer Name'), 'PNAME', element('PersonName', 'Doktor^Who')),
        item(code('121022', 'DCM', 'Accession Number'), 'TEXT', element('TextValue', 'ACC-4711')),
        item(code('121106', 'DCM', 'Comment'), 'TEXT', element('TextValue', 'left kidney of Xyzzy 3 mm')),
        item(
          code('410668003', 'SCT', 'Length'),
          'NUM',
          element('MeasuredValueSequence', [[element('NumericValue', '12.5')]]),
        ),
        item(
          code('363698007', 'SCT', 'Finding Site'),
          'CODE',
          element('ConceptCodeSequence', [code('64033007', 'SCT', 'Kidney structure')]),
        ),
        item(code('111060', 'DCM', 'Study Date'), 'DATE', element('Date', '20140310')),
        ...more,
      ]),
    ]);
  const options = ['clean-structured-content', 'clean-descriptors', 'retain-longitudinal-modified-dates'];

  it('keeps what is measured and coded, cleans texts, moves dates, and takes people and numbers of orders out', async () => {
    const { dataSet, bytes } = await releasedFile(report(), { options });

    const items = dataSet.items('ContentSequence');
    expect(items.map((one) => one.items('ConceptNameCodeSequence')[0]?.string('CodeMeaning'))).to.deep.equal([
      'Person Observer Name',
      'Comment',
      'Length',
      'Finding Site',
      'Study Date',
    ]);
    expect(items[0]?.string('PersonName')).to.equal('REMOVED');
    expect(items[1]?.string('TextValue')).to.equal('left kidney');
    expect(items[2]?.items('MeasuredValueSequence')[0]?.string('NumericValue')).to.equal('12.5');
    expect(items[3]?.items('ConceptCodeSequence')[0]?.string('CodeMeaning')).to.equal('Kidney structure');
    expect(items[4]?.string('Date'))
      .to.match(/^20\d{6}$/)
      .and.not.equal('20140310');
    expect(Buffer.from(bytes).toString('latin1')).to.not.match(/Who|4711|Xyzzy/);
  });

  it('removes no item where others are referred to by their place', async () => {
    const reference = [
      element('RelationshipType', 'SELECTED FROM'),
      element('ReferencedContentItemIdentifier', new Uint8Array(4)),
    ];

    const { dataSet } = await releasedFile(report([reference]), { options });

    const items = dataSet.items('ContentSequence');
    expect(items.length).to.equal(7);
    expect(items[1]?.string('TextValue')).to.equal('REMOVED');
  });

  it('without it a report keeps its structure and no content', async () => {
    const { dataSet, bytes } = await releasedFile(report());

    expect(dataSet.items('ContentSequence').length).to.equal(6);
    expect(Buffer.from(bytes).toString('latin1')).to.not.match(/Who|4711|kidney|12\.5|20140310/i);
  });
});

describe('sequences of codes under Clean Descriptors', () => {
  it('keep codes of public schemes, and nothing somebody made up', async () => {
    const item = (value: string, scheme: string, meaning: string) => [
      element('CodeValue', value),
      element('CodingSchemeDesignator', scheme),
      element('CodeMeaning', meaning),
    ];
    const sequence = (...items: (readonly SampleElement[])[]) =>
      sampleFile([...identity(), element('AdmittingDiagnosesCodeSequence', items), ...pixels()]);
    const released = async (file: Uint8Array) => (await releasedFile(file, { options: ['clean-descriptors'] })).dataSet;

    const mixed = await released(
      sequence(item('93870000', 'SCT', 'Malignant tumour'), item('X1', '99MADEUP', 'of Xyzzy')),
    );
    const madeUp = await released(sequence([element('CodeMeaning', 'of Xyzzy')]));

    const [first] = mixed.items('AdmittingDiagnosesCodeSequence');
    expect(first?.string('CodeMeaning')).to.equal('Malignant tumour');
    expect(
      JSON.stringify(mixed.items('AdmittingDiagnosesCodeSequence').map((one) => one.string('CodeMeaning'))),
    ).to.not.include('Xyzzy');
    expect(madeUp.has('AdmittingDiagnosesCodeSequence')).to.equal(false);
  });
});

describe('private elements by name', () => {
  it('are what a maker needs for diffusion and functional analysis, numbers only', () => {
    const rules = (names: readonly string[]) => compilePlan(policy({ privateAllow: names })).privateRules;

    for (const { vr, pattern, creator, element: low } of rules([...PRIVATE_LIST_NAMES]))
      expect(
        ['IS', 'DS', 'FD', 'FL', 'US', 'SS', 'SL', 'SQ'].includes(vr) || pattern !== undefined,
        `${creator} ${low}`,
      ).to.equal(true);
    expect(rules(['siemens-mr-diffusion']).map(({ element: low }) => low)).to.deep.equal(['0C', '0D', '0E', '27']);
  });

  it('keep the numbers of a CSA header, and neither the header nor anything else in it', async () => {
    const file = sampleFile([
      ...identity(),
      { tag: 0x00290010, vr: 'LO', value: 'SIEMENS CSA HEADER' },
      {
        tag: 0x00291010,
        vr: 'OB',
        value: csaHeader({
          B_value: ['1000'],
          DiffusionGradientDirection: ['0.1', '0.2', '0.97'],
          ProtocolSliceNumber: ['7'],
          ImaComments: ['Kanariala'],
          NumberOfImagesInMosaic: ['Kanariala'],
        }),
      },
      ...pixels(),
    ]);

    const { dataSet, bytes } = await releasedFile(file, {
      privateAllow: ['siemens-mr-diffusion', 'siemens-mr-functional'],
    });

    const left = dataSet.elements.map(({ tag }) => tag).filter((tag) => (tag >>> 16) % 2 === 1);
    expect(left).to.deep.equal([0x00190010, 0x0019100c, 0x0019100e]);
    expect(dataSet.privateElement('SIEMENS MR HEADER', 0x0019, 0x0c)?.value.toString()).to.equal(
      Buffer.from('1000').toString(),
    );
    expect(Buffer.from(bytes).toString('latin1')).to.not.match(/Kanariala|SV10/);
  });
});

/** SV10, as scanners write it. */
function csaHeader(values: Readonly<Record<string, readonly string[]>>): Uint8Array {
  const uint32s = (...numbers: number[]) => {
    const bytes = Buffer.alloc(numbers.length * 4);
    numbers.forEach((number, index) => bytes.writeUInt32LE(number, index * 4));
    return bytes;
  };
  const padded = (text: string, length: number) =>
    Buffer.concat([Buffer.from(text), Buffer.alloc(length - text.length)]);
  const entries = Object.entries(values).flatMap(([name, items]) => [
    padded(name, 64),
    uint32s(items.length, 0, 0, items.length, 77),
    ...items.flatMap((item) => {
      const length = item.length + 1;
      return [uint32s(length, length, 77, length), padded(item, Math.ceil(length / 4) * 4)];
    }),
  ]);
  return Buffer.concat([Buffer.from('SV10'), uint32s(0x01020304, Object.keys(values).length, 77), ...entries]);
}

describe('pseudonyms', () => {
  const secret = new Uint8Array(32).fill(1);

  it('are valid, distinct by purpose, and depend on key and partner', () => {
    const one = createPseudonyms(secret, 'kct');

    expect(one.uid('1.2.3')).to.match(/^2\.25\.[1-9]\d{30,38}$/);
    expect(one.uid('1.2.3').length).to.be.at.most(64);
    const all = [
      one.uid('1.2.3'),
      one.uid('1.2.4'),
      createPseudonyms(secret, 'other').uid('1.2.3'),
      createPseudonyms(new Uint8Array(32), 'kct').uid('1.2.3'),
    ];
    expect(new Set(all).size).to.equal(4);
    expect(one.patientId('', 'R1')).to.not.equal(one.patientId('ISSUER', 'R1'));
    expect(one.accessionNumber('R1').slice(1)).to.not.equal(one.studyId('R1').slice(1));
  });

  it('shift by a whole number of days into the past, never by none', () => {
    const one = createPseudonyms(secret, 'kct');
    const shifts = Array.from({ length: 500 }, (_, index) => one.shiftDays('', `R${index}`));

    expect(Math.min(...shifts)).to.be.at.least(-3650);
    expect(Math.max(...shifts)).to.be.at.most(-1);
    expect(new Set(shifts).size).to.be.greaterThan(400);
  });
});

describe('dates that move', () => {
  it('stay dates across months, years and leap days', () => {
    expect(shiftDate('20240301', -1)).to.equal('20240229');
    expect(shiftDate('20230101', -1)).to.equal('20221231');
    expect(shiftDate('1997.04.01', -1)).to.equal('19970331');
    expect(shiftDateTime('20240301120000.5-0500', -1)).to.equal('20240229120000.5-0500');
  });

  it('go when they are no full date', () => {
    for (const value of ['', '2024', '202402', '20240230', '99999999', 'tomorrow'])
      expect(shiftDate(value, -1)).to.equal('');
    for (const value of ['2024', '20241', '20240230', '2024010112000']) expect(shiftDateTime(value, -1)).to.equal('');
  });
});

function dated(): readonly SampleElement[] {
  return [
    ...identity(),
    element('StudyDate', '20140310'),
    element('SeriesDate', '20140311'),
    element('StudyTime', '235958'),
    element('AcquisitionDateTime', '20140310235959.120000+0200'),
    element('TimezoneOffsetFromUTC', '+0200'),
    element('PatientBirthDate', '19800101'),
  ];
}

function days(date: string | undefined): number {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(date ?? '') ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day)) / 86_400_000;
}
