/** PDUs of the upper layer protocol (PS3.8 Section 9.3) as an association requester meets them. */
import { HubError } from '../../core/errors.ts';

export const PDU = {
  associateAccept: 0x02,
  associateReject: 0x03,
  data: 0x04,
  releaseRequest: 0x05,
  releaseResponse: 0x06,
  abort: 0x07,
} as const;

const HEADER_BYTES = 6;
/** Nothing that a provider answers is near this long: we announce an eighth of it. */
const MAX_PDU_BYTES = 1024 * 1024;

export interface Pdu {
  readonly type: number;
  /** The whole PDU, header included. */
  readonly bytes: Buffer;
}

/** Cuts what arrives into PDUs. */
export class PduReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws {HubError} `partner.refused` when the peer does not speak DICOM */
  push(chunk: Buffer): readonly Pdu[] {
    const pdus: Pdu[] = [];
    let bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.byteLength >= HEADER_BYTES) {
      const type = bytes.readUInt8(0);
      const end = HEADER_BYTES + bytes.readUInt32BE(2);
      if (type < 1 || type > 7 || end > MAX_PDU_BYTES)
        throw new HubError('partner.refused', { detail: 'it does not speak DICOM' });
      if (bytes.byteLength < end) break;
      pdus.push({ type, bytes: bytes.subarray(0, end) });
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return pdus;
  }
}

/** Presentation data values of a P-DATA-TF. @throws {HubError} `partner.refused` */
export function* dataValues({ bytes }: Pdu): Generator<{
  readonly contextId: number;
  readonly isCommand: boolean;
  readonly isLast: boolean;
  readonly value: Buffer;
}> {
  for (let at = HEADER_BYTES; at < bytes.byteLength;) {
    const length = at + 4 <= bytes.byteLength ? bytes.readUInt32BE(at) : 0;
    if (length < 2 || at + 4 + length > bytes.byteLength)
      throw new HubError('partner.refused', { detail: 'it sent a broken PDU' });
    const control = bytes.readUInt8(at + 5);
    yield {
      contextId: bytes.readUInt8(at + 4),
      isCommand: (control & 1) !== 0,
      isLast: (control & 2) !== 0,
      value: bytes.subarray(at + 6, at + 4 + length),
    };
    at += 4 + length;
  }
}

/** Header of a P-DATA-TF with one presentation data value of `length` bytes, which follow it. */
export function dataHeader(
  contextId: number,
  length: number,
  kind: { readonly isCommand: boolean; readonly isLast: boolean },
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES + 6);
  header.writeUInt8(PDU.data, 0);
  header.writeUInt32BE(length + 6, 2);
  header.writeUInt32BE(length + 2, 6);
  header.writeUInt8(contextId, 10);
  header.writeUInt8((kind.isCommand ? 1 : 0) | (kind.isLast ? 2 : 0), 11);
  return header;
}

export const RELEASE_REQUEST: Buffer = Buffer.from([PDU.releaseRequest, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
/** PS3.8 Table 9-26: source 0, the service user. */
export const ABORT: Buffer = Buffer.from([PDU.abort, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
