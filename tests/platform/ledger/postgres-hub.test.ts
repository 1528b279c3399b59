import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubProcess } from '../../support/hub-process.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { execute, type PostgresPeer, postgres, startPostgres } from '../../support/postgres.ts';
import { send } from '../../support/scanner.ts';
import { waitFor } from '../../support/wait-for.ts';

const READY_MS = 30_000;

describe('a hub whose ledger is a PostgreSQL database', function () {
  this.timeout(120_000);
  const hubs: HubProcess[] = [];
  let own: PostgresPeer | undefined;

  before(() => postgres());
  afterEach(async () => {
    for (const hub of hubs.splice(0)) await hub.remove();
    await own?.stop();
    own = undefined;
  });

  async function hubOn(server: { readonly port: number; readonly database: string; readonly password?: string }) {
    const hub = await HubProcess.create({ config: {}, env: { PGTEST_PASSWORD: server.password ?? '' } });
    hubs.push(hub);
    await hub.configure({
      ledger: {
        kind: 'postgres',
        ...{ host: '127.0.0.1', port: server.port, database: server.database, user: 'hub' },
        password: { env: 'PGTEST_PASSWORD' },
      },
      destinations: [{ name: 'archive', type: 'folder', path: out(hub) }],
      routes: [{ name: 'all', when: { Modality: 'MR' }, deliver: ['archive'] }],
    });
    return hub;
  }

  it('delivers what it received, finds it, and goes on after a restart', async () => {
    const hub = await hubOn(await (await postgres()).createDatabase({ isEmpty: true }));
    await hub.start();
    const token = hub.adminToken;
    const study = newUid();

    const sent = await sendTo(hub, study, 3);

    expect(sent.accepted).to.have.length(3);
    await delivered(hub, 3);
    const found = await hub.get(`/dicom-web/studies?PatientName=PLANTED*&StudyInstanceUID=${study}`, token);
    expect(await found.json()).to.have.length(1);
    expect(await hub.json('studies', 'show', study)).to.deep.include({ state: 'routed' });
    expect(await hub.stop()).to.equal(0);
    // The same command without a running hub asks the database itself.
    expect(await hub.json('studies', 'show', study)).to.deep.include({ state: 'routed' });
    await hub.start();
    await sendTo(hub, newUid(), 2);
    await delivered(hub, 5);
  });

  it('starts and acknowledges while the database is down, and delivers when it is back', async () => {
    own = await startPostgres();
    const server = await own.createDatabase({ isEmpty: true });
    const hub = await hubOn(server);
    await hub.start();
    await sendTo(hub, newUid(), 1);
    await delivered(hub, 1);
    await hub.kill();
    await own.kill();

    await hub.start();
    const sent = await sendTo(hub, newUid(), 2);
    const ready = await fetch(`${hub.url}/health/ready`);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();

    expect(sent.accepted).to.have.length(2);
    expect(await ready.json()).to.include({ status: 'degraded' });
    expect(metrics).to.match(/^hub_ledger_up 0$/m);
    await own.restart();
    await delivered(hub, 3);
    expect(await (await fetch(`${hub.url}/metrics`)).text()).to.match(/^hub_ledger_up 1$/m);
    expect(await execute(server, 'SELECT count(*)::int AS instances FROM instances')).to.deep.equal([{ instances: 3 }]);
  });

  it('loses nothing while the database is killed again and again under what it receives', async () => {
    own = await startPostgres();
    const server = await own.createDatabase({ isEmpty: true });
    const hub = await hubOn(server);
    await hub.start();
    let acknowledged = 0;

    for (let round = 0; round < 3; round += 1) {
      const sending = sendTo(hub, newUid(), 20);
      await own.kill();
      acknowledged += (await sending).accepted.length;
      await own.restart();
    }

    expect(acknowledged).to.equal(60);
    await waitFor(
      'every instance in the database',
      async () => (await execute(server, 'SELECT count(*)::int AS n FROM instances'))[0]?.['n'] === 60,
      READY_MS,
    );
    await delivered(hub, 60);
  });

  it('starts and acknowledges while its password is being changed, says so, and delivers when it is let in', async () => {
    own = await startPostgres();
    const server = await own.createDatabase();
    const hub = await hubOn(server);
    await hub.start();
    await hub.stop();
    await execute(server, `ALTER ROLE ${server.user} PASSWORD 'of tomorrow'`);

    await hub.start();
    const sent = await sendTo(hub, newUid(), 2);
    const ready = await (await fetch(`${hub.url}/health/ready`)).text();
    await execute(
      { ...server, password: 'of tomorrow' },
      `ALTER ROLE ${server.user} PASSWORD '${server.password ?? ''}'`,
    );

    expect(sent.accepted).to.have.length(2);
    expect(ready).to.contain('"status":"degraded"').and.to.contain('The ledger database does not let the hub in');
    await delivered(hub, 2);
  });

  it('says plainly what is wrong with the database, and does not start', async () => {
    const server = await (await postgres()).createDatabase();
    const hub = await hubOn({ ...server, password: 'wrong' });

    hub.launch();
    const ended = await hub.ready().catch(String);

    expect(ended)
      .to.contain('The ledger database does not let the hub in')
      .and.to.contain('password authentication failed');
  });
});

function out(hub: HubProcess): string {
  return join(hub.folder, 'out');
}

async function sendTo(hub: HubProcess, study: string, instances: number) {
  const series = newUid();
  const files = await Promise.all(
    Array.from({ length: instances }, async () => {
      const { part10, sopInstanceUid } = mrInstance({ StudyInstanceUID: study, SeriesInstanceUID: series });
      const file = join(hub.folder, `${sopInstanceUid}.dcm`);
      await writeFile(file, part10);
      return file;
    }),
  );
  return send(hub.dimsePort, files);
}

async function delivered(hub: HubProcess, instances: number): Promise<void> {
  await waitFor(
    `${String(instances)} delivered instances`,
    async () => {
      const names = await readdir(out(hub), { recursive: true }).catch(() => []);
      return names.filter((name) => name.endsWith('.dcm')).length === instances;
    },
    READY_MS,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${hub.log().slice(-6000)}`, { cause: error });
  });
}
