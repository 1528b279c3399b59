/** One small instance for each rule of de-identification: what it must take away, keep, or hold. */
import {
  BIG_ENDIAN,
  element,
  encapsulated,
  EXPLICIT,
  identity,
  IMPLICIT,
  pixels,
  type SampleElement,
  type SampleEncoding,
  sampleFile,
} from '../dicom-samples.ts';
import { gone, held, type Probe, released, SECRET } from './probe.ts';

const MAKER: readonly SampleElement[] = [{ tag: 0x00190010, vr: 'LO', value: 'MAKER' }];
/** One item: Code Meaning `Brain`, and Patient Comments. */
const EXPLICIT_ITEM = Buffer.concat([
  Buffer.from([0xfe, 0xff, 0x00, 0xe0, 14 + 8 + SECRET.length + 1, 0, 0, 0]),
  Buffer.from('\x08\0\x04\x01LO\x06\0Brain ', 'latin1'),
  Buffer.from(`\x10\0\0\x40LT\x08\0${SECRET} `, 'latin1'),
]);
const numbers = { creator: 'MAKER', group: '0019', element: '01', vr: 'IS' };
const words = { creator: 'MAKER', group: '0019', element: '02', vr: 'LO', pattern: 'coil [0-9]+' };
const tree = { creator: 'MAKER', group: '0019', element: '03', vr: 'SQ' };

/** Each default-deny rule, by what would stay without it. */
const WALK: readonly Probe[] = [
  gone('a private element', { tag: 0x00091001, vr: 'LO', value: SECRET }),
  gone('a private sequence', { tag: 0x00091001, vr: 'SQ', value: [[element('EchoTime', SECRET)]] }),
  released(
    'a group length',
    [{ tag: 0x00080000, vr: 'UL', value: new Uint8Array(4) }],
    [Uint8Array.of(8, 0, 0, 0, 0x55, 0x4c)],
  ),
  gone('an overlay', { tag: 0x60003000, vr: 'OW', value: SECRET }),
  gone('a curve', { tag: 0x50001500, vr: 'LO', value: SECRET }),
  gone('an attribute of the directory', { tag: 0x00041130, vr: 'CS', value: SECRET }),
  // At the top nothing behind the pixel data is read at all.
  gone(
    'an attribute of a group beyond all groups',
    element('DerivationCodeSequence', [[{ tag: 0xfffc1000, vr: 'FD', value: `${SECRET}x` }]]),
  ),
  gone(
    'a picture in an item',
    element('DerivationCodeSequence', [[{ tag: 0x7fe00010, vr: 'OB', value: `${SECRET} ` }]]),
  ),
  gone('what nobody knows, as UN', { tag: 0x00188888, vr: 'UN', value: SECRET }),
  gone('what PS3.6 does not have', { tag: 0x00188888, vr: 'LO', value: SECRET }),
  gone('a name outside of the table', element('EvaluatorName', SECRET)),
  gone('a date outside of the table', element('SecondaryReviewDate', '19370203')),
  gone('a UID outside of the table', element('ReferencedColorPaletteInstanceUID', '1.9.8.7.6')),
  gone('what an unlisted sequence holds', element('DerivationCodeSequence', [[element('PatientComments', SECRET)]])),
  gone(
    'what a listed sequence that stays holds',
    element('ReferencedPatientPhotoSequence', [[element('PatientComments', SECRET)]]),
  ),
  gone(
    'text in a sequence that is replaced',
    element('PersonIdentificationCodeSequence', [[element('CodeMeaning', SECRET)]]),
  ),
  gone(
    'a code in a sequence that is replaced',
    element('PersonIdentificationCodeSequence', [[element('ScanningSequence', SECRET.toUpperCase())]]),
  ),
  gone(
    'numbers that are text in a sequence that is replaced',
    element('PersonIdentificationCodeSequence', [[{ tag: 0x00640009, vr: 'OF', value: `${SECRET}x` }]]),
  ),
  { ...released('what is kept', [element('ReceiveCoilName', SECRET)]), present: [SECRET] },
  // 113100 and what follows are codes of CID 7050, which every output says.
  ...['113100', '113105', '113109'].map((time) => ({
    ...released(`a study at ${time}`, [element('StudyTime', time)]),
    policy: { options: ['clean-descriptors', 'retain-device-identity'] },
    present: ['Basic Application Confidentiality Profile'],
  })),
  { ...released('a patient called Yes', [element('PatientName', 'Yes^Removed')]), present: ['YES'] },
  {
    ...released('a time in a code that is not of CID 7050', [
      element('StudyTime', '113109'),
      element('DeidentificationMethodCodeSequence', [
        [
          element('CodeValue', '113109'),
          element('CodingSchemeDesignator', '99X'),
          element('CodeMeaning', 'Retain Device Identity Option'),
        ],
      ]),
    ]),
    absent: ['113109'],
  },
  {
    ...released('a UID of the standard', [element('FrameOfReferenceUID', '1.2.840.10008.1.4.1.1')]),
    present: ['1.2.840.10008.1.4.1.1'],
  },
  {
    ...released('a code in a replaced sequence that holds it together', [
      element('ContentSequence', [[element('ValueType', 'CONTAINER')]]),
    ]),
    present: ['CONTAINER'],
  },
  {
    ...released('codes of one letter and of a numbered word in a replaced sequence', [
      element('PersonIdentificationCodeSequence', [
        [element('GraphicFilled', 'Y'), element('GraphicLayer', 'LAYER1'), element('PatientPosition', 'ROW')],
      ]),
    ]),
    present: ['LAYER1', 'ROW'],
  },
  {
    ...released('a sequence sent as UN with its items in explicit VR', []),
    files: [
      sampleFile([...identity(), { ...element('AnatomicRegionSequence', EXPLICIT_ITEM), vr: 'UN' }, ...pixels()]),
    ],
    absent: [SECRET],
    present: ['Brain'],
  },
  {
    ...released('what the policy keeps by name, in a text', [
      element('InstitutionName', 'Wxvarpu Hospital'),
      element('VerifyingOrganization', 'Wxvarpu Hospital'),
      element('ManufacturerModelName', 'of Wxvarpu Hospital'),
    ]),
    policy: { options: ['retain-institution-identity'] },
    present: ['of Wxvarpu Hospital'],
  },
  {
    ...released('UN in big endian where a device is retained', []),
    files: [sampleFile([...identity(), { ...element('DeviceSerialNumber', SECRET), statedVr: 'UN' }], BIG_ENDIAN)],
    policy: { options: ['retain-device-identity'] },
    absent: [SECRET],
  },
  gone(
    'another VR where a device is retained',
    { ...element('StationName', SECRET), vr: 'OB' },
    {
      options: ['retain-device-identity'],
    },
  ),
  gone('what a retained sequence holds', element('InstitutionCodeSequence', [[element('PatientComments', SECRET)]]), {
    options: ['retain-institution-identity'],
  }),
];

const PRIVATE: readonly Probe[] = [
  kept(
    'a private element the policy names',
    [...MAKER, { tag: 0x00191001, vr: 'IS', value: '4711' }],
    ['4711'],
    numbers,
  ),
  away(
    'another maker in the same place',
    [
      { tag: 0x00190010, vr: 'LO', value: 'MAKES' },
      { tag: 0x00191001, vr: 'IS', value: '4711' },
    ],
    '4711',
    numbers,
  ),
  away(
    'the block of another maker beside',
    [...MAKER, { tag: 0x00190011, vr: 'LO', value: 'MAKES' }, { tag: 0x00191101, vr: 'IS', value: '4711' }],
    '4711',
    numbers,
  ),
  away('another element of the maker', [...MAKER, { tag: 0x00191009, vr: 'LO', value: SECRET }], SECRET, numbers),
  away(
    'a private text that is not what the policy says',
    [...MAKER, { tag: 0x00191002, vr: 'LO', value: `coil 4 ${SECRET}` }],
    SECRET,
    words,
  ),
  away(
    'one value of many that is not',
    [...MAKER, { tag: 0x00191002, vr: 'LO', value: `coil 4\\${SECRET}` }],
    SECRET,
    words,
  ),
  away('a private element of another VR', [...MAKER, { tag: 0x00191001, vr: 'UT', value: '4711' }], '4711', numbers),
  away('a private number that is none', [...MAKER, { tag: 0x00191001, vr: 'IS', value: SECRET }], SECRET, numbers),
  away(
    'a private text where the policy says numbers in bytes, in implicit VR',
    [...MAKER, { tag: 0x00191004, vr: 'LO', value: `${SECRET} wxva` }],
    SECRET,
    { ...numbers, element: '04', vr: 'FL' },
    IMPLICIT,
  ),
  away(
    'a private sequence where the policy says numbers in bytes, in implicit VR',
    [...MAKER, { tag: 0x00191004, vr: 'SQ', value: [[element('PatientComments', `${SECRET} `)]] }],
    SECRET,
    { ...numbers, element: '04', vr: 'FL' },
    IMPLICIT,
  ),
  kept(
    'private numbers in bytes, in implicit VR',
    [...MAKER, { tag: 0x00191004, vr: 'FL', value: Buffer.from('0000c03f41424344', 'hex') }],
    ['ABCD'],
    { ...numbers, element: '04', vr: 'FL' },
    IMPLICIT,
  ),
  away('a day as a private number', [...MAKER, { tag: 0x00191001, vr: 'IS', value: '20140311' }], '20140311', numbers),
  away(
    'what a private sequence holds',
    [...MAKER, { tag: 0x00191003, vr: 'SQ', value: [[element('PatientComments', SECRET)]] }],
    SECRET,
    tree,
  ),
  away(
    'a private element in a replaced sequence',
    [element('PersonIdentificationCodeSequence', [[...MAKER, { tag: 0x00191001, vr: 'IS', value: '4711' }]])],
    '4711',
    numbers,
  ),
];

const HELD: readonly Probe[] = [
  held(
    'a value the policy keeps that repeats a removed one',
    [sampleFile([...identity(), element('StationName', 'KANARIALA'), ...pixels()])],
    { options: ['retain-device-identity'] },
  ),
  held(
    'an ID that repeats in what the policy keeps',
    [
      sampleFile([
        ...identity({ patientId: 'Wxvarpu 4711' }),
        element('InstitutionName', 'Wxvarpu 4711'),
        element('VerifyingOrganization', 'Wxvarpu 4711'),
        ...pixels(),
      ]),
    ],
    { options: ['retain-institution-identity'] },
  ),
  held('bytes behind the last frame', [
    sampleFile([...identity(), ...pixels().slice(0, -1), element('PixelData', Buffer.from(`12345678${SECRET} `))]),
  ]),
  {
    ...released('padding behind the last frame', []),
    files: [sampleFile([...identity(), ...pixels().slice(0, -1), element('PixelData', Buffer.alloc(16))])],
  },
  held('secondary capture', [sampleFile([...identity({ sopClass: '1.2.840.10008.5.1.4.1.1.7' }), ...pixels()])]),
  {
    ...released('a date that stands in what the policy keeps, too', [
      element('PatientBirthDate', '19370203'),
      element('PatientSpeciesDescription', '1937-02-03'),
      element('ManufacturerModelName', '1937-02-03'),
    ]),
    absent: ['1937-02-03'],
    policy: { overrides: { PatientSpeciesDescription: 'keep' } },
  },
  ...['keep', 'clean'].map((word): Probe => ({
    ...released(`what only the policy names, and repeats a name: ${word}`, [
      element('PatientSpeciesDescription', 'Rattus of Kanariala'),
    ]),
    absent: ['of kanariala'],
    policy: { overrides: { PatientSpeciesDescription: word } },
  })),
  held('text in an offset table', [
    Buffer.concat([
      sampleFile(identity(), { ...EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.4.50' }),
      encapsulated([Buffer.from('ffd8ffda000801010000003f001234ffd9', 'hex')], Buffer.from('Kanariala...')),
    ]),
  ]),
  held('a comment in compressed pixels', [
    Buffer.concat([
      sampleFile(identity(), { ...EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.4.50' }),
      encapsulated([Buffer.from('ffd8fffe000a4b616e617269ffda000801010000003f001234ffd9', 'hex')]),
    ]),
  ]),
  held(
    'two patients in one study',
    ['R-1', 'R-2'].map((patientId, index) =>
      sampleFile([...identity({ patientId, instance: `1.2.999.3.${index}` }), ...pixels()]),
    ),
  ),
];

export const RULE_PROBES: readonly Probe[] = [...WALK, ...PRIVATE, ...HELD];

function kept(
  about: string,
  elements: readonly SampleElement[],
  present: readonly string[],
  rule: unknown,
  encoding: SampleEncoding = EXPLICIT,
): Probe {
  const files = [sampleFile([...identity(), ...pixels(), ...elements], encoding)];
  return { ...released(about, elements), files, present, policy: { privateAllow: [rule] } };
}

function away(
  about: string,
  elements: readonly SampleElement[],
  absent: string,
  rule: unknown,
  encoding: SampleEncoding = EXPLICIT,
): Probe {
  const files = [sampleFile([...identity(), ...pixels(), ...elements], encoding)];
  return { ...released(about, elements, [absent]), files, policy: { privateAllow: [rule] } };
}
