import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { run } from '../../support/child-process.ts';
import { mrInstance, newUid, type MrInstance } from '../../support/mr-instance.ts';
import { dcmtk } from '../../support/peers.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { echo, send } from '../../support/scanner.ts';
import { skip } from '../../support/skip.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';

const REAL_DATA = resolve(import.meta.dirname, '../../../../shared/mri');
const SOURCE = { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] };

describe('the DIMSE door with DCMTK', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let hub: RunningGateway;

  before(async () => {
    hub = await startGateway({ dimse: { sources: [SOURCE] } });
  });
  after(async () => {
    await hub.remove();
  });

  it('answers C-ECHO', async () => {
    expect((await echo(hub.port)).output).to.include('Received Echo Response (Success)');
  });

  it('rejects an unknown calling and an unknown called AE title, each with its reason', async () => {
    const [calling, called] = [await echo(hub.port, { calling: 'NOBODY' }), await echo(hub.port, { called: 'NOBODY' })];

    expect(calling.output).to.include('Calling AE Title Not Recognized');
    expect(called.output).to.include('Called AE Title Not Recognized');
    expect([calling.code, called.code]).to.not.include(0);
  });

  it('stores a study with everything the ledger has to know, and ends with one line', async () => {
    const study = newUid();
    const instances = Array.from({ length: 12 }, () => mrInstance({ StudyInstanceUID: study }, 64));

    const sent = await send(hub.port, await written(join(folder.path, 'study'), instances));

    expect([...sent.answers.values()]).to.deep.equal(instances.map(() => 'Success'));
    const items = await waitFor('the study in the ledger', async () => {
      const found = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(study));
      return found.length === instances.length ? found : undefined;
    });
    expect(items.map((item) => item.sopInstanceUid).toSorted()).to.deep.equal(
      instances.map(({ sopInstanceUid }) => sopInstanceUid).toSorted(),
    );
    const row = await hub.ledger.studies.get(parseStudyInstanceUid(study));
    expect(row).to.include({ source: 'pv-7t', instances: 12, held: false });
    const [series] = await hub.ledger.studies.series(parseStudyInstanceUid(study));
    expect(series?.attributes).to.deep.include({ Modality: ['MR'], StudyDescription: ['rat brain'] });
    expect(series?.provenance).to.include({ door: 'dimse', callingAeTitle: 'PV7T', calledAeTitle: 'HUB' });
    const end = await waitFor('the end of the association', () =>
      hub.lines.find(({ message, fields }) => message === 'association ended' && fields['instances'] === 12),
    );
    expect(end).to.deep.include({ level: 'info' });
    expect(end.fields).to.include({ end: 'released', failed: 0, source: 'pv-7t', stage: 'gateway' });
    expect(JSON.stringify(hub.lines)).to.not.match(/RAT-7|Planted/);
  });

  it('stores an object of 20 MB in a segment of its own, byte for byte', async () => {
    const instance = mrInstance({}, 3200);

    const sent = await send(hub.port, await written(join(folder.path, 'large'), [instance]));

    expect([...sent.answers.values()]).to.deep.equal(['Success']);
    expect(await dataSetInStore(hub, instance)).to.satisfy((stored: Buffer) => stored.equals(instance.dataSet));
  });

  it('counts in its metrics what it did', async () => {
    const page = await hub.metrics();

    expect(page).to.match(/hub_gateway_instances_total\{door="dimse",source="pv-7t",outcome="stored"\} 13/);
    expect(page).to.match(/hub_gateway_bytes_total\{door="dimse",source="pv-7t"\} \d{8}/);
    expect(page).to.match(/hub_gateway_ack_duration_seconds_count\{door="dimse"\} 13/);
    expect(page).to.match(/hub_source_last_seen_seconds\{source="pv-7t"\} [0-9.]+/);
    expect(page).to.match(/hub_spool_pending_bytes 0/);
    expect(page).to.match(/hub_gateway_associations 0/);
  });

  const SYNTAXES = [
    { name: 'implicit', convert: ['+ti'], propose: '-xi' },
    { name: 'big endian', convert: ['+tb'], propose: '-xb' },
    { name: 'deflated', convert: ['+td'], propose: '-xd' },
  ] as const;
  for (const { name, convert, propose } of SYNTAXES) {
    it(`stores ${name} data sets as they are sent`, async () => {
      const tools = await dcmtk();
      const instance = mrInstance({}, 64);
      const [original = ''] = await written(join(folder.path, name), [instance]);
      const converted = `${original}.converted`;
      const { code, stderr } = await run(tools.command('dcmconv'), [...convert, original, converted]);
      expect(code, stderr).to.equal(0);

      const sent = await send(hub.port, [converted], { args: [propose] });

      expect([...sent.answers.values()], sent.output).to.deep.equal(['Success']);
      const back = join(folder.path, `${name}.dcm`);
      await writeFile(back, await partTenInStore(hub, instance));
      const compared = await Promise.all(
        [back, converted].map(async (file) => (await run(tools.command('dcmdump'), ['+L', '-M', file])).stdout),
      );
      expect(withoutMeta(compared[0] ?? '')).to.equal(withoutMeta(compared[1] ?? ''));
      expect(withoutMeta(compared[0] ?? '')).to.include('StudyInstanceUID');
    });
  }

  it('stores real MR objects of several vendors and encodings', async function () {
    const dicom = join(REAL_DATA, 'dicom');
    if (!existsSync(dicom)) skip(this, '../shared/mri is not here');
    // One object in eight encodings is one SOP Instance UID with eight different contents: refused, and rightly so.
    const files = (await readdir(dicom, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && /\.dcm$/i.test(entry.name) && !/MR_(trunc|small_)/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .slice(0, 40);

    const sent = await send(hub.port, files, { args: ['-R'], timeoutMs: 50_000 });

    expect(files).to.not.be.empty;
    expect(new Set(sent.answers.values()), sent.output).to.deep.equal(new Set(['Success']));
  });
});

async function written(path: string, instances: readonly MrInstance[]): Promise<readonly string[]> {
  await mkdir(path, { recursive: true });
  return Promise.all(
    instances.map(async ({ sopInstanceUid, part10 }) => {
      const file = join(path, `${sopInstanceUid}.dcm`);
      await writeFile(file, part10);
      return file;
    }),
  );
}

async function partTenInStore(hub: RunningGateway, instance: MrInstance): Promise<Buffer> {
  const [item] = await waitFor('the instance in the ledger', async () => {
    const items = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(instance.studyInstanceUid));
    return items.length > 0 ? items : undefined;
  });
  if (item === undefined) throw new Error('no item');
  const source = await openFileStore(hub.dataDir).open(item.blob);
  const bytes = Buffer.from(await source.read(0, source.sizeBytes));
  await source.close();
  return bytes;
}

async function dataSetInStore(hub: RunningGateway, instance: MrInstance): Promise<Buffer> {
  const bytes = await partTenInStore(hub, instance);
  return bytes.subarray(bytes.length - instance.dataSet.length);
}

/** What dcmdump says of the data set; the file meta information is the hub's own. */
function withoutMeta(dump: string): string {
  return dump.slice(dump.indexOf('# Dicom-Data-Set'));
}
