import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { dataSetToJson, textToJson, type JsonDataSet } from '../../../core/dicom/json-model.ts';
import { readJsonInstance } from '../../../core/dicom/json-model-reader.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../../core/errors.ts';
import { run } from '../../support/child-process.ts';
import {
  ALL_ENCODINGS,
  BIG_ENDIAN,
  DEFLATED,
  element,
  encapsulated,
  encodeSample,
  identity,
  pixels,
  sampleFile,
  uint16s,
  type SampleElement,
  type SampleEncoding,
} from '../../support/dicom-samples.ts';
import { dcmtk } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** One element of each VR, and what nests. */
const EVERYTHING = (bigEndian: boolean): readonly SampleElement[] => [
  element('SpecificCharacterSet', 'ISO_IR 100'),
  ...identity({ patientName: 'M\xfcller^J\xf6rg=\xc4=x' }),
  element('ImageType', 'ORIGINAL\\PRIMARY\\\\M'),
  element('StudyDate', '20260401'),
  element('StudyTime', '101530.25'),
  element('AcquisitionDateTime', '20260401101530.123456+0200'),
  element('RetrieveAETitle', 'HUB'),
  element('PatientAge', '012M'),
  element('PatientComments', 'a\\b stays one  '),
  element('InstitutionName', 'K\xf6ln '),
  element('AccessionNumber', ''),
  element('EchoTime', '1.50\\+2\\-3e-2'),
  element('InstanceNumber', '7'),
  element('FrameIncrementPointer', uint16s([0x0018, 0x1063], bigEndian), 'AT'),
  element('SmallestImagePixelValue', uint16s([0xfffe], bigEndian), 'SS'),
  { tag: 0x00186020, vr: 'SL', value: bytes(4, (view) => view.setInt32(0, -70_000, !bigEndian)) },
  { tag: 0x00186018, vr: 'UL', value: bytes(4, (view) => view.setUint32(0, 4_000_000_000, !bigEndian)) },
  { tag: 0x00189074, vr: 'DT', value: '20260401' },
  { tag: 0x00189073, vr: 'FD', value: bytes(8, (view) => view.setFloat64(0, 0.1, !bigEndian)) },
  { tag: 0x00187056, vr: 'FL', value: bytes(4, (view) => view.setFloat32(0, 0.5, !bigEndian)) },
  { tag: 0x00080119, vr: 'UC', value: 'long code' },
  { tag: 0x00080120, vr: 'UR', value: 'http://127.0.0.1/x' },
  element('ReferencedSeriesSequence', [
    [element('SeriesInstanceUID', '1.2.3'), element('ReferencedImageSequence', [[element('InstanceNumber', '3')]])],
    [],
  ]),
  { tag: 0x00190010, vr: 'LO', value: 'CREATOR' },
  { tag: 0x00191001, vr: 'OB', value: Uint8Array.of(1, 2, 3, 255) },
  ...pixels([1, 2, 3, 65_000], bigEndian),
];

describe('DICOM JSON model', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  /** What DCMTK makes of the same file. */
  const byDcmtk = async (file: Uint8Array): Promise<JsonDataSet> => {
    const tool = await dcmtk();
    await mkdir(folder.path, { recursive: true });
    const path = join(folder.path, 'in.dcm');
    await writeFile(path, file);
    const { stdout, stderr } = await run(tool.command('dcm2json'), [path]);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as JsonDataSet;
  };

  for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
    it(`says of ${name.toLowerCase()} data what DCMTK says`, async () => {
      const elements = EVERYTHING(encoding.bigEndian).toSorted((one, other) => one.tag - other.tag);

      const json = dataSetToJson(parse(elements, encoding));

      const expected = await byDcmtk(sampleFile(elements, encoding));
      expect(Object.keys(json)).to.deep.equal(Object.keys(expected).toSorted());
      for (const [key, value] of Object.entries(json)) expect(value, key).to.deep.equal(expected[key]);
    });
  }

  it('comes back from JSON as the data set it was, whatever it was encoded in', () => {
    for (const encoding of Object.values(ALL_ENCODINGS)) {
      const json = dataSetToJson(parse(EVERYTHING(encoding.bigEndian), encoding));

      const bytes = encodedOf(JSON.parse(JSON.stringify(json)));

      expect(dataSetToJson(parseDataSet(bytes, EXPLICIT_VR_LITTLE_ENDIAN))).to.deep.equal(json);
    }
  });

  it('keeps what a JSON number cannot hold: large integers, NaN, infinities, numbers written oddly', () => {
    const large = parse([
      { tag: 0x00720082, vr: 'SV', value: bytes(8, (view) => view.setBigInt64(0, -9_007_199_254_740_993n, true)) },
      { tag: 0x00720083, vr: 'UV', value: bytes(8, (view) => view.setBigUint64(0, 42n, true)) },
      {
        tag: 0x00189073,
        vr: 'FD',
        value: bytes(24, (view) =>
          [NaN, Infinity, -Infinity].forEach((value, n) => view.setFloat64(n * 8, value, true)),
        ),
      },
      element('EchoTime', 'about 3'),
    ]);

    const json = dataSetToJson(large);

    expect(json['00720082']?.Value).to.deep.equal(['-9007199254740993']);
    expect(json['00720083']?.Value).to.deep.equal([42]);
    expect(json['00189073']?.Value).to.deep.equal(['NaN', 'inf', '-inf']);
    expect(json['00180081']?.Value).to.deep.equal(['about 3']);
    expect(dataSetToJson(parseDataSet(encodedOf(json), EXPLICIT_VR_LITTLE_ENDIAN))).to.deep.equal(json);
  });

  it('refers to bytes by a URI when it is given one, with the place in the sequences around it', () => {
    const places: string[] = [];
    const dataSet = parse([
      element('ReferencedSeriesSequence', [[], [{ tag: 0x00191001, vr: 'OB', value: Uint8Array.of(1, 2) }]]),
      element('PixelData', Uint8Array.of(1, 2), 'OW'),
    ]);

    const json = dataSetToJson(dataSet, {
      bulkDataUri: (one, path) => {
        places.push(`${path.map(({ tag, item }) => `${tag.toString(16)}[${item}]`).join('.')} ${one.tag.toString(16)}`);
        return one.tag === 0x7fe00010 ? 'http://127.0.0.1/pixels' : undefined;
      },
    });

    expect(places).to.deep.equal(['81115[1] 191001', ' 7fe00010']);
    expect(json['7FE00010']).to.deep.equal({ vr: 'OW', BulkDataURI: 'http://127.0.0.1/pixels' });
    expect(json['00081115']?.Value?.[1]).to.deep.equal({ '00191001': { vr: 'OB', InlineBinary: 'AQI=' } });
  });

  it('does not put fragments into JSON', () => {
    const bytes = Buffer.concat([encodeSample([element('Modality', 'MR')]), encapsulated([Uint8Array.of(1, 2)])]);
    const dataSet = parseDataSet(bytes, '1.2.840.10008.1.2.4.50');

    const json = dataSetToJson(dataSet, { bulkDataUri: () => 'x' });

    expect(json['7FE00010']).to.deep.equal({ vr: 'OB', BulkDataURI: 'x' });
    expect(() => dataSetToJson(dataSet)).to.throw('referred to');
  });

  it('shapes the texts the ledger keeps by their VR', () => {
    expect(textToJson('PatientName', ['Müller^J=Ä'])).to.deep.equal({
      key: '00100010',
      element: { vr: 'PN', Value: [{ Alphabetic: 'Müller^J', Ideographic: 'Ä' }] },
    });
    expect(textToJson('Rows', ['256'])?.element).to.deep.equal({ vr: 'US', Value: [256] });
    expect(textToJson('AccessionNumber', [''])?.element).to.deep.equal({ vr: 'SH' });
    expect(textToJson('Nothing', ['x'])).to.equal(undefined);
  });

  it('writes text in UTF-8 and says so, and leaves out group lengths and file meta information', () => {
    const bytes = encodedOf({
      '00020010': { vr: 'UI', Value: ['1.2.840.10008.1.2.4.50'] },
      '00080000': { vr: 'UL', Value: [12] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }] },
      '00080060': { Value: ['MR'] },
    });

    const dataSet = parseDataSet(bytes, EXPLICIT_VR_LITTLE_ENDIAN);
    expect(dataSet.elements.map(({ tag }) => tag)).to.deep.equal([0x00080005, 0x00080060, 0x00100010]);
    expect(dataSet.string('PatientName')).to.equal('Yamada^Tarou=山田^太郎');
    expect(dataSet.characterSets).to.deep.equal(['ISO_IR 192']);
  });

  it('writes what is too long for its VR as UN, and reads it as what it is', () => {
    const numbers = Array.from({ length: 30_000 }, (_, n) => n % 1000);
    const dataSet = parseDataSet(
      encodedOf({ '30060050': { vr: 'DS', Value: [...numbers, 12] } }),
      EXPLICIT_VR_LITTLE_ENDIAN,
    );

    expect(dataSet.strings('ContourData').map(Number)).to.deep.equal([...numbers, 12]);
  });

  it('leaves a gap for what comes beside it, also inside of sequences', () => {
    const { pieces, transferSyntaxUid, value } = readJsonInstance({
      '00020010': { vr: 'UI', Value: ['1.2.840.10008.1.2.4.50'] },
      '00080018': { vr: 'UI', Value: ['1.2.3'] },
      '00081115': { vr: 'SQ', Value: [{ '00420011': { vr: 'OB', BulkDataURI: 'inner' } }] },
      '7FE00010': { vr: 'OW', BulkDataURI: 'outer' },
    });

    expect(pieces.map((piece) => (piece instanceof Uint8Array ? 'bytes' : piece))).to.deep.equal([
      'bytes',
      { uri: 'inner', tag: 0x00420011, vr: 'OB', isTopLevel: false },
      'bytes',
      { uri: 'outer', tag: 0x7fe00010, vr: 'OW', isTopLevel: true },
    ]);
    expect(transferSyntaxUid).to.equal('1.2.840.10008.1.2.4.50');
    expect(value(0x00080018)).to.equal('1.2.3');
  });

  it('survives JSON that nests without end', () => {
    expect(() => readJsonInstance(nested(20_000))).to.throw('nested-too-deep');
  });

  const MALFORMED: readonly (readonly [string, unknown])[] = [
    ['json-data-set-expected', []],
    ['json-data-set-expected', null],
    ['json-tag', { patient: { vr: 'LO' } }],
    ['json-tag', { FFFEE000: { vr: 'LO' } }],
    ['json-tag-twice', { '0008103E': { vr: 'LO' }, '0008103e': { vr: 'LO' } }],
    ['json-element', { '00100010': 'x' }],
    ['json-vr', { '00100010': { vr: 'XX' } }],
    ['json-vr', { '00100010': { vr: 7 } }],
    ['json-several-values', { '00420011': { vr: 'OB', InlineBinary: '', BulkDataURI: 'x' } }],
    ['json-several-values', { '00324000': { vr: 'LT', Value: ['a', 'b'] } }],
    ['json-inline-binary', { '00420011': { vr: 'OB', InlineBinary: '!' } }],
    ['json-inline-binary', { '00420011': { vr: 'OB', InlineBinary: 'AAAAA' } }],
    ['json-inline-binary', { '00420011': { vr: 'OB', InlineBinary: `${' '.repeat(2_000_000)}!` } }],
    ['json-inline-binary', { '00100010': { vr: 'PN', InlineBinary: 'w7w=' } }],
    ['json-sequence-as-bulk-data', { '00081115': { vr: 'SQ', BulkDataURI: 'x' } }],
    ['json-bytes-as-value', { '00420011': { vr: 'OB', Value: ['x'] } }],
    ['json-value', { '00100020': { vr: 'LO', Value: 'x' } }],
    ['json-value', { '00100020': { vr: 'LO', Value: [{}] } }],
    ['json-item', { '00081115': { vr: 'SQ', Value: ['x'] } }],
    ['json-number', { '00280010': { vr: 'US', Value: ['many'] } }],
    ['json-number', { '00189073': { vr: 'FD', Value: ['many'] } }],
    ['json-number', { '00189073': { vr: 'FD', Value: ['constructor'] } }],
    ['json-number', { '00200013': { vr: 'IS', Value: [1.5] } }],
    ['json-number-range', { '00200013': { vr: 'IS', Value: [2 ** 31] } }],
    ['json-number-range', { '00186024': { vr: 'FL', Value: [1e300] } }],
    ['json-number-range', { '00189073': { vr: 'FD', Value: [Infinity] } }],
    ['json-number-not-exact', { '00720082': { vr: 'SV', Value: [2 ** 53] } }],
    ['json-value', { '00100020': { vr: 'LO', Value: [2 ** 64] } }],
    ['json-value', { '00080018': { vr: 'UI', Value: [1.2] } }],
    ['json-number-range', { '00280010': { vr: 'US', Value: [65_536] } }],
    ['json-attribute-tag', { '00280009': { vr: 'AT', Value: ['EchoTime'] } }],
    ['json-backslash', { '00100020': { vr: 'LO', Value: ['a\\b'] } }],
    ['json-person-name', { '00100010': { vr: 'PN', Value: [{ Alphabetic: 'a=b' }] } }],
    ['json-person-name', { '00100010': { vr: 'PN', Value: [{ alphabetic: 'a' }] } }],
    ['json-person-name', { '00100010': { vr: 'PN', Value: [['a']] } }],
    ['json-tag', JSON.parse('{ "__proto__": { "vr": "LO" } }')],
    ['nested-too-deep', nested(80)],
  ];
  for (const [detail, json] of MALFORMED) {
    it(`refuses ${JSON.stringify(json).slice(0, 60)} as ${detail}, without repeating what was sent`, () => {
      let error: unknown;
      try {
        readJsonInstance(json);
      } catch (thrown) {
        error = thrown;
      }

      if (!(error instanceof HubError)) throw new Error(`not refused: ${String(error)}`);
      expect([error.code, error.fields['detail']]).to.deep.equal(['dataset.unreadable', detail]);
      expect(error.message).to.not.match(/many|a\\b|a=b/);
    });
  }
});

function parse(elements: readonly SampleElement[], encoding: SampleEncoding = ALL_ENCODINGS.EXPLICIT) {
  const sorted = elements.toSorted((one, other) => one.tag - other.tag);
  const plain = encoding === DEFLATED ? ALL_ENCODINGS.EXPLICIT : encoding;
  return parseDataSet(encodeSample(sorted, plain === BIG_ENDIAN ? BIG_ENDIAN : plain), plain.transferSyntaxUid);
}

function encodedOf(json: unknown): Uint8Array {
  const { pieces } = readJsonInstance(json);
  return Buffer.concat(pieces.filter((piece) => piece instanceof Uint8Array));
}

function bytes(length: number, fill: (view: DataView) => void): Uint8Array {
  const made = new Uint8Array(length);
  fill(new DataView(made.buffer));
  return made;
}

function nested(depth: number): unknown {
  let json: unknown = {};
  for (let n = 0; n < depth; n++) json = { '00081115': { vr: 'SQ', Value: [json] } };
  return json;
}
