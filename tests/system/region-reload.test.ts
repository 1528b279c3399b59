/** Another configuration on two replicas of a region, one after the other, while scanners send. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { execute } from '../support/postgres.ts';
import { type Cluster, type Replica, startCluster } from '../support/region/cluster.ts';
import { type Scanner, startScanner } from '../support/region/load.ts';
import { type RegionServers, startRegionServers } from '../support/region/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const WORKER = 'routers,processors,connectors';
const INSTANCES = 3;
const DELIVERED_MS = 120_000;

describe('a region whose replicas take another configuration one after the other', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let servers: RegionServers;
  let cluster: Cluster;
  const out = (destination: string) => join(folder.path, destination);
  const destinationOf = (name: string) => ({ name, type: 'folder', path: out(name) });
  const config = (isNew: boolean) => ({
    gateway: {
      completion: { quiet: '1s', force: '60s' },
      dimse: { sources: [1, 2].map((n) => ({ name: `mr-${n}`, aeTitle: `MR${n}`, hosts: ['127.0.0.1'] })) },
    },
    // The new one has a destination and a policy that the old one does not know.
    policies: isNew ? [{ name: 'strict', profile: 'basic' }] : [],
    destinations: [destinationOf('first'), ...(isNew ? [destinationOf('second')] : [])],
    routes: [
      isNew
        ? { name: 'new', when: {}, process: [{ deidentify: 'strict' }], deliver: ['second'] }
        : { name: 'old', when: {}, process: [], deliver: ['first'] },
    ],
  });
  before(async () => {
    servers = await startRegionServers();
    cluster = await startCluster({ servers, stages: ['gateway', WORKER, WORKER], config: config(false) });
  });
  after(async () => {
    await cluster.stop();
    await servers.stop();
  });

  const taken = ({ hub }: Replica) => hub.log().split('configuration is in force').length - 1;
  const reload = async (replica: Replica) => {
    const { hub, name } = replica;
    const before = taken(replica);
    await hub.configure({
      ...{ ...servers.config, ...config(true) },
      hub: { name: 'region', node: name, data: hub.dataFolder },
    });
    process.kill(hub.pid, 'SIGHUP');
    await waitFor('the configuration', () => taken(replica) > before, 30_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${hub.log().slice(-2_000)}`, { cause: error });
    });
  };
  const runs = () =>
    execute(
      servers.database,
      `SELECT s.study_instance_uid AS study, r.route, r.config_version AS version, r.state FROM runs r JOIN studies s USING (study)`,
    );
  const routes = async () => (await runs()).map(({ route }) => String(route));
  const delivered = async (destination: string) =>
    (await readdir(out(destination), { recursive: true }).catch(() => [])).filter((name) => name.endsWith('.dcm'))
      .length;

  it('decides each study by one version, delivers it by that one, and makes no dead letter of what a replica does not know yet', async () => {
    const [gateway] = cluster.of('gateway');
    const [one, other] = cluster.of(WORKER);
    if (gateway === undefined || one === undefined || other === undefined) throw new TypeError('no replicas');
    const scanners: Scanner[] = [1, 2].map((n) =>
      startScanner({ calling: `MR${n}`, ports: [gateway.hub.dimsePort], instances: INSTANCES, pauseMs: 300 }),
    );

    await waitFor('a study by the old version', async () => (await routes()).includes('old'), 60_000);
    await reload(one);
    await waitFor('a study by the new version', async () => (await routes()).includes('new'), 60_000);
    const hasWaited = await waitFor(
      'the other one to meet what it does not know yet, or nothing of it',
      async () =>
        /"code":"config\.behind"|waits for (a configuration|what the hub needs)|config\.behind/.test(other.hub.log()) ||
        (await routes()).filter((route) => route === 'new').length > 15,
      60_000,
    );
    await reload(other);
    await reload(gateway);
    const changed = (await runs()).length;
    await waitFor('studies after it', async () => (await runs()).length > changed + 3, 60_000);
    await Promise.all(scanners.map((scanner) => scanner.stop()));
    const sent = scanners.flatMap(({ studies }) => studies.map(({ studyInstanceUid }) => studyInstanceUid));
    await waitFor(
      'all to be delivered',
      async () => (await delivered('first')) + (await delivered('second')) >= sent.length * INSTANCES,
      DELIVERED_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${cluster.log()}`, { cause: error });
    });

    expect(hasWaited).to.equal(true);
    const all = await runs();
    expect(all.map(({ study }) => String(study)).toSorted()).to.deep.equal(sent.toSorted());
    const versions = new Map<unknown, Set<unknown>>();
    for (const { version, route } of all) versions.set(version, (versions.get(version) ?? new Set()).add(route));
    // A version is what a replica's file says, and each of them says one route.
    expect([...versions.values()].every((each) => each.size === 1)).to.equal(true);
    const old = all.filter(({ route }) => route === 'old').length;
    expect(await delivered('first')).to.equal(old * INSTANCES);
    expect(await delivered('second')).to.equal((all.length - old) * INSTANCES);
    expect(await execute(servers.database, `SELECT state, reason FROM deliveries WHERE state = 'dead'`)).to.deep.equal(
      [],
    );
    expect(await execute(servers.database, 'SELECT stage, reason, detail FROM quarantine')).to.deep.equal([]);
    const inForce = await execute(
      servers.database,
      `SELECT DISTINCT ON (node) node, v.document FROM configuration_activations a JOIN configuration_versions v USING (version) ORDER BY node, entry DESC`,
    );
    expect(inForce).to.have.length(3);
    for (const { document } of inForce)
      expect(String(document)).to.contain('"name":"new"').and.not.contain('"name":"old"');
  });
});
