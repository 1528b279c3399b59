/** Small DICOM objects for tests, written byte by byte in any native encoding, wrong ones included. */
import { deflateRawSync } from 'node:zlib';
import { fileMeta } from '../../core/dicom/part10.ts';
import { lookup } from '../../core/dicom/dictionary.ts';

export interface SampleElement {
  readonly tag: number;
  readonly vr: string;
  /** Text is written as Latin-1; nested elements are the items of a sequence. */
  readonly value: string | Uint8Array | readonly (readonly SampleElement[])[];
  /** Sequence and items are delimited instead of having a length. */
  readonly undefinedLength?: boolean;
  /** The VR the header states, where it is not the value's: UN for a sequence (PS3.5 Section 6.2.2). */
  readonly statedVr?: string;
}

export interface SampleEncoding {
  readonly transferSyntaxUid: string;
  readonly explicit: boolean;
  readonly bigEndian: boolean;
}

export const EXPLICIT: SampleEncoding = { transferSyntaxUid: '1.2.840.10008.1.2.1', explicit: true, bigEndian: false };
export const IMPLICIT: SampleEncoding = { transferSyntaxUid: '1.2.840.10008.1.2', explicit: false, bigEndian: false };
export const BIG_ENDIAN: SampleEncoding = { transferSyntaxUid: '1.2.840.10008.1.2.2', explicit: true, bigEndian: true };
export const DEFLATED: SampleEncoding = { ...EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.1.99' };
export const ALL_ENCODINGS = { EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED } as const;

const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const UNDEFINED = 0xffffffff;

/** An element by keyword, with the dictionary's VR. */
export function element(keyword: string, value: SampleElement['value'], vr?: string): SampleElement {
  const entry = lookup(keyword);
  if (entry === undefined) throw new TypeError(`no such keyword: ${keyword}`);
  return { tag: entry.tag, vr: vr ?? entry.vr, value };
}

/** Numbers as bytes of a binary VR. */
export function uint16s(values: readonly number[], bigEndian = false): Uint8Array {
  const bytes = new Uint8Array(values.length * 2);
  values.forEach((value, index) => new DataView(bytes.buffer).setUint16(index * 2, value, !bigEndian));
  return bytes;
}

/** A data set as it is given: not sorted, nothing added. */
export function encodeSample(elements: readonly SampleElement[], encoding: SampleEncoding = EXPLICIT): Uint8Array {
  return Buffer.concat(elements.map((one) => encodeOne(one, encoding)));
}

/** A whole file with preamble and file meta information; deflated where the transfer syntax says so. */
export function sampleFile(
  elements: readonly SampleElement[],
  encoding: SampleEncoding = EXPLICIT,
  sortIt = true,
): Uint8Array {
  const sorted = sortIt ? elements.toSorted((one, other) => one.tag - other.tag) : elements;
  const text = (keyword: string) => {
    const found = elements.find(({ tag }) => tag === lookup(keyword)?.tag)?.value;
    return typeof found === 'string' ? found : '1.2.3';
  };
  const body = encodeSample(sorted, encoding);
  return Buffer.concat([
    fileMeta({
      sopClassUid: text('SOPClassUID'),
      sopInstanceUid: text('SOPInstanceUID'),
      transferSyntaxUid: encoding.transferSyntaxUid,
    }),
    encoding === DEFLATED ? deflateRawSync(body) : body,
  ]);
}

/** What every instance has; MR unless said otherwise. */
export function identity(
  over: Partial<Record<'sopClass' | 'study' | 'series' | 'instance' | 'patientId' | 'patientName', string>> = {},
): readonly SampleElement[] {
  return [
    element('SOPClassUID', over.sopClass ?? '1.2.840.10008.5.1.4.1.1.4'),
    element('SOPInstanceUID', over.instance ?? '1.2.999.3.1'),
    element('Modality', 'MR'),
    element('PatientName', over.patientName ?? 'Kanariala^Aino'),
    element('PatientID', over.patientId ?? 'RAT-0815-X'),
    element('StudyInstanceUID', over.study ?? '1.2.999.1'),
    element('SeriesInstanceUID', over.series ?? '1.2.999.2'),
  ];
}

/** Two by two pixels of 16 bits. */
export function pixels(values: readonly number[] = [1, 2, 3, 4], bigEndian = false): readonly SampleElement[] {
  const short = (keyword: string, value: number) => element(keyword, uint16s([value], bigEndian), 'US');
  return [
    short('SamplesPerPixel', 1),
    element('PhotometricInterpretation', 'MONOCHROME2'),
    short('Rows', 2),
    short('Columns', 2),
    short('BitsAllocated', 16),
    short('BitsStored', 16),
    short('HighBit', 15),
    short('PixelRepresentation', 0),
    element('PixelData', uint16s(values, bigEndian), 'OW'),
  ];
}

/** Encapsulated pixel data: offset table, fragments, delimiter (PS3.5 Section A.4). */
export function encapsulated(
  fragments: readonly Uint8Array[],
  offsetTable: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const parts = [offsetTable, ...fragments].flatMap((fragment) => [item(fragment.length, EXPLICIT), fragment]);
  return Buffer.concat([header(0x7fe00010, 'OB', UNDEFINED, EXPLICIT), ...parts, delimiter(0xfffee0dd, EXPLICIT)]);
}

function encodeOne(one: SampleElement, encoding: SampleEncoding): Uint8Array {
  const { tag, vr, value } = one;
  const stated = one.statedVr ?? vr;
  if (typeof value === 'string' || value instanceof Uint8Array) {
    const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    const pad =
      raw.length % 2 === 1
        ? Buffer.from([vr === 'UI' || vr.startsWith('O') || vr === 'UN' ? 0 : 0x20])
        : Buffer.alloc(0);
    return Buffer.concat([header(tag, stated, raw.length + pad.length, encoding), raw, pad]);
  }
  // CP-246: inside UN everything is implicit VR little endian.
  const inner = stated === 'UN' ? IMPLICIT : encoding;
  const isUndefined = one.undefinedLength ?? false;
  const items = value.map((elements) => {
    const body = encodeSample(elements, inner);
    return isUndefined
      ? Buffer.concat([item(UNDEFINED, inner), body, delimiter(0xfffee00d, inner)])
      : Buffer.concat([item(body.length, inner), body]);
  });
  const body = Buffer.concat(isUndefined ? [...items, delimiter(0xfffee0dd, inner)] : items);
  return Buffer.concat([header(tag, stated, isUndefined ? UNDEFINED : body.length, encoding), body]);
}

function header(tag: number, vr: string, length: number, { explicit, bigEndian }: SampleEncoding): Uint8Array {
  const isLong = explicit && LONG.has(vr);
  const bytes = Buffer.alloc(isLong ? 12 : 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint16(0, tag >>> 16, !bigEndian);
  view.setUint16(2, tag & 0xffff, !bigEndian);
  if (explicit) bytes.write(vr, 4, 'latin1');
  if (isLong) view.setUint32(8, length, !bigEndian);
  else if (explicit) view.setUint16(6, length, !bigEndian);
  else view.setUint32(4, length, !bigEndian);
  return bytes;
}

function item(length: number, encoding: SampleEncoding): Uint8Array {
  return header(0xfffee000, '', length, { ...encoding, explicit: false });
}

function delimiter(tag: number, encoding: SampleEncoding): Uint8Array {
  return header(tag, '', 0, { ...encoding, explicit: false });
}
