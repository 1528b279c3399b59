/**
 * How fast instances become durable by C-STORE: the hub beside storescp and Orthanc, DCMTK's storescu as the sender,
 * over loopback and on one disk, in interleaved rounds.
 *
 *   npm run bench -- ingest|small|large [--images N] [--rounds 5] [--associations 1,8] [--pixels N] [--frames N]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ImageSet, writeImages } from './images.ts';
import { cpuSeconds, peakRssMib } from './process-cost.ts';
import { startDcmtk, startDefaultOrthanc, startHub } from './receivers.ts';
import { interleaved, ratioText, reportRatios } from './rounds.ts';
import { sendFolders } from './storescu.ts';

export interface CStoreScenario extends ImageSet {
  readonly associations: string;
}

/** Classic MR of 130 kB, MR of 4 kB, enhanced multi-frame MR of 50 MB. */
export const INGEST: CStoreScenario = { images: 2_000, pixels: 256, frames: 1, associations: '1,8' };
export const SMALL: CStoreScenario = { images: 5_000, pixels: 44, frames: 1, associations: '1,8' };
export const LARGE: CStoreScenario = { images: 40, pixels: 512, frames: 100, associations: '1,4' };

export async function benchCStore(scenario: CStoreScenario, args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string', default: String(scenario.images) },
      rounds: { type: 'string', default: '5' },
      associations: { type: 'string', default: scenario.associations },
      pixels: { type: 'string', default: String(scenario.pixels) },
      frames: { type: 'string', default: String(scenario.frames) },
    },
  });
  const set = { images: Number(values.images), pixels: Number(values.pixels), frames: Number(values.frames) };
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const receivers = [await startHub(), await startDcmtk(folder), await startDefaultOrthanc()];
  try {
    const sent = join(folder, 'sent');
    for (const associations of values.associations.split(',').map(Number)) {
      const cpu = new Map<string, number[]>(receivers.map(({ name }) => [name, []]));
      const rates = await interleaved(
        receivers,
        rounds,
        () => writeImages(sent, set, associations),
        async (receiver) => {
          const before = cpuSeconds(receiver.pid);
          const seconds = await sendFolders(sent, associations, receiver);
          cpu.get(receiver.name)?.push(cpuSeconds(receiver.pid) - before);
          await receiver.tidy();
          return set.images / seconds;
        },
      );
      const title = `${String(associations)} association(s), ${String(set.images)} objects of ${sizeText(set)}, ${String(rounds)} rounds`;
      reportRatios(title, rates, ['storescp', 'Orthanc']);
      console.log(
        `  processor time of the hub: ${ratioText(cpu.get('hub') ?? [], cpu.get('Orthanc') ?? [])} × Orthanc`,
      );
    }
    for (const { name, pid } of receivers)
      console.log(`  ${name.padEnd(10)} at most ${peakRssMib(pid).toFixed(0)} MiB`);
  } finally {
    for (const receiver of receivers) await receiver.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function sizeText({ pixels, frames }: ImageSet): string {
  const bytes = pixels * pixels * 2 * frames;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(0)} MB`;
}
