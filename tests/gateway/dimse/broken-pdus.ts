/** What a peer may do wrong on the port of the DIMSE door, and why it is aborted then (PS3.8 Table 9-26). */
import {
  RELEASE_REQUEST,
  associateRequest,
  data,
  item,
  pdu,
  storeCommand,
  value,
} from '../../support/raw-association.ts';

/** PS3.8 Section 9.3.8 */
export const A_ABORT = 7;
export const REASON = {
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  unexpectedParameter: 5,
  invalidParameterValue: 6,
} as const;

/** What a peer does wrong once it is associated, and the reason it is given. */
export const FAULTS: readonly { readonly name: string; readonly bytes: Buffer; readonly reason: number }[] = [
  { name: 'a PDU of unknown type', bytes: pdu(9, Buffer.alloc(4)), reason: REASON.unrecognizedPdu },
  { name: 'a P-DATA-TF of 4 GiB', bytes: pdu(4, Buffer.alloc(0), 0xffffffff), reason: REASON.invalidParameterValue },
  {
    name: 'a P-DATA-TF longer than announced',
    bytes: pdu(4, Buffer.alloc(0), 128 * 1024 + 1),
    reason: REASON.invalidParameterValue,
  },
  { name: 'an empty P-DATA-TF', bytes: pdu(4, Buffer.alloc(0)), reason: REASON.invalidParameterValue },
  {
    name: 'a value longer than its PDU',
    bytes: data(value(1, 3, Buffer.alloc(4), 400)),
    reason: REASON.invalidParameterValue,
  },
  { name: 'a value of length 1', bytes: data(value(1, 3, Buffer.alloc(4), 1)), reason: REASON.invalidParameterValue },
  {
    name: 'bytes left over in a PDU',
    bytes: data(value(1, 1, Buffer.alloc(4)), Buffer.alloc(3)),
    reason: REASON.invalidParameterValue,
  },
  {
    name: 'a context that was not proposed',
    bytes: data(value(3, 3, storeCommand({ sopInstanceUid: '1.2' }))),
    reason: REASON.invalidParameterValue,
  },
  { name: 'data without a command', bytes: data(value(1, 2, Buffer.alloc(4))), reason: REASON.unexpectedParameter },
  {
    name: 'a command inside a data set',
    bytes: Buffer.concat([
      data(value(1, 3, storeCommand({ sopInstanceUid: '1.2' })), value(1, 0, Buffer.alloc(8))),
      data(value(1, 3, storeCommand({ sopInstanceUid: '1.2' }))),
    ]),
    reason: REASON.unexpectedParameter,
  },
  {
    name: 'random bytes as a command set',
    bytes: data(value(1, 3, Buffer.from('0badc0ffee0ddf00d0badc0ffee0ddf0', 'hex'))),
    reason: REASON.invalidParameterValue,
  },
  {
    name: 'an endless command set',
    bytes: Buffer.concat(Array.from({ length: 5 }, () => data(value(1, 1, Buffer.alloc(16_000))))),
    reason: REASON.invalidParameterValue,
  },
  {
    name: 'a response nobody asked for',
    bytes: data(value(1, 3, storeCommand({ sopInstanceUid: '1.2', field: 0x8001 }))),
    reason: REASON.unexpectedParameter,
  },
  { name: 'a second association request', bytes: associateRequest(), reason: REASON.unexpectedPdu },
  { name: 'an association response', bytes: pdu(2, Buffer.alloc(68)), reason: REASON.unexpectedPdu },
  { name: 'a release of the wrong length', bytes: pdu(5, Buffer.alloc(8)), reason: REASON.invalidParameterValue },
  {
    name: 'a release inside a message',
    bytes: Buffer.concat([data(value(1, 3, storeCommand({ sopInstanceUid: '1.2' }))), RELEASE_REQUEST]),
    reason: REASON.unexpectedPdu,
  },
];

/** What comes on the port and is no association request, and the reason it is given. */
export const STRANGERS: readonly { readonly name: string; readonly bytes: Buffer; readonly reason: number }[] = [
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: hub\r\n\r\n'), reason: REASON.unrecognizedPdu },
  { name: 'a TLS hello', bytes: Buffer.from('16030100a5010000a10303', 'hex'), reason: REASON.unrecognizedPdu },
  { name: 'zeros', bytes: Buffer.alloc(1), reason: REASON.unrecognizedPdu },
  { name: 'data before an association', bytes: data(value(1, 3, Buffer.alloc(4))), reason: REASON.unexpectedPdu },
  { name: 'a request of 4 GiB', bytes: pdu(1, Buffer.alloc(0), 0xffffffff), reason: REASON.invalidParameterValue },
  { name: 'a request that is too short', bytes: pdu(1, Buffer.alloc(20)), reason: REASON.invalidParameterValue },
  {
    name: 'an item longer than the request',
    bytes: pdu(1, Buffer.concat([Buffer.alloc(68), item(0x10, Buffer.alloc(8)).subarray(0, 6)])),
    reason: REASON.invalidParameterValue,
  },
  {
    name: 'a context id twice',
    bytes: associateRequest({ contexts: [{ id: 1 }, { id: 1 }] }),
    reason: REASON.invalidParameterValue,
  },
  {
    name: 'an even context id',
    bytes: associateRequest({ contexts: [{ id: 2 }] }),
    reason: REASON.invalidParameterValue,
  },
];
