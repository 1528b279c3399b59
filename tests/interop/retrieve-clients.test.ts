import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readDataSet } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { run, type Command } from '../support/child-process.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { startOrthanc, type OrthancPeer } from '../support/peer-servers.ts';
import { curl, dcmtk, pythonDicomWebClient } from '../support/peers.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const SIZE = 64;

// Clients that others wrote, against a hub as it is started, over a study that came in by C-STORE.
describe('clients that retrieve from the hub', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let hub: HubProcess;
  let native: MrInstance;
  let compressed: MrInstance;
  const study = newUid();
  const series = newUid();
  const uids = { StudyInstanceUID: study, SeriesInstanceUID: series };

  before(async () => {
    await mkdir(folder.path, { recursive: true });
    native = mrInstance({ ...uids, InstanceNumber: '1' }, SIZE);
    compressed = mrInstance({ ...uids, InstanceNumber: '2' }, SIZE);
    const [one, other, rle] = ['native.dcm', 'plain.dcm', 'rle.dcm'].map((name) => join(folder.path, name));
    if (one === undefined || other === undefined || rle === undefined) throw new Error('three files');
    await writeFile(one, native.part10);
    await writeFile(other, compressed.part10);
    await run((await dcmtk()).command('dcmcrle'), [other, rle]);
    hub = await HubProcess.create({ config: {} });
    await hub.start();
    const { accepted } = await send(hub.dimsePort, [one, rle], { args: ['-xr'] });
    expect(accepted.length).to.equal(2);
    await waitFor('the ledger to know the study', async () => {
      const answer = await hub.get(`/dicom-web/studies/${study}/metadata`);
      return answer.ok && ((await answer.json()) as readonly unknown[]).length === 2;
    });
  });
  after(() => hub.remove());

  const pixelsOf = async (part10: Uint8Array): Promise<string> => {
    const { dataSet } = await readDataSet(bytesAsSource(part10));
    return digest(dataSet.element(TAG.PixelData)?.value ?? new Uint8Array(0));
  };

  describe("Python's dicomweb-client", () => {
    let python: Command;
    let said: Readonly<Record<string, unknown>>;

    before(async function () {
      python = await pythonDicomWebClient();
      const script = join(folder.path, 'retrieve.py');
      await writeFile(script, PYTHON_SCRIPT);
      const args = [script, `${hub.url}/dicom-web`, hub.adminToken, study, series];
      const { code, stdout, stderr } = await run(python, [...args, native.sopInstanceUid, compressed.sopInstanceUid], {
        timeoutMs: 60_000,
      });
      expect(code, stderr).to.equal(0);
      said = JSON.parse(stdout) as typeof said;
    });

    it('retrieves a study, a series and an instance, each readable by pydicom', () => {
      const both = [native.sopInstanceUid, compressed.sopInstanceUid];

      expect(said['study']).to.deep.equal(both);
      expect(said['series']).to.deep.equal(both);
      expect(said['instance']).to.equal(native.sopInstanceUid);
    });

    it('gets the pixels of a compressed instance decoded, and as stored when it asks for any', async () => {
      expect(said['decoded']).to.deep.equal(['1.2.840.10008.1.2.1', await pixelsOf(compressed.part10)]);
      expect(said['stored']).to.equal('1.2.840.10008.1.2.5');
    });

    it('reads metadata, bulk data, frames and a rendered picture', async () => {
      expect(said['metadata']).to.deep.equal([2, SIZE]);
      expect(said['bulkdata']).to.equal(await pixelsOf(native.part10));
      expect(said['frames']).to.deep.equal([await pixelsOf(native.part10), await pixelsOf(compressed.part10)]);
      expect(said['rendered']).to.deep.equal([SIZE, SIZE]);
    });
  });

  describe('Orthanc as a DICOMweb client', () => {
    let orthanc: OrthancPeer;
    before(async () => {
      orthanc = await startOrthanc({
        dicomWeb: true,
        config: {
          DicomWeb: {
            Enable: true,
            Root: '/dicom-web/',
            Servers: {
              hub: { Url: `${hub.url}/dicom-web/`, HttpHeaders: { Authorization: `Bearer ${hub.adminToken}` } },
            },
          },
        },
      });
    });
    after(() => orthanc.stop());

    it('retrieves the study from the hub', async () => {
      const response = await fetch(`${orthanc.url}/dicom-web/servers/hub/retrieve`, {
        method: 'POST',
        body: JSON.stringify({ Resources: [{ Study: study }], Synchronous: true }),
      });

      expect(response.status, await response.clone().text()).to.equal(200);
      const ids = (await (await fetch(`${orthanc.url}/instances`)).json()) as readonly string[];
      const kept = await Promise.all(
        ids.map(async (id) => Buffer.from(await (await fetch(`${orthanc.url}/instances/${id}/file`)).arrayBuffer())),
      );
      const pixels = await Promise.all(kept.map((part10) => pixelsOf(part10)));
      expect(ids.length).to.equal(2);
      expect(pixels).to.include(await pixelsOf(native.part10));
    });
  });

  describe('curl', () => {
    const get = async (path: string, ...args: readonly string[]) => {
      const file = join(folder.path, newUid());
      const tool = (await curl()).command('curl');
      const { stdout } = await run(tool, [
        '-sS',
        '-o',
        file,
        '-w',
        '%{http_code} %{content_type}',
        ...args,
        `${hub.url}${path}`,
      ]);
      return { said: stdout, body: await readFile(file) };
    };
    const instance = () => `/dicom-web/studies/${study}/series/${series}/instances/${native.sopInstanceUid}`;

    it('gets one instance as a file that dcmdump reads, and nothing without a token', async () => {
      const token = ['-H', `Authorization: Bearer ${hub.adminToken}`];

      const answer = await get(instance(), ...token, '-H', 'Accept: application/dicom');
      const anonymous = await get(instance(), '-H', 'Accept: application/dicom');

      expect(answer.said).to.equal('200 application/dicom; transfer-syntax=1.2.840.10008.1.2.1');
      const file = join(folder.path, 'by-curl.dcm');
      await writeFile(file, answer.body);
      const { code } = await run((await dcmtk()).command('dcmdump'), ['-q', file]);
      expect(code).to.equal(0);
      expect(anonymous.said).to.match(/^401 application\/problem\+json/);
    });

    it('goes on where a download was cut off', async () => {
      const token = ['-H', `Authorization: Bearer ${hub.adminToken}`, '-H', 'Accept: application/dicom'];

      const [head, tail] = [
        await get(instance(), ...token, '-r', '0-999'),
        await get(instance(), ...token, '-r', '1000-'),
      ];

      expect([head.said.slice(0, 3), tail.said.slice(0, 3)]).to.deep.equal(['206', '206']);
      expect(await pixelsOf(Buffer.concat([head.body, tail.body]))).to.equal(await pixelsOf(native.part10));
    });
  });

  it('writes no value of a patient into the log', () => {
    expect(hub.log()).to.not.match(/Planted|RAT-7/);
  });
});

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const PYTHON_SCRIPT = `
import hashlib, io, json, sys
import requests
from PIL import Image
from dicomweb_client.api import DICOMwebClient
url, token, study, series, native, compressed = sys.argv[1:]
session = requests.Session()
session.headers.update({'Authorization': 'Bearer ' + token})
client = DICOMwebClient(url=url, session=session)
sha = lambda data: hashlib.sha256(data).hexdigest()
decoded = client.retrieve_instance(study, series, compressed, media_types=(('application/dicom', '1.2.840.10008.1.2.1'),))
stored = client.retrieve_instance(study, series, compressed)
metadata = client.retrieve_study_metadata(study)
one = client.retrieve_instance_metadata(study, series, native)
picture = client.retrieve_instance_rendered(study, series, native, media_types=('image/png',))
print(json.dumps({
    'study': [d.SOPInstanceUID for d in client.retrieve_study(study)],
    'series': [d.SOPInstanceUID for d in client.iter_series(study, series)],
    'instance': client.retrieve_instance(study, series, native).SOPInstanceUID,
    'decoded': [str(decoded.file_meta.TransferSyntaxUID), sha(decoded.PixelData)],
    'stored': str(stored.file_meta.TransferSyntaxUID),
    'metadata': [len(metadata), metadata[0]['00280010']['Value'][0]],
    'bulkdata': sha(b''.join(client.retrieve_bulkdata(one['7FE00010']['BulkDataURI']))),
    'frames': [sha(client.retrieve_instance_frames(study, series, uid, [1])[0]) for uid in (native, compressed)],
    'rendered': list(Image.open(io.BytesIO(picture)).size),
}))
`;
