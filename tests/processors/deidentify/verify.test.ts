import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import type { DataSet } from '../../../core/dicom/data-set.ts';
import { allTags, keywordOf, vrOf } from '../../../core/dicom/dictionary.ts';
import { PROFILE_ROWS } from '../../../processors/deidentify/tables.ts';
import { deidentifyFiles, releasedFile } from '../../support/deidentified.ts';
import {
  ALL_ENCODINGS,
  element,
  EXPLICIT,
  identity,
  pixels,
  type SampleElement,
  sampleFile,
} from '../../support/dicom-samples.ts';

describe('verification of the output', () => {
  const hidden: readonly (readonly [string, SampleElement])[] = [
    ['a name in a free text', element('SoftwareVersions', 'scan of aino KANARIALA')],
    ['one part of a name as a word', element('ManufacturerModelName', 'Aino, second try')],
    ['a patient ID inside another text', element('ReceiveCoilName', 'xRAT-0815-Xyyy')],
    ['a UID in a text', element('PulseSequenceName', 'from 1.2.999.1')],
    ['a date as the standard writes it', element('FilterType', '19570317')],
    ['a date as people write it', element('ScanOptions', '17.03.1957')],
    ['a time of day', element('SequenceName', '17:57:41')],
    ['a name in a binary value', element('ICCProfile', Buffer.from('....Kanariala....'))],
    ['a short ID with a letter as a word', element('ReceiveCoilName', 'coil q7 left')],
    ['a date with the month in words', element('FilterType', 'on 17 March 1957')],
    ['an ID without its hyphens', element('ReceiveCoilName', 'x RAT0815X y')],
    ['a name in base64', element('SoftwareVersions', 'data:text/plain;base64,S2FuYXJpYWxhXkFpbm8=')],
    ['a name percent-encoded', element('SoftwareVersions', 'q=%4B%61%6E%61%72iala')],
    ['a name escaped as XML does', element('SoftwareVersions', '&#75;anariala')],
    [
      'a name in a deflated stream',
      element('ICCProfile', Buffer.concat([Buffer.from('xx'), deflateSync('of Kanariala')])),
    ],
    ['a name where a number belongs', { ...element('TriggerTime', 'Kanariala'), vr: 'FD' }],
    ['a name in wide characters', element('ICCProfile', Buffer.from('xxKanariala', 'utf16le'))],
  ];
  for (const [what, attribute] of hidden) {
    for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
      it(`finds ${what} outside the table, at the top and nested, and takes it out, in ${name}`, async () => {
        const inner = [element('CodeMeaning', 'x'), attribute].toSorted((one, other) => one.tag - other.tag);
        const nested = element('DerivationCodeSequence', [[], inner]);

        const top = await releasedFile(sampleFile([...source(), attribute, ...pixels()], encoding));
        const deep = await releasedFile(sampleFile([...source(), nested, ...pixels()], encoding));

        for (const { report } of [top, deep]) expect(report.counts['blanked']).to.equal(1);
        for (const place of [top.dataSet, deep.dataSet.items('DerivationCodeSequence')[1]]) {
          const left = Buffer.from(place?.element(attribute.tag)?.value ?? []).toString('latin1');
          expect(left.trim()).to.be.oneOf(['REMOVED', '']);
        }
      });
    }
  }

  it('finds a name in the script of its character set, in either of its two spellings', async () => {
    const name = Buffer.from('Wang^XiaoDong=王^小东', 'utf8');
    const file = (text: string) =>
      sampleFile([
        element('SpecificCharacterSet', 'ISO_IR 192'),
        ...identity().filter(({ tag }) => tag !== 0x00100010),
        element('PatientName', name),
        element('ManufacturerModelName', Buffer.from(text, 'utf8')),
        ...pixels(),
      ]);

    expect((await releasedFile(file('关于 小东 的扫描'))).dataSet.string('ManufacturerModelName')).to.equal('REMOVED');
    expect((await releasedFile(file('xiaodong again'))).dataSet.string('ManufacturerModelName')).to.equal('REMOVED');
    expect((await releasedFile(file('nothing here'))).dataSet.string('ManufacturerModelName')).to.equal('nothing here');
  });

  for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
    it(`leaves no known identifier in any attribute outside the table, in ${name}`, async () => {
      const planted = unlistedAttributes().map(({ tag, vr }, index): SampleElement => ({
        tag,
        vr,
        value: identifierFor(vr, index),
      }));
      expect(planted.length).to.be.at.least(900);
      const nested = element('DerivationCodeSequence', [planted]);
      const file = sampleFile(
        [...source(), ...planted.filter(({ tag }) => tag !== nested.tag), nested, ...pixels()],
        encoding,
      );

      const { dataSet, report } = await releasedFile(file);

      expect(leaksIn(dataSet)).to.deep.equal([]);
      expect(report.counts['blanked']).to.be.at.least(900);
    });
  }

  it('lets harmless words stand that also stood in a removed description', async () => {
    const file = sampleFile([
      ...identity(),
      element('StudyDescription', 'Brain MPRAGE'),
      element('SeriesDescription', 't1 mprage sag 1mm'),
      element('BodyPartExamined', 'BRAIN'),
      element('Manufacturer', 'SIEMENS'),
      element('InstitutionName', 'Siemens Healthineers'),
      element('ScanningSequence', 'GR\\IR'),
      ...pixels(),
    ]);

    const { dataSet, report } = await releasedFile(file);

    expect(dataSet.string('BodyPartExamined')).to.equal('BRAIN');
    expect(dataSet.string('Manufacturer')).to.equal('SIEMENS');
    expect(dataSet.strings('ScanningSequence')).to.deep.equal(['GR', 'IR']);
    expect(report.counts['blanked']).to.equal(undefined);
  });

  it('does not take numbers for dates or parts of an identifier', async () => {
    const file = sampleFile([
      ...identity({ patientId: '1234567' }),
      element('StudyTime', '120000'),
      element('EchoTime', '0.1234567'),
      element('RepetitionTime', '120000'),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file);

    expect(dataSet.string('EchoTime')).to.equal('0.1234567');
    expect(dataSet.string('RepetitionTime')).to.equal('120000');
  });

  it('lets stand what only looks like an identifier', async () => {
    const file = sampleFile([
      ...identity({ patientId: '12', patientName: 'Li^An' }),
      element('StudyID', 'MR'),
      element('ManufacturerModelName', 'an MR of 12 channels'),
      element('SequenceName', 'ep_b1000'),
      element('ProtocolName', 'diff b1000'),
      element('SoftwareVersions', 'R12 article'),
      element('StudyTime', '121106.5'),
      element('DerivationCodeSequence', [
        [element('CodeValue', '121106'), element('CodingSchemeDesignator', 'DCM'), element('CodeMeaning', 'Comment')],
      ]),
      element('AnatomicRegionSequence', [[element('CodingSchemeUID', '2.16.840.1.113883.6.96')]]),
      ...pixels(),
    ]);

    const { dataSet, report } = await releasedFile(file);

    expect(report.counts['blanked']).to.equal(undefined);
    expect(dataSet.string('SequenceName')).to.equal('ep_b1000');
    expect(dataSet.items('AnatomicRegionSequence')[0]?.string('CodingSchemeUID')).to.equal('2.16.840.1.113883.6.96');
  });

  it('finds two short parts of a name together, either way round', async () => {
    const file = (text: string) =>
      sampleFile([...identity({ patientName: 'Li^An' }), element('ManufacturerModelName', text), ...pixels()]);

    for (const text of ['scan of Li An', 'AN, LI', 'an_li_2', 'Li'])
      expect((await releasedFile(file(text))).dataSet.string('ManufacturerModelName'), text).to.equal('REMOVED');
  });

  it('finds a name in the plural and as an owner, whatever marks stand around it', async () => {
    const file = (text: string) =>
      sampleFile([
        element('SpecificCharacterSet', 'ISO_IR 192'),
        ...identity({ patientName: 'Smith^Jo' }),
        element('ManufacturerModelName', Buffer.from(text, 'utf8')),
        ...pixels(),
      ]);
    const said = async (text: string) => (await releasedFile(file(text))).dataSet.string('ManufacturerModelName');

    for (const text of [
      "Smith's coil",
      'Smith’s coil',
      'coil of the Smiths',
      '“Smith” – coil',
      '«SMITH»',
      'für …Smith…',
    ])
      expect(await said(text), text).to.equal('REMOVED');
    for (const text of ['Smithson coil', 'coil “Blacksmiths”']) expect(await said(text), text).to.equal(text);
  });

  it('finds dates with two separators, and with the year first', async () => {
    const file = (text: string) => sampleFile([...source(), element('FilterType', text), ...pixels()]);

    for (const text of ['17/03-1957', '3-17/1957', '17.03-1957', '1957, March 17'])
      expect((await releasedFile(file(text))).dataSet.string('FilterType'), text).to.be.oneOf([undefined, 'REMOVED']);
  });

  it('finds UIDs that were cut off in their last number, and lets stand what devices of a maker have in common', async () => {
    const study = '1.3.12.2.1107.5.2.43.67093.30000022071112144703157000012';
    const file = (text: string) =>
      sampleFile([...identity({ study }), element('ManufacturerModelName', text), ...pixels()]);
    const said = async (text: string) => (await releasedFile(file(text))).dataSet.string('ManufacturerModelName');

    for (const length of [1, 5, 13]) {
      const text = `from ${study.slice(0, -length)}`;
      expect(await said(text), text).to.equal('REMOVED');
    }
    for (const text of ['device 1.3.12.2.1107.5.2.43.67093', 'made by 1.3.12.2.1107.5.99.2'])
      expect(await said(text), text).to.equal(text);
  });

  it('empties a number that is, as a whole, the identifier', async () => {
    const file = sampleFile([...identity({ patientId: '1234567' }), element('SeriesNumber', '1234567'), ...pixels()]);

    expect((await releasedFile(file)).dataSet.string('SeriesNumber')).to.equal(undefined);
  });

  it('writes the marker anew when what it said before names the patient', async () => {
    const file = sampleFile([...identity(), element('DeidentificationMethod', 'Kanariala was here'), ...pixels()]);

    const { dataSet } = await releasedFile(file);

    expect(dataSet.strings('DeidentificationMethod').length).to.equal(2);
  });

  it('holds the study when an attribute the policy keeps repeats a removed value', async () => {
    const file = sampleFile([...identity(), element('StationName', 'KANARIALA'), ...pixels()]);

    const result = await deidentifyFiles([file], { options: ['retain-device-identity'] });

    expect(result).to.include({ outcome: 'held', reason: 'policy.unsafe' });
    expect(result).to.have.property('detail').that.includes('kept by the policy');
  });

  it('drops a private element that the policy keeps when it repeats a removed value', async () => {
    const file = sampleFile([
      ...identity(),
      { tag: 0x00190010, vr: 'LO', value: 'MAKER' },
      { tag: 0x00191001, vr: 'LO', value: 'KANARIALA' },
      { tag: 0x00191002, vr: 'LO', value: 'HARMLESS' },
      ...pixels(),
    ]);
    const rule = { creator: 'MAKER', group: '0019', vr: 'LO', pattern: '[A-Z]+' };

    const { dataSet } = await releasedFile(file, {
      privateAllow: [
        { ...rule, element: '01' },
        { ...rule, element: '02' },
      ],
    });

    expect(dataSet.element(0x00191001)).to.equal(undefined);
    expect(dataSet.element(0x00191002)).to.not.equal(undefined);
  });

  it('looks at every kept byte: nothing planted as text is found in the file', async () => {
    const { bytes } = await releasedFile(sampleFile([...source(), ...pixels()], EXPLICIT));

    expect(Buffer.from(bytes).toString('latin1')).to.not.match(/Kanariala|Aino|RAT-0815|1\.2\.999|1957/i);
  });
});

/** What the walk itself writes, and what decides whether and how a file is read at all. */
const UNTESTED = new Set([
  ...['SpecificCharacterSet', 'ImageType', 'ConversionType', 'BurnedInAnnotation', 'PixelData', 'Modality'],
  ...['PatientIdentityRemoved', 'DeidentificationMethod', 'DeidentificationMethodCodeSequence'],
  'LongitudinalTemporalInformationModified',
]);

/** All that PS3.6 has and Table E.1-1 has not, of VRs that can hold text. */
function unlistedAttributes() {
  const listed = new Set(PROFILE_ROWS.map(({ tag }) => Number.parseInt(tag, 16)));
  const given = new Set([...identity(), ...pixels()].map(({ tag }) => tag));
  return allTags()
    .filter((tag) => tag >= 0x00080000 && tag < 0x50000000 && !listed.has(tag) && !given.has(tag))
    .filter((tag) => !UNTESTED.has(keywordOf(tag) ?? ''))
    .map((tag) => ({ tag, vr: vrOf(tag) ?? 'UN' }))
    .filter(({ vr }) => /^(AE|CS|DS|IS|LO|LT|OB|SH|ST|UC|UI|UR|UT|PN|DA)$/.test(vr))
    .toSorted((one, other) => one.tag - other.tag);
}

function identifierFor(vr: string, index: number): string {
  if (vr === 'UI') return '1.2.999.2';
  if (vr === 'DA' || vr === 'DS' || vr === 'IS') return '19570317';
  return ['Kanariala^Aino', 'RAT-0815-X', 'KANARIALA', '19570317', '1.2.999.3.1', '1957-03-17'][index % 6] ?? '';
}

function leaksIn(dataSet: DataSet): readonly string[] {
  return dataSet.elements.flatMap((one) => [
    ...(one.items ?? []).flatMap((item) => leaksIn(item)),
    ...(one.items === undefined &&
    /kanariala|aino|rat-0815|1957|1\.2\.999/i.test(Buffer.from(one.value).toString('latin1'))
      ? [`${keywordOf(one.tag) ?? String(one.tag)} ${one.vr}`]
      : []),
  ]);
}

function source(): readonly SampleElement[] {
  return [
    ...identity(),
    element('StudyDate', '19570317'),
    element('StudyTime', '175741.25'),
    element('StudyID', 'Q7'),
    element('ReferringPhysicianName', 'Doktor^Who'),
  ];
}
