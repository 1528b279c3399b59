/** How a command set is written (PS3.7 Section 6.3.1): implicit VR little endian, no private elements, no sequences. */
import { TAG } from '../../core/dicom/tags.ts';

/** With the group length in front. */
export function commandSet(elements: readonly Buffer[]): Buffer {
  const body = Buffer.concat(elements);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.byteLength);
  return Buffer.concat([element(TAG.CommandGroupLength, length), body]);
}

function element(tag: number, value: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  header.writeUInt32LE(value.byteLength, 4);
  return Buffer.concat([header, value]);
}

/** PS3.5 Section 9.4: padded with NUL to even length. */
export const uid = (tag: number, text: string): Buffer =>
  element(tag, Buffer.from(text.length % 2 === 0 ? text : `${text}\0`, 'latin1'));

/** Padded with a blank. */
export const title = (tag: number, text: string): Buffer =>
  element(tag, Buffer.from(text.length % 2 === 0 ? text : `${text} `, 'latin1'));

/** A US. */
export function number(tag: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return element(tag, bytes);
}
