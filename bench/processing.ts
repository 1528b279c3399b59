/**
 * How long a sender waits for its answer while every worker is busy de-identifying, checking and segmenting: the hub
 * before and under that load, and storescp under the same.
 *
 *   npm run bench -- processing [--studies 12] [--seconds 30] [--associations 4]
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { phantomStudy } from '../demo/phantom/study.ts';
import { mrInstance } from '../tests/support/mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../tests/support/raw-association.ts';
import { waitFor } from '../tests/support/wait-for.ts';
import { type HubReceiver, type Receiver, startDcmtk, startHub } from './receivers.ts';
import { quantile } from './rounds.ts';
import { sendFolders } from './storescu.ts';

/** Between an answer and the next instance, as a scanner takes it. */
const PAUSE_MS = 50;
const WARM_UP = 100;
const DESCRIPTION = 'to be processed';

export async function benchProcessing(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      studies: { type: 'string', default: '12' },
      seconds: { type: 'string', default: '30' },
      associations: { type: 'string', default: '4' },
    },
  });
  const associations = Number(values.associations);
  const seconds = Number(values.seconds);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const workers = availableParallelism();
  const hub = await startHub(configuration(folder, workers));
  const storescp = await startDcmtk(folder);
  try {
    await answerTimes(hub, associations, () => false, WARM_UP);
    report('hub, nothing else to do', await answerTimes(hub, associations, forSeconds(seconds)));
    const senders = Number(values.studies);
    await writeStudies(folder, senders);
    await sendFolders(folder, senders, hub);
    await waitFor('all workers to be busy', async () => (await runningJobs(hub)) >= workers, 60_000);
    const isOver = forSeconds(seconds);
    const load = { isOn: true };
    const watched = (async () => {
      while (load.isOn && !isOver()) {
        await delay(500);
        load.isOn = (await runningJobs(hub)) >= workers;
      }
    })();
    const isDone = () => !load.isOn || isOver();
    const [underLoad, ofStorescp] = await Promise.all([
      answerTimes(hub, associations, isDone),
      answerTimes(storescp, associations, isDone),
    ]);
    await watched;
    console.log(`${String(workers)} workers busy${load.isOn ? '' : ', and the measurement ended with their work'}:`);
    report('hub', underLoad);
    report('storescp, never syncs', ofStorescp);
  } finally {
    await hub.stop();
    await storescp.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function report(name: string, times: readonly number[]): void {
  const [p50, p99, most] = [quantile(times, 0.5), quantile(times, 0.99), Math.max(...times)].map((ms) => ms.toFixed(1));
  console.log(
    `  ${name.padEnd(24)} p50 ${String(p50)} ms  p99 ${String(p99)} ms  max ${String(most)} ms  (${String(times.length)} answers)`,
  );
}

/** Milliseconds from the first byte of each C-STORE-RQ to its response, all of them Success. */
async function answerTimes(
  receiver: Receiver,
  associations: number,
  isOver: () => boolean,
  atLeast = 0,
): Promise<readonly number[]> {
  const times: number[] = [];
  await Promise.all(
    Array.from({ length: associations }, async () => {
      const peer = await RawPeer.associate(receiver.port, { called: receiver.aeTitle });
      while (!isOver() && (atLeast === 0 || times.length < atLeast)) {
        const { sopInstanceUid, dataSet } = mrInstance({}, 256);
        const request = storeRequest({ sopInstanceUid }, dataSet);
        const startedMs = performance.now();
        peer.send(request);
        const status = statusOf(await peer.next());
        if (status !== 0) throw new Error(`${receiver.name} answered ${status.toString(16)}`);
        times.push(performance.now() - startedMs);
        await delay(PAUSE_MS);
      }
      peer.destroy();
    }),
  );
  await receiver.tidy();
  return times;
}

function forSeconds(seconds: number): () => boolean {
  const endMs = performance.now() + seconds * 1000;
  return () => performance.now() > endMs;
}

async function writeStudies(folder: string, studies: number): Promise<void> {
  for (let n = 0; n < studies; n += 1) {
    const path = join(folder, String(n));
    await mkdir(path);
    for (const { name, bytes } of phantomStudy({ seed: n + 1, studyDescription: DESCRIPTION })) {
      await writeFile(join(path, name), bytes);
    }
  }
}

async function runningJobs(hub: HubReceiver): Promise<number> {
  const text = await (await hub.process.get('/metrics')).text();
  let jobs = 0;
  for (const [, count] of text.matchAll(/^hub_jobs\{[^}]*state="running"[^}]*\} (\d+)$/gm)) jobs += Number(count);
  return jobs;
}

function configuration(folder: string, workers: number) {
  return {
    gateway: { completion: { quiet: '1s', force: '90m' } },
    processors: { workers },
    policies: [{ name: 'bench', profile: 'basic' }],
    partners: [{ name: 'bench' }],
    destinations: [{ name: 'out', type: 'folder', path: join(folder, 'out'), partner: 'bench' }],
    routes: [
      {
        name: 'everything',
        when: { StudyDescription: DESCRIPTION },
        process: [{ deidentify: 'bench' }, 'qc', { segment: 'rodent-brain' }],
        deliver: ['out'],
      },
    ],
  };
}
