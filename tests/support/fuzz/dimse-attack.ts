/** Mutated associations against the DIMSE door. */
import type { HubProcess } from '../hub-process.ts';
import { integer, type Random } from '../seeded.ts';
import { say } from './attack.ts';
import { conversation, garbage } from './conversation.ts';

const KNOWN_PDUS: Readonly<Record<number, string>> = {
  2: 'accepted',
  3: 'rejected',
  4: 'answered',
  6: 'released',
  7: 'aborted',
};

/** @returns how the hub ended it. @throws {Error} when it says what is no PDU, or nothing to a whole conversation */
export async function attackDimse(hub: HubProcess, random: Random): Promise<string> {
  const { place, how, pdus } = integer(random, 20) === 0 ? garbage(random) : conversation(random);
  const types = pduTypes(await say(hub.dimsePort, Buffer.concat(pdus), random));
  const last = types.at(-1);
  const unknown = types.find((type) => KNOWN_PDUS[type] === undefined);
  if (unknown !== undefined) throw new Error(`PDU type ${unknown} after ${how} in the ${place}`);
  // What came may be the beginning of something whole: then the peer has hung up in the middle, and nothing is owed to it.
  return last === undefined ? 'nothing to say' : (KNOWN_PDUS[last] ?? '');
}

function pduTypes(said: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 6 <= said.length; at += 6 + said.readUInt32BE(at + 2)) types.push(said.readUInt8(at));
  return types;
}
