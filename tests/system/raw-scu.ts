/** An SCU that sends whatever bytes it is told to: what no well-behaved tool can be made to send. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { encodeDataSet } from '../../core/dicom/encode.ts';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
const CONTEXT_ID = 1;
const DEADLINE_MS = 10_000;

/** PS3.8 Table 9-11 ff.: types of PDUs. */
const A_ASSOCIATE_RQ = 1;
const A_ASSOCIATE_AC = 2;
const P_DATA_TF = 4;
const A_RELEASE_RQ = 5;

/** Opens an association for MR Image Storage and sends one C-STORE-RQ with these bytes as its data set. @returns the status */
export async function storeBytes(
  port: number,
  bytes: Uint8Array,
  sopInstanceUid: string,
  callingAeTitle = 'PV7T',
): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  const pdus = pdusFrom(socket);
  try {
    await once(socket, 'connect');
    socket.write(associateRequest(callingAeTitle, 'HUB'));
    const answer = await next(pdus);
    if (answer.type !== A_ASSOCIATE_AC) throw new Error(`the association was answered with PDU type ${answer.type}`);
    socket.write(data(storeCommand(sopInstanceUid), 3));
    // PS3.8 Annex E.2: bit 0 command, bit 1 last fragment. In two fragments, the second may be empty.
    socket.write(data(bytes.subarray(0, bytes.length >> 1), 0));
    socket.write(data(bytes.subarray(bytes.length >> 1), 2));
    const response = await next(pdus);
    if (response.type !== P_DATA_TF) throw new Error(`the request was answered with PDU type ${response.type}`);
    socket.write(pdu(A_RELEASE_RQ, Buffer.alloc(4)));
    await next(pdus);
    return statusIn(response.body.subarray(6));
  } finally {
    socket.destroy();
  }
}

/** Connects, sends these bytes and waits until the other side closes. @returns what it said until then */
export async function sendGarbage(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  const said: Buffer[] = [];
  socket.on('data', (chunk) => said.push(chunk));
  // The hub may reset: that it hangs up is what is asked.
  socket.on('error', () => undefined);
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('the hub did not hang up')));
  await once(socket, 'connect');
  socket.end(bytes);
  await new Promise<void>((closed) => socket.once('close', () => closed()));
  return Buffer.concat(said);
}

function associateRequest(calling: string, called: string): Buffer {
  const abstract = item(0x30, Buffer.from(MR_IMAGE_STORAGE));
  const transfer = item(0x40, Buffer.from(EXPLICIT_VR_LITTLE_ENDIAN));
  const context = item(0x20, Buffer.concat([Buffer.from([CONTEXT_ID, 0, 0, 0]), abstract, transfer]));
  const maxLength = Buffer.alloc(4);
  maxLength.writeUInt32BE(16_384);
  const user = item(
    0x50,
    Buffer.concat([item(0x51, maxLength), item(0x52, Buffer.from('1.2.826.0.1.3680043.10.511.1'))]),
  );
  const body = Buffer.concat([
    Buffer.from([0, 1, 0, 0]),
    Buffer.from(called.padEnd(16)),
    Buffer.from(calling.padEnd(16)),
    Buffer.alloc(32),
    item(0x10, Buffer.from('1.2.840.10008.3.1.1.1')),
    context,
    user,
  ]);
  return pdu(A_ASSOCIATE_RQ, body);
}

/** PS3.7 Section 9.3.1.1, implicit VR little endian. */
function storeCommand(sopInstanceUid: string): Buffer {
  const elements = [
    command(0x0002, padded(MR_IMAGE_STORAGE)),
    command(0x0100, uint16(0x0001)),
    command(0x0110, uint16(1)),
    command(0x0700, uint16(0)),
    command(0x0800, uint16(0)),
    command(0x1000, padded(sopInstanceUid)),
  ];
  const length = Buffer.alloc(4);
  length.writeUInt32LE(elements.reduce((sum, each) => sum + each.length, 0));
  return Buffer.concat([command(0x0000, length), ...elements]);
}

function command(element: number, value: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(element, 2);
  header.writeUInt32LE(value.length, 4);
  return Buffer.concat([header, value]);
}

/** Status (0000,0900) of a command set. */
function statusIn(set: Buffer): number {
  for (let at = 0; at + 8 <= set.length; at += 8 + set.readUInt32LE(at + 4)) {
    if (set.readUInt16LE(at) === 0 && set.readUInt16LE(at + 2) === 0x0900) return set.readUInt16LE(at + 8);
  }
  throw new Error('a response without a status');
}

function data(bytes: Uint8Array, flags: number): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt32BE(bytes.length + 2);
  header.writeUInt8(CONTEXT_ID, 4);
  header.writeUInt8(flags, 5);
  return pdu(P_DATA_TF, Buffer.concat([header, bytes]));
}

function pdu(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt8(type);
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

function item(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt8(type);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}

const padded = (uid: string): Buffer => Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`);
const uint16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
};

interface Pdu {
  readonly type: number;
  readonly body: Buffer;
}

async function* pdusFrom(socket: Socket): AsyncGenerator<Pdu> {
  let buffered = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 6 && buffered.length >= 6 + buffered.readUInt32BE(2)) {
      const end = 6 + buffered.readUInt32BE(2);
      yield { type: buffered.readUInt8(0), body: buffered.subarray(6, end) };
      buffered = buffered.subarray(end);
    }
  }
}

async function next(pdus: AsyncGenerator<Pdu>): Promise<Pdu> {
  const result = await pdus.next();
  if (result.done === true) throw new Error('the hub hung up');
  return result.value;
}

/** A data set of MR Image Storage with these UIDs, and pixel data that announces more bytes than follow. */
export function truncatedDataSet(studyInstanceUid: string, sopInstanceUid: string): Uint8Array {
  const whole = encodeDataSet({
    SOPClassUID: MR_IMAGE_STORAGE,
    SOPInstanceUID: sopInstanceUid,
    PatientID: 'CUT-1',
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: `${studyInstanceUid}.1`,
    Modality: 'MR',
    Rows: 64,
    Columns: 64,
    PixelData: { vr: 'OW', value: new Uint8Array(8192) },
  });
  return whole.subarray(0, whole.length - 3000);
}
