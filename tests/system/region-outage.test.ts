/** Gateways while PostgreSQL, Kafka and S3 are all gone, and while they are restarted themselves. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { eventsOf, typesOf } from '../support/hub-api.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { type Cluster, startCluster } from '../support/region/cluster.ts';
import { type RegionServers, startRegionServers } from '../support/region/servers.ts';
import { readyBalancer } from '../support/ready-balancer.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const DELIVERED_MS = 120_000;
const OUTAGE_MS = 20_000;
const REST = 'routers,processors,connectors';

describe('a region whose servers are all gone', function () {
  this.timeout(400_000);
  const folder = temporaryFolder();
  let servers: RegionServers;
  let cluster: Cluster;
  const out = () => join(folder.path, 'out');
  const config = () => ({
    gateway: {
      completion: { quiet: '2s', force: '60s' },
      dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
    },
    destinations: [{ name: 'archive', type: 'folder', path: out() }],
    routes: [{ name: 'all', when: { Modality: 'MR' }, process: ['qc'], deliver: ['archive'] }],
  });

  before(async () => {
    servers = await startRegionServers();
    await all((each) => each.kill());
    // New ones, which have never seen any of the three.
    cluster = await startCluster({
      servers,
      stages: ['gateway', 'gateway'],
      config: config(),
      env: { HUB_HUB_STOP_DELAY: '1s' },
    });
  });
  after(async () => {
    await cluster.stop();
    await servers.stop();
  });

  const all = (what: (each: RegionServers['s3']) => Promise<void>) =>
    Promise.all([servers.postgres, servers.kafka, servers.s3].map(what));
  const gateways = () => cluster.of('gateway').map(({ hub }) => hub);
  const filesOf = async (study: string, instances: number) =>
    Promise.all(
      Array.from({ length: instances }, async (_, n) => {
        const { part10 } = mrInstance({
          ...{
            StudyInstanceUID: study,
            SeriesInstanceUID: `${study}.1`,
            SOPInstanceUID: `${study}.1.${String(n + 1)}`,
          },
          InstanceNumber: String(n + 1),
        });
        const file = join(folder.path, `${study}.${String(n)}.dcm`);
        await writeFile(file, part10);
        return file;
      }),
    );
  const delivered = async (studies: readonly string[], instances: number) => {
    const missing = async () => {
      const names = (await readdir(out(), { recursive: true }).catch(() => [])).filter((name) => name.endsWith('.dcm'));
      return studies.filter((study) => names.filter((name) => name.includes(`${study}.`)).length !== instances);
    };
    await waitFor('all studies delivered', async () => (await missing()).length === 0, DELIVERED_MS).catch(
      async (error: unknown) => {
        throw new Error(`${String(error)}: ${(await missing()).join()}\n${cluster.log()}`, { cause: error });
      },
    );
  };
  const metric = async (url: string, name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await (await fetch(`${url}/metrics`)).text())?.[1]);

  it('starts, is ready, acknowledges without waiting, says what waits, and delivers all of it when they are there', async () => {
    const studies = [newUid(), newUid(), newUid()];
    const [a, b] = gateways();
    const ports = [a?.dimsePort ?? 0, b?.dimsePort ?? 0];
    await send(ports[0] ?? 0, await filesOf(studies[0] ?? '', 6));
    const startedMs = performance.now();

    const sent = [];
    for (const [n, study] of studies.slice(1).entries()) sent.push(await send(ports[n] ?? 0, await filesOf(study, 6)));
    const elapsedMs = performance.now() - startedMs;
    const ready = await fetch(`${a?.url ?? ''}/health/ready`);
    const health = (await ready.json()) as { status: string; checks: readonly { name: string; problem?: string }[] };
    const search = await fetch(`${a?.url ?? ''}/dicom-web/studies`, {
      headers: { Authorization: `Bearer hub_${'0'.repeat(12)}_${'A'.repeat(43)}` },
    });

    expect(sent.flatMap(({ accepted }) => accepted)).to.have.length(12);
    // A second an instance it would be, asked in vain.
    expect(elapsedMs).to.be.lessThan(9_000);
    expect([ready.status, health.status]).to.deep.equal([200, 'degraded']);
    expect(health.checks.filter(({ problem }) => problem !== undefined).map(({ name }) => name)).to.have.members([
      'ledger',
      'store',
    ]);
    expect([search.status, search.headers.get('content-type')?.split(';')[0]]).to.deep.equal([
      503,
      'application/problem+json',
    ]);
    expect(await metric(a?.url ?? '', 'hub_ledger_up')).to.equal(0);
    expect(await metric(a?.url ?? '', 'hub_store_up')).to.equal(0);
    expect(await metric(a?.url ?? '', 'hub_spool_pending_bytes')).to.be.greaterThan(0);
    for (const line of [
      /ledger database cannot be used/,
      /object store cannot be used/,
      // The ledger is asked first whose the bucket is.
      /what was received waits in the spool/,
    ])
      await waitFor(String(line), () => line.test(a?.log() ?? ''));
    await all((each) => each.again());
    await cluster.add(REST);
    await delivered(studies, 6);
    const tokens = new Set(gateways().flatMap((hub) => hub.log().match(/hub_[0-9a-f]{12}_\S{43}/g) ?? []));
    expect(tokens.size, 'first tokens').to.equal(1);
  });

  it('goes on under load while all three are gone for a while, and everything is delivered once, in order', async () => {
    const studies: string[] = [];
    const sent: { readonly code: number }[] = [];
    await all((each) => each.kill());
    const until = performance.now() + OUTAGE_MS;

    for (let n = 0; performance.now() < until; n += 1) {
      const study = newUid();
      studies.push(study);
      sent.push(await send(gateways()[n % 2]?.dimsePort ?? 0, await filesOf(study, 4)));
      await delay(1_000);
    }
    await all((each) => each.again());
    await delivered(studies, 4);

    expect(sent.filter(({ code }) => code !== 0)).to.deep.equal([]);
    const admin = gateways().find((hub) => hub.log().includes('admin token')) ?? expect.fail('no token');
    for (const study of studies) {
      const types = typesOf(await eventsOf(admin, study));
      expect(types.filter((type) => type === 'delivery.succeeded')).to.have.length(1);
      expect(types.indexOf('study.completed')).to.be.greaterThan(types.lastIndexOf('instance.stored'));
    }
  });

  it('loses no association to a rolling restart behind a balancer that goes by readiness', async () => {
    const balancer = await readyBalancer(gateways().map(({ dimsePort, url }) => ({ port: dimsePort, url })));
    const studies: string[] = [];
    const sent: { readonly code: number; readonly output: string }[] = [];
    let isOver = false;
    const load = async () => {
      while (!isOver) {
        const study = newUid();
        studies.push(study);
        sent.push(await send(balancer.port, await filesOf(study, 4)));
      }
    };

    const loading = [load(), load()];
    try {
      for (const replica of cluster.replicas) await replica.restart();
    } finally {
      isOver = true;
      await Promise.all(loading);
      await balancer.stop();
    }

    expect(sent.filter(({ code }) => code !== 0).map(({ output }) => output.slice(-600))).to.deep.equal([]);
    expect(sent.length).to.be.greaterThan(3);
    await delivered(studies, 4);
  });
});
