/**
 * How fast instances become durable: the hub beside DCMTK's storescp, which never syncs, and Orthanc, which does.
 *
 *   npm run bench -- ingest [--images 2000] [--rounds 5] [--associations 1,8] [--pixels 256]
 *
 * DCMTK's storescu sends classic MR images over loopback to each in turn, on one disk, in interleaved rounds; the
 * figures are ratios to storescp of the same round, median [least–most]. TCP_NODELAY is set on both ends: with Nagle's
 * algorithm on, DCMTK's peers wait 40 ms an image for a delayed acknowledgement.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { encodePart10 } from '../core/dicom/encode.ts';
import { run } from '../tests/support/child-process.ts';
import { startOrthanc, startStorescp } from '../tests/support/peer-servers.ts';
import { dcmtk } from '../tests/support/peers.ts';

interface Receiver {
  readonly name: string;
  readonly port: number;
  readonly aeTitle: string;
  /** Between two rounds, outside the measured time. */
  tidy(): Promise<void>;
  stop(): Promise<string>;
}

const BASELINE = 'storescp';

export async function benchIngest(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '5' },
      associations: { type: 'string', default: '1,8' },
      pixels: { type: 'string', default: '256' },
    },
  });
  const images = Number(values.images);
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  try {
    const receivers = [await startHub(folder), await startDcmtk(folder), await startDefaultOrthanc()];
    for (const associations of values.associations.split(',').map(Number)) {
      const rates = new Map<string, number[]>(receivers.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round += 1) {
        const sent = join(folder, 'sent');
        await writeImages(sent, images, associations, Number(values.pixels));
        // Who is first meets a colder cache: the order turns with the rounds.
        const order = receivers.map((_, n) => receivers[(n + round) % receivers.length] ?? receivers[0]);
        for (const receiver of order) {
          if (receiver === undefined) continue;
          rates.get(receiver.name)?.push(images / (await send(sent, associations, receiver)));
          await receiver.tidy();
        }
        await rm(sent, { recursive: true });
      }
      report(`${associations} association(s), ${images} images, ${rounds} rounds`, rates);
    }
    for (const receiver of receivers) console.log(`${receiver.name}: ${await receiver.stop()}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function report(title: string, rates: ReadonlyMap<string, readonly number[]>): void {
  const baseline = rates.get(BASELINE) ?? [];
  console.log(`\n${title}`);
  for (const [name, values] of rates) {
    const ratios = values.map((value, round) => value / (baseline[round] ?? Number.NaN));
    const [least, middle, most] = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map((n) => n.toFixed(2));
    console.log(`  ${name.padEnd(10)} ${String(middle)} × ${BASELINE} [${String(least)}–${String(most)}]`);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** @returns seconds until the last sender has all its answers */
async function send(folder: string, associations: number, receiver: Receiver): Promise<number> {
  const command = (await dcmtk()).command('storescu');
  const startedMs = performance.now();
  const ends = await Promise.all(
    Array.from({ length: associations }, async (_, n) =>
      run(command, ['-aec', receiver.aeTitle, '+sd', '127.0.0.1', String(receiver.port), join(folder, String(n))], {
        timeoutMs: 600_000,
      }),
    ),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const refused = ends.find(
    ({ code, stdout, stderr }) => code !== 0 || /Refused|Error|Unknown Status/.test(stdout + stderr),
  );
  if (refused !== undefined)
    throw new Error(`${receiver.name} did not take everything:\n${refused.stdout}${refused.stderr}`);
  return seconds;
}

/** New UIDs each time: a repeat would cost a receiver that recognises it nothing. */
async function writeImages(folder: string, images: number, associations: number, pixels: number): Promise<void> {
  const root = `2.25.${String(BigInt(Date.now()) * 1_000_000n + BigInt(process.pid))}`;
  for (let n = 0; n < images; n += 1) {
    const association = n % associations;
    const path = join(folder, String(association));
    if (n < associations) await mkdir(path, { recursive: true });
    const study = `${root}.${association + 1}`;
    const file = encodePart10({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
      SOPInstanceUID: `${study}.1.${n + 1}`,
      StudyInstanceUID: study,
      SeriesInstanceUID: `${study}.1`,
      PatientID: 'BENCH',
      PatientName: 'Bench^Mark',
      Modality: 'MR',
      StudyDescription: 'brain',
      SeriesDescription: 'T2 axial',
      ImageType: ['ORIGINAL', 'PRIMARY'],
      InstanceNumber: n + 1,
      Rows: pixels,
      Columns: pixels,
      BitsAllocated: 16,
      BitsStored: 12,
      HighBit: 11,
      PixelRepresentation: 0,
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      PixelData: { vr: 'OW', value: noise(pixels * pixels * 2, n) },
    });
    await writeFile(join(path, `${String(n).padStart(6, '0')}.dcm`), file);
  }
}

function noise(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(length / 4);
  let state = seed + 1;
  for (let n = 0; n < words.length; n += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[n] = state & 0x0fff0fff;
  }
  return new Uint8Array(words.buffer);
}

async function startHub(folder: string): Promise<Receiver> {
  const dataDir = join(folder, 'hub');
  await mkdir(dataDir);
  const script = resolve(import.meta.dirname, 'ingest-gateway.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '8' },
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<Record<string, unknown>> =>
    JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  const { port } = await line();
  return {
    name: 'hub',
    port: Number(port),
    aeTitle: 'HUB',
    tidy: async () => undefined,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const usage = JSON.stringify(await line());
      await ended;
      return usage;
    },
  };
}

async function startDcmtk(folder: string): Promise<Receiver> {
  const peer = await startStorescp({ dir: join(folder, 'storescp'), args: ['--fork'] });
  return {
    name: BASELINE,
    port: peer.port,
    aeTitle: peer.aeTitle,
    tidy: async () => {
      for (const name of await readdir(peer.dir)) await rm(join(peer.dir, name));
    },
    stop: async () => {
      await peer.stop();
      return 'never syncs';
    },
  };
}

async function startDefaultOrthanc(): Promise<Receiver> {
  const peer = await startOrthanc({ config: { OverwriteInstances: false, StableAge: 60 } });
  return {
    name: 'Orthanc',
    port: peer.port,
    aeTitle: peer.aeTitle,
    tidy: async () => undefined,
    stop: async () => {
      await peer.stop();
      return 'syncs each file';
    },
  };
}
