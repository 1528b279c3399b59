/** Replicas of each stage on Kafka, PostgreSQL and S3, as a region runs them. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { eventsOf, typesOf } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { execute } from '../support/postgres.ts';
import { type Cluster, REGION_KEYS, startCluster } from '../support/region/cluster.ts';
import { type RegionServers, startRegionServers } from '../support/region/servers.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const DELIVERED_MS = 90_000;

describe('the hub in a region, each stage in processes of its own', function () {
  this.timeout(240_000);
  const folder = temporaryFolder();
  let servers: RegionServers;
  let cluster: Cluster;
  const out = () => join(folder.path, 'out');

  before(async () => {
    servers = await startRegionServers();
    cluster = await startCluster({
      servers,
      stages: ['gateway', 'gateway', 'routers', 'processors', 'connectors'],
      config: {
        gateway: {
          completion: { quiet: '2s', force: '60s' },
          dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
        },
        destinations: [{ name: 'archive', type: 'folder', path: out() }],
        routes: [{ name: 'all', when: { Modality: 'MR' }, process: ['qc'], deliver: ['archive'] }],
      },
    });
  });
  after(async () => {
    await cluster.stop();
    await servers.stop();
  });

  const gateways = () => cluster.of('gateway').map(({ hub }) => hub);
  const admin = () => {
    const found = gateways().find((hub) => hub.log().includes('admin token'));
    return found ?? expect.fail('no gateway printed a token');
  };
  const filesOf = async (study: string, from: number, instances: number) =>
    Promise.all(
      Array.from({ length: instances }, async (_, n) => {
        const number = from + n;
        const { part10 } = mrInstance({
          ...{
            StudyInstanceUID: study,
            SeriesInstanceUID: `${study}.1`,
            SOPInstanceUID: `${study}.1.${String(number)}`,
          },
          InstanceNumber: String(number),
        });
        const file = join(folder.path, `${study}.${String(number)}.dcm`);
        await writeFile(file, part10);
        return file;
      }),
    );
  const delivered = async (study: string, instances: number) =>
    waitFor(
      `${String(instances)} delivered instances`,
      async () => {
        const names = await readdir(out(), { recursive: true }).catch(() => []);
        return names.filter((name) => name.endsWith('.dcm') && name.includes(study)).length === instances;
      },
      DELIVERED_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${cluster.log()}`, { cause: error });
    });

  it('prints one admin token, whoever starts first', () => {
    const tokens = new Set(cluster.replicas.flatMap(({ hub }) => hub.log().match(/hub_[0-9a-f]{12}_\S{43}/g) ?? []));

    expect(tokens.size).to.equal(1);
  });

  it('delivers what one gateway received, through stages that are elsewhere', async () => {
    const study = newUid();

    const sent = await send(gateways()[0]?.dimsePort ?? 0, await filesOf(study, 1, 5));

    expect(sent.accepted).to.have.length(5);
    await delivered(study, 5);
  });

  it('completes a study once, with all of it, that came to two gateways', async () => {
    const study = newUid();
    const [a, b] = gateways();

    const sent = [
      await send(a?.dimsePort ?? 0, await filesOf(study, 1, 3)),
      await send(b?.dimsePort ?? 0, await filesOf(study, 4, 3)),
    ];

    expect(sent.flatMap(({ accepted }) => accepted)).to.have.length(6);
    await delivered(study, 6);
    const events = typesOf(await eventsOf(admin(), study));
    expect(events.filter((type) => type === 'study.completed')).to.have.length(1);
    expect(events.indexOf('study.completed')).to.be.greaterThan(events.lastIndexOf('instance.stored'));
  });

  it('answers probes, metrics and the administration on every process, and has no door where there is no gateway', async () => {
    const [routers] = cluster.of('routers');
    const url = routers?.hub.url ?? '';

    const answers = await Promise.all(
      [
        '/health/live',
        '/health/ready',
        '/metrics',
        '/api/v1/openapi.json',
        '/dicom-web/studies',
        '/partner/v1/events',
      ].map(async (path) => (await fetch(`${url}${path}`)).status),
    );
    const metrics = await (await fetch(`${url}/metrics`)).text();

    expect(answers).to.deep.equal([200, 200, 200, 200, 404, 404]);
    for (const up of ['hub_ledger_up', 'hub_bus_up', 'hub_store_up'])
      expect(metrics).to.match(new RegExp(`^${up} 1$`, 'm'));
  });

  it('does not start a replica that has another key, and says which', async () => {
    const other = await HubProcess.create({
      config: {},
      env: { ...servers.env, ...REGION_KEYS, HUB_DEIDENTIFY_KEY: '9'.repeat(64) },
      args: ['--stages', 'processors'],
    });
    await other.configure({ ...servers.config, hub: { name: 'region', node: 'other', data: other.dataFolder } });

    other.launch();
    const ended = await other.ready().catch(String);
    await other.remove();

    expect(ended).to.contain('HUB_DEIDENTIFY_KEY').and.to.not.contain('999999');
  });

  it('takes over what a gateway received that was killed, when its lease is over', async () => {
    const study = newUid();
    const [dead] = cluster.of('gateway');
    await send(dead?.hub.dimsePort ?? 0, await filesOf(study, 1, 2));
    await waitFor('the ledger to know it', async () => {
      const [row] = await execute(
        servers.database,
        `SELECT instances FROM studies WHERE study_instance_uid = '${study}'`,
      );
      return Number(row?.['instances']) === 2;
    });

    await dead?.kill();
    const [open] = await execute(
      servers.database,
      `SELECT revision FROM studies WHERE study_instance_uid = '${study}'`,
    );
    expect(Number(open?.['revision']), 'killed before it was complete').to.equal(0);
    await delivered(study, 2);
    await dead?.again();

    const [row] = await execute(servers.database, `SELECT revision FROM studies WHERE study_instance_uid = '${study}'`);
    expect(Number(row?.['revision'])).to.equal(1);
  });
});
