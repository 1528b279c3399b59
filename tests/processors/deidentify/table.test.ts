import { inflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { type Element, parseDataSet } from '../../../core/dicom/data-set.ts';
import { formatTag } from '../../../core/dicom/tags.ts';
import { type Part10Header, readHeader } from '../../../core/dicom/part10.ts';
import { iodOf, resolveCode } from '../../../processors/deidentify/attribute-types.ts';
import { compileLookups } from '../../../processors/deidentify/compiled-plan.ts';
import { compilePlan } from '../../../processors/deidentify/plan.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { createPseudonyms } from '../../../processors/deidentify/pseudonyms.ts';
import { rewriteHeader } from '../../../processors/deidentify/rewrite.ts';
import { ATTRIBUTE_TYPES, PROFILE_ROWS, type ProfileRow } from '../../../processors/deidentify/tables.ts';
import { ALL_ENCODINGS, element, EXPLICIT, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';

const plan = compileLookups(compilePlan(policySchema.parse({ name: 'basic', profile: 'basic' })));
const pseudonyms = createPseudonyms(new Uint8Array(32).fill(7), 'partner');

/** Rows with one tag; the four others are masks and have tests of their own below. */
const rows = PROFILE_ROWS.filter((row) => /^[0-9A-F]{8}$/.test(row.tag));
const SOP_CLASSES = {
  'MR Image': '1.2.840.10008.5.1.4.1.1.4',
  'Enhanced MR Image': '1.2.840.10008.5.1.4.1.1.4.1',
  Segmentation: '1.2.840.10008.5.1.4.1.1.66.4',
  'RT Plan': '1.2.840.10008.5.1.4.1.1.481.5',
};

describe('Basic Profile table', () => {
  it('has all 656 rows, four of them masks', () => {
    expect(PROFILE_ROWS.length).to.equal(656);
    expect(
      PROFILE_ROWS.filter((row) => !rows.includes(row))
        .map(({ tag }) => tag)
        .toSorted(),
    ).to.deep.equal(['50xxxxxx', '60xx3000', '60xx4000', 'private']);
  });

  for (const [encodingName, encoding] of Object.entries(ALL_ENCODINGS)) {
    for (const [iod, sopClass] of Object.entries(SOP_CLASSES)) {
      it(`lets no value of any row through, at the top or nested, in ${encodingName}, as ${iod}`, async () => {
        const file = sampleFile(
          [
            ...planted('T').filter(({ tag }) => tag !== 0x00080016),
            element('SOPClassUID', sopClass),
            // Sequences the table does not list: their items are entered.
            element('DerivationCodeSequence', [
              [...planted('N'), element('ReferencedSeriesSequence', [planted('NN')])].toSorted(byTag),
            ]),
            { tag: 0x00191010, vr: 'SQ', value: [planted('P')] },
            { tag: 0x00191011, vr: 'SQ', statedVr: 'UN', undefinedLength: true, value: [planted('U')] },
            { ...element('AnatomicRegionSequence', [planted('S')]), statedVr: 'UN', undefinedLength: true },
          ],
          encoding,
        );
        const header = await readHeader(bytesAsSource(file));

        const { bytes } = rewriteHeader(header, plan, pseudonyms, new Set());

        expect(canariesIn(bytes)).to.deep.equal([]);
        // The input does hold them: the search itself works.
        expect(
          canariesIn(encodingName === 'DEFLATED' ? inflateRawSync(file.subarray(header.dataSetOffset)) : file).length,
        ).to.be.at.least(6 * 500);
        // And the output is a data set.
        parseDataSet(bytes, encodingName === 'DEFLATED' ? EXPLICIT.transferSyntaxUid : encoding.transferSyntaxUid);
      });
    }
  }

  // The one row of file meta information is in the test of the whole file.
  for (const row of rows.filter(({ tag }) => !tag.startsWith('0002'))) {
    it(`${row.tag} ${row.keyword ?? row.name}: ${row.basic}`, async () => {
      const source = plant(row, 'A', Number.parseInt(row.tag, 16));
      const file = sampleFile([
        ...[element('SOPClassUID', SOP_CLASSES['MR Image']), element('PatientID', 'someone')].filter(
          ({ tag }) => tag !== source.tag,
        ),
        source,
      ]);

      const { bytes } = rewriteHeader(await readHeader(bytesAsSource(file)), plan, pseudonyms, new Set());

      const dataSet = parseDataSet(bytes, EXPLICIT.transferSyntaxUid);
      const found = dataSet.element(source.tag);
      const code = resolveCode(row.basic, row.keyword ?? '', {
        iod: iodOf(SOP_CLASSES['MR Image']),
        sequences: '',
        isOfAnimal: false,
        isEmpty: false,
      });
      const text = Buffer.from(found?.value ?? [])
        .toString('latin1')
        .replace(/\0$/, '');
      if (code === 'X') expect(found).to.equal(undefined);
      else if (code === 'U' && found?.items === undefined) expect(text).to.match(/^2\.25\.\d+$/);
      else if (code === 'D') expect(found?.value.length, 'has a value').to.be.greaterThan(0);
      else expect(found, formatTag(source.tag)).to.not.equal(undefined);
      expect(canariesIn(bytes)).to.deep.equal([]);
    });
  }

  it('drops curves, overlays and private elements whole, and the groups no data set may have', async () => {
    const file = sampleFile([
      element('SOPClassUID', SOP_CLASSES['MR Image']),
      { tag: 0x50003000, vr: 'OW', value: 'curve' },
      { tag: 0x50020005, vr: 'US', value: new Uint8Array(2) },
      { tag: 0x60000010, vr: 'US', value: new Uint8Array(2) },
      { tag: 0x60003000, vr: 'OW', value: 'overlay' },
      { tag: 0x60023000, vr: 'OW', value: 'overlay' },
      { tag: 0x60004000, vr: 'LT', value: 'comment' },
      { tag: 0x00090010, vr: 'LO', value: 'CREATOR' },
      { tag: 0x00091001, vr: 'LO', value: 'private' },
      { tag: 0x00080000, vr: 'UL', value: new Uint8Array(4) },
      { tag: 0x00041220, vr: 'SQ', value: [[]] },
    ]);

    const { bytes } = rewriteHeader(await readHeader(bytesAsSource(file)), plan, pseudonyms, new Set());

    const left = parseDataSet(bytes, EXPLICIT.transferSyntaxUid).elements.map(({ tag }) => formatTag(tag));
    expect(left).to.deep.equal(['(0008,0016)', '(0012,0062)', '(0012,0063)', '(0012,0064)', '(0028,0303)']);
  });

  it('has the Types of every storage SOP class, for rows that are not removed or kept anyhow', () => {
    const codes = new Map(PROFILE_ROWS.map(({ keyword, basic }) => [keyword ?? '', basic]));
    const leaves = Object.keys(ATTRIBUTE_TYPES.types).map((path) => path.split('/').at(-1) ?? '');

    expect(leaves.filter((leaf) => !/[/X]/.test(codes.get(leaf) ?? ''))).to.deep.equal([]);
    expect(leaves.length).to.be.greaterThan(250);
    for (const sopClass of [...Object.values(SOP_CLASSES), '1.2.840.10008.5.1.4.1.1.11.1'])
      expect(iodOf(sopClass), sopClass).to.be.a('number');
    for (const iods of Object.values(ATTRIBUTE_TYPES.types).flatMap((one) => [...(one[1] ?? []), ...(one[2] ?? [])]))
      expect(ATTRIBUTE_TYPES.iods[iods]).to.be.a('string');
  });

  const SR = '1.2.840.10008.5.1.4.1.1.88.33';
  const GSPS = '1.2.840.10008.5.1.4.1.1.11.1';
  const PARAMETRIC_MAP = '1.2.840.10008.5.1.4.1.1.30';
  const ANY = '1.2.3';
  for (const [code, path, sopClass, expected] of [
    // Not known: presence is kept.
    ['X/Z/D', 'StationName', ANY, 'D'],
    ['X/Z', 'AcquisitionDate', ANY, 'Z'],
    ['X/Z/U*', 'RequestAttributesSequence/SourceImageSequence', SOP_CLASSES.Segmentation, 'U'],
    // Known at the top of every IOD …
    ['X/D', 'SeriesDate', SOP_CLASSES['Enhanced MR Image'], 'X'],
    ['X/Z/D', 'DeviceSerialNumber', SOP_CLASSES['Enhanced MR Image'], 'D'],
    ['X/Z/D', 'DeviceSerialNumber', SOP_CLASSES['MR Image'], 'X'],
    ['X/Z', 'ReferencedStudySequence', PARAMETRIC_MAP, 'X'],
    ['X/Z/D', 'OperatorsName', SOP_CLASSES['RT Plan'], 'Z'],
    ['X/Z/D', 'OperatorsName', SOP_CLASSES['MR Image'], 'X'],
    // … and in the sequences that PS3.3 describes.
    ['X', 'ReferencedRequestSequence/RequestedProcedureID', SR, 'Z'],
    ['X', 'RequestAttributesSequence/RequestedProcedureID', SR, 'X'],
    // Removed, were it not of Type 1.
    ['X', 'PresentationCreationDate', GSPS, 'D'],
    ['X', 'PresentationCreationDate', SOP_CLASSES['MR Image'], 'X'],
    ['X', 'PresentationCreationDate', ANY, 'X'],
  ] as const)
    it(`carries out ${code} of ${path} in ${sopClass} as ${expected}`, () => {
      const steps = path.split('/');
      const place = {
        iod: iodOf(sopClass),
        sequences: steps
          .slice(0, -1)
          .map((step) => `${step}/`)
          .join(''),
        isOfAnimal: false,
        isEmpty: false,
      };

      expect(resolveCode(code, steps.at(-1) ?? '', place)).to.equal(expected);
    });

  it('empties what was empty, whatever the Type', () => {
    const place = { iod: undefined, sequences: '', isOfAnimal: false, isEmpty: true };

    expect(resolveCode('X/D', 'SeriesDate', place)).to.equal('Z');
  });
});

const OPTION_COLUMNS = {
  'clean-descriptors': 'cleanDescriptors',
  'clean-graphics': 'cleanGraphics',
  'clean-structured-content': 'cleanStructuredContent',
  'retain-device-identity': 'retainDeviceIdentity',
  'retain-institution-identity': 'retainInstitutionIdentity',
  'retain-longitudinal-full-dates': 'retainLongitudinalFullDates',
  'retain-longitudinal-modified-dates': 'retainLongitudinalModifiedDates',
  'retain-patient-characteristics': 'retainPatientCharacteristics',
  'retain-uids': 'retainUIDs',
} as const;

describe('options of the table', () => {
  const dataRows = rows.filter(({ tag }) => !/^(?:0000|0002|FFF)/.test(tag));

  it('are all there', () => {
    const columns = new Set(PROFILE_ROWS.flatMap((row) => Object.keys(row.options)));

    expect([...columns].toSorted()).to.deep.equal([...Object.values(OPTION_COLUMNS), 'retainSafePrivate'].toSorted());
  });

  for (const [option, column] of Object.entries(OPTION_COLUMNS)) {
    const named = dataRows.filter((row) => row.options[column] !== undefined);

    it(`${option} does what its column says to each of its ${named.length} rows, and nothing to the others`, async () => {
      const header = await readHeader(bytesAsSource(sampleFile(dataRows.map((row) => harmless(row)))));
      const withOption = await rewritten(header, [option]);
      const without = await rewritten(header, []);

      const wrong: string[] = [];
      for (const row of dataRows) {
        const tag = Number.parseInt(row.tag, 16);
        const [source, found, basic] = [header.dataSet, withOption, without].map((one) => one.element(tag));
        const fault = faultOf(row.options[column], column, source, found, basic);
        if (fault !== undefined) wrong.push(`${row.tag} ${row.keyword ?? ''}: ${fault}`);
      }

      expect(wrong).to.deep.equal([]);
    });
  }

  it('disagree on eleven rows, where the date is moved and not kept', async () => {
    const rowsOfBoth = dataRows.filter(
      ({ options }) => options['retainDeviceIdentity'] === 'K' && options['retainLongitudinalModifiedDates'] === 'C',
    );
    const header = await readHeader(bytesAsSource(sampleFile(dataRows.map((row) => harmless(row)))));

    const dataSet = await rewritten(header, ['retain-device-identity', 'retain-longitudinal-modified-dates']);

    expect(rowsOfBoth.length).to.equal(11);
    for (const row of rowsOfBoth) {
      const tag = Number.parseInt(row.tag, 16);
      if (row.vr?.[0] === 'TM') expect(textOf(dataSet.element(tag))).to.equal('175757.123');
      else expect(daysBetween(header.dataSet.element(tag), dataSet.element(tag)), row.tag).to.equal(SHIFT_DAYS);
    }
  });
});

/** Of the patient whose ID and issuer `harmless` makes. */
const SHIFT_DAYS = pseudonyms.shiftDays('QZQZQZ', 'QZQZQZ');

function daysBetween(source: Element | undefined, found: Element | undefined): number {
  const day = (text: string) =>
    Date.UTC(Number(text.slice(0, 4)), Number(text.slice(4, 6)) - 1, Number(text.slice(6, 8))) / 86_400_000;
  return textOf(source).slice(8) === textOf(found).slice(8) ? day(textOf(found)) - day(textOf(source)) : Number.NaN;
}

/** What is wrong with what came of one row. */
function faultOf(
  code: string | undefined,
  column: string,
  source: Element | undefined,
  found: Element | undefined,
  basic: Element | undefined,
): string | undefined {
  const same = (one: Element | undefined, other: Element | undefined) => textOf(one) === textOf(other);
  if (code === undefined) return same(found, basic) ? undefined : 'is not as without the option';
  if (code === 'K')
    return found !== undefined && (source?.items !== undefined || same(found, source)) ? undefined : 'is not kept';
  // C: of the same meaning. Dates move; of texts the harmless word stays; sequences are entered.
  if (column === 'retainLongitudinalModifiedDates') {
    if (source?.vr === 'OB') return same(found, basic) ? undefined : 'a timestamp in bytes is not as in the profile';
    if (source?.vr === 'TM' || source?.vr === 'SH') return same(found, source) ? undefined : 'the time is not kept';
    return daysBetween(source, found) === SHIFT_DAYS ? undefined : 'is not shifted';
  }
  if (column === 'retainDeviceIdentity') return same(found, basic) ? undefined : 'an AE title is not as in the profile';
  if (source?.items !== undefined) {
    const isEntered = found !== undefined || column === 'cleanDescriptors';
    // What Clean Graphics enters has no code in real data; its texts are in the test of that option.
    const isClean = column === 'cleanGraphics' || !textOf(found).includes('QZ');
    return isEntered && isClean ? undefined : 'is not entered and cleaned';
  }
  if (source?.vr === 'OB') return same(found, basic) ? undefined : 'bytes are not as in the profile';
  return textOf(found).trim() === 'brain' ? undefined : `is not cleaned: ${textOf(found)}`;
}

/** As `plant`, with a harmless word in what describes. */
function harmless(row: ProfileRow): SampleElement {
  const tag = Number.parseInt(row.tag, 16);
  const vr = row.vr?.[0] ?? 'UI';
  if (row.keyword === 'SOPClassUID') return { tag, vr, value: SOP_CLASSES['RT Plan'] };
  if (row.keyword === 'TimezoneOffsetFromUTC') return { tag, vr, value: '+0200' };
  const isText = ['CS', 'LO', 'LT', 'SH', 'ST', 'UC', 'UT'].includes(vr);
  // An identifier that has the word takes it away from all descriptions.
  const isCleaned = Object.values(row.options).includes('C');
  return isText ? { tag, vr, value: isCleaned ? 'QZQZQZ brain' : 'QZQZQZ' } : plant(row, 'A', tag);
}

async function rewritten(header: Part10Header, options: readonly string[]) {
  const compiled = compileLookups(compilePlan(policySchema.parse({ name: 'test', profile: 'basic', options })));
  return parseDataSet(rewriteHeader(header, compiled, pseudonyms, new Set(), []).bytes, EXPLICIT.transferSyntaxUid);
}

function textOf(element: Element | undefined): string {
  return element === undefined ? '(absent)' : Buffer.from(element.value).toString('latin1');
}

/** Every row with a value of its own that is found again by its bytes. */
function planted(place: string): readonly SampleElement[] {
  return rows.map((row, index) => plant(row, place, index)).toSorted(byTag);
}

function plant(row: ProfileRow, place: string, index: number): SampleElement {
  const tag = Number.parseInt(row.tag, 16);
  const vr = row.vr?.[0] ?? 'UI';
  // Of sequences of references the UIDs are replaced; any other sequence goes or loses its texts.
  const inner =
    row.basic === 'X/Z/U*'
      ? element('ReferencedSOPInstanceUID', canary(place, index, 'UI'))
      : element('CodeMeaning', canary(place, index, 'LO'));
  return { tag, vr, value: vr === 'SQ' ? [[inner]] : canary(place, index, vr) };
}

/** Legal for its VR, and not to be met by chance. */
function canary(place: string, index: number, vr: string): string | Uint8Array {
  const number = String((index % 900) + 100);
  switch (vr) {
    case 'UI':
      return `1.9.8.7.${place.length}.${place.charCodeAt(0)}.${number}`;
    case 'DA':
      return `1957${String((index % 12) + 1).padStart(2, '0')}17`;
    case 'DT':
      return `195712${String((index % 28) + 1).padStart(2, '0')}175757`;
    case 'TM':
      return '175757.123';
    case 'AS':
      return '098Y';
    case 'DS':
      return '98.76543';
    case 'IS':
      return '9876543';
    case 'US':
      return Buffer.from('QZ');
    default:
      return `QZ${place}${number}`;
  }
}

function canariesIn(bytes: Uint8Array): readonly string[] {
  const text = Buffer.from(bytes).toString('latin1');
  return [...text.matchAll(/1\.9\.8\.7\.[\d.]+|1957\d{4}|175757|098Y|98\.76543|9876543|QZ\w*/g)].map(
    ([found]) => found,
  );
}

function byTag(one: SampleElement, other: SampleElement): number {
  return one.tag - other.tag;
}
