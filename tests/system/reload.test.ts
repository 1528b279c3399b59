import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { HubProcess } from '../support/hub-process.ts';
import { reloadUnderLoad } from '../support/reloaded-hub.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a configuration that changes while scanners send', function () {
  this.timeout(120_000);

  it('drops no association, and each study goes wholly by one version that can be looked up, once', async () => {
    const outcome = await reloadUnderLoad(110);

    const { failed, versionsUsed, studies, instancesSent, instancesDelivered, ...rest } = outcome;
    expect(failed.map(({ output }) => output)).to.deep.equal([]);
    expect(rest).to.deep.equal({ reloads: 110, misrouted: [], misdelivered: [], unknownVersions: [], deadLetters: 0 });
    expect(instancesDelivered).to.equal(instancesSent);
    expect(studies).to.be.greaterThan(10);
    expect(versionsUsed).to.be.greaterThan(3);
  });
});

describe('a configuration that cannot be taken', function () {
  this.timeout(60_000);
  let hub: HubProcess;

  const config = (over: object = {}) => ({
    destinations: [{ name: 'out', type: 'folder', path: './out' }],
    routes: [{ name: 'all', when: {}, deliver: ['out'] }],
    ...over,
  });
  const inForce = async () => {
    const { items } = (await (await hub.get('/api/v1/routes')).json()) as { items: readonly { name: string }[] };
    return items.map(({ name }) => name);
  };
  const problem = async () => {
    const { status, checks } = (await (await hub.get('/health/ready')).json()) as {
      status: string;
      checks: readonly { name: string; problem?: string }[];
    };
    return [status, checks.find(({ name }) => name === 'configuration')?.problem];
  };

  before(async () => {
    hub = await HubProcess.create({ config: config() });
    await hub.start();
  });
  after(() => hub.remove());

  it('changes nothing, says every mistake, and is seen by the probe until the file is mended', async () => {
    await hub.configure(config({ routes: [{ name: 'b', when: { Nope: 1 }, deliver: ['nowhere'] }] }));
    process.kill(hub.pid, 'SIGHUP');
    const logged = await waitFor('the mistakes in the log', () =>
      hub
        .log()
        .split('\n')
        .find((line) => line.includes('configuration was not taken')),
    );

    expect(logged).to.include('no such attribute: Nope').and.to.include('no such destination: nowhere');
    expect(await inForce()).to.deep.equal(['all']);
    expect((await problem())[0]).to.equal('degraded');
    const { code, stderr } = await hub.command('reload', '--data', hub.dataFolder);
    expect([code, stderr]).to.satisfy(([ended]: unknown[]) => ended === 1);
    expect(stderr).to.include('no such attribute: Nope').and.to.include('Mend what the detail lists');

    await hub.configure(config());
    expect(await problem()).to.deep.equal(['ready', undefined]);
  });

  it('is refused where the doors would have to open anew, naming the keys', async () => {
    await hub.configure(
      config({
        routes: [],
        gateway: { dimse: { port: hub.dimsePort + 1, maxAssociations: 7 }, disk: { minFree: '60MB' } },
      }),
    );

    const { code, stderr } = await hub.command('reload');

    expect(code).to.equal(1);
    for (const key of ['gateway.dimse.port', 'gateway.dimse.maxAssociations', 'gateway.disk.minFree']) {
      expect(stderr).to.include(`${key} cannot change while the hub runs: restart it for that`);
    }
    expect(await inForce()).to.deep.equal(['all']);
  });

  it('is refused when a secret that it names is not there', async () => {
    const auth = { bearer: { env: 'NOBODY_SET_THIS' } };
    const pacs = { name: 'pacs', type: 'stow-rs', url: 'https://example.org/dicom-web', auth };
    await hub.configure(config({ destinations: [{ name: 'out', type: 'folder', path: './out' }, pacs] }));

    const { code, stderr } = await hub.command('reload');

    expect(code).to.equal(1);
    expect(stderr).to.include('NOBODY_SET_THIS');
    expect(await inForce()).to.deep.equal(['all']);
  });

  it('is listed, shown, compared and taken back; the probe says so until the file agrees', async () => {
    await hub.configure(config({ routes: [{ name: 'other', when: {}, deliver: ['out'], owner: 'somebody' }] }));
    const reloaded = (await hub.json('reload')) as { version: string; previous: string };

    const back = await hub.command('routes', 'rollback', reloaded.previous.slice(0, 8));

    expect(back.stdout).to.include(`in force: ${reloaded.previous}, instead of ${reloaded.version}`);
    expect(await inForce()).to.deep.equal(['all']);
    const [status, sentence] = await problem();
    expect(status).to.equal('degraded');
    expect(sentence).to.include(`in force is ${reloaded.previous}, the file says ${reloaded.version}`);
    const { items } = (await hub.json('routes', 'history')) as { items: readonly Record<string, unknown>[] };
    expect(items.slice(0, 2).map(({ version, previous, cause }) => ({ version, previous, cause }))).to.deep.equal([
      { version: reloaded.previous, previous: reloaded.version, cause: 'rollback' },
      { version: reloaded.version, previous: reloaded.previous, cause: 'request' },
    ]);
    const compared = await hub.command('routes', 'show', reloaded.version, '--against', reloaded.previous);
    expect(compared.stdout)
      .to.match(/^\+ \/routes\/other .*somebody/m)
      .and.to.match(/^- \/routes\/all /m);

    // What is shown can be written to the file as it stands.
    const { stdout: shown } = await hub.command('routes', 'show', reloaded.previous);
    await writeFile(hub.configFile, shown);
    expect(await problem()).to.deep.equal(['ready', undefined]);
    const { items: audit } = (await (await hub.get('/api/v1/audit?limit=1000')).json()) as {
      items: readonly { action: string; subject: string; outcome: string }[];
    };
    expect(audit.map(({ action, subject, outcome }) => `${action} ${subject} ${outcome}`)).to.include.members([
      `configuration.rollback ${reloaded.previous} done`,
      `configuration.reload ${reloaded.version} done`,
      'configuration.reload /configuration/reload refused',
    ]);
  });

  it('is tried on the past through the API, and nothing comes of it', async () => {
    const text = await readFile(hub.configFile, 'utf8');
    const response = await fetch(`${hub.url}/api/v1/routes/diff`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${hub.adminToken}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ configuration: text.replaceAll('all', 'rest') }),
    });

    expect(response.status).to.equal(200);
    expect(await response.json()).to.deep.include({ studies: 0, changed: 0, unroutedAfter: 0 });
    expect(await inForce()).to.deep.equal(['all']);
  });
});

describe('a configuration file that is watched', function () {
  this.timeout(60_000);

  it('is taken when it was written, and a broken one is told of and changes nothing', async () => {
    const config = (name: string) => ({
      hub: { name: 'tested', data: './data', reload: 'watch' },
      routes: [{ name, when: {} }],
    });
    const hub = await HubProcess.create({ config: config('first') });
    try {
      await hub.start();
      const isInForce = async (name: string) => {
        const { items } = (await (await hub.get('/api/v1/routes')).json()) as { items: readonly { name: string }[] };
        return items[0]?.name === name;
      };
      await hub.configure(config('second'));
      await waitFor('the file to be taken', () => isInForce('second'));
      await writeFile(hub.configFile, 'routes: 1');
      await waitFor('the mistake to be told', () => Promise.resolve(hub.log().includes('configuration was not taken')));

      expect(await isInForce('second')).to.equal(true);
    } finally {
      await hub.remove();
    }
  });
});
