import { type Cluster, startCluster } from '../support/region/cluster.ts';
import { BREAKAGES, breakUnderLoad, described, requireSound } from '../support/region/chaos.ts';
import { type Receivers, startReceivers } from '../support/region/partner.ts';
import { type RegionServers, startRegionServers } from '../support/region/servers.ts';

/** A sample of `tests/long/chaos.test.ts`: another one each day of the month. */
describe('a region in which one thing breaks under load', function () {
  this.timeout(400_000);
  let servers: RegionServers;
  let receivers: Receivers;
  let cluster: Cluster;
  before(async () => {
    [servers, receivers] = await Promise.all([startRegionServers(), startReceivers()]);
    cluster = await startCluster({
      servers,
      stages: ['gateway', 'gateway', 'routers,processors,connectors', 'routers,processors,connectors'],
      config: receivers.config,
      env: receivers.env,
    });
  });
  after(async () => {
    await cluster.stop();
    await Promise.all([servers.stop(), receivers.close()]);
  });

  const cases = (['kafka', 'postgres', 's3', 'gateway', 'worker'] as const).flatMap((victim) =>
    BREAKAGES.filter((breakage) => breakage !== 'cut off' || (victim !== 'gateway' && victim !== 'worker')).map(
      (breakage) => ({ victim, breakage }),
    ),
  );
  const today = cases[new Date().getUTCDate() % cases.length];
  if (today === undefined) throw new TypeError('nothing to break');
  const { victim, breakage } = today;

  it(`loses nothing and delivers nothing twice when ${victim} is ${breakage}`, async () => {
    const [gateway] = cluster.of('gateway');
    const [worker] = cluster.of('routers,processors,connectors');
    if (gateway === undefined || worker === undefined) throw new TypeError('no replicas');
    const victims = { ...servers, gateway, worker };
    const options = { cluster, servers, receivers, breakage, victim: victims[victim], scanners: 2 };

    const outcome = await breakUnderLoad({ ...options, forMs: 5_000 });

    process.stdout.write(`        ${described(outcome)}\n`);
    requireSound(outcome);
  });
});
