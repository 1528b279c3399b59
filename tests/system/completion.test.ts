import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubProcess } from '../support/hub-process.ts';
import { type MrInstance, mrInstance, newUid } from '../support/mr-instance.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a hub that is killed while a study waits', function () {
  this.timeout(120_000);
  let archive: OrthancPeer;
  let hub: HubProcess;

  before(async () => {
    archive = await startOrthanc({ config: { DicomAlwaysAllowFind: true } });
    hub = await HubProcess.create({
      config: {
        gateway: {
          completion: { quiet: '1s', force: '10m' },
          dimse: {
            sources: [
              {
                name: 'pv-7t',
                aeTitle: 'PV7T',
                hosts: ['127.0.0.1'],
                query: { dicom: { host: archive.host, port: archive.port, aeTitle: archive.aeTitle } },
              },
            ],
          },
        },
        routes: [
          { name: 'brain', when: {}, completion: { requiredSeries: [{ SeriesDescription: { like: '*T1*' } }] } },
        ],
      },
    });
  });
  after(async () => {
    await hub.remove();
    await archive.stop();
  });

  it('goes on waiting for required series, then for what its source still has, and says so', async () => {
    const study = newUid();
    const make = (SeriesDescription: string) => mrInstance({ StudyInstanceUID: study, SeriesDescription });
    const [t2, t1, late] = [make('T2 brain'), make('T1 brain'), make('T2 brain')];
    for (const { part10 } of [t2, t1, late]) {
      expect((await fetch(`${archive.url}/instances`, { method: 'POST', body: Uint8Array.from(part10) })).ok).to.equal(
        true,
      );
    }
    await hub.start();
    await sent(hub, t2);
    await shows(hub, study, '0 of 1 series that the route brain requires');

    await hub.kill();
    await hub.start();
    await shows(hub, study, '0 of 1 series that the route brain requires');
    await sent(hub, t1);
    await shows(hub, study, '2 of 3 instances its source says it has');

    await hub.kill();
    await hub.start();
    await shows(hub, study, '2 of 3 instances its source says it has');
    await sent(hub, late);
    const completed = await waitFor('study.completed', async () => {
      const { timeline } = (await hub.json('studies', 'show', study)) as { timeline: readonly TimelineEntry[] };
      return timeline.find(({ what }) => what === 'study.completed');
    });

    expect(completed.fields).to.include({ revision: 1, instances: 3, signal: 'source-count' });
    expect(completed.fields['evidence']).to.deep.include.members([
      { what: 'source-count', held: 3, expected: 3 },
      { what: 'required-series', route: 'brain', held: 1, expected: 1 },
    ]);
    expect((await hub.command('studies', 'show', study)).stdout).not.to.contain('waitingFor');
  });
});

interface TimelineEntry {
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

async function sent(hub: HubProcess, { sopInstanceUid, part10 }: MrInstance): Promise<void> {
  const file = join(hub.folder, `${sopInstanceUid}.dcm`);
  await writeFile(file, part10);
  const { code, output } = await send(hub.dimsePort, [file]);
  expect(code, output).to.equal(0);
}

/** `hub studies show`, as an operator reads it. */
async function shows(hub: HubProcess, study: string, text: string): Promise<void> {
  await waitFor(`the study to wait for ${text}`, async () => {
    const { stdout } = await hub.command('studies', 'show', study);
    return stdout.split('\n').some((line) => line.startsWith('waitingFor') && line.includes(text));
  });
}
