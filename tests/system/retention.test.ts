import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { ended, fetched, type SeenStudy } from '../support/hub-api.ts';
import { HubProcess, lastingPort } from '../support/hub-process.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';

/** 2,200 × 2,200 × 2 bytes: a file of its own. */
const LARGE_PIXELS = 2200;

describe('a hub that keeps what is delivered for a second', function () {
  this.timeout(90_000);
  let hub: HubProcess;

  before(async () => {
    hub = await HubProcess.create({ config: {} });
    await hub.configure({
      gateway: {
        dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
        retention: { received: '1s', every: '1s' },
      },
      destinations: [
        { name: 'archive', type: 'folder', path: join(hub.folder, 'archive') },
        { name: 'gone', type: 'stow-rs', url: `http://127.0.0.1:${String(await lastingPort())}/dicom-web` },
      ],
      routes: [
        { name: 'delivered', when: { StudyDescription: 'to the archive' }, deliver: ['archive'] },
        { name: 'waiting', when: { StudyDescription: 'to nowhere' }, deliver: ['gone'] },
      ],
    });
    await hub.start();
  });
  after(async () => hub.remove());

  it('removes it, says so wherever it is asked for, and keeps what still waits for its destination', async () => {
    const [done, waiting] = ['to the archive', 'to nowhere'].map((StudyDescription) =>
      mrInstance({ StudyDescription }, LARGE_PIXELS),
    );
    if (done === undefined || waiting === undefined) throw new Error('nothing to send');
    const files = [join(hub.folder, 'done.dcm'), join(hub.folder, 'waiting.dcm')];
    await writeFile(files[0] ?? '', done.part10);
    await writeFile(files[1] ?? '', waiting.part10);
    await send(hub.dimsePort, files);
    const before = await segments(hub);
    await ended(hub, done.studyInstanceUid, 'archive');

    await waitFor(
      'the study to be removed',
      async () => {
        const studies = await fetched<SeenStudy & { readonly expiredAt?: string }>(hub, 'studies');
        return studies.find((each) => each.studyInstanceUid === done.studyInstanceUid)?.expiredAt;
      },
      30_000,
    );
    await waitFor('its file to go', async () => (await segments(hub)) === before - 1);

    const { code, stderr } = await hub.command('studies', 'replay', done.studyInstanceUid);
    expect(code).to.equal(1);
    expect(stderr).to.match(/Removed after delivery/);
    const [delivery] = await fetched<{ deliveryId: string }>(hub, `deliveries?study=${done.studyInstanceUid}`);
    const answer = await fetch(`${hub.url}/api/v1/deliveries/${delivery?.deliveryId ?? ''}/replay`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${hub.adminToken}` },
    });
    expect(answer.status).to.equal(410);
    expect(await answer.json()).to.include({ type: 'urn:hub:error:study.expired' });
    expect((await hub.command('store', 'usage')).stdout).to.match(/1 study +waiting for delivery: gone/);

    const again = await send(hub.dimsePort, files);
    expect(again.code, again.output).to.equal(0);
    expect((await ended(hub, done.studyInstanceUid, 'archive', { revision: 2 })).state).to.equal('succeeded');
  });
});

async function segments(hub: HubProcess): Promise<number> {
  return (await readdir(join(hub.dataFolder, 'spool'))).filter((name) => name.endsWith('.seg')).length;
}
