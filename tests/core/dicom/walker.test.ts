import { expect } from 'chai';
import { parseDataSet, parseHeaderPrefix } from '../../../core/dicom/data-set.ts';
import { HubError } from '../../../core/errors.ts';
import {
  ALL_ENCODINGS,
  BIG_ENDIAN,
  element,
  encodeSample,
  EXPLICIT,
  IMPLICIT,
  type SampleElement,
  type SampleEncoding,
  uint16s,
} from '../../support/dicom-samples.ts';

describe('byte walker', () => {
  for (const [name, encoding] of Object.entries(ALL_ENCODINGS).filter(([name]) => name !== 'DEFLATED')) {
    for (const undefinedLength of [false, true]) {
      it(`reads nested sequences in ${name} with ${undefinedLength ? 'undefined' : 'defined'} lengths`, () => {
        const bytes = encodeSample(nested(undefinedLength, encoding), encoding);

        const dataSet = parse(bytes, encoding);

        expect(dataSet.string('Modality')).to.equal('MR');
        const [outer] = dataSet.items('ReferencedSeriesSequence');
        expect(outer?.string('SeriesInstanceUID')).to.equal('1.2.3');
        const images = outer?.items('ReferencedInstanceSequence') ?? [];
        expect(images.map((image) => image.string('ReferencedSOPInstanceUID'))).to.deep.equal(['1.2.4', '1.2.5']);
        expect(dataSet.number('Rows')).to.equal(258);
      });
    }
  }

  it('reads UN of undefined length as a sequence in implicit VR, in explicit and big endian data sets alike', () => {
    for (const encoding of [EXPLICIT, BIG_ENDIAN]) {
      const bytes = encodeSample(
        [
          {
            tag: 0x00191010,
            vr: 'SQ',
            statedVr: 'UN',
            undefinedLength: true,
            value: [[element('CodeMeaning', 'inside')]],
          },
          element('PatientPosition', 'HFS'),
        ],
        encoding,
      );

      const dataSet = parse(bytes, encoding);

      expect(dataSet.element(0x00191010)?.items?.[0]?.string('CodeMeaning')).to.equal('inside');
      expect(dataSet.string('PatientPosition')).to.equal('HFS');
    }
  });

  it('reads a known attribute that was sent as UN by its own VR', () => {
    const bytes = encodeSample([{ ...element('PatientID', 'R1'), statedVr: 'UN' }]);

    expect(parse(bytes, EXPLICIT).string('PatientID')).to.equal('R1');
  });

  it('finds private elements by the creator of their own data set', () => {
    const bytes = encodeSample([
      { tag: 0x00190010, vr: 'LO', value: 'OTHER' },
      { tag: 0x00190011, vr: 'LO', value: 'SIEMENS MR HEADER ' },
      { tag: 0x0019100c, vr: 'IS', value: '7' },
      { tag: 0x0019110c, vr: 'IS', value: '1000' },
    ]);

    const dataSet = parse(bytes, EXPLICIT);

    expect(Buffer.from(dataSet.privateElement('SIEMENS MR HEADER', 0x0019, 0x0c)?.value ?? []).toString()).to.equal(
      '1000',
    );
    expect(dataSet.privateElement('NOBODY', 0x0019, 0x0c)).to.equal(undefined);
  });

  it('takes zero bytes behind the last element for padding', () => {
    const bytes = Buffer.concat([encodeSample([element('Modality', 'MR')]), Buffer.alloc(5)]);

    expect(parse(bytes, EXPLICIT).string('Modality')).to.equal('MR');
  });

  it('reads US or SS by Pixel Representation in implicit VR', () => {
    const bytes = encodeSample(
      [element('PixelRepresentation', uint16s([1]), 'US'), element('SmallestImagePixelValue', uint16s([0xfffe]), 'SS')],
      IMPLICIT,
    );

    expect(parse(bytes, IMPLICIT).number('SmallestImagePixelValue')).to.equal(-2);
  });

  it('keeps the Pixel Representation of an icon inside its item', () => {
    const value = (number: number) => element('SmallestImagePixelValue', uint16s([number]), 'SS');
    const bytes = encodeSample(
      [
        element('PixelRepresentation', uint16s([1]), 'US'),
        {
          ...element('IconImageSequence', []),
          value: [[element('PixelRepresentation', uint16s([0]), 'US'), value(0xfffe)], [value(0xfffe)]],
        },
        { ...element('SharedFunctionalGroupsSequence', []), value: [[value(0xfffe)]] },
      ],
      IMPLICIT,
    );

    const dataSet = parse(bytes, IMPLICIT);

    const icons = dataSet.items('IconImageSequence').map((icon) => icon.number('SmallestImagePixelValue'));
    const [shared] = dataSet.items('SharedFunctionalGroupsSequence');
    expect(icons).to.deep.equal([0xfffe, -2]);
    expect(shared?.number('SmallestImagePixelValue')).to.equal(-2);
  });

  it('forgets what it read of a sequence sent as UN when the encoding it tried was the wrong one', () => {
    // In implicit VR one long value; in explicit VR a short one, a Pixel Representation of 1, and what is no element.
    const explicit = Buffer.concat([
      Buffer.from('08003e104c4f0400', 'hex'),
      Buffer.from('head'),
      Buffer.from('2800030155530200' + '0100', 'hex'),
    ]);
    const inside = Buffer.concat([explicit, Buffer.alloc(8 + 0x00044f4c - explicit.length, 0xff)]);
    const item = Buffer.from('feff00e000000000', 'hex');
    item.writeUInt32LE(inside.length, 4);
    const bytes = encodeSample([
      { ...element('ReferencedImageSequence', Buffer.concat([item, inside])), vr: 'UN' },
      { ...element('SmallestImagePixelValue', uint16s([0xfffe])), vr: 'UN' },
    ]);

    const dataSet = parse(bytes, EXPLICIT);

    expect(dataSet.items('ReferencedImageSequence')).to.have.length(1);
    expect(dataSet.number('SmallestImagePixelValue')).to.equal(0xfffe);
  });

  const broken: readonly (readonly [string, Uint8Array, string])[] = [
    ['a length beyond the end', Buffer.from('080060004353ff00', 'hex'), 'length-beyond-container'],
    ['a header cut off', Buffer.from('08006000', 'hex'), 'bytes-after-last-element'],
    ['a long header cut off', Buffer.from('080060004f420000', 'hex'), 'header-beyond-container'],
    ['a sequence without delimiter', Buffer.from('0811401153510000ffffffff', 'hex'), 'sequence-not-delimited'],
    [
      'an item longer than its sequence',
      Buffer.from('081140115351000008000000feff00e0ff000000', 'hex'),
      'item-beyond-container',
    ],
    ['something else than an item', Buffer.from('0811401153510000080000000800600043530200', 'hex'), 'item-expected'],
    ['a stray delimiter', Buffer.from('feff0de000000000', 'hex'), 'stray-delimiter'],
    [
      'fragments without end',
      Buffer.from('e07f10004f420000fffffffffeff00e004000000', 'hex'),
      'fragment-beyond-container',
    ],
  ];
  for (const [what, bytes, detail] of broken) {
    it(`refuses ${what} and says where`, () => {
      const error = failureOf(() => parse(bytes, EXPLICIT));

      expect(error.code).to.equal('dataset.unreadable');
      expect(error.fields['detail']).to.equal(detail);
      expect(error.fields['offset']).to.be.a('number');
    });
  }

  it('refuses sequences nested a thousand deep without exhausting the stack', () => {
    let bytes = encodeSample([element('CodeMeaning', 'x')]);
    for (let depth = 0; depth < 1000; depth++) {
      const head = Buffer.from('0800151153510000fffffffffeff00e0ffffffff', 'hex');
      bytes = Buffer.concat([head, bytes, Buffer.from('feff0de000000000feffdde000000000', 'hex')]);
    }

    expect(failureOf(() => parse(bytes, EXPLICIT)).fields['detail']).to.equal('nested-too-deep');
  });

  it('never does anything but answer or refuse, whatever byte is changed or missing', () => {
    const bytes = encodeSample(nested(true, EXPLICIT));
    const outcomes = new Set<string>();

    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0x00, 0x7f, 0xff]) {
        const changed = Uint8Array.from(bytes);
        changed[at] = value;
        outcomes.add(outcomeOf(() => parse(changed, EXPLICIT)));
      }
      outcomes.add(outcomeOf(() => parse(bytes.subarray(0, at), EXPLICIT)));
    }

    expect([...outcomes].toSorted()).to.deep.equal(['dataset.unreadable', 'read']);
  });

  it('asks for more bytes until the header is whole, then stops at the pixel data', () => {
    const head = encodeSample([element('Modality', 'MR'), element('SeriesDescription', 'a long description')]);
    const bytes = Buffer.concat([head, Buffer.from('e07f10004f570000000000ff', 'hex')]);

    for (let length = 0; length < head.length + 8; length++)
      expect(parseHeaderPrefix(bytes.subarray(0, length), EXPLICIT.transferSyntaxUid)).to.equal(undefined);
    expect(parseHeaderPrefix(bytes, EXPLICIT.transferSyntaxUid)?.string('SeriesDescription')).to.equal(
      'a long description',
    );
  });

  it('refuses a transfer syntax nobody knows', () => {
    expect(failureOf(() => parseDataSet(new Uint8Array(8), '1.2.3')).code).to.equal('dataset.transfer-syntax-unknown');
    expect(failureOf(() => parseDataSet(new Uint8Array(8), 'constructor')).code).to.equal(
      'dataset.transfer-syntax-unknown',
    );
  });
});

function nested(undefinedLength: boolean, encoding: SampleEncoding): readonly SampleElement[] {
  const image = (uid: string) => [element('ReferencedSOPInstanceUID', uid)];
  return [
    element('Modality', 'MR'),
    {
      ...element('ReferencedSeriesSequence', [
        [
          { ...element('ReferencedInstanceSequence', [image('1.2.4'), image('1.2.5')]), undefinedLength },
          element('SeriesInstanceUID', '1.2.3'),
        ],
        [],
      ]),
      undefinedLength,
    },
    element('Rows', uint16s([258], encoding.bigEndian), 'US'),
  ];
}

function parse(bytes: Uint8Array, encoding: SampleEncoding) {
  return parseDataSet(bytes, encoding.transferSyntaxUid);
}

function failureOf(work: () => unknown): HubError {
  try {
    work();
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error('was read');
}

function outcomeOf(work: () => unknown): string {
  try {
    work();
    return 'read';
  } catch (error) {
    if (error instanceof HubError) return error.code;
    throw error;
  }
}
