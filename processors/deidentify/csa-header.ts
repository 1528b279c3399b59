/**
 * The Siemens CSA Image Header (0029,xx10): a list of named texts among which free text and the protocol stand, so it is
 * never copied. The numbers that diffusion and functional analysis need are read from it and written where current
 * software of the same maker writes them, and into a block of our own where it has no such place. Format SV10, little endian throughout.
 */
import { latin1 } from '../../core/dicom/character-sets.ts';
import type { Item } from '../../core/dicom/element.ts';
import { withoutPadding } from '../../core/padding.ts';

const CREATOR = 'SIEMENS CSA HEADER';
const GROUP = 0x0029;
const IMAGE_HEADER = 0x10;
const MAGIC = 'SV10';
/** Real headers have about a hundred names, of at most a few hundred values (a mosaic's slice times). */
const NAME_LIMIT = 1024;
const VALUE_LIMIT = 4096;
const NAME_BYTES = 64;
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** One number or short code, and where it is to be written. */
export interface CsaValue {
  readonly target: CsaTarget;
  /** Low byte of the element number. */
  readonly element: number;
  readonly vr: 'IS' | 'CS' | 'FD' | 'US';
  readonly values: readonly string[];
}

export interface CsaTarget {
  readonly creator: string;
  readonly group: number;
  /** Programs that do not look at creators expect it there. */
  readonly preferredBlock: number;
}
const MR_HEADER: CsaTarget = { creator: 'SIEMENS MR HEADER', group: 0x0019, preferredBlock: 0x10 };
const MR_SDI: CsaTarget = { creator: 'SIEMENS MR SDI 02', group: 0x0021, preferredBlock: 0x11 };
/** What the maker writes nowhere else. */
const OWN: CsaTarget = { creator: 'IMAGING HUB CSA NUMBERS', group: 0x0029, preferredBlock: 0x10 };

interface Wanted {
  readonly target: CsaTarget;
  readonly element: number;
  readonly vr: CsaValue['vr'];
  /** How many values it must have; `undefined` for one or more. */
  readonly count?: number;
}
const WANTED: Readonly<Record<string, Wanted>> = {
  NumberOfImagesInMosaic: { target: MR_HEADER, element: 0x0a, vr: 'US', count: 1 },
  B_value: { target: MR_HEADER, element: 0x0c, vr: 'IS', count: 1 },
  DiffusionDirectionality: { target: MR_HEADER, element: 0x0d, vr: 'CS', count: 1 },
  DiffusionGradientDirection: { target: MR_HEADER, element: 0x0e, vr: 'FD', count: 3 },
  B_matrix: { target: MR_HEADER, element: 0x27, vr: 'FD', count: 6 },
  BandwidthPerPixelPhaseEncode: { target: MR_HEADER, element: 0x28, vr: 'FD', count: 1 },
  MosaicRefAcqTimes: { target: MR_HEADER, element: 0x29, vr: 'FD' },
  PhaseEncodingDirectionPositive: { target: MR_SDI, element: 0x1c, vr: 'IS', count: 1 },
  SliceNormalVector: { target: OWN, element: 0x01, vr: 'FD', count: 3 },
};
const DIRECTIONALITIES = new Set(['NONE', 'DIRECTIONAL', 'ISOTROPIC']);

/** The wanted values of a data set; none when there is no header or it is not understood. */
export function csaValues(dataSet: Item): readonly CsaValue[] {
  const header = imageHeader(dataSet);
  if (header === undefined) return [];
  const found: CsaValue[] = [];
  for (const { name, values } of namedValues(header)) {
    const wanted = Object.hasOwn(WANTED, name) ? WANTED[name] : undefined;
    if (wanted === undefined || values.length === 0 || !isSound(wanted, values)) continue;
    found.push({ target: wanted.target, element: wanted.element, vr: wanted.vr, values });
  }
  return found;
}

function isSound({ vr, count }: Wanted, values: readonly string[]): boolean {
  if (count !== undefined && values.length !== count) return false;
  if (vr === 'CS') return values.every((value) => DIRECTIONALITIES.has(value));
  if (!values.every((value) => NUMBER.test(value))) return false;
  return vr === 'FD' || values.every((value) => Number.isInteger(Number(value)) && Number(value) >= 0);
}

function imageHeader({ elements }: Item): Uint8Array | undefined {
  for (const { tag, value } of elements) {
    const low = tag & 0xffff;
    if (tag >>> 16 !== GROUP || low < 0x10 || low > 0xff || withoutPadding(latin1(value)) !== CREATOR) continue;
    const wanted = ((GROUP << 16) | (low << 8) | IMAGE_HEADER) >>> 0;
    const header = elements.find((one) => one.tag === wanted);
    if (header !== undefined) return header.value;
  }
  return undefined;
}

interface Named {
  readonly name: string;
  readonly values: readonly string[];
}

/** SV10: magic, four bytes, number of names, 77; a name of 64 bytes, VM, VR, type, number of items, 77; items of four lengths. */
function* namedValues(bytes: Uint8Array): Generator<Named> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 16 || latin1(bytes.subarray(0, 4)) !== MAGIC) return;
  const count = view.getUint32(8, true);
  let offset = 16;
  for (let index = 0; index < Math.min(count, NAME_LIMIT); index++) {
    if (offset + NAME_BYTES + 20 > bytes.length) return;
    const name = upToZero(bytes.subarray(offset, offset + NAME_BYTES));
    const items = view.getUint32(offset + NAME_BYTES + 12, true);
    offset += NAME_BYTES + 20;
    if (items > VALUE_LIMIT) return;
    const values: string[] = [];
    for (let item = 0; item < items; item++) {
      if (offset + 16 > bytes.length) return;
      const length = view.getUint32(offset + 4, true);
      offset += 16;
      if (offset + length > bytes.length) return;
      const value = upToZero(bytes.subarray(offset, offset + length)).trim();
      if (value !== '') values.push(value);
      offset += Math.ceil(length / 4) * 4;
    }
    yield { name, values };
  }
}

function upToZero(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return latin1(end < 0 ? bytes : bytes.subarray(0, end));
}
