import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { compilePlan } from '../../../processors/deidentify/plan.ts';
import { PRIVATE_LIST_NAMES } from '../../../processors/deidentify/private-lists.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { geSliceOrder, isGeTopDown } from '../../../processors/volumes/ge-protocol.ts';
import { releasedFile } from '../../support/deidentified.ts';
import { element, identity, pixels, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';

const policy = (over: Readonly<Record<string, unknown>> = {}) =>
  policySchema.parse({ name: 'test', profile: 'basic', ...over });

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

  it('keep no number that is none of what they name: a day, a time, the number of an animal', async () => {
    const kept = async (bValue: string, location: string) => {
      const file = sampleFile([
        ...identity(),
        { tag: 0x00190010, vr: 'LO', value: 'SIEMENS MR HEADER' },
        { tag: 0x0019100c, vr: 'IS', value: bValue },
        { tag: 0x00210010, vr: 'LO', value: 'SIEMENS MR SDI 02' },
        { tag: 0x00211088, vr: 'DS', value: location },
        ...pixels(),
      ]);
      const privateAllow = ['siemens-mr-diffusion', 'siemens-mr-enhanced'];
      const { dataSet } = await releasedFile(file, { privateAllow });
      return [0x0019100c, 0x00211088].filter((tag) => dataSet.element(tag) !== undefined).length;
    };

    expect(await kept('1000', '-17.687')).to.equal(2);
    expect(await kept('3500', '1.25e+02')).to.equal(2);
    expect(await kept('19570317', '101155.525395')).to.equal(0);
    expect(await kept('475475952', '1657514283.4')).to.equal(0);
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

describe("GE's protocol data block", () => {
  const block = (...lines: readonly string[]) => {
    const text = gzipSync(['PATNAME "Kanariala"', ...lines].join('\n'));
    return Buffer.concat([Buffer.from([text.length & 0xff, text.length >>> 8, 0, 0]), text]);
  };
  const file = (...lines: readonly string[]) =>
    sampleFile([
      element('Manufacturer', 'GE MEDICAL SYSTEMS'),
      ...identity(),
      element('ScanningSequence', 'EP\\GR'),
      { tag: 0x00250010, vr: 'LO', value: 'GEMS_SERS_01' },
      { tag: 0x0025101b, vr: 'OB', value: block(...lines) },
      ...pixels(),
    ]);
  const privateAllow = ['ge-mr-functional'];

  it('leaves the order of slices and of lines of phase, and neither itself nor anything else in it', async () => {
    const { dataSet, bytes } = await releasedFile(file('SLICEORDER "1"', 'VIEWORDER "0"'), { privateAllow });

    expect(dataSet.elements.map(({ tag }) => tag).filter((tag) => (tag >>> 16) % 2 === 1)).to.have.length(2);
    expect(dataSet.has('RectilinearPhaseEncodeReordering')).to.equal(true);
    expect([geSliceOrder(dataSet), isGeTopDown(dataSet)]).to.deep.equal(['interleaved', true]);
    expect(Buffer.from(bytes).includes(Buffer.from([0x1f, 0x8b]))).to.equal(false);
  });

  it('leaves the same when its numbers are de-identified once more', async () => {
    const once = await releasedFile(file('SLICEORDER "0"', 'VIEWORDER "1"'), { privateAllow });
    const { dataSet } = await releasedFile(once.bytes, { privateAllow });

    expect([geSliceOrder(dataSet), isGeTopDown(dataSet)]).to.deep.equal(['sequential', false]);
  });

  it('leaves nothing where it says something else, and nothing to a policy that does not ask', async () => {
    const odd = await releasedFile(file('SLICEORDER "Kanariala"', 'VIEWORDER "7"'), { privateAllow });
    const basic = await releasedFile(file('SLICEORDER "1"', 'VIEWORDER "0"'));

    for (const { dataSet } of [odd, basic])
      expect([geSliceOrder(dataSet), isGeTopDown(dataSet)]).to.deep.equal([undefined, undefined]);
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
