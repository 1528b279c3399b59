import { type Cluster, startCluster } from '../support/region/cluster.ts';
import { BREAKAGES, breakUnderLoad, described } from '../support/region/chaos.ts';
import type { Scanner } from '../support/region/load.ts';
import { type Receivers, startReceivers } from '../support/region/partner.ts';
import { type RegionServers, startRegionServers } from '../support/region/servers.ts';

const MINUTE_MS = 60_000;

/** Two replicas of each stage on Kafka, PostgreSQL and S3; one after the other breaks, for a minute. */
describe('a region in which something breaks under load', function () {
  this.timeout(10 * MINUTE_MS);
  let servers: RegionServers;
  let receivers: Receivers;
  let cluster: Cluster;
  const sent: Scanner[] = [];
  before(async () => {
    [servers, receivers] = await Promise.all([startRegionServers(), startReceivers()]);
    cluster = await startCluster({
      servers,
      stages: ['gateway', 'gateway', 'routers', 'routers', 'processors', 'processors', 'connectors', 'connectors'],
      config: receivers.config,
      env: receivers.env,
    });
  });
  after(async () => {
    await cluster.stop();
    await Promise.all([servers.stop(), receivers.close()]);
  });

  for (const server of ['kafka', 'postgres', 's3'] as const) {
    for (const breakage of BREAKAGES) {
      it(`loses nothing and delivers nothing twice when ${server} is ${breakage}`, async function () {
        const victim = servers[server];
        const forMs = breakage === 'killed' ? 10_000 : MINUTE_MS;
        const outcome = await breakUnderLoad({ cluster, servers, receivers, breakage, victim, forMs, sent });
        process.stdout.write(`        ${described(outcome)}\n`);
      });
    }
  }
  for (const stage of ['gateway', 'routers', 'processors', 'connectors'] as const) {
    for (const breakage of ['killed', 'frozen'] as const) {
      it(`loses nothing and delivers nothing twice when one of its ${stage} is ${breakage}`, async function () {
        const [victim] = cluster.of(stage);
        if (victim === undefined) throw new TypeError(`no ${stage}`);
        const forMs = breakage === 'killed' ? 10_000 : MINUTE_MS;
        const outcome = await breakUnderLoad({ cluster, servers, receivers, breakage, victim, forMs, sent });
        process.stdout.write(`        ${described(outcome)}\n`);
      });
    }
  }
});
