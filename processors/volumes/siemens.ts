/** What Siemens writes in private elements only: mosaics, slice times, the sign of the phase encoding direction. */
import { latin1 } from '../../core/dicom/character-sets.ts';
import type { DataSet } from '../../core/dicom/data-set.ts';
import { privateNumber, privateNumbers } from './private-values.ts';
import { tripleAt } from './vector.ts';
import type { Triple } from './volume.ts';

const MR_HEADER = { creator: 'SIEMENS MR HEADER', group: 0x0019 };
const CSA_HEADER = { creator: 'SIEMENS CSA HEADER', group: 0x0029, element: 0x10 };
/** XA software: the same numbers frame by frame, one sequence deeper. */
const SDI = { creator: 'SIEMENS MR SDI 02', group: 0x0021 };
/** Where our own de-identification keeps what stands in the CSA header only. */
const OWN = { creator: 'IMAGING HUB CSA NUMBERS', group: 0x0029, element: 0x01, vr: 'FD' };
/** Real headers have about a hundred names, of at most a few hundred values (a mosaic's slice times). */
const NAME_LIMIT = 1024;
const VALUE_LIMIT = 4096;
const NAME_BYTES = 64;

export function numberOfTiles(dataSet: DataSet): number | undefined {
  const direct = privateNumber(dataSet, { ...MR_HEADER, element: 0x0a, vr: 'US' });
  return direct ?? (Number(csaValues(dataSet, 'NumberOfImagesInMosaic')[0] ?? Number.NaN) || undefined);
}

/** The way the tiles of a mosaic are stacked; may run against the normal of rows and columns. */
export function sliceNormal(dataSet: DataSet): Triple | undefined {
  return tripleAt(csaValues(dataSet, 'SliceNormalVector').map(Number)) ?? tripleAt(privateNumbers(dataSet, OWN));
}

/** By tile, in milliseconds; empty when the header does not say. */
export function mosaicTimesMs(dataSet: DataSet): readonly number[] {
  const direct = privateNumbers(dataSet, { ...MR_HEADER, element: 0x29, vr: 'FD' });
  return direct.length > 0 ? direct : csaValues(dataSet, 'MosaicRefAcqTimes').map(Number);
}

/** True when phase encoding runs with the index of rows or columns, false when against it. */
export function isPhaseEncodingPositive(dataSet: DataSet): boolean | undefined {
  const frame = frameOf(dataSet);
  const value =
    (frame === undefined ? undefined : privateNumber(frame, { ...SDI, element: 0x1c, vr: 'IS' })) ??
    privateNumber(dataSet, { ...SDI, element: 0x1c, vr: 'IS' }) ??
    finite(csaValues(dataSet, 'PhaseEncodingDirectionPositive')[0]);
  return value === undefined ? undefined : value !== 0;
}

/** In hertz; the inverse of echo spacing × phase encoding lines. */
export function bandwidthPerPixelPhaseEncode(dataSet: DataSet): number | undefined {
  const frame = frameOf(dataSet);
  return (
    privateNumber(dataSet, { ...MR_HEADER, element: 0x28, vr: 'FD' }) ??
    (frame === undefined ? undefined : privateNumber(frame, { ...SDI, element: 0x53, vr: 'FD' })) ??
    finite(csaValues(dataSet, 'BandwidthPerPixelPhaseEncode')[0])
  );
}

/** The private part of the first frame's functional groups (0021,xxFE). */
function frameOf(dataSet: DataSet): DataSet | undefined {
  return dataSet.items('PerFrameFunctionalGroupsSequence')[0]?.privateElement(SDI.creator, SDI.group, 0xfe)?.items?.[0];
}

/** Values of one entry of the CSA image header, version 2 ("SV10"); none when it has no such entry or is another version. */
export function csaValues(dataSet: DataSet, name: string): readonly string[] {
  const bytes = dataSet.privateElement(CSA_HEADER.creator, CSA_HEADER.group, CSA_HEADER.element)?.value;
  if (bytes === undefined || bytes.length < 16 || latin1(bytes.subarray(0, 4)) !== 'SV10') return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 16;
  const entries = Math.min(view.getUint32(8, true), NAME_LIMIT);
  for (let entry = 0; entry < entries && offset + NAME_BYTES + 20 <= bytes.length; entry++) {
    const isWanted = upToZero(bytes.subarray(offset, offset + NAME_BYTES)) === name;
    const items = Math.min(view.getUint32(offset + NAME_BYTES + 12, true), VALUE_LIMIT);
    offset += NAME_BYTES + 20;
    const values: string[] = [];
    for (let item = 0; item < items && offset + 16 <= bytes.length; item++) {
      const length = view.getUint32(offset + 4, true);
      const value = upToZero(bytes.subarray(offset + 16, offset + 16 + length)).trim();
      if (value !== '') values.push(value);
      offset += 16 + Math.ceil(length / 4) * 4;
    }
    if (isWanted) return values;
  }
  return [];
}

function upToZero(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return latin1(end < 0 ? bytes : bytes.subarray(0, end));
}

function finite(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
