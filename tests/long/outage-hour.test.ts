/** An hour without Kafka, PostgreSQL and S3, compressed: as many instances as a scanner makes in one, as fast as they go. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { type Cluster, startCluster } from '../support/region/cluster.ts';
import { type Scanner, startScanner } from '../support/region/load.ts';
import { type Receivers, startReceivers } from '../support/region/partner.ts';
import { type RegionServers, startRegionServers } from '../support/region/servers.ts';
import { expectSound, settled, verdictOf } from '../support/region/verdict.ts';
import { waitFor } from '../support/wait-for.ts';

const INSTANCES = 20_000;
const STUDY = 100;
const SCANNERS = 4;
const REST = 'routers,processors,connectors';
const MIB = 1024 * 1024;
/** Of what waits: its description, twice in a queue, and its UIDs. The headers are read again from the disk. */
const MAX_BYTES_AN_INSTANCE = 6 * 1024;
/** Of a gateway that has nothing to wait for, with what the doors need under load. */
const MAX_BASE_BYTES = 450 * MIB;
const MINUTE_MS = 60_000;

describe('a gateway through an hour in which Kafka, PostgreSQL and S3 are down', function () {
  this.timeout(60 * MINUTE_MS);
  let servers: RegionServers;
  let receivers: Receivers;
  let cluster: Cluster;
  before(async () => {
    [servers, receivers] = await Promise.all([startRegionServers(), startReceivers({ quiet: '5s' })]);
    const { gateway } = receivers.config;
    cluster = await startCluster({
      servers,
      stages: ['gateway'],
      config: { ...receivers.config, gateway: { ...(gateway as object), spool: { segment: '16MiB' } } },
      env: receivers.env,
    });
    await Promise.all([servers.kafka, servers.postgres, servers.s3].map((each) => each.kill()));
  });
  after(async () => {
    await cluster.stop();
    await Promise.all([servers.stop(), receivers.close()]);
  });

  it('takes all of it in bounded memory, starts again in the middle of it, and delivers it once when they are back', async () => {
    const [gateway] = cluster.of('gateway');
    const { hub } = gateway ?? expect.fail('no gateway');
    const scanners: Scanner[] = [];
    const acknowledged = () =>
      scanners.reduce((all, { studies }) => all + studies.reduce((sum, each) => sum + each.acknowledged.size, 0), 0);
    const load = async (until: number) => {
      const running = Array.from({ length: SCANNERS }, (_, n) =>
        startScanner({ calling: `MR${String(n + 1)}`, ports: [hub.dimsePort], instances: STUDY, pauseMs: 0 }),
      );
      scanners.push(...running);
      const startedMs = performance.now();
      const before = acknowledged();
      while (acknowledged() < until) await delay(200);
      await Promise.all(running.map((scanner) => scanner.stop()));
      return Math.round((acknowledged() - before) / ((performance.now() - startedMs) / 1000));
    };

    const rates = [await load(1_000)];
    const base = await memoryOf(hub.pid);
    rates.push(await load(INSTANCES / 2));
    const half = await memoryOf(hub.pid);
    await hub.kill();
    const restartedMs = performance.now();
    await hub.start();
    const restartMs = performance.now() - restartedMs;
    rates.push(await load(INSTANCES));
    const full = await memoryOf(hub.pid);
    const total = acknowledged();
    const pendingBytes = await metric(hub.url, 'hub_spool_pending_bytes');
    print(
      `${String(total)} instances acknowledged at ${rates.map(String).join(', ')} a second, slowest ${(Math.max(...scanners.map(({ slowestMs }) => slowestMs)) / 1000).toFixed(1)} s; ` +
        `${mib(pendingBytes)} MiB wait; memory ${mib(base.now)}, ${mib(half.now)}, after a restart ${mib(full.now)} MiB (most ${mib(full.most)}); ready ${(restartMs / 1000).toFixed(1)} s after a kill -9`,
    );

    await Promise.all([servers.kafka, servers.postgres, servers.s3].map((each) => each.again()));
    const mendedMs = performance.now();
    await waitFor(
      'the ledger to know all of it',
      async () => (await metric(hub.url, 'hub_spool_pending_bytes')) === 0,
      20 * MINUTE_MS,
    );
    const toldMs = performance.now() - mendedMs;
    const replayed = await memoryOf(hub.pid);
    await cluster.add(REST);
    const { isSettled } = await settled(scanners, receivers, servers.database);
    const deliveredMs = performance.now() - mendedMs;
    const verdict = await verdictOf(scanners, receivers, servers.database);
    print(
      `in the ledger ${(toldMs / 1000).toFixed(1)} s after they were back (${Math.round(total / (toldMs / 1000)).toString()} a second), memory at most ${mib(replayed.most)} MiB; ` +
        `all delivered ${(deliveredMs / 1000).toFixed(1)} s after; ${String(verdict.lost.length)} lost, ${String(verdict.twice.length)} twice`,
    );

    expect(isSettled, cluster.log()).to.equal(true);
    expectSound(verdict);
    expect(scanners.flatMap(({ refused }) => refused)).to.deep.equal([]);
    expect(half.now - base.now, 'memory for what waits').to.be.below(
      MAX_BASE_BYTES / 2 + (INSTANCES / 2) * MAX_BYTES_AN_INSTANCE,
    );
    for (const { most } of [half, full, replayed]) {
      expect(most, 'memory').to.be.below(MAX_BASE_BYTES + total * MAX_BYTES_AN_INSTANCE);
    }
  });
});

/** Resident, proc_pid_status(5). */
async function memoryOf(pid: number): Promise<{ readonly now: number; readonly most: number }> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { now: kib('VmRSS'), most: kib('VmHWM') };
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}

function print(line: string): void {
  process.stdout.write(`        ${line}\n`);
}
