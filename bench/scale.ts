/**
 * How the processing stages scale: the same studies, de-identified and checked by one replica of the stage and by two,
 * on one PostgreSQL, Kafka and S3. Here all of them share a machine, so each replica gets a share of one core, by being
 * stopped and continued: two of them must not be slower only because the cores are taken by servers and each other.
 *
 *   npm run bench -- scale [--studies 12] [--rounds 3] [--share 0.25]
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { phantomStudy } from '../demo/phantom/study.ts';
import { connect } from '../platform/ledger/postgres/connection.ts';
import { type Cluster, type Replica, startCluster } from '../tests/support/region/cluster.ts';
import { type RegionServers, startRegionServers } from '../tests/support/region/servers.ts';
import { send } from '../tests/support/scanner.ts';
import { waitFor } from '../tests/support/wait-for.ts';
import { interleaved, reportRatios, spreadText } from './rounds.ts';

/** A replica runs for its share of each such time. Far below any lease. */
const TURN_MS = 80;
const DEADLINE_MS = 600_000;

export async function benchScale(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      studies: { type: 'string', default: '12' },
      rounds: { type: 'string', default: '3' },
      share: { type: 'string', default: '0.25' },
    },
  });
  const studies = Number(values.studies);
  const share = Number(values.share);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const servers = await startRegionServers();
  let cluster: Cluster | undefined;
  try {
    const region = await startCluster({
      servers,
      stages: ['gateway', 'routers', 'processors', 'processors'],
      config: {
        gateway: { completion: { quiet: '1s', force: '90m' } },
        processors: { workers: 1 },
        policies: [{ name: 'bench', profile: 'basic' }],
        partners: [{ name: 'bench' }],
        routes: [{ name: 'everything', when: {}, process: [{ deidentify: 'bench' }, 'qc'] }],
      },
    });
    cluster = region;
    const processors = region.of('processors');
    const contestants = [1, 2].map((replicas) => ({ name: `${String(replicas)} of the stage`, replicas }));
    let seed = 0;
    const figures = await interleaved(
      contestants,
      Number(values.rounds),
      () => Promise.resolve(),
      async ({ replicas }) => {
        for (const replica of processors) await replica.freeze();
        await queued(region, servers, folder, { studies, seed });
        seed += studies;
        return (studies * 1000) / (await processed(servers, processors.slice(0, replicas), share));
      },
    );
    const cores = availableParallelism();
    reportRatios(`${String(share)} of a core for each replica, ${String(cores)} cores in all`, figures, [
      '1 of the stage',
    ]);
    for (const [name, rates] of figures) console.log(`  ${name.padEnd(16)} ${spreadText(rates)} studies a second`);
  } finally {
    await cluster?.stop();
    await servers.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Sends studies that nobody processes yet, and waits until each has its job. */
async function queued(
  cluster: Cluster,
  servers: RegionServers,
  folder: string,
  { studies, seed }: { readonly studies: number; readonly seed: number },
): Promise<void> {
  const [gateway] = cluster.of('gateway');
  if (gateway === undefined) throw new Error('there is no gateway');
  for (let n = 0; n < studies; n += 1) {
    const path = join(folder, String(seed + n));
    await mkdir(path);
    const files: string[] = [];
    for (const { name, bytes } of phantomStudy({ seed: seed + n + 1 })) {
      const file = join(path, name);
      await writeFile(file, bytes);
      files.push(file);
    }
    const { accepted } = await send(gateway.hub.dimsePort, files);
    if (accepted.length !== files.length) throw new Error('the gateway did not take all');
    await rm(path, { recursive: true });
  }
  await waitFor('all studies to be routed', async () => (await unprocessed(servers)) === studies, DEADLINE_MS);
}

/** Milliseconds until nothing is left to do. */
async function processed(servers: RegionServers, replicas: readonly Replica[], share: number): Promise<number> {
  const over = new AbortController();
  const turns = replicas.map(async (replica, n) => {
    await delay((TURN_MS / replicas.length) * n);
    while (!over.signal.aborted) {
      await replica.thaw();
      await delay(TURN_MS * share);
      await replica.freeze();
      await delay(TURN_MS * (1 - share));
    }
    await replica.thaw();
  });
  const startMs = performance.now();
  await waitFor('all studies to be processed', async () => (await unprocessed(servers)) === 0, DEADLINE_MS);
  const tookMs = performance.now() - startMs;
  over.abort();
  await Promise.all(turns);
  return tookMs;
}

async function unprocessed({ database }: RegionServers): Promise<number> {
  const connection = await connect(database);
  try {
    const sql = `SELECT count(*)::int AS runs FROM runs WHERE state IN ('waiting', 'running')`;
    return (await connection.client.query<{ runs: number }>(sql)).rows[0]?.runs ?? 0;
  } finally {
    await connection.end();
  }
}
