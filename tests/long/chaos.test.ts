import { type Breakage, breakUnderLoad, described, requireSound } from '../support/region/chaos.ts';
import { type Cluster, type StageSet, startCluster } from '../support/region/cluster.ts';
import { type Receivers, startReceivers } from '../support/region/partner.ts';
import {
  type RegionServers,
  type SharedServers,
  startRegionServers,
  startSharedServers,
} from '../support/region/servers.ts';

const MINUTE_MS = 60_000;
const STAGES = ['gateway', 'routers', 'processors', 'connectors'] as const;
const WORKER = 'routers,processors,connectors';
const SERVERS = ['kafka', 'postgres', 's3'] as const;

interface Case {
  readonly victim: (typeof SERVERS)[number] | StageSet;
  readonly breakage: Breakage;
  readonly hasKafka: boolean;
}

const CASES: readonly Case[] = [
  ...SERVERS.flatMap((victim) =>
    (['killed', 'frozen', 'cut off'] as const).map((breakage) => ({ victim, breakage, hasKafka: true })),
  ),
  ...STAGES.flatMap((victim) =>
    (['killed', 'frozen'] as const).map((breakage) => ({ victim, breakage, hasKafka: true })),
  ),
  // Where the ledger carries the events, one of two reads them.
  { victim: WORKER, breakage: 'killed', hasKafka: false },
  { victim: WORKER, breakage: 'frozen', hasKafka: false },
  { victim: 'postgres', breakage: 'cut off', hasKafka: false },
];
const KILLED_MS = 10_000;

/**
 * Two replicas of each stage on PostgreSQL and S3, and Kafka; one of them breaks, for a minute. Each case has a region of
 * its own: what one leaves behind fails no other. All of them, unattended: `npm run test:long -- long/chaos`.
 */
describe('a region in which something breaks under load', function () {
  this.timeout(30 * MINUTE_MS);
  const lines: string[] = [];
  let servers: SharedServers & Partial<Pick<RegionServers, 'kafka'>>;
  let receivers: Receivers;
  let cluster: Cluster;
  const undo: (() => Promise<void>)[] = [];

  const start = async (hasKafka: boolean) => {
    servers = hasKafka ? await startRegionServers() : await startSharedServers();
    undo.push(() => servers.stop());
    receivers = await startReceivers();
    undo.push(() => receivers.close());
    const stages = hasKafka
      ? STAGES.flatMap((stage) => [stage, stage])
      : (['gateway', 'gateway', WORKER, WORKER] as const);
    cluster = await startCluster({ servers, stages, config: receivers.config, env: receivers.env });
    undo.push(() => cluster.stop());
  };
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  after(() => {
    process.stdout.write(`\n${lines.join('\n')}\n\n`);
  });

  for (const { victim, breakage, hasKafka } of CASES) {
    const what = `${victim === WORKER ? 'worker' : victim}${hasKafka ? '' : ' (no Kafka)'} ${breakage}`;
    describe(what, () => {
      before(() => start(hasKafka));
      after(stop);

      it('loses nothing and delivers nothing twice', async () => {
        const broken = isServer(victim) ? servers[victim] : cluster.of(victim)[0];
        if (broken === undefined) throw new TypeError(`no ${victim}`);

        const forMs = breakage === 'killed' ? KILLED_MS : MINUTE_MS;
        const outcome = await breakUnderLoad({ cluster, servers, receivers, breakage, victim: broken, forMs });

        const line = `${what.padEnd(26)} ${described(outcome)}`;
        lines.push(line);
        process.stdout.write(`${line}\n`);
        requireSound(outcome);
      });
    });
  }
});

function isServer(victim: Case['victim']): victim is (typeof SERVERS)[number] {
  return SERVERS.some((server) => server === victim);
}
