/**
 * How fast instances go out by C-STORE: a `c-store` destination of the hub beside DCMTK's storescu, each to the same
 * storescp and the same Orthanc, over loopback, in interleaved rounds. Files are read from the disk either way.
 *
 *   npm run bench -- send [--images N] [--rounds 5] [--pixels N] [--frames N]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openLocalFiles } from '../cli/local-files.ts';
import { open as openCStore } from '../connectors/c-store/connector.ts';
import { cStore } from '../connectors/c-store/index.ts';
import { contextOf, orderOf } from '../tests/support/outgoing.ts';
import { type ImageSet, writeImages } from './images.ts';
import { type Receiver, startDcmtk, startDefaultOrthanc } from './receivers.ts';
import { interleaved, reportRatios } from './rounds.ts';
import { sendFolders } from './storescu.ts';

interface Sender {
  readonly name: string;
  /** @returns seconds until the last answer */
  send(folder: string, receiver: Receiver): Promise<number>;
}

const SENDERS: readonly Sender[] = [
  { name: 'hub', send: sendAsDestination },
  { name: 'storescu', send: (folder, receiver) => sendFolders(folder, 1, receiver) },
];

export async function benchSend(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '5' },
      pixels: { type: 'string', default: '256' },
      frames: { type: 'string', default: '1' },
    },
  });
  const set = { images: Number(values.images), pixels: Number(values.pixels), frames: Number(values.frames) };
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const receivers = [await startDcmtk(folder), await startDefaultOrthanc()];
  try {
    for (const receiver of receivers) {
      const rates = await interleaved(
        SENDERS,
        rounds,
        () => writeEach(folder, set),
        async (sender) => {
          const seconds = await sender.send(join(folder, sender.name), receiver);
          await receiver.tidy();
          return set.images / seconds;
        },
      );
      const kilobytes = (set.pixels * set.pixels * 2 * set.frames) / 1_000;
      const title = `to ${receiver.name}: ${String(set.images)} objects of ${kilobytes.toFixed(0)} kB, ${String(rounds)} rounds`;
      reportRatios(title, rates, ['storescu']);
    }
  } finally {
    for (const receiver of receivers) await receiver.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of each sender its own: a receiver that knows an instance already has less to do. */
async function writeEach(folder: string, set: ImageSet): Promise<void> {
  for (const { name } of SENDERS) await writeImages(join(folder, name), set, 1);
}

async function sendAsDestination(folder: string, receiver: Receiver): Promise<number> {
  const { instances, store } = await openLocalFiles(folder);
  const options = cStore.options.parse({
    ...{ name: 'bench', type: 'c-store', host: '127.0.0.1', port: receiver.port, aeTitle: receiver.aeTitle },
    // storescu ends its association too.
    keepAssociation: '0s',
  });
  const connector = openCStore(options, contextOf(store));
  let delivered = 0;
  const startedMs = performance.now();
  await connector.deliver(orderOf(instances), () => (delivered += 1));
  const seconds = (performance.now() - startedMs) / 1_000;
  await connector.close();
  if (delivered !== instances.length) throw new Error(`${receiver.name} did not take everything`);
  return seconds;
}
