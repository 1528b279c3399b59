/**
 * How much memory large objects take: eight associations of 50 MB objects at once beside 100 idle ones, then one
 * object of 2 GB, each in a fresh hub; Orthanc with the same eight senders for comparison.
 *
 *   npm run bench -- memory [--associations 8] [--idle 100] [--objects 3] [--gigabytes 2]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sendInstances } from '../connectors/c-store/send.ts';
import { rangedSource } from '../core/ranged-source.ts';
import type { ByteSource } from '../core/store.ts';
import { RawPeer } from '../tests/support/raw-association.ts';
import { largeImage, writeImages } from './images.ts';
import { peakRssMib } from './process-cost.ts';
import { type HubReceiver, type Receiver, startDefaultOrthanc, startHub } from './receivers.ts';
import { sendFolders } from './storescu.ts';

const GIB = 1024 ** 3;
const LIMIT_MIB = { many: 256, one: 400 };

export async function benchMemory(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      associations: { type: 'string', default: '8' },
      idle: { type: 'string', default: '100' },
      objects: { type: 'string', default: '3' },
      gigabytes: { type: 'string', default: '2' },
    },
  });
  const associations = Number(values.associations);
  const idle = Number(values.idle);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  try {
    await writeImages(
      folder,
      { images: associations * Number(values.objects), pixels: 512, frames: 100 },
      associations,
    );
    const ofOrthanc = await fresh(startDefaultOrthanc, (orthanc) => sendFolders(folder, associations, orthanc));
    await writeImages(
      folder,
      { images: associations * Number(values.objects), pixels: 512, frames: 100 },
      associations,
    );
    const config = { gateway: { dimse: { maxAssociations: associations + idle } } };
    const many = await fresh(
      () => startHub(config),
      async (hub) => {
        const waiting: RawPeer[] = [];
        // One after the other: so many at once would be refused as connections that say nothing.
        for (let n = 0; n < idle; n += 1) waiting.push(await RawPeer.associate(hub.port));
        await sendFolders(folder, associations, hub);
        for (const peer of waiting) peer.destroy();
      },
    );
    console.log(`\n${String(associations)} associations of 52 MB objects, ${String(idle)} idle ones`);
    console.log(
      `  ${verdict(many, LIMIT_MIB.many)}   ${(many / ofOrthanc).toFixed(2)} × Orthanc without the idle ones`,
    );
    const bytes = Number(values.gigabytes) * GIB;
    const one = await fresh(startHub, (hub) => sendOne(hub, bytes));
    console.log(`\none object of ${values.gigabytes} GiB`);
    console.log(`  ${verdict(one, LIMIT_MIB.one)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function verdict(mib: number, limitMib: number): string {
  return `hub at most ${mib.toFixed(0)} MiB resident, ${mib <= limitMib ? 'within' : 'ABOVE'} ${String(limitMib)}`;
}

/** @returns the most memory the receiver had at any time since its start */
async function fresh<R extends Receiver>(
  start: () => Promise<R>,
  work: (receiver: R) => Promise<unknown>,
): Promise<number> {
  const receiver = await start();
  try {
    await work(receiver);
    return peakRssMib(receiver.pid);
  } finally {
    await receiver.stop();
  }
}

/** Its pixels are made as they go: neither a file nor memory holds them. */
async function sendOne(hub: HubReceiver, pixelBytes: number): Promise<void> {
  const { head, ...instance } = largeImage(pixelBytes);
  const source: ByteSource = rangedSource(
    head.length + pixelBytes,
    (offset, length) => {
      const bytes = Buffer.alloc(length);
      if (offset < head.length) bytes.set(head.subarray(offset, offset + length));
      return Promise.resolve(bytes);
    },
    () => Promise.resolve(),
  );
  const peer = {
    host: '127.0.0.1',
    port: hub.port,
    calledAeTitle: hub.aeTitle,
    callingAeTitle: 'SCANNER',
    timeouts: { connectMs: 5_000, associationMs: 30_000, responseMs: 300_000 },
  };
  await sendInstances(
    peer,
    [{ ...instance, open: () => Promise.resolve(source) }],
    AbortSignal.timeout(900_000),
    ({ outcome, status }) => {
      if (outcome !== 'stored') throw new Error(`the hub did not take it: ${outcome} ${status.toString(16)}`);
    },
  );
}
