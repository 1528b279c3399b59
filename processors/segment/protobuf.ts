/** The wire format of protocol buffers, read just far enough to walk a message of a file that nobody has checked yet. */

export interface Field {
  readonly number: number;
  /** Varint value, or the payload of a length-delimited field. */
  readonly value: bigint | Uint8Array;
}

/** Thrown by `fieldsOf`: these bytes are no message, or are cut off. */
export class NotAMessage extends Error {}

/** The fields of one message, protobuf encoding guide: tag = number << 3 | wire type. @throws {NotAMessage} */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw new NotAMessage('cut off');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new NotAMessage('a number too long');
  };
  const take = (length: bigint): Uint8Array => {
    if (length > BigInt(bytes.length - at)) throw new NotAMessage('cut off');
    const part = bytes.subarray(at, at + Number(length));
    at += Number(length);
    return part;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (number === 0) throw new NotAMessage('a field without a number');
    if (wireType === 0) yield { number, value: varint() };
    else if (wireType === 1) yield { number, value: take(8n) };
    else if (wireType === 2) yield { number, value: take(varint()) };
    else if (wireType === 5) yield { number, value: take(4n) };
    else throw new NotAMessage('a wire type there is not');
  }
}

/** @throws {NotAMessage} when the field is a number */
export function payloadOf(field: Field): Uint8Array {
  if (typeof field.value === 'bigint') throw new NotAMessage('a number where a message was expected');
  return field.value;
}

/** @throws {NotAMessage} when the field is a number */
export function textOf(field: Field): string {
  return Buffer.from(payloadOf(field)).toString('utf8');
}
