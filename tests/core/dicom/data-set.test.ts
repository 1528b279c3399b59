import { expect } from 'chai';
import { headerAttributes } from '../../../core/dicom/attributes.ts';
import { decodeText } from '../../../core/dicom/character-sets.ts';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { isPrivate, keywordOf, lookup, vrOf } from '../../../core/dicom/dictionary.ts';
import { encodeDataSet } from '../../../core/dicom/encode.ts';
import { patientDigest } from '../../../core/dicom/patient.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import { element, encodeSample, type SampleElement } from '../../support/dicom-samples.ts';

const GB_815C = '乗';
const read = (elements: readonly SampleElement[]) => parseDataSet(encodeSample(elements), EXPLICIT_VR_LITTLE_ENDIAN);

describe('data set', () => {
  it('trims and splits text, keeps the one value of long texts whole', () => {
    const dataSet = read([
      element('ImageType', 'ORIGINAL\\PRIMARY \\ M '),
      element('PatientID', ' R1 '),
      element('SeriesDescription', ''),
      element('PatientComments', ' a\\b '),
    ]);

    expect(dataSet.strings('ImageType')).to.deep.equal(['ORIGINAL', 'PRIMARY', 'M']);
    expect(dataSet.string('PatientID')).to.equal('R1');
    expect(dataSet.string('PatientComments')).to.equal(' a\\b');
    expect(dataSet.string('SeriesDescription')).to.equal(undefined);
    expect(dataSet.has('SeriesDescription')).to.equal(true);
    expect(dataSet.has('StudyDescription')).to.equal(false);
  });

  it('reads numbers of texts and of binary VRs, and says when there is none', () => {
    const dataSet = read([
      element('EchoTime', '+1.50E+02 '),
      element('PixelSpacing', '0.1\\\\abc'),
      element('SeriesNumber', ''),
    ]);

    expect(dataSet.number('EchoTime')).to.equal(150);
    expect(dataSet.numbers('PixelSpacing')).to.deep.equal([0.1, Number.NaN, Number.NaN]);
    expect(dataSet.number('SeriesNumber')).to.equal(undefined);
  });

  it('treats a keyword that does not exist as our own mistake', () => {
    expect(() => read([]).string('PatientNmae')).to.throw('not a keyword');
  });

  it('gives routing the header as texts, without bulk, sequences and private elements', () => {
    const attributes = headerAttributes(
      read([
        element('Modality', 'MR'),
        element('SeriesDescription', 'x'.repeat(300)),
        element('ReferencedSeriesSequence', [[element('Modality', 'CT')]]),
        { tag: 0x00190010, vr: 'LO', value: 'PRIVATE' },
        element('Rows', Buffer.from([0, 1]), 'US'),
      ]),
    );

    expect(attributes).to.deep.equal({ Modality: ['MR'], Rows: ['256'] });
  });

  it('tells patients apart by issuer and trimmed ID, and by nothing else', () => {
    const one = patientDigest(read([element('PatientName', 'A'), element('PatientID', 'R1 ')]));

    expect(patientDigest(read([element('PatientName', 'B'), element('PatientID', 'R1')]))).to.equal(one);
    expect(patientDigest(read([element('PatientID', 'R1'), element('IssuerOfPatientID', 'X')]))).to.not.equal(one);
    expect(one).to.match(/^[0-9a-f]{64}$/);
  });
});

describe('character sets', () => {
  it('decodes Korean by code extension (PS3.5 Section I.2)', () => {
    const bytes = Buffer.from(
      '486f6e675e47696c646f6e673d1b242943fbf35e1b242943d1ced4d73d1b242943c8ab5e1b242943b1e6b5bf',
      'hex',
    );

    expect(decodeText(bytes, ['', 'ISO 2022 IR 149'])).to.equal('Hong^Gildong=洪^吉洞=홍^길동');
  });

  it('decodes Japanese kanji and kana by code extension (PS3.5 Section H.3.1)', () => {
    const kanji = '1b24423b3345441b28425e1b244242404f3a1b2842';
    const kana = '1b24422464245e24401b28425e1b2442243f246d24261b2842';
    const bytes = Buffer.from(`${Buffer.from('Yamada^Tarou').toString('hex')}3d${kanji}3d${kana}`, 'hex');

    expect(decodeText(bytes, ['', 'ISO 2022 IR 87'])).to.equal('Yamada^Tarou=山田^太郎=やまだ^たろう');
  });

  it('decodes half-width katakana of JIS X 0201', () => {
    expect(decodeText(Buffer.from([0xd4, 0xcf, 0xc0, 0xde]), ['ISO_IR 13'])).to.equal('ﾔﾏﾀﾞ');
  });

  it('decodes GB18030 and UTF-8, where a backslash byte may be half a character', () => {
    expect(decodeText(Buffer.from('cdf55ed0a1b6ab', 'hex'), ['GB18030'])).to.equal('王^小东');
    expect(decodeText(Buffer.from('Wang^XiaoDong=王^小東', 'utf8'), ['ISO_IR 192'])).to.equal('Wang^XiaoDong=王^小東');
    // 0x5C is the second byte of one character here, not a delimiter.
    expect(decodeText(Buffer.from([0x81, 0x5c]), ['GB18030'])).to.equal(GB_815C);
  });

  it('returns to the initial set at a delimiter', () => {
    // ISO 8859-5 by escape, then a new value in the initial Latin-1.
    const bytes = Buffer.from([0x1b, 0x2d, 0x4c, 0xb0, 0x5c, 0xe4]);

    expect(decodeText(bytes, ['ISO 2022 IR 100', 'ISO 2022 IR 144'])).to.equal('А\\ä');
  });

  it('decodes items by their own character set, or by that of the data set around them', () => {
    const dataSet = read([
      element('SpecificCharacterSet', 'ISO_IR 192'),
      element('ReferencedSeriesSequence', [
        [element('SeriesDescription', Buffer.from('ä', 'utf8'))],
        [element('SpecificCharacterSet', 'ISO_IR 100'), element('SeriesDescription', Uint8Array.of(0xe4))],
      ]),
    ]);

    const items = dataSet.items('ReferencedSeriesSequence');
    expect(items.map((item) => item.string('SeriesDescription'))).to.deep.equal(['ä', 'ä']);
  });
});

describe('dictionary', () => {
  it('knows tags, keywords and VRs both ways', () => {
    expect(lookup('PatientID')).to.include({ tag: TAG.PatientID, vr: 'LO', vm: '1' });
    expect(keywordOf(0x00100020)).to.equal('PatientID');
    expect(lookup('NoSuchKeyword')).to.equal(undefined);
    expect(keywordOf(0x00191001)).to.equal(undefined);
  });

  it('answers for every group of overlays, for creators and for group lengths', () => {
    expect(keywordOf(0x60023000)).to.equal('OverlayData');
    expect(vrOf(0x60023000)).to.equal('OW');
    expect(vrOf(0x00190010)).to.equal('LO');
    expect(vrOf(0x00080000)).to.equal('UL');
    expect(vrOf(0x7fe00010)).to.equal('OW');
    expect(isPrivate(0x60013000)).to.equal(true);
  });

  it('names every tag of the code by its keyword', () => {
    for (const [keyword, tag] of Object.entries(TAG)) expect(keywordOf(tag), keyword).to.equal(keyword);
  });
});

describe('encoder', () => {
  it('writes what the reader reads, sorted and padded', () => {
    const bytes = encodeDataSet({
      Rows: 2,
      PatientName: 'Äiti^Ö',
      PixelSpacing: [1 / 3, 0.5],
      PixelRepresentation: 1,
      SmallestImagePixelValue: -5,
      StudyID: '',
      ReferencedSeriesSequence: [{ SeriesInstanceUID: '1.2.3' }, {}],
      PixelData: { vr: 'OB', value: Uint8Array.of(1, 2, 3) },
      FrameIncrementPointer: TAG.Rows,
      LossyImageCompressionRatio: -0.000012345678901234,
    });

    const dataSet = parseDataSet(bytes, EXPLICIT_VR_LITTLE_ENDIAN);

    expect(dataSet.string('SpecificCharacterSet')).to.equal('ISO_IR 192');
    expect(dataSet.string('PatientName')).to.equal('Äiti^Ö');
    expect(dataSet.numbers('PixelSpacing')).to.deep.equal([0.33333333333333, 0.5]);
    expect(dataSet.number('SmallestImagePixelValue')).to.equal(-5);
    expect(dataSet.has('StudyID')).to.equal(true);
    expect(dataSet.items('ReferencedSeriesSequence').map((item) => item.string('SeriesInstanceUID'))).to.deep.equal([
      '1.2.3',
      undefined,
    ]);
    expect([...(dataSet.element(TAG.PixelData)?.value ?? [])]).to.deep.equal([1, 2, 3, 0]);
    expect(dataSet.numbers('FrameIncrementPointer')).to.deep.equal([TAG.Rows]);
    expect(dataSet.string('LossyImageCompressionRatio')?.length).to.be.at.most(16);
    const tags = dataSet.elements.map(({ tag }) => tag);
    expect(tags).to.deep.equal(tags.toSorted((one, other) => one - other));
  });

  it('refuses what it cannot write as our own mistake', () => {
    expect(() => encodeDataSet({ NoSuchKeyword: 1 })).to.throw('not a keyword');
    expect(() => encodeDataSet({ Rows: 'two' })).to.throw('holds numbers');
    expect(() => encodeDataSet({ EchoTime: Number.NaN })).to.throw('finite');
  });
});
