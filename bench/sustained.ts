/**
 * Whether the ledger keeps up with the doors: instances of 130 kB over eight associations, until the last
 * `instance.stored` is out; and how many bytes go to the disk for each that was received.
 *
 *   npm run bench -- sustained [--images 20000] [--associations 8] [--rounds 1] [--pixels 256]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDatabase } from '../platform/ledger/sqlite/driver.ts';
import { waitFor } from '../tests/support/wait-for.ts';
import { type ImageSet, writeImages } from './images.ts';
import { writtenBytes } from './process-cost.ts';
import { type HubReceiver, startDcmtk, startDefaultOrthanc, startHub } from './receivers.ts';
import { interleaved, reportRatios, spreadText } from './rounds.ts';
import { sendFolders } from './storescu.ts';

const EVENT_DEADLINE_MS = 600_000;
/** The kernel writes what nobody syncs after 30 s at the latest; the ledger's checkpoints come each second. */
const SETTLED_MS = 3_000;

export async function benchSustained(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string', default: '20000' },
      associations: { type: 'string', default: '8' },
      rounds: { type: 'string', default: '1' },
      pixels: { type: 'string', default: '256' },
    },
  });
  const set = { images: Number(values.images), pixels: Number(values.pixels), frames: 1 };
  const associations = Number(values.associations);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const hub = await startHub();
  const receivers = [hub, await startDcmtk(folder), await startDefaultOrthanc()];
  try {
    const sent = join(folder, 'sent');
    const told: number[] = [];
    const amplification: number[] = [];
    const rates = await interleaved(
      receivers,
      Number(values.rounds),
      () => writeImages(sent, set, associations),
      async (receiver) => {
        if (receiver !== hub) {
          const seconds = await sendFolders(sent, associations, receiver);
          await receiver.tidy();
          return set.images / seconds;
        }
        const round = await hubRound(hub, sent, associations, set);
        told.push(round.acknowledgedSeconds / round.toldSeconds);
        amplification.push(round.amplification);
        return set.images / round.acknowledgedSeconds;
      },
    );
    reportRatios(`acknowledged: ${values.associations} associations, ${values.images} instances`, rates, [
      'storescp',
      'Orthanc',
    ]);
    console.log(`  instance.stored out: ${spreadText(told)} × the rate of acknowledgement`);
    console.log(`  written to the disk: ${spreadText(amplification)} bytes for each byte of pixel data`);
  } finally {
    for (const receiver of receivers) await receiver.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function hubRound(hub: HubReceiver, sent: string, associations: number, set: ImageSet) {
  const ledger = openDatabase(join(hub.process.dataFolder, 'ledger.db'), 'read');
  try {
    const stored = ledger.query<{ stored: number }>(
      "SELECT count(*) AS stored FROM events WHERE stream = 'hub.ingest.v1' AND type = 'instance.stored' AND position > ?",
    );
    const head = ledger.query<{ head: number | null }>('SELECT max(position) AS head FROM events').get()?.head ?? 0;
    const bytesBefore = writtenBytes(hub.pid);
    const startedMs = performance.now();
    const acknowledgedSeconds = await sendFolders(sent, associations, hub);
    await waitFor('the last instance.stored', () => (stored.get(head)?.stored ?? 0) >= set.images, EVENT_DEADLINE_MS);
    const toldSeconds = (performance.now() - startedMs) / 1000;
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    const received = set.images * set.pixels * set.pixels * 2;
    return { acknowledgedSeconds, toldSeconds, amplification: (writtenBytes(hub.pid) - bytesBefore) / received };
  } finally {
    ledger.close();
  }
}
