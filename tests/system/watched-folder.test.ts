import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { pathsBelow } from '../support/files-below.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { skip } from '../support/skip.ts';
import { waitFor } from '../support/wait-for.ts';
import { zipArchive } from '../support/zip-archive.ts';

const REAL = resolve(import.meta.dirname, '../../../shared/mri/dicom/ge_epi_interleaved');
const STEADY = { scan: '100ms', minAge: '200ms' };

/** A hub process that watches a folder of its own. */
async function watching(over: Readonly<Record<string, unknown>> = {}): Promise<HubProcess> {
  const hub = await HubProcess.create({ config: {} });
  await mkdir(inbox(hub));
  const config = JSON.parse(await readFile(hub.configFile, 'utf8')) as { gateway: object };
  const folders = [{ name: 'pv-export', path: inbox(hub), ...STEADY, ...over }];
  await writeFile(hub.configFile, JSON.stringify({ ...config, gateway: { ...config.gateway, folders } }));
  return hub;
}

function inbox(hub: HubProcess): string {
  return join(hub.folder, 'in');
}

async function instancesOf(hub: HubProcess, study: string): Promise<number> {
  const response = await hub.get(`/api/v1/studies/${study}`);
  if (response.status === 404) return 0;
  const shown = (await response.json()) as { readonly instances: number };
  return shown.instances;
}

describe('a hub that watches a folder', function () {
  this.timeout(120_000);

  let hub: HubProcess;
  afterEach(async () => {
    await hub.remove();
  });

  it('takes nothing twice when it is killed between making a file durable and putting it away', async () => {
    hub = await watching();
    const { part10, studyInstanceUid } = mrInstance();
    // A file where the folder for taken files should be: it can make durable, but not put away.
    await writeFile(join(inbox(hub), 'done'), 'in the way');
    await hub.start();
    await writeFile(join(inbox(hub), 'IM1'), part10);
    await waitFor('the instance', async () => (await instancesOf(hub, studyInstanceUid)) === 1);

    await hub.kill();
    await rm(join(inbox(hub), 'done'));
    await hub.start();

    await waitFor('it to be put away', async () => (await pathsBelow(join(inbox(hub), 'done'))).length === 1);
    expect(await pathsBelow(inbox(hub))).to.deep.equal([join(inbox(hub), 'done/IM1')]);
    expect(await instancesOf(hub, studyInstanceUid)).to.equal(1);
    const page = await (await hub.get('/metrics', '')).text();
    expect(page).to.contain('hub_gateway_instances_total{door="folder",source="pv-export",outcome="same"} 1\n');
  });

  it('loses nothing and takes nothing twice when it is killed again and again while files come', async () => {
    hub = await watching({ minAge: '0ms' });
    const study = newUid();
    const instances: MrInstance[] = Array.from({ length: 300 }, () => mrInstance({ StudyInstanceUID: study }));
    const parts = Array.from({ length: 3 }, (_, n) => instances.slice(n * 100, n * 100 + 100));
    await mkdir(join(hub.folder, 'outside'));

    for (const [round, part] of parts.entries()) {
      for (const [n, { part10 }] of part.entries()) {
        // Renamed in, so that each is whole when it appears.
        const outside = join(hub.folder, 'outside', String(n));
        const content = n === 0 ? zipArchive([{ name: 'a', content: part10 }]) : part10;
        await writeFile(outside, content);
        await rename(outside, join(inbox(hub), `${String(round)}-${String(n)}`));
      }
      await hub.start();
      await waitFor(
        'some of them',
        async () => (await pathsBelow(join(inbox(hub), 'done'))).length > round * 100 + 10,
        30_000,
      );
      await hub.kill();
    }
    await hub.start();

    await waitFor('all put away', async () => (await pathsBelow(join(inbox(hub), 'done'))).length === 300, 60_000);
    await waitFor('all in the ledger', async () => (await instancesOf(hub, study)) === 300, 30_000);
    expect((await pathsBelow(inbox(hub))).filter((name) => name.endsWith('.error'))).to.deep.equal([]);
    expect(await (await hub.get('/api/v1/quarantine')).json())
      .to.have.property('items')
      .that.deep.equals([]);
  });

  it('says in its readiness that a share is away, and stays ready', async () => {
    hub = await watching();
    await hub.start();
    expect(await (await hub.get('/health/ready', '')).json()).to.have.property('status', 'ready');

    await rename(inbox(hub), `${inbox(hub)}-away`);

    const ready = await waitFor('it to be noticed', async () => {
      const response = await hub.get('/health/ready', '');
      const body = (await response.json()) as { readonly status: string };
      return body.status === 'degraded' ? { code: response.status, body } : undefined;
    });
    expect(ready.code).to.equal(200);
    expect(JSON.stringify(ready.body)).to.contain('pv-export: the folder is not there');
  });

  it('takes a real export and lets its study complete by the rule of the folder', async function () {
    if ((await pathsBelow(REAL)).length === 0) skip(this, 'there is no ../shared/mri');
    hub = await watching({ completion: { quiet: '1s', force: '1m' } });
    await hub.start();

    await cp(REAL, join(inbox(hub), 'exam 12/5/pdata/1/dicom'), { recursive: true });

    const expected = (await pathsBelow(REAL)).filter((name) => name.endsWith('.dcm')).length;
    const study = await waitFor(
      'the study to complete',
      async () => {
        const { items } = (await (await hub.get('/api/v1/studies')).json()) as {
          readonly items: readonly { readonly revision: number; readonly instances: number; readonly source: string }[];
        };
        return items.find(({ revision }) => revision > 0);
      },
      60_000,
    );
    expect(study).to.include({ source: 'pv-export', instances: expected });
    expect((await pathsBelow(join(inbox(hub), 'done'))).length).to.equal(expected);
  });
});
