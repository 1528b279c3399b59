import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import * as dicomWebClient from 'dicomweb-client';
import { run } from '../support/child-process.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { curl, pythonDicomWebClient } from '../support/peers.ts';
import { waitFor } from '../support/wait-for.ts';
import { provideXmlHttpRequest } from '../support/xml-http-request.ts';

interface Told {
  readonly [tag: string]: { readonly Value?: readonly unknown[] } | undefined;
}
const STUDY_UID = '0020000D';
const SERIES_UID = '0020000E';
const SOP_INSTANCE_UID = '00080018';

describe('DICOMweb clients as they are, against the hub as it is started', function () {
  this.timeout(180_000);
  let hub: HubProcess;
  let url: string;

  before(async () => {
    hub = await HubProcess.create({ config: {} });
    await hub.start();
    url = `${hub.url}/dicom-web`;
  });
  after(async () => hub.remove());

  /** Three instances of one study in two series, and their files. */
  const makeStudy = async (patientName: string) => {
    const study = newUid();
    const [first, second] = [newUid(), newUid()];
    const common = { StudyInstanceUID: study, PatientName: patientName, PatientID: newUid().slice(-12) };
    const instances = [first, first, second].map((series, n) =>
      mrInstance({ ...common, SeriesInstanceUID: series, InstanceNumber: String(n + 1) }, 32 + n),
    );
    const folder = join(hub.folder, study);
    await mkdir(folder, { recursive: true });
    const files = await Promise.all(
      instances.map(async ({ part10, sopInstanceUid }) => {
        const path = join(folder, `${sopInstanceUid}.dcm`);
        await writeFile(path, part10);
        return path;
      }),
    );
    return { study, series: [first, second].toSorted(), instances, files };
  };
  const inLedger = async (study: string, instances: number) => {
    await waitFor('the study in the ledger', async () => {
      const response = await hub.get(`/dicom-web/studies?StudyInstanceUID=${study}`);
      if (response.status !== 200) return undefined;
      const [found] = (await response.json()) as Told[];
      return found?.['00201208']?.Value?.[0] === instances ? found : undefined;
    });
  };
  const uids = (instances: readonly MrInstance[]) => instances.map(({ sopInstanceUid }) => sopInstanceUid).toSorted();
  const values = (found: readonly Told[], tag: string) => found.map((one) => one[tag]?.Value?.[0] as string).toSorted();

  it('stores, searches and retrieves with the npm package dicomweb-client', async () => {
    const { study, series, instances } = await makeStudy('Npm^Client');
    const takeAway = provideXmlHttpRequest();
    try {
      const client = new dicomWebClient.api.DICOMwebClient({
        url,
        singlepart: false,
        headers: { Authorization: `Bearer ${hub.adminToken}` },
      });

      await client.storeInstances({ datasets: instances.map(({ part10 }) => Uint8Array.from(part10).buffer) });
      await inLedger(study, 3);
      const studies = await told(client.searchForStudies({ queryParams: { PatientName: 'NPM*' } }));
      const foundSeries = await told(client.searchForSeries({ studyInstanceUID: study }));
      const found = await told(client.searchForInstances({ studyInstanceUID: study }));
      const nothing = await told(client.searchForStudies({ queryParams: { PatientName: 'Nobody' } }));
      const metadata = await told(client.retrieveStudyMetadata({ studyInstanceUID: study, request: {} }));
      const retrieved = await told(client.retrieveStudy({ studyInstanceUID: study, request: {} }));

      expect(values(studies, STUDY_UID)).to.deep.equal([study]);
      expect(values(foundSeries, SERIES_UID)).to.deep.equal(series);
      expect(values(found, SOP_INSTANCE_UID)).to.deep.equal(uids(instances));
      expect(nothing).to.deep.equal([]);
      expect(values(metadata, SOP_INSTANCE_UID)).to.deep.equal(uids(instances));
      expect(retrieved).to.have.length(3);
    } finally {
      takeAway();
    }
  });

  it('stores, searches and retrieves with Python’s dicomweb-client', async () => {
    const python = await pythonDicomWebClient();
    const { study, series, instances, files } = await makeStudy('Python^Client');
    const script = resolve(import.meta.dirname, '../support/dicomweb-client.py');

    // Once to store them and once more, when the ledger knows them: a repeat is success as well.
    await run(python, [script, url, hub.adminToken, ...files], { timeoutMs: 60_000 });
    await inLedger(study, 3);
    const { code, stdout, stderr } = await run(python, [script, url, hub.adminToken, ...files], { timeoutMs: 60_000 });

    expect(code, stderr).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({
      referenced: uids(instances),
      studies: [study],
      descriptions: ['rat brain'],
      counts: ['3'],
      series,
      instances: uids(instances),
      nothing: 0,
      retrieved: uids(instances),
      metadata: uids(instances),
      samePixels: true,
    });
  });

  describe('Orthanc', () => {
    let orthanc: OrthancPeer;

    before(async () => {
      orthanc = await startOrthanc({
        dicomWeb: true,
        config: {
          DicomWeb: {
            Enable: true,
            Root: '/dicom-web/',
            Servers: { hub: { Url: `${url}/`, HttpHeaders: { Authorization: `Bearer ${hub.adminToken}` } } },
          },
        },
      });
    });
    after(async () => orthanc.stop());

    const ask = async (path: string, body: unknown): Promise<{ readonly status: number; readonly text: string }> => {
      const response = await fetch(`${orthanc.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
      return { status: response.status, text: await response.text() };
    };

    it('sends what it holds, finds it, and fetches it back', async () => {
      const { study, instances } = await makeStudy('Orthanc^Client');
      for (const { part10 } of instances) {
        const stored = await fetch(`${orthanc.url}/instances`, { method: 'POST', body: Uint8Array.from(part10) });
        expect(stored.status).to.equal(200);
      }
      const [held = ''] = (await (await fetch(`${orthanc.url}/studies`)).json()) as string[];

      const sent = await ask('/dicom-web/servers/hub/stow', { Resources: [held], Synchronous: true });
      await inLedger(study, 3);
      const searched = await ask('/dicom-web/servers/hub/qido', {
        Uri: '/studies',
        Arguments: { PatientName: 'orthanc*' },
      });
      const series = await ask('/dicom-web/servers/hub/qido', { Uri: `/studies/${study}/series` });
      await fetch(`${orthanc.url}/studies/${held}`, { method: 'DELETE' });
      const fetched = await ask('/dicom-web/servers/hub/retrieve', {
        Resources: [{ Study: study }],
        Synchronous: true,
      });
      const again = (await (await fetch(`${orthanc.url}/instances`)).json()) as string[];

      expect(sent.status, sent.text).to.equal(200);
      expect(searched.status, searched.text).to.equal(200);
      expect(searched.text).to.include(study);
      expect(Object.keys(JSON.parse(series.text) as object)).to.have.length(2);
      expect(fetched.status, fetched.text).to.equal(200);
      expect(again).to.have.length(3);
    });
  });

  it('is searched with curl, by an operator and by nobody else', async () => {
    const tool = await curl();
    const token = await hub.token('--role', 'auditor');
    const get = async (...headers: readonly string[]) => {
      const args = headers.flatMap((header) => ['-H', header]);
      const { stdout } = await run(tool.command('curl'), ['-sS', '-i', ...args, `${url}/studies?limit=1`]);
      return stdout;
    };

    expect(await get(`Authorization: Bearer ${hub.adminToken}`)).to.match(/^HTTP\/1.1 200[^]*"0020000D"/);
    expect(await get(`Authorization: Bearer ${token}`)).to.match(/^HTTP\/1.1 403/);
    expect(await get()).to.match(/^HTTP\/1.1 401/);
  });
});

/** The package's types say less than it does: these are promises of data sets. */
async function told(answer: unknown): Promise<readonly Told[]> {
  return (await (answer as Promise<unknown>)) as readonly Told[];
}
