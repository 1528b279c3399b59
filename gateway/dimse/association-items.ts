/** The items that A-ASSOCIATE PDUs are made of (PS3.8 Section 9.3, PS3.7 Annex D.3): read and written. */
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../core/dicom/part10.ts';
import { withoutPadding } from '../../core/padding.ts';
import { ABORT_REASON, ProtocolError } from './framing.ts';

export const ITEM = {
  applicationContext: 0x10,
  presentationContext: 0x20,
  presentationContextAnswer: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maximumLength: 0x51,
  implementationClass: 0x52,
  operationsWindow: 0x53,
  roleSelection: 0x54,
  implementationVersion: 0x55,
  extendedNegotiation: 0x56,
  userIdentity: 0x58,
  userIdentityAnswer: 0x59,
} as const;

/** PS3.7 Annex A.2.1 */
export const DICOM_APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

const HEADER_BYTES = 4;
const AE_TITLE_BYTES = 16;

/** @throws {ProtocolError} invalid parameter value */
export function* items(bytes: Buffer): Generator<{ readonly type: number; readonly value: Buffer }> {
  let at = 0;
  while (at < bytes.length) {
    if (at + HEADER_BYTES > bytes.length) throw invalid('an item cut off');
    const end = at + HEADER_BYTES + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw invalid('an item longer than what holds it');
    yield { type: bytes.readUInt8(at), value: bytes.subarray(at + HEADER_BYTES, end) };
    at = end;
  }
}

/** AE titles are padded with spaces, UIDs by some with a NUL. */
export function text(bytes: Buffer): string {
  return withoutPadding(bytes.toString('latin1'), 'spaces and NULs');
}

/** A UID behind its length, and what follows it. @throws {ProtocolError} */
export function uidBehind(value: Buffer): { readonly uid: string; readonly rest: Buffer } {
  const end = value.length < 2 ? Infinity : 2 + value.readUInt16BE(0);
  if (end > value.length) throw invalid('a UID longer than its item');
  return { uid: text(value.subarray(2, end)), rest: value.subarray(end) };
}

export function item(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(type);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value]);
}

export function uidItem(type: number, uid: string): Buffer {
  return item(type, Buffer.from(uid, 'latin1'));
}

export function roleItem(abstractSyntaxUid: string, roles: { readonly scu: boolean; readonly scp: boolean }): Buffer {
  const uid = Buffer.from(abstractSyntaxUid, 'latin1');
  return item(ITEM.roleSelection, uint16(uid.length), uid, Buffer.from([Number(roles.scu), Number(roles.scp)]));
}

/** What every A-ASSOCIATE PDU of the hub says of itself, and `more` in between, in the order of the item types. */
export function userInformation(maxPduLength: number, more: readonly Buffer[]): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(maxPduLength);
  const own = [
    item(ITEM.maximumLength, length),
    uidItem(ITEM.implementationClass, IMPLEMENTATION_CLASS_UID),
    item(ITEM.implementationVersion, Buffer.from(IMPLEMENTATION_VERSION_NAME, 'latin1')),
  ];
  const ordered = [...own, ...more].toSorted((one, other) => (one[0] ?? 0) - (other[0] ?? 0));
  return item(ITEM.userInformation, ...ordered);
}

/** The fixed fields (PS3.8 Tables 9-11 and 9-17) and what stands behind them, as a whole PDU. */
export function associatePdu(
  type: number,
  titles: { readonly calledAeTitle: string; readonly callingAeTitle: string },
  parts: readonly Buffer[],
): Buffer {
  const fixed = Buffer.alloc(68);
  fixed.writeUInt16BE(1, 0); // protocol version 1
  fixed.write(titles.calledAeTitle.padEnd(AE_TITLE_BYTES), 4, AE_TITLE_BYTES, 'latin1');
  fixed.write(titles.callingAeTitle.padEnd(AE_TITLE_BYTES), 20, AE_TITLE_BYTES, 'latin1');
  const body = Buffer.concat([fixed, uidItem(ITEM.applicationContext, DICOM_APPLICATION_CONTEXT), ...parts]);
  const header = Buffer.alloc(6);
  header.writeUInt8(type);
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function invalid(message: string): ProtocolError {
  return new ProtocolError(ABORT_REASON.invalidParameterValue, message);
}
