/** What a scanner says from its request for an association to its release, with a mistake somewhere. */
import { deflateRawSync } from 'node:zlib';
import { encodeDataSet } from '../../../core/dicom/encode.ts';
import { mrInstance, newUid } from '../mr-instance.ts';
import {
  associateRequest,
  data,
  EXPLICIT,
  item,
  pdu,
  RELEASE_REQUEST,
  storeCommand,
  value,
  type RequestOptions,
} from '../raw-association.ts';
import { integer, pick, type Random } from '../seeded.ts';
import { mutate } from './mutations.ts';

const IMPLICIT = '1.2.840.10008.1.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';
const RLE = '1.2.840.10008.1.2.5';
const VERIFICATION = '1.2.840.10008.1.1';
const COMMITMENT = '1.2.840.10008.1.20.1';

/** C-STORE, C-ECHO, N-ACTION, C-FIND, C-CANCEL, an answer nobody asked for, none at all. */
const COMMAND_FIELDS = [0x0001, 0x0001, 0x0001, 0x0030, 0x0130, 0x0020, 0x0fff, 0x8001, 0x0000];

/** Where the mistake is. */
const PLACES = ['association', 'pdu', 'order', 'command', 'data set'] as const;
export type Place = (typeof PLACES)[number];

export interface Conversation {
  readonly place: Place;
  readonly how: string;
  readonly pdus: readonly Buffer[];
}

export function conversation(random: Random): Conversation {
  const place = pick(random, PLACES);
  switch (place) {
    case 'association': {
      const { bytes, how } = mutate(Buffer.from(request(random)), random);
      return { place, how, pdus: [bytes, ...store(random), RELEASE_REQUEST] };
    }
    case 'pdu': {
      const pdus = [request(random), ...store(random), RELEASE_REQUEST];
      const at = integer(random, pdus.length);
      const { bytes, how } = mutate(pdus[at] ?? RELEASE_REQUEST, random);
      return { place, how: `${how} in PDU ${at}`, pdus: pdus.with(at, bytes) };
    }
    case 'order': {
      const pdus = [request(random), ...store(random), ...store(random), RELEASE_REQUEST];
      const [from, to] = [integer(random, pdus.length), integer(random, pdus.length)];
      const moved = pdus.splice(from, 1);
      pdus.splice(to, 0, ...moved, ...(random() < 0.3 ? moved : []));
      return { place, how: `PDU ${from} at ${to}`, pdus };
    }
    case 'command': {
      const { bytes, how } = mutate(command(random), random);
      const sent = data(value(1, 3, bytes));
      return { place, how, pdus: [request(random), sent, ...fragments(random, dataSet(random)), RELEASE_REQUEST] };
    }
    case 'data set': {
      const { bytes, how } = mutate(Buffer.from(dataSet(random)), random);
      return { place, how, pdus: [request(random), ...store(random, bytes), RELEASE_REQUEST] };
    }
    default:
      throw new Error(place satisfies never);
  }
}

function request(random: Random): Buffer {
  const options: RequestOptions = {
    contexts: [
      { id: 1, transferSyntaxes: [pick(random, [EXPLICIT, IMPLICIT, DEFLATED, RLE])] },
      { id: 3, abstractSyntax: VERIFICATION, transferSyntaxes: [IMPLICIT] },
      { id: 5, abstractSyntax: COMMITMENT, transferSyntaxes: [IMPLICIT, EXPLICIT] },
    ],
    userItems: [
      item(0x53, Buffer.from([0, 0, 0, 0])),
      item(
        0x54,
        Buffer.concat([Buffer.from([0, VERIFICATION.length]), Buffer.from(VERIFICATION), Buffer.from([1, 1])]),
      ),
      item(0x58, Buffer.from([1, 1, 0, 1, 0x61, 0, 0])),
    ].slice(0, integer(random, 4)),
  };
  return associateRequest(options);
}

function store(random: Random, bytes: Uint8Array = dataSet(random)): readonly Buffer[] {
  return [data(value(1, 3, command(random))), ...fragments(random, bytes)];
}

function command(random: Random): Buffer {
  return storeCommand({ sopInstanceUid: newUid(), field: pick(random, COMMAND_FIELDS), hasDataSet: random() < 0.9 });
}

/** In P-DATA-TF of any length, one or two values in each. */
function fragments(random: Random, bytes: Uint8Array): readonly Buffer[] {
  const sent: Buffer[] = [];
  let at = 0;
  do {
    const values: Buffer[] = [];
    for (let n = 1 + integer(random, 2); n > 0; n -= 1) {
      const some = bytes.subarray(at, at + 1 + integer(random, 3_000));
      at += some.length;
      values.push(value(1, at >= bytes.length ? 2 : 0, some));
      if (at >= bytes.length) break;
    }
    sent.push(data(...values));
  } while (at < bytes.length);
  return sent;
}

function dataSet(random: Random): Uint8Array {
  const plain = pick(random, [
    () => mrInstance({}, 8).dataSet,
    () => encodeDataSet({ ...mrInstance({}, 4).attributes, ...nested(integer(random, 40)) }),
    () => deflateRawSync(mrInstance({}, 8).dataSet),
    () => mrInstance({ StudyInstanceUID: '' }, 2).dataSet,
    () => new Uint8Array(0),
  ]);
  return plain();
}

function nested(depth: number): Readonly<Record<string, never>> | Parameters<typeof encodeDataSet>[0] {
  return depth === 0 ? {} : { ContentSequence: [{ TextValue: 'x', ...nested(depth - 1) }] };
}

/** Garbage that was never a conversation. */
export function garbage(random: Random): Conversation {
  const bytes = Buffer.from(Array.from({ length: 1 + integer(random, 300) }, () => integer(random, 256)));
  const types = [1, 2, 3, 4, 5, 6, 7, 0, 8, 255];
  return {
    place: 'pdu',
    how: 'garbage',
    pdus: [pdu(pick(random, types), bytes, pick(random, [bytes.length, 4, 0xffffffff]))],
  };
}
