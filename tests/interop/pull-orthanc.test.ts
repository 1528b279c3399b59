import { expect } from 'chai';
import { ended, hubWithPulls, pulled, shown } from '../connectors/pull/hub-with-pull.ts';
import { makeAuthority } from '../support/certificates.ts';
import type { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startTlsFront, type TlsFront } from '../support/tls-front.ts';
import { waitFor } from '../support/wait-for.ts';

interface Series {
  readonly door: string;
  readonly source: string;
  readonly instances: number;
}

const TODAY = '20260301';

describe('a pull from Orthanc', function () {
  this.timeout(90_000);
  const folder = temporaryFolder();
  let archive: OrthancPeer;
  let front: TlsFront;
  let hub: HubProcess;
  /** Two series each, of 3 and 2 instances. */
  const wanted = [newUid(), newUid()] as const;
  const unwanted = newUid();

  before(async () => {
    const authority = await makeAuthority(folder.path);
    hub = await hubWithPulls([], {});
    archive = await startOrthanc({
      dicomWeb: true,
      modalities: { hub: { aeTitle: 'HUB', port: hub.dimsePort } },
      config: { DicomAlwaysAllowFind: true, DicomAlwaysAllowMove: true, DicomAlwaysAllowGet: true },
    });
    const { host, port, aeTitle } = archive;
    const own = await authority.sign('pacs', '/CN=pacs', { names: 'IP:127.0.0.1' });
    // It wants a certificate of ours too.
    front = await startTlsFront(Number(new URL(archive.dicomWebUrl).port), own, authority);
    const ours = await authority.sign('hub', '/CN=hub');
    const tls = {
      ca: { file: authority.certificate },
      certificate: { file: ours.certificate },
      key: { file: ours.key },
    };
    const overTls = `https://127.0.0.1:${String(front.port)}${new URL(archive.dicomWebUrl).pathname}`;
    const dicom = { host, port, aeTitle, callingAeTitle: 'HUB' };
    const query = { modality: 'MR', studyDate: { from: '2026-03-01', to: '2026-03-31' }, studyDescription: '*brain*' };
    const timeouts = { stall: '10s', settle: '10s' };
    await hub.configure({
      pulls: [
        ...(
          [
            ['by-move', { dicom, retrieve: 'c-move', moveTo: 'HUB' }],
            ['by-get', { dicom, retrieve: 'c-get' }],
            ['by-web', { dicomweb: { url: archive.dicomWebUrl } }],
          ] as const
        ).map(([name, from]) => ({ name, from, query, timeouts })),
        {
          ...{ name: 'over-tls', from: { dicomweb: { url: overTls, tls } }, timeouts },
          query: { ...query, studyDescription: '*knee*' },
        },
      ],
      routes: [{ name: 'pulled', when: { source: 'by-move' } }],
    });
    for (const study of wanted) await fill(study, 'rat brain', 5);
    await fill(unwanted, 'rat knee', 2);
    await hub.start();
  });
  after(async () => {
    await front.stop();
    await hub.remove();
    await archive.stop();
  });

  async function fill(study: string, description: string, instances: number): Promise<void> {
    const series = [newUid(), newUid()];
    for (let n = 0; n < instances; n += 1) await add(study, series[n < 3 ? 0 : 1] ?? '', description);
  }

  async function add(study: string, series: string, description = 'rat brain'): Promise<void> {
    const { part10 } = mrInstance({
      StudyInstanceUID: study,
      SeriesInstanceUID: series,
      StudyDescription: description,
      StudyDate: TODAY,
      StudyTime: '120000',
    });
    const answer = await fetch(`${archive.url}/instances`, { method: 'POST', body: Uint8Array.from(part10) });
    expect(answer.status).to.equal(200);
  }

  async function seriesOf(study: string): Promise<readonly Series[]> {
    const { series } = (await (await hub.get(`/api/v1/studies/${study}`)).json()) as { series: readonly Series[] };
    return series
      .map(({ door, source, instances }) => ({ door, source, instances }))
      .toSorted((one, other) => other.instances - one.instances);
  }

  it('fetches by C-FIND and C-MOVE what is asked for, as a source of its own', async () => {
    const run = await pulled(hub, 'by-move');

    expect(run, hub.log()).to.include({ state: 'done', found: 2, fetched: 2, skipped: 0, failed: 0, instances: 10 });
    for (const study of wanted) {
      expect(await seriesOf(study)).to.deep.equal([
        { door: 'dimse', source: 'by-move', instances: 3 },
        { door: 'dimse', source: 'by-move', instances: 2 },
      ]);
    }
    expect((await hub.get(`/api/v1/studies/${unwanted}`)).status).to.equal(404);
  });

  it('takes the study as complete when it holds what the archive says, and routes it by the name of the pull', async () => {
    await waitFor('both to be routed', async () => {
      const answers = await Promise.all(
        wanted.map(async (study) => (await hub.get(`/api/v1/studies/${study}`)).json()),
      );
      return answers.every((each) => (each as { state: string }).state === 'routed');
    });
  });

  it('fetches nothing a second time, whichever way it is asked', async () => {
    const again = await pulled(hub, 'by-move');
    const byGet = await pulled(hub, 'by-get');
    const byWeb = await pulled(hub, 'by-web');

    for (const run of [again, byGet, byWeb]) {
      expect(run).to.include({ state: 'done', found: 2, fetched: 0, skipped: 2, failed: 0 });
    }
  });

  for (const [name, door] of [
    ['by-move', 'dimse'],
    ['by-get', 'dimse'],
    ['by-web', 'stow-rs'],
  ] as const) {
    it(`fetches by itself only what is missing: ${name}`, async () => {
      const study = newUid();
      const [whole, part] = [newUid(), newUid()];
      for (const series of [whole, whole, part]) await add(study, series);
      await pulled(hub, name);
      await add(study, part);

      const run = await pulled(hub, name);

      expect(run, hub.log()).to.include({ state: 'done', fetched: 1, failed: 0 });
      expect(await seriesOf(study)).to.deep.equal([
        { door, source: name, instances: 2 },
        { door, source: name, instances: 2 },
      ]);
      expect((await shown(hub, name)).unfetched).to.deep.equal([]);
    });
  }

  it('fetches over https from a server whose authority the hub was told of', async () => {
    const run = await pulled(hub, 'over-tls');

    expect(run, hub.log()).to.include({ state: 'done', found: 1, fetched: 1, instances: 2 });
    expect(await seriesOf(unwanted)).to.deep.equal([{ door: 'stow-rs', source: 'over-tls', instances: 2 }]);
  });

  it('goes through the days of a back-fill, and says how far it is', async () => {
    const asked = await hub.command('pulls', 'backfill', 'by-get', '--from', '2026-02-27', '--to', '2026-03-02');
    expect(asked.code, asked.stderr).to.equal(0);

    const run = await ended(hub, 'by-get');

    expect(run).to.include({ kind: 'backfill', state: 'done', questions: 4, answered: 4, failed: 0 });
    expect(run.found).to.be.greaterThan(2);
    const { stdout } = await hub.command('pulls', 'show', 'by-get');
    expect(stdout).to.contain('20260227-20260302').and.to.contain('4 of 4 asked');
  });

  it('counts what it did', async () => {
    const page = await (await fetch(`${hub.url}/metrics`)).text();

    expect(page).to.match(/^hub_pull_studies_total\{pull="by-move",outcome="fetched"\} 4$/m);
    expect(page).to.match(/^hub_pull_backlog_studies\{pull="by-move",state="failed"\} 0$/m);
    expect(page).to.match(/^hub_pull_bytes_total\{pull="by-web"\} \d+$/m);
    expect((await shown(hub, 'by-move')).runs).to.have.length.greaterThan(2);
  });
});
