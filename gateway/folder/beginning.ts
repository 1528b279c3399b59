/** What the first bytes of a file say it is, whatever it is called. */
import { DataSet } from '../../core/dicom/data-set.ts';
import type { Encoding } from '../../core/dicom/element.ts';
import { MEDIA_STORAGE_DIRECTORY } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { MoreBytesNeeded, walk } from '../../core/dicom/walker.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import { FileMetaReader, type FileMeta } from '../dicomweb/file-meta.ts';

export type Beginning =
  /** A data set begins at `offset` of the bytes. */
  | { readonly kind: 'data-set'; readonly meta: FileMeta; readonly offset: number }
  /** A data set that says too little to be taken, or is damaged. */
  | { readonly kind: 'unreadable'; readonly error: HubError }
  | { readonly kind: 'archive' }
  /** No instance: empty, a DICOMDIR, or not DICOM. */
  | { readonly kind: 'other' };

/** Enough for any file meta information and for the UIDs at the front of a bare data set. */
const MAX_BEGINNING_BYTES = 128 * 1024;
const PREAMBLE_BYTES = 132;
const MAGIC = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM', 'latin1')]);
/** Of the first local file, and of an archive without any. */
const ARCHIVE_MAGIC = [0x04034b50, 0x06054b50];
const VR = /^[A-Z]{2}$/u;

/** How a data set without preamble and file meta information may be encoded (PS3.5 Annex A); deflated ones cannot be told. */
const BARE = {
  implicit: { transferSyntaxUid: '1.2.840.10008.1.2', encoding: { explicit: false, bigEndian: false } },
  explicit: { transferSyntaxUid: '1.2.840.10008.1.2.1', encoding: { explicit: true, bigEndian: false } },
  bigEndian: { transferSyntaxUid: '1.2.840.10008.1.2.2', encoding: { explicit: true, bigEndian: true } },
} as const satisfies Record<string, { readonly transferSyntaxUid: string; readonly encoding: Encoding }>;

/** @param isWhole - there are no more bytes @returns undefined when more are needed to tell */
export function beginningOf(bytes: Buffer, isWhole: boolean): Beginning | undefined {
  if (bytes.length >= 4 && ARCHIVE_MAGIC.includes(bytes.readUInt32LE(0))) return { kind: 'archive' };
  if (bytes.length < PREAMBLE_BYTES && !isWhole) return undefined;
  const isEnd = isWhole || bytes.length >= MAX_BEGINNING_BYTES;
  if (bytes.toString('latin1', 128, PREAMBLE_BYTES) === 'DICM') return withMeta(bytes, 0, isEnd);
  // File meta information without the preamble before it: some exporters leave it out.
  if (bytes.length > 8 && bytes.readUInt32LE(0) === 0x00000002 && VR.test(bytes.toString('latin1', 4, 6))) {
    return withMeta(Buffer.concat([MAGIC, bytes]), MAGIC.length, isEnd);
  }
  const bare = bareEncoding(bytes);
  return bare === undefined ? { kind: 'other' } : withoutMeta(bytes, bare, isEnd);
}

function withMeta(bytes: Buffer, added: number, isEnd: boolean): Beginning | undefined {
  const reader = new FileMetaReader();
  const read = reader.push(bytes) ?? (isEnd ? reader.end() : undefined);
  if (read === undefined) return undefined;
  if (read.meta instanceof HubError) return { kind: 'unreadable', error: read.meta };
  if (read.meta.sopClassUid === MEDIA_STORAGE_DIRECTORY) return { kind: 'other' };
  return { kind: 'data-set', meta: read.meta, offset: bytes.length - read.rest.length - added };
}

/** A data set begins with the elements of group 0008 (PS3.5 Section 7.1: in ascending order); hardly anything else begins so. */
function bareEncoding(bytes: Buffer): (typeof BARE)[keyof typeof BARE] | undefined {
  if (bytes.length < 16) return undefined;
  const vr = bytes.toString('latin1', 4, 6);
  const isFirst = (group: number, element: number) => group === 0x0008 && element <= 0x0018;
  if (isFirst(bytes.readUInt16BE(0), bytes.readUInt16BE(2))) return VR.test(vr) ? BARE.bigEndian : undefined;
  if (!isFirst(bytes.readUInt16LE(0), bytes.readUInt16LE(2))) return undefined;
  if (VR.test(vr)) return BARE.explicit;
  return bytes.readUInt32LE(4) <= 1024 ? BARE.implicit : undefined;
}

function withoutMeta(
  bytes: Buffer,
  { transferSyntaxUid, encoding }: (typeof BARE)[keyof typeof BARE],
  isEnd: boolean,
): Beginning | undefined {
  try {
    const { root } = walk(bytes, encoding, {
      end: Number.MAX_SAFE_INTEGER,
      stopBefore: (tag) => tag > TAG.SOPInstanceUID,
    });
    const dataSet = new DataSet(root);
    const [sopClassUid, sopInstanceUid] = [dataSet.string('SOPClassUID'), dataSet.string('SOPInstanceUID')];
    if (sopClassUid === undefined || sopInstanceUid === undefined) {
      const attribute = sopClassUid === undefined ? 'SOPClassUID' : 'SOPInstanceUID';
      return { kind: 'unreadable', error: new HubError('dataset.uid-missing', { attribute }) };
    }
    return { kind: 'data-set', meta: { sopClassUid, sopInstanceUid, transferSyntaxUid }, offset: 0 };
  } catch (error) {
    if (!(error instanceof MoreBytesNeeded)) return { kind: 'unreadable', error: toHubError(error) };
    if (!isEnd) return undefined;
    return { kind: 'unreadable', error: new HubError('dataset.unreadable', { detail: 'ends-inside-element' }) };
  }
}
