/** A conversation cut off at each of its PDU boundaries and at every 64th byte, by FIN and by RST, at once or once it is answered. */
import { expect } from 'chai';
import { openLedgerFile } from '../crash-ledger.ts';
import type { HubProcess } from '../hub-process.ts';
import { mrInstance, type MrInstance } from '../mr-instance.ts';
import { associateRequest, RELEASE_REQUEST, storeRequest } from '../raw-association.ts';
import { waitFor } from '../wait-for.ts';
import { HostilePeer, pdusIn } from './peer.ts';

const EVERY_BYTES = 64;
const PATIENCE_MS = 15_000;
const CONCURRENCY = 4;
const REQUEST = associateRequest();

export interface CutOutcome {
  readonly cuts: number;
  readonly acknowledged: number;
  /** Complete before the cut, and kept although nobody could be told. */
  readonly keptUntold: number;
}

interface Cut {
  readonly at: number;
  readonly how: 'end' | 'reset';
  /** Only when everything that is whole by then was answered. */
  readonly isPatient: boolean;
  readonly instances: readonly MrInstance[];
  /** Of the bytes, where each instance is complete. */
  readonly completeAt: readonly number[];
  readonly bytes: Buffer;
}

/** @param pixels - edge of the images of the conversation; @throws {AssertionError} */
export async function cutEverywhere(hub: HubProcess, pixels: number): Promise<CutOutcome> {
  const places = placesOf(conversation(pixels).bytes);
  const cuts = places.flatMap((at) =>
    (['end', 'reset'] as const).flatMap((how) =>
      [true, false].map((isPatient): Cut => ({ at, how, isPatient, ...conversation(pixels) })),
    ),
  );
  const acknowledged: string[] = [];
  const left = [...cuts];
  const worker = async () => {
    for (let cut = left.shift(); cut !== undefined; cut = left.shift())
      acknowledged.push(...(await carryOut(hub, cut)));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const ledger = openLedgerFile(hub.dataFolder);
  try {
    let lost = acknowledged;
    const known = new Set<string>();
    await waitFor('the ledger to know what was acknowledged', () => {
      for (const { uid } of ledger.all('SELECT sop_instance_uid AS uid FROM instances')) known.add(String(uid));
      lost = acknowledged.filter((uid) => !known.has(uid));
      return lost.length === 0;
    }).catch((error: unknown) => {
      throw new Error(`acknowledged and lost: ${lost.join(', ')}`, { cause: error });
    });
    expect(acknowledged.length, 'some were answered, so something was tried').to.be.greaterThan(0);
    const partial = cuts.flatMap(({ at, instances, completeAt }) =>
      instances.filter((_, n) => (completeAt[n] ?? 0) > at).map(({ sopInstanceUid }) => sopInstanceUid),
    );
    expect(
      partial.filter((uid) => known.has(uid)),
      'stored, though only a part of it was sent',
    ).to.deep.equal([]);
    const offered = cuts.flatMap(({ instances }) => instances.map(({ sopInstanceUid }) => sopInstanceUid));
    const kept = offered.filter((uid) => known.has(uid)).length;
    return { cuts: cuts.length, acknowledged: acknowledged.length, keptUntold: kept - acknowledged.length };
  } finally {
    ledger.close();
  }
}

/** @returns the instances that were answered with Success before the end */
async function carryOut(hub: HubProcess, cut: Cut): Promise<readonly string[]> {
  const { at, how, isPatient, instances, bytes, completeAt } = cut;
  const peer = await HostilePeer.connect(hub.dimsePort);
  const successes = () => pdusIn(peer.said).match(/answered\(0x0\)/g)?.length ?? 0;
  peer.send(bytes.subarray(0, at));
  const whole = completeAt.filter((end) => end <= at).length;
  if (isPatient) await waitFor(`${whole} answers before byte ${at}`, () => successes() === whole);
  if (how === 'end') peer.end();
  else peer.reset();
  await peer.untilClosed(PATIENCE_MS);
  return instances.slice(0, successes()).map(({ sopInstanceUid }) => sopInstanceUid);
}

function conversation(pixels: number): Pick<Cut, 'instances' | 'completeAt' | 'bytes'> {
  const instances = [mrInstance({}, pixels), mrInstance({}, pixels)];
  let bytes = REQUEST;
  const completeAt: number[] = [];
  for (const [n, { sopInstanceUid, dataSet }] of instances.entries()) {
    bytes = Buffer.concat([bytes, storeRequest({ sopInstanceUid, messageId: n + 1 }, dataSet)]);
    completeAt.push(bytes.length);
  }
  return { instances, completeAt, bytes: Buffer.concat([bytes, RELEASE_REQUEST]) };
}

function placesOf(bytes: Buffer): readonly number[] {
  const places = new Set<number>();
  for (let at = 0; at < bytes.length; at += 6 + bytes.readUInt32BE(at + 2)) places.add(at);
  for (let at = 0; at < bytes.length; at += EVERY_BYTES) places.add(at);
  return [...places, bytes.length].toSorted((one, other) => one - other);
}
