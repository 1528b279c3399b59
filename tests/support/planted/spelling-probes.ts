/** A removed value that stands once more in a place which is kept, spelled in every way that people and programs have. */
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { element, identity, pixels, type SampleElement, sampleFile } from '../dicom-samples.ts';
import { held, type Probe, released } from './probe.ts';
import { encodeText } from './text-encoding.ts';

/** Longer than the root of any maker. */
const LONG_UID = '1.2.826.0.1.3680043.9.7777.1.42';

export const SPELLING_PROBES: readonly Probe[] = [
  repeated('a family name', 'seen by Kanariala'),
  repeated('a name in upper case', 'KANARIALA'),
  repeated('a short name in a text', 'Aino, second try'),
  repeated('two short names as one word', 'LiWei', [element('PatientName', 'Li^Wei')]),
  {
    ...repeated('a name of two letters, alone', 'Qj', [element('PatientName', 'Qj^Kanariala')]),
    absent: [Buffer.from('LO\x02\0Qj', 'latin1')],
  },
  repeated('two short names of the phonetic group', 'Bo Li', [element('PatientName', 'Wang^Xiao=Li^Bo')]),
  repeated('the phonetic group of a name', 'of Tamadani', [element('PatientName', 'Wang^Xiao=Tamadani^Alla')]),
  repeated('a patient ID inside a word', 'xRAT-0815-Xy'),
  ...['', '-', '_', ' ', '.', '/'].map((separator) =>
    repeated(`a short ID joined by "${separator}"`, ['KX', '47', 'D'].join(separator), [
      element('AccessionNumber', separator === '-' ? 'KX_47_D' : 'KX-47-D'),
    ]),
  ),
  ...['KX:1384:D', 'KX 13 84 D', 'kx\\1384d', '(KX)1384+D', 'K-X-1-3-8-4-D'].map((text) =>
    repeated(`an ID parted as ${text}`, text, [element('AccessionNumber', 'KX-1384D')]),
  ),
  ...['7361-5290', '73 61 52 90'].map((text) =>
    repeated(`a number parted as ${text}`, text, [element('AccessionNumber', '73615290')]),
  ),
  repeated('a name with its letters apart', 'of K A N A R I A L A'),
  ...['wxvara', 'wxvara_scan', 'awxvar', 'AWXVAR2'].map((text) =>
    repeated(`a name with an initial as ${text}`, text, [element('PatientName', 'Wxvar^Aila')]),
  ),
  repeated('a short name with an initial', 'by ahopt', [element('PatientName', 'Hopt^Aila')]),
  repeated('a number without its zeros', 'no 7361529', [element('AccessionNumber', '0007361529')]),
  repeated('a number with fewer zeros', 'no 07361529', [element('AccessionNumber', '0007361529')]),
  repeated('a code in the middle of a description', 'see WXK98765', [
    element('StudyDescription', 'brain of WXK98765 again'),
  ]),
  repeated('one line of a text', 'koodinimi ruskavarpu', [element('PatientComments', 'brain\r\nKoodinimi Ruskavarpu')]),
  ...[
    '19370203',
    '1937-02-03',
    '1937/02/03',
    '1937.02.03',
    '03.02.1937',
    '03/02/1937',
    '03-02-1937',
    '02.03.1937',
    '3.2.1937',
    '3/2/1937',
    '2-3-1937',
    '03021937',
    '02031937',
    '1937_02_03',
    '1937 02 03',
    '03_02_1937',
    '3.2.37',
    '2/3/37',
    '03-02-37',
    '3.02.1937',
    '1937:02:03',
    '3. 2. 1937',
    '03 - 02 - 1937',
    '370203',
    '030237',
    '193702031011',
    '19370203101112.123',
  ].map((text) => repeated(`a date as ${text}`, text, BORN())),
  ...[
    '03-Feb-1937',
    '3 February 1937',
    'Feb 3, 1937',
    'February 03 1937',
    '3. February 1937',
    '03 Feb 1937',
    '3-Feb-37',
    '03FEB1937',
    '3/Feb/1937',
    '03.Feb.37',
    '03_feb_1937',
    'Feb. 3, 1937',
    'Feb-03-1937',
    '1937-Feb-03',
    '1937/Feb/3',
    '1937 February 3',
    '3rd February 1937',
    '3rd of Feb 1937',
    'February 3rd 1937',
    'Feb 3rd, 1937',
    '3. Februar 1937',
    '3 de febrero de 1937',
    '3 helmikuuta 1937',
  ].map((text) => repeated(`a date as ${text}`, text, BORN())),
  ...[
    '1937-W05-3',
    '1937W053',
    '1937-034',
    '1937034',
    '034/1937',
    '034.1937',
    '03.02.2480',
    '3/2/2480',
    '2480-02-03',
    '24800203',
    'S12.2.3',
    's12/02/03',
    'Feb 1937',
    'February 1937',
    'Wed Feb  3 10:11:12 1937',
    'Wednesday February 3',
    'Feb-03-37',
    '37-02-03',
    '37/02/03',
  ].map((text) => repeated(`a date as ${text}`, text, BORN())),
  ...['1937-02', '02/1937', '193702', '02.1937'].map((text) => repeated(`a month as ${text}`, text, BORN())),
  ...['1302838296', 't=1302838296000;', '1302796799', '1302998399'].map((text) =>
    repeated(`seconds since 1970 as ${text}`, text, SCANNED()),
  ),
  only('seconds since 1970 as DS', element('TriggerTime', '1302838296.5'), '1302838296', SCANNED()),
  only(
    'seconds since 1970 as UL',
    { ...element('CardiacRRIntervalSpecified', Buffer.from('18BCA74D', 'hex')), vr: 'UL' },
    hexText('18BCA74D'),
    SCANNED(),
  ),
  ...['7361529', 'no 7361529'].map((text) =>
    repeated(`the number in an ID as ${text}`, text, [element('AccessionNumber', 'KX7361529')]),
  ),
  ...['+492015551234', '0201 5551234', '49-201-555-1234'].map((text) =>
    repeated(`a telephone as ${text}`, text, [element('PatientTelephoneNumbers', '+49 201 5551234')]),
  ),
  repeated('a part of an address', 'lives in Wxvarpula', [element('PatientAddress', '12 Elmhurst Crescent^Wxvarpula')]),
  repeated('the UID of something else', 'see 1.2.826.0.1.3680043.9.1234.77.20010203.7'),
  only('an ID in a class', element('RelatedGeneralSOPClassUID', '1.2.276.0.7361529.4'), '7361529', [
    element('AccessionNumber', '7361529'),
  ]),
  only(
    'a name as numbers of two bytes',
    { ...element('CardiacRRIntervalSpecified', Buffer.from('Kanariala', 'utf16le')), vr: 'US' },
    'K\0a\0n\0a\0r\0',
  ),
  only(
    'a name as words with the other byte first',
    { ...element('ICCProfile', Buffer.from('Kanariala!').swap16()), vr: 'OW' },
    'aKanir',
  ),
  held('a name among the character sets', [
    sampleFile([...identity(), ...pixels(), element('SpecificCharacterSet', 'ISO_IR 100\\KANARIALA')]),
  ]),
  ...['born 1937-02-03', 'seen by Zwetschgenau', 'no KX7361529'].flatMap((text) => {
    const told = [
      element('PatientBirthDate', '19370203'),
      element('OperatorsName', 'Zwetschgenau^Ida'),
      element('AccessionNumber', 'KX7361529'),
    ];
    const named = [element('ManufacturerModelName', text)];
    return [
      ofStudy(`what an instance before had: ${text}`, [told, named], text),
      ofStudy(`what an instance after it has: ${text}`, [named, told], text),
    ];
  }),
  foreignDate('ISO_IR 192', '昭和12年2月3日'),
  foreignDate('ISO_IR 192', '1937年2月3日'),
  foreignDate('ISO_IR 192', '1937년 2월 3일'),
  foreignDate('ISO_IR 192', '1937년02월03일'),
  repeated('a short ID parted where its letters end', 'of KX-47', [element('AccessionNumber', 'KX47')]),
  repeated('one half of a double name', 'the Varpu', [element('PatientName', 'Wxvar-Varpu^Aino')]),
  ...['WxvarVarpu', 'wxvar_varpu', 'WXVAR VARPU'].map((text) =>
    repeated(`a double name as ${text}`, text, [element('PatientName', 'Wxvar-Varpu^Aino')]),
  ),
  repeated('a name taken apart at its capitals', 'M. Wxvarpu', [element('PatientName', 'McWxvarpu^Aino')]),
  repeated('a name with an apostrophe', 'OWXVARPU', [element('PatientName', "O'Wxvarpu^Aino")]),
  repeated('an umlaut where there was a transcription', 'Wx\u00fcrvar', [element('PatientName', 'Wxuervar^Aino')]),
  repeated('the name of an institution', 'made for Wxvarpu', [element('InstitutionName', 'Wxvarpu Imaging Center')]),
  only('an ID as a number with decimals', element('TriggerTime', '73615290.00'), '73615290', [
    element('AccessionNumber', '73615290'),
  ]),
  only('an ID as a number with an exponent', element('TriggerTime', '7.361529E7'), '7.361529E7', [
    element('AccessionNumber', '73615290'),
  ]),
  ...(
    [
      ['UL', 'BA466304'],
      ['SL', 'BA466304'],
      ['FD', '000000E81A8D9141'],
      ['UV', 'BA46630400000000'],
    ] as const
  ).map(([vr, bytes]) =>
    only(
      `an ID as ${vr}`,
      { ...element('CardiacRRIntervalSpecified', Buffer.from(bytes, 'hex')), vr },
      hexText(bytes),
      [element('AccessionNumber', '73615034')],
    ),
  ),
  repeated('a date and time', 'at 19370203101112.123456', [element('AcquisitionDateTime', '19370203101112.123456')]),
  repeated('a date and an hour', 'at 1937020310', [element('AcquisitionDateTime', '1937020310')]),
  repeated('the time of a date and time', 'at 10:11:12', [element('AcquisitionDateTime', '19370203101112.123456')]),
  repeated('a time of day', 'at 175741', [element('StudyTime', '175741.25')]),
  repeated('a time with colons', 'at 17:57:41', [element('StudyTime', '175741.25')]),
  repeated('an age', 'aged 091Y', [element('PatientAge', '091Y')]),
  ...['91 years', '91-year-old', 'a 91yo', '91 Y', 'age 91', 'age: 91', 'aged 91', '91 Jahre', '91 ans'].map((text) =>
    repeated(`an age as ${text}`, text, [element('PatientAge', '091Y')]),
  ),
  ...['14 weeks', '14-week', '14 week'].map((text) =>
    repeated(`an age as ${text}`, text, [element('PatientAge', '014W')]),
  ),
  repeated('a short name with an s', 'of the Hopts', [element('PatientName', 'Hopt^Aila')]),
  foreign('a short name between printed marks', 'ISO_IR 192', 'Hopt', Buffer.from('“Hopt” – coil', 'utf8')),
  ...['03/02-1937', '02.03/1937', '1937, February 3', '1937, 3 February'].map((text) =>
    repeated(`a date as ${text}`, text, BORN()),
  ),
  repeated('a UID parted and cut off', `of ${LONG_UID.slice(0, -1).replaceAll('.', '_')} and`, STUDY()),
  repeated('a UID that was cut off', `of ${LONG_UID.slice(0, -1)} and`, STUDY()),
  repeated('a UID in a text', 'of 1.2.999.1 and'),
  ...['.5.7 and', '.dcm'].map((rest) => repeated(`a UID that goes on with ${rest}`, `of ${LONG_UID}${rest}`, STUDY())),
  ...['_', '-', ' '].map((separator) =>
    repeated(`a UID parted by "${separator}"`, `x${LONG_UID.replaceAll('.', separator)}.dcm`, STUDY()),
  ),
  repeated('a UID at the end of a sentence', 'It was 1.2.999.1.'),
  repeated('a name that stood in a private element', 'of Wxvarpu', [{ tag: 0x00091001, vr: 'PN', value: 'Wxvarpu' }]),
  repeated('a name percent-encoded', 'x=%4Banariala%20'),
  repeated('a name escaped as in JSON', '\\u004banariala'),
  repeated('a name with a character entity', '&#75;anariala'),
  repeated('a name in base64', Buffer.from('name Kanariala').toString('base64')),
  repeated('a name in hexadecimal', Buffer.from('name Kanariala').toString('hex')),
  inBytes('a name in a deflated stream', deflateSync('there is Kanariala in it')),
  inBytes('a name in a gzip stream', gzipSync('there is Kanariala in it')),
  inBytes('a name in a zip entry', zipEntry('there is Kanariala in it')),
  inBytes('a name in wide characters', Buffer.from('xxKanariala', 'utf16le')),
  inBytes('a name in upper case in bytes', Buffer.from('....KANARIALA')),
  only(
    'a name in a value of numbers',
    { ...element('CardiacRRIntervalSpecified', Buffer.from('Kanariala x')), vr: 'FD' },
    'Kanariala',
  ),
  only('an ID as a number', element('SeriesNumber', '73615290'), '73615290', [element('AccessionNumber', '73615290')]),
  only('an ID as a number with a zero in front', element('SeriesNumber', '073615290'), '73615290', [
    element('AccessionNumber', '73615290'),
  ]),
  only('an instance UID among the classes', element('RelatedGeneralSOPClassUID', '1.2.999.1'), '1.2.999.1'),
  foreign('an accent left out', 'ISO_IR 100', 'Mükkinön', Buffer.from('of Mukkinon')),
  foreign('an accent typed by itself', 'ISO_IR 192', 'Mükkinön', Buffer.from('of Mu\u0308kkino\u0308n')),
  foreign('an umlaut transcribed', 'ISO_IR 100', 'Mükkinön', Buffer.from('of Muekkinoen')),
  foreign(
    'an umlaut transcribed of letters and accents',
    'ISO_IR 192',
    'Mu\u0308kkino\u0308n',
    Buffer.from('of Muekkinoen'),
  ),
  foreign('a sharp s transcribed', 'ISO_IR 100', 'Weißvarpu', Buffer.from('WEISSVARPU')),
  foreign('letters with a stroke', 'ISO_IR 192', 'Wołødæn', Buffer.from('Wolodaen')),
  foreign('a Greek name that ends elsewhere', 'ISO_IR 126', 'Κωστας', encodeText('ΚΩΣΤΑΣΒ', 'ISO_IR 126')),
  foreign('a name in the other of the Japanese scripts', 'ISO_IR 192', 'やまだ', Buffer.from('ヤマダ')),
  foreign('letters of full width', 'ISO_IR 192', 'Wxvarpu', Buffer.from('of Ｗｘｖａｒｐｕ')),
  foreign('letters in upper case that ASCII lacks', 'ISO_IR 144', 'Жаннетта', encodeText('С ЖАННЕТТА', 'ISO_IR 144')),
  {
    ...released('a name whose bytes are another name in another character set', [
      element('SpecificCharacterSet', 'ISO_IR 144'),
      element('PatientName', encodeText('κωσταντινος', 'ISO_IR 126')),
      element('ConceptNameCodeSequence', [
        [
          element('SpecificCharacterSet', 'ISO_IR 126'),
          element('ManufacturerModelName', encodeText('ΚΩΣΤΑΝΤΙΝΟΣ', 'ISO_IR 126')),
          element('PatientName', encodeText('κωσταντινος', 'ISO_IR 126')),
        ],
      ]),
    ]),
    absent: [encodeText('ΚΩΣΤΑΝΤΙΝΟΣ', 'ISO_IR 126')],
  },
  foreign('a name in GB 18030 where nobody says so', 'ISO_IR 192', '王小东', encodeText('x 王小东', 'GB18030')),
  foreign('a Greek name where nobody says so', 'ISO_IR 192', 'Κωσταντινος', encodeText('ΚΩΣΤΑΝΤΙΝΟΣ', 'ISO_IR 126')),
  released(
    'a name in JIS',
    [
      element('SpecificCharacterSet', '\\ISO 2022 IR 87'),
      element('PatientName', encodeText('山田', 'ISO 2022 IR 87')),
      element('ManufacturerModelName', encodeText('x 山田', 'ISO 2022 IR 87')),
    ],
    [encodeText('山田', 'ISO 2022 IR 87')],
  ),
  released(
    'a name in UTF-8 where Latin-1 is said, once more in Latin-1',
    [
      element('SpecificCharacterSet', 'ISO_IR 100'),
      element('PatientName', Buffer.from('Mükkinön', 'utf8')),
      element('ManufacturerModelName', Buffer.from('of Mükkinön', 'latin1')),
    ],
    [Buffer.from('of Mükkinön', 'latin1')],
  ),
  foreign('a name in GB18030', 'GB18030', '王小东', encodeText('x 王小东', 'GB18030')),
  foreign('a name in UTF-8 where GB18030 is said', 'GB18030', '王小东', Buffer.from('x 王小东', 'utf8')),
  foreign(
    'a name in Latin-1 where UTF-8 is said',
    'ISO_IR 192',
    'Mukkinon',
    Buffer.from('of M\xfckkin\xf6n', 'latin1'),
  ),
];

function STUDY(): readonly SampleElement[] {
  return [element('StudyInstanceUID', LONG_UID)];
}

function SCANNED(): readonly SampleElement[] {
  return [element('StudyDate', '20110415')];
}

function ofStudy(about: string, instances: readonly (readonly SampleElement[])[], absent: string): Probe {
  const files = instances.map((elements, index) => {
    const given = new Set(elements.map(({ tag }) => tag));
    const base = [...identity({ instance: `1.2.999.3.${index}` }), ...pixels()].filter(({ tag }) => !given.has(tag));
    return sampleFile([...base, ...elements]);
  });
  return { ...released(about, []), files, absent: [absent] };
}

function BORN(): readonly SampleElement[] {
  return [element('PatientBirthDate', '19370203')];
}

/** In the one attribute outside of the table that the probe has. */
function repeated(about: string, text: string, more: readonly SampleElement[] = []): Probe {
  return released(about, [...more, element('ManufacturerModelName', text)], [text]);
}

function only(about: string, one: SampleElement, absent: string, more: readonly SampleElement[] = []): Probe {
  return released(about, [...more, one], [absent]);
}

function inBytes(about: string, bytes: Uint8Array): Probe {
  return released(about, [element('ICCProfile', bytes)], [bytes]);
}

function foreign(about: string, set: string, family: string, text: Uint8Array): Probe {
  const elements = [
    element('SpecificCharacterSet', set),
    element('PatientName', encodeText(family, set)),
    element('ManufacturerModelName', text),
  ];
  return released(about, elements, [text]);
}

function foreignDate(set: string, text: string): Probe {
  const elements = [
    element('SpecificCharacterSet', set),
    ...BORN(),
    element('ManufacturerModelName', Buffer.from(text, 'utf8')),
  ];
  return released(`a date as ${text}`, elements, [Buffer.from(text, 'utf8')]);
}

function hexText(bytes: string): string {
  return Buffer.from(bytes, 'hex').toString('latin1');
}

/** Local file header and deflated content (APPNOTE.TXT 4.3.7), the rest is not needed to read it. */
function zipEntry(text: string): Uint8Array {
  const content = deflateRawSync(text);
  const header = Buffer.alloc(31);
  header.write('PK\x03\x04', 0, 'latin1');
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(content.length, 18);
  header.writeUInt32LE(text.length, 22);
  header.writeUInt16LE(1, 26);
  header.write('a', 30);
  return Buffer.concat([header, content]);
}
