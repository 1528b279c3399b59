/** One element in explicit VR little endian (PS3.5 Section 7.1.2), padded to even length. */
import { HubError } from '../errors.ts';
import { hasLongHeader } from './walker.ts';

const SHORT_VALUE_LIMIT = 0xfffe;

/** @throws {HubError} `dataset.too-large` when the VR's length field cannot hold the value */
export function encodeElement(tag: number, vr: string, value: string | Uint8Array): Uint8Array {
  const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const length = raw.length + (raw.length % 2);
  const isLong = hasLongHeader(vr);
  if (length > (isLong ? 0xfffffffe : 0xffff)) throw new HubError('dataset.too-large', { vr });
  const bytes = new Uint8Array((isLong ? 12 : 8) + length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, tag >>> 16, true);
  view.setUint16(2, tag & 0xffff, true);
  bytes[4] = vr.charCodeAt(0);
  bytes[5] = vr.charCodeAt(1);
  if (isLong) view.setUint32(8, length, true);
  else view.setUint16(6, length, true);
  bytes.set(raw, isLong ? 12 : 8);
  if (raw.length !== length) bytes[bytes.length - 1] = paddingOf(vr);
  return bytes;
}

/**
 * Bytes of an element with this text in a VR whose header is short.
 *
 * @throws {HubError} `dataset.too-large` when its length field cannot hold the value
 */
export function textElementBytes(text: string): number {
  const length = text.length + (text.length % 2);
  if (length > 0xffff) throw new HubError('dataset.too-large', {});
  return 8 + length;
}

/** What `encodeElement` makes of a text in a VR whose header is short, written into a buffer. @returns behind it */
export function writeTextElement(target: Buffer, at: number, tag: number, vr: string, text: string): number {
  const length = text.length + (text.length % 2);
  target.writeUInt16LE(tag >>> 16, at);
  target.writeUInt16LE(tag & 0xffff, at + 2);
  target.writeUInt8(vr.charCodeAt(0), at + 4);
  target.writeUInt8(vr.charCodeAt(1), at + 5);
  target.writeUInt16LE(length, at + 6);
  target.write(text, at + 8, text.length, 'latin1');
  if (length !== text.length) target.writeUInt8(paddingOf(vr), at + 8 + text.length);
  return at + 8 + length;
}

/** PS3.5 Section 6.2.2: a value too long for the length field of its VR is written as UN. */
export function encodeElementOfAnyLength(tag: number, vr: string, value: Uint8Array): Uint8Array {
  if (value.length <= SHORT_VALUE_LIMIT || hasLongHeader(vr)) return encodeElement(tag, vr, value);
  const padded = value.length % 2 === 0 ? value : Buffer.concat([value, Uint8Array.of(paddingOf(vr))]);
  return encodeElement(tag, 'UN', padded);
}

/** PS3.5 Section 6.2: text is padded with a space, UIDs and bytes with a zero. */
export function paddingOf(vr: string): number {
  return vr === 'UI' || vr === 'UN' || vr.startsWith('O') ? 0x00 : 0x20;
}
