/** What hostile peers do at the DIMSE door, and how the hub has to end each of them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { HubProcess } from '../hub-process.ts';
import { mrInstance } from '../mr-instance.ts';
import { associateRequest, data, pdu, RELEASE_REQUEST, storeCommand, storeRequest, value } from '../raw-association.ts';
import { deflatedInstance, LYING_LENGTHS, manyElements, nested, type Hostile } from './bombs.ts';
import { HostilePeer, openFiles, pdusIn } from './peer.ts';

export interface Attack {
  readonly name: string;
  /** How it has to end. */
  readonly ends: RegExp;
  /** It takes as long as the hub's own patience, which cannot be set: for the long run. */
  readonly isSlow?: boolean;
  /** Nothing else is tried beside it. */
  readonly isAlone?: boolean;
  /** @returns how it ended */
  readonly carryOut: (hub: HubProcess) => Promise<string>;
}

const DEFLATED = '1.2.840.10008.1.2.1.99';
const IDLE_CONNECTIONS = 500;
const MAX_PENDING = 64;
/** The hub's own bounds of time are a few seconds here. */
const PATIENCE_MS = 30_000;
const BOMB_PATIENCE_MS = 60_000;
const FOUR_GB = 0xffffffff;
const A_REQUEST = associateRequest();

export const DIMSE_ATTACKS: readonly Attack[] = [
  {
    name: '500 connections that say nothing',
    ends: /^bounded, then all closed$/,
    // It drives out whoever has not sent a request yet, the slow ones of the other attacks included.
    isAlone: true,
    carryOut: async (hub) => {
      const before = await openFiles(hub.pid);
      const peers: HostilePeer[] = [];
      for (let n = 0; n < IDLE_CONNECTIONS; n += 1) peers.push(await HostilePeer.connect(hub.dimsePort));
      const more = (await openFiles(hub.pid)) - before;
      await Promise.all(peers.map(async (peer) => peer.untilClosed(PATIENCE_MS)));
      return more <= MAX_PENDING ? 'bounded, then all closed' : `${more} files were open`;
    },
  },
  dripped('an association request', A_REQUEST, 0),
  dripped(
    'the header of a PDU',
    Buffer.concat([A_REQUEST, data(value(1, 3, storeCommand({ sopInstanceUid: '1.2' })))]),
    A_REQUEST.length,
  ),
  (() => {
    const { sopInstanceUid, dataSet } = mrInstance({}, 32);
    const bytes = Buffer.concat([A_REQUEST, storeRequest({ sopInstanceUid }, dataSet)]);
    return dripped('a data set', bytes, bytes.length - 500);
  })(),
  {
    name: 'a peer that never reads, after 5,000 requests',
    // What it was told lies in its own network buffers; that it is rid of is what counts.
    ends: /^hung up$/,
    carryOut: async (hub) => {
      const peer = await HostilePeer.connect(hub.dimsePort);
      peer.send(A_REQUEST);
      await waitForWords(peer);
      peer.stopReading();
      const echo = data(value(1, 3, storeCommand({ sopInstanceUid: '1.2', field: 0x0030, hasDataSet: false })));
      const sending = peer.stream(Array.from({ length: 5_000 }, () => echo));
      await Promise.race([sending, delay(PATIENCE_MS)]);
      await hubForgets(hub, peer);
      return 'hung up';
    },
  },
  {
    name: 'a peer that vanishes in the middle of a data set',
    ends: /aborted\(2,\d\)$/,
    carryOut: async (hub) => {
      const { sopInstanceUid, dataSet } = mrInstance({}, 64);
      return conversation(hub, [A_REQUEST, storeRequest({ sopInstanceUid }, dataSet).subarray(0, 3_000)]);
    },
  },
  claims('a PDU of 4 GB', pdu(4, Buffer.alloc(16), FOUR_GB), /^accepted aborted\(2,6\)$/),
  claims('an association request of 4 GB', pdu(1, Buffer.alloc(16), FOUR_GB), /^aborted\(2,6\)$/, []),
  claims('an unknown PDU of 4 GB', pdu(9, Buffer.alloc(16), FOUR_GB), /^accepted aborted\(2,1\)$/),
  claims('a PDV of 4 GB', data(value(1, 3, Buffer.alloc(16), FOUR_GB)), /^accepted aborted\(2,6\)$/),
  claims('a command element of 4 GB', data(value(1, 3, commandWithLength(FOUR_GB))), /^accepted aborted\(2,6\)$/),
  claims('an item of 64 KB in a short request', pdu(1, requestWithItem(0xffff)), /^aborted\(2,6\)$/, []),
  ...Object.entries(LYING_LENGTHS).map(([where, make]) =>
    stores(`4 GB as the length of ${where}`, make, /answered\(0xc[0-9a-f]{3}\) released$/),
  ),
  stores('sequences 10,000 deep', () => nested(10_000), /answered\(0xc[0-9a-f]{3}\) released$/),
  // Nothing is wrong with it but its size.
  stores('a header of 1,000,000 elements', () => manyElements(1_000_000), /answered\(0x0\) released$/),
  stores('10 MB that inflate to 10 GB', deflatedInstance, /answered\(0xc[0-9a-f]{3}\) released$/, DEFLATED),
];

function dripped(what: string, bytes: Buffer, fast: number): Attack {
  return {
    name: `${what}, a byte a second`,
    ends: /aborted\(2,\d\)$/,
    carryOut: async (hub) => {
      const peer = await HostilePeer.connect(hub.dimsePort);
      peer.send(bytes.subarray(0, fast));
      const dripping = peer.drip(bytes.subarray(fast));
      await peer.untilClosed(PATIENCE_MS);
      await dripping;
      return pdusIn(peer.said);
    },
  };
}

/** Says it after an association, or as the first thing. */
function claims(name: string, bytes: Buffer, ends: RegExp, before: readonly Buffer[] = [A_REQUEST]): Attack {
  return { name, ends, carryOut: async (hub) => conversation(hub, [...before, bytes]) };
}

function stores(name: string, make: () => Hostile, ends: RegExp, transferSyntax?: string): Attack {
  return {
    name,
    ends,
    carryOut: async (hub) => {
      const { sopInstanceUid, dataSet } = make();
      const request =
        transferSyntax === undefined
          ? A_REQUEST
          : associateRequest({ contexts: [{ id: 1, transferSyntaxes: [transferSyntax] }] });
      return conversation(hub, [request, storeRequest({ sopInstanceUid }, dataSet), RELEASE_REQUEST], BOMB_PATIENCE_MS);
    },
  };
}

/** Says all of it and then nothing more: the hub has to answer, or to end it. */
async function conversation(hub: HubProcess, bytes: readonly Buffer[], patienceMs = PATIENCE_MS): Promise<string> {
  const peer = await HostilePeer.connect(hub.dimsePort);
  const sending = peer.stream(bytes);
  await peer.untilClosed(patienceMs);
  await sending;
  return pdusIn(peer.said);
}

async function waitForWords(peer: HostilePeer): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (peer.said.length === 0) {
    if (performance.now() > until) throw new Error('the hub said nothing');
    await delay(20);
  }
}

/** A peer that does not read does not see that the hub hung up; what it sends then is answered with a reset. */
async function hubForgets(hub: HubProcess, peer: HostilePeer): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (!peer.isClosed) {
    if (performance.now() > until) throw new Error(`the hub ${hub.pid} holds on to it`);
    peer.send(Uint8Array.of(0));
    await delay(100);
  }
}

function commandWithLength(length: number): Buffer {
  const command = Buffer.from(storeCommand({ sopInstanceUid: '1.2' }));
  // Behind the group length of 12 bytes: Affected SOP Class UID, its length at 4.
  command.writeUInt32LE(length, 16);
  return command;
}

function requestWithItem(length: number): Buffer {
  const request = Buffer.from(A_REQUEST.subarray(6));
  // The Application Context Item, behind 68 bytes of fixed fields.
  request.writeUInt16BE(length, 70);
  return request;
}
