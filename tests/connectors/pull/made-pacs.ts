/** A PACS made of bytes: honest unless a test says otherwise, and then as bad as it says. */
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { parseDataSet, type DataSet } from '../../../core/dicom/data-set.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import { encodeAccept, RELEASE_RESPONSE } from '../../../gateway/dimse/association-answer.ts';
import { parseAssociationRequest } from '../../../gateway/dimse/association-request.ts';
import type { NegotiatedContext } from '../../../gateway/dimse/presentation-contexts.ts';
import { encodeIdentifier, type Identifier } from '../../../peers/dimse/identifier.ts';
import { data, EXPLICIT, MR, RawPeer, RELEASE_REQUEST, statusOf, value } from '../../support/raw-association.ts';
import { mrInstance, newUid, type MrInstance } from '../../support/mr-instance.ts';

export interface MadeStudy {
  readonly uid: string;
  readonly date: string;
  readonly time: string;
  /** Of all its instances. */
  readonly series: string;
  readonly instances: readonly MrInstance[];
}

/** One request on one of its associations. */
export interface Asked {
  readonly command: number;
  readonly messageId: number;
  readonly contextId: number;
  readonly callingAeTitle: string;
  readonly destination: string;
  readonly identifier: DataSet;
  readonly socket: Socket;
  readonly storageContextId: number | undefined;
  /** A pending response. */
  pending(identifier?: Identifier, counts?: Counts): void;
  /** The final one. */
  end(status?: number, counts?: Counts): void;
  /** A C-STORE on the same association, as part of a C-GET. @returns the status of its response */
  store(instance: MrInstance): Promise<number>;
}

interface Counts {
  readonly remaining?: number;
  readonly completed?: number;
  readonly failed?: number;
}

export const FIND = 0x0020;
export const MOVE = 0x0021;
export const GET = 0x0010;

type Behaviour = (asked: Asked, pacs: MadePacs) => void | Promise<void>;

export class MadePacs {
  readonly aeTitle = 'PACS';
  studies: MadeStudy[] = [];
  /** In place of what is honest; `pacs.honest(asked)` does that. */
  behave: Behaviour = (asked) => this.honest(asked);
  /** Where it sends to. */
  destinationPort = 0;
  /** Every SOP Instance UID it sent and had a Success for. */
  readonly sent: string[] = [];
  /** What was asked, in order: `FIND STUDY`. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(): Promise<MadePacs> {
    const pacs = new MadePacs();
    await pacs.listen(0);
    return pacs;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A study of so many instances in one series. */
  add(instances: number, date = '20260301', time = '120000'): MadeStudy {
    const uid = newUid();
    const series = newUid();
    const study = {
      ...{ uid, date, time, series },
      instances: Array.from({ length: instances }, () =>
        mrInstance({ StudyInstanceUID: uid, SeriesInstanceUID: series, StudyDate: date }),
      ),
    };
    this.studies.push(study);
    return study;
  }

  async honest(asked: Asked): Promise<void> {
    if (asked.command === FIND) this.find(asked);
    else if (asked.command === MOVE) await this.move(asked);
    else await this.get(asked);
  }

  find(asked: Asked): void {
    const { identifier } = asked;
    const level = identifier.string('QueryRetrieveLevel') ?? '';
    for (const study of this.#meant(identifier)) {
      if (level === 'STUDY') {
        asked.pending({
          StudyInstanceUID: study.uid,
          StudyDate: study.date,
          ModalitiesInStudy: 'MR',
          NumberOfStudyRelatedInstances: String(study.instances.length),
        });
        continue;
      }
      const { series, instances } = study;
      if (level === 'SERIES') {
        asked.pending({
          StudyInstanceUID: study.uid,
          SeriesInstanceUID: series,
          NumberOfSeriesRelatedInstances: String(instances.length),
        });
      } else {
        for (const { sopInstanceUid } of instances) asked.pending({ SOPInstanceUID: sopInstanceUid, SOPClassUID: MR });
      }
    }
    asked.end();
  }

  async move(asked: Asked): Promise<void> {
    const instances = this.instancesOf(asked.identifier);
    await this.send(asked, instances);
    asked.end(0, { completed: instances.length, failed: 0 });
  }

  async get(asked: Asked): Promise<void> {
    const instances = this.instancesOf(asked.identifier);
    for (const instance of instances) await asked.store(instance);
    asked.end(0, { completed: instances.length, failed: 0 });
  }

  instancesOf(identifier: DataSet): readonly MrInstance[] {
    const wanted = new Set(identifier.strings('SOPInstanceUID').filter((uid) => uid !== ''));
    return this.#meant(identifier)
      .flatMap(({ instances }) => instances)
      .filter(({ sopInstanceUid }) => wanted.size === 0 || wanted.has(sopInstanceUid));
  }

  /** Sends to the hub's own door, on an association of its own. @param named - says for which move, as most do */
  async send(
    { callingAeTitle, messageId }: Pick<Asked, 'callingAeTitle' | 'messageId'>,
    instances: readonly MrInstance[],
    { named = true, hangUpAfter = Infinity }: { readonly named?: boolean; readonly hangUpAfter?: number } = {},
  ): Promise<readonly number[]> {
    const peer = await RawPeer.associate(this.destinationPort, { calling: this.aeTitle, called: 'HUB' });
    const statuses: number[] = [];
    for (const [index, instance] of instances.entries()) {
      if (index >= hangUpAfter) {
        peer.reset();
        return statuses;
      }
      const originator = named ? { aeTitle: callingAeTitle, messageId } : undefined;
      peer.send(storeRequest(instance, 1, index + 1, originator));
      const status = statusOf(await peer.next());
      statuses.push(status);
      if (status === 0) this.sent.push(instance.sopInstanceUid);
    }
    peer.send(RELEASE_REQUEST);
    await peer.untilClosed();
    return statuses;
  }

  #meant(identifier: DataSet): readonly MadeStudy[] {
    const uid = identifier.string('StudyInstanceUID');
    const inRange = (written: string | undefined, is: string) => {
      if (written === undefined) return true;
      const [from = '', to = from] = written.split('-');
      return is >= from && (to === '' || is <= to);
    };
    return this.studies.filter(
      (study) =>
        (uid === undefined || uid === study.uid) &&
        inRange(identifier.string('StudyDate'), study.date) &&
        inRange(identifier.string('StudyTime'), study.time),
    );
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    let buffered = Buffer.alloc(0);
    const association = new Served(socket, this);
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 6 && buffered.length >= 6 + buffered.readUInt32BE(2)) {
        const end = 6 + buffered.readUInt32BE(2);
        association.pdu(buffered.readUInt8(0), buffered.subarray(6, end));
        buffered = buffered.subarray(end);
      }
    });
  }
}

/** One association that the hub opened. */
class Served {
  readonly #socket: Socket;
  readonly #pacs: MadePacs;
  #callingAeTitle = '';
  #contexts: readonly NegotiatedContext[] = [];
  #command: Buffer | undefined;
  readonly #data: Buffer[] = [];
  /** Settles the C-STORE-RQ that waits for its response. */
  #stored: ((status: number) => void) | undefined;

  constructor(socket: Socket, pacs: MadePacs) {
    this.#socket = socket;
    this.#pacs = pacs;
  }

  pdu(type: number, body: Buffer): void {
    if (type === 1) this.#accept(body);
    else if (type === 5) this.#socket.end(RELEASE_RESPONSE);
    else if (type === 4) this.#values(body);
  }

  #accept(body: Buffer): void {
    const request = parseAssociationRequest(body);
    this.#callingAeTitle = request.callingAeTitle;
    this.#contexts = request.contexts.map(({ id, abstractSyntaxUid, transferSyntaxUids, roles }) => ({
      ...{ id, abstractSyntaxUid },
      result: transferSyntaxUids[0] === EXPLICIT ? 0 : 4,
      transferSyntaxUid: EXPLICIT,
      ...(roles === undefined ? {} : { roles }),
    }));
    this.#socket.write(encodeAccept(request, this.#contexts, 16_384, false));
  }

  #values(body: Buffer): void {
    for (let at = 0; at < body.length; at += 4 + body.readUInt32BE(at)) {
      const length = body.readUInt32BE(at);
      const flags = body.readUInt8(at + 5);
      const bytes = body.subarray(at + 6, at + 4 + length);
      if ((flags & 1) !== 0) this.#command = Buffer.from(bytes);
      else this.#data.push(Buffer.from(bytes));
      if (this.#command === undefined || (flags & 2) === 0) continue;
      const command = elementsOf(this.#command);
      const hasData = command.get(0x0800)?.readUInt16LE() !== 0x0101;
      if ((flags & 1) !== 0 && hasData) continue;
      const identifier = Buffer.concat(this.#data.splice(0));
      this.#command = undefined;
      this.#message(body.readUInt8(at + 4), command, identifier);
    }
  }

  #message(contextId: number, command: ReadonlyMap<number, Buffer>, bytes: Buffer): void {
    const field = command.get(0x0100)?.readUInt16LE() ?? 0;
    if (field === 0x8001) {
      this.#stored?.(command.get(0x0900)?.readUInt16LE() ?? -1);
      return;
    }
    if (field === 0x0fff) {
      this.#pacs.asked.push('CANCEL');
      return;
    }
    const messageId = command.get(0x0110)?.readUInt16LE() ?? 0;
    const identifier = parseDataSet(bytes, EXPLICIT_VR_LITTLE_ENDIAN);
    const storage = this.#contexts.find(({ abstractSyntaxUid, result }) => abstractSyntaxUid === MR && result === 0);
    const respond = (status: number, counts: Counts, answer?: Identifier) => {
      const set = commandSet([
        [0x0100, uint16(field | 0x8000)],
        [0x0120, uint16(messageId)],
        [0x0800, uint16(answer === undefined ? 0x0101 : 1)],
        [0x0900, uint16(status)],
        ...(counts.remaining === undefined ? [] : [[0x1020, uint16(counts.remaining)] as const]),
        ...(counts.completed === undefined ? [] : [[0x1021, uint16(counts.completed)] as const]),
        ...(counts.failed === undefined ? [] : [[0x1022, uint16(counts.failed)] as const]),
      ]);
      this.#socket.write(data(value(contextId, 3, set)));
      if (answer === undefined) return;
      this.#socket.write(data(value(contextId, 2, encodeIdentifier(answer, EXPLICIT_VR_LITTLE_ENDIAN))));
    };
    const name = field === FIND ? 'FIND' : field === MOVE ? 'MOVE' : 'GET';
    this.#pacs.asked.push(`${name} ${identifier.string('QueryRetrieveLevel') ?? ''}`);
    const asked: Asked = {
      command: field,
      ...{ messageId, contextId, identifier },
      callingAeTitle: this.#callingAeTitle,
      destination: command.get(0x0600)?.toString('latin1').trim() ?? '',
      socket: this.#socket,
      storageContextId: storage?.id,
      pending: (answer, counts = {}) => respond(0xff00, counts, answer),
      end: (status = 0, counts = {}) => respond(status, counts),
      store: (instance) => this.#store(instance, storage?.id ?? 0),
    };
    void Promise.resolve(this.#pacs.behave(asked, this.#pacs)).catch(() => this.#socket.destroy());
  }

  async #store(instance: MrInstance, contextId: number): Promise<number> {
    const answered = new Promise<number>((resolve) => {
      this.#stored = resolve;
    });
    this.#socket.write(storeRequest(instance, contextId, 7, undefined));
    const status = await answered;
    if (status === 0) this.#pacs.sent.push(instance.sopInstanceUid);
    return status;
  }
}

function storeRequest(
  { sopInstanceUid, dataSet }: MrInstance,
  contextId: number,
  messageId: number,
  originator: { readonly aeTitle: string; readonly messageId: number } | undefined,
): Buffer {
  const command = commandSet([
    [0x0002, padded(MR)],
    [0x0100, uint16(0x0001)],
    [0x0110, uint16(messageId)],
    [0x0700, uint16(0)],
    [0x0800, uint16(1)],
    [0x1000, padded(sopInstanceUid)],
    ...(originator === undefined
      ? []
      : ([
          [0x1030, Buffer.from(originator.aeTitle.padEnd(originator.aeTitle.length + (originator.aeTitle.length % 2)))],
          [0x1031, uint16(originator.messageId)],
        ] as const)),
  ]);
  return Buffer.concat([data(value(contextId, 3, command)), data(value(contextId, 2, dataSet))]);
}

function commandSet(elements: readonly (readonly [number, Buffer])[]): Buffer {
  const body = Buffer.concat(elements.map(([tag, bytes]) => element(tag, bytes)));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([element(0, length), body]);
}

function element(tag: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(tag, 2);
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

function elementsOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const elements = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32LE(at + 4)) {
    elements.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at + 4)));
  }
  return elements;
}

function uint16(number: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(number);
  return bytes;
}

const padded = (uid: string): Buffer => Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`, 'latin1');
