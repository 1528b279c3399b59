/** Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 Section C.4): flat data sets of texts, by keyword. */
import assert from 'node:assert';
import { type DataSet, parseDataSet } from '../../core/dicom/data-set.ts';
import { lookup } from '../../core/dicom/dictionary.ts';
import { encodeElement, paddingOf } from '../../core/dicom/encode-element.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';

/** Values by keyword; an empty one asks for the attribute. */
export type Identifier = Readonly<Record<string, string>>;

const UTF_8 = 'ISO_IR 192';

/** A keyword that PS3.6 does not have is our own mistake and throws. */
export function encodeIdentifier(identifier: Identifier, transferSyntaxUid: string): Buffer {
  const isForeign = Object.values(identifier).some((value) => !/^[\x20-\x7e]*$/.test(value));
  const elements = Object.entries(isForeign ? { ...identifier, SpecificCharacterSet: UTF_8 } : identifier).map(
    ([keyword, value]) => {
      const entry = lookup(keyword);
      assert(entry !== undefined, `not a keyword of PS3.6: ${keyword}`);
      return { ...entry, value: Buffer.from(value, 'utf8') };
    },
  );
  const write = transferSyntaxUid === IMPLICIT_VR_LITTLE_ENDIAN ? implicitElement : encodeElement;
  return Buffer.concat(
    elements.toSorted((one, other) => one.tag - other.tag).map(({ tag, vr, value }) => write(tag, vr, value)),
  );
}

/** @throws {HubError} `partner.refused` when it cannot be read */
export function parseIdentifier(bytes: Buffer, transferSyntaxUid: string): DataSet {
  try {
    return parseDataSet(bytes, transferSyntaxUid);
  } catch (error) {
    throw new HubError('partner.refused', { detail: 'an answer that cannot be read' }, error);
  }
}

/** PS3.5 Section 7.1.3 */
function implicitElement(tag: number, vr: string, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + value.length + (value.length % 2), paddingOf(vr));
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.set(value, 8);
  return bytes;
}
