import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import type { DataSet } from '../../core/dicom/data-set.ts';
import { type Attributes, encodePart10 } from '../../core/dicom/encode.ts';
import { readDataSet } from '../../core/dicom/part10.ts';
import { filesBelow } from '../support/files-below.ts';
import { ended, feedOf, typesOf } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';
import { originalUids, PLANTED, writeStudy, type WrittenStudy } from './planted-study.ts';

const SEGMENTATION = '1.2.840.10008.5.1.4.1.1.66.4';
const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33';
/** The partner's own root. */
const OWN = '1.2.826.0.1.3680043.10.511.77';
const HOME = { aeTitle: 'PV7T', hosts: ['127.0.0.1'] };

describe('the way back to the hospital’s PACS', function () {
  this.timeout(90_000);
  let pacs: OrthancPeer;
  let hub: HubProcess;
  let study: WrittenStudy;
  let token = '';
  /** One instance as the partner has it. */
  let released: DataSet;
  const original = () => study.studyInstanceUid;

  before(async () => {
    pacs = await startOrthanc({ dicomWeb: true, aeTitle: 'PACS' });
    hub = await HubProcess.create({ config: {} });
    await hub.configure({
      gateway: {
        dimse: {
          sources: [
            { name: 'pv-7t', ...HOME },
            { name: 'kct-scu', ...HOME, aeTitle: 'KCT', partner: 'kct' },
          ],
        },
        completion: { quiet: '1s', force: '60s' },
      },
      policies: [{ name: 'kct', profile: 'basic', options: ['retain-longitudinal-modified-dates'] }],
      partners: [{ name: 'kct', returns: 'kct-web' }],
      destinations: [
        { name: 'kct-archive', type: 'folder', path: join(hub.folder, 'out'), partner: 'kct' },
        { name: 'hospital-pacs', type: 'c-store', host: pacs.host, port: pacs.port, aeTitle: pacs.aeTitle },
      ],
      routes: [
        { name: 'to-kct', when: {}, process: [{ deidentify: 'kct' }], deliver: ['kct-archive'] },
        { name: 'own-results', when: {}, process: [{ segment: 'rodent-brain' }], deliver: ['hospital-pacs'] },
        { name: 'returned', when: {}, process: [{ reidentify: 'kct' }], deliver: ['hospital-pacs'] },
      ],
    });
    await hub.start();
    token = await hub.token('--role', 'partner', '--partner', 'kct');
    study = await writeStudy(join(hub.folder, 'scan'), { species: 'rat', seed: 7, ...PLANTED });
    await send(hub.dimsePort, study.files);
    await ended(hub, study.studyInstanceUid, 'kct-archive', { deadlineMs: 60_000 });
    const [file] = (await filesBelow(join(hub.folder, 'out'))).filter(({ path }) => path.endsWith('.dcm'));
    released = (await readDataSet(bytesAsSource(file?.bytes ?? new Uint8Array(0)))).dataSet;
  });
  after(async () => {
    await hub.remove();
    await pacs.stop();
  });

  it('is taken by the hub’s own results: they are there, under the original identity', async () => {
    await ended(hub, original(), 'hospital-pacs', { deadlineMs: 60_000 });

    const segmentations = (await inPacs()).filter((each) => valueOf(each, '00080016') === SEGMENTATION);

    expect(segmentations).to.have.length(1);
    expect(valueOf(segmentations[0], '00100020')).to.equal('ZEBRA-4711');
  });

  it('is taken by a segmentation that the partner sends with storescu', async () => {
    const path = join(hub.folder, 'segmentation.dcm');
    await writeFile(path, segmentation(`${OWN}.1`));

    const sent = await send(hub.dimsePort, [path], { calling: 'KCT', args: ['-R'] });

    expect(sent.accepted, sent.output).to.deep.equal([path]);
    const arrived = await arrivedInPacs(`${OWN}.1`);
    expect(valueOf(arrived, '00100020')).to.equal('ZEBRA-4711');
    const references = JSON.stringify(arrived['00081115']);
    const [, series, instance] = originalNames();
    expect(references).to.include(series).and.to.include(instance);
    expect(JSON.stringify(arrived)).to.not.include(released.string('PatientID') ?? 'none');
    expect(JSON.stringify(arrived)).to.not.include(released.string('StudyInstanceUID') ?? 'none');
    expect(JSON.stringify(arrived['0018A001'])).to.include('kct');
  });

  it('is taken by a report that the partner stores over HTTP with its token', async () => {
    const response = await store(report(`${OWN}.2`));

    expect(response.status, await response.clone().text()).to.equal(200);
    expect(await response.text())
      .to.include(`${OWN}.2`)
      .and.not.to.include('00081190');
    expect(valueOf(await arrivedInPacs(`${OWN}.2`), '00100020')).to.equal('ZEBRA-4711');
  });

  it('is closed, with the same answer, to what leads nowhere and to what claims the name of an original', async () => {
    const [, , instance] = originalNames();
    const before = await inPacs();
    const unknown = report(`${OWN}.3`, { ReferencedSOPInstanceUID: '2.25.1234567890' });
    const attack = report(instance ?? '', {}, `${OWN}.100.9`);

    const answers = [await store(unknown), await store(attack)];

    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200]);
    const held = await waitFor('both to be held', async () => {
      const { items } = (await hub.json('quarantine', 'list')) as { items: { reason: string; detail: string }[] };
      const refused = items.filter(({ reason }) => reason === 'return.refused');
      return refused.length >= 1 && refused;
    });
    const details = held.map(({ detail }) => detail).join('\n');
    expect(details).to.include('a reference leads nowhere').and.to.include('its SOP Instance UID is taken');
    expect((await inPacs()).length).to.equal(before.length);
    expect(await hub.json('studies', 'show', original())).to.include({ held: false });
  });

  it('tells the partner nothing of it, and nothing of the original', async () => {
    const events = await feedOf(hub, token);

    expect(typesOf(events)).to.not.include('study.reidentified');
    const text = JSON.stringify(events);
    for (const uid of originalUids(study)) expect(text).to.not.include(uid);
  });

  it('is asked for by nobody without the role, and each question is on record without an original value', async () => {
    const uid = released.string('SOPInstanceUID') ?? '';
    const allowed = await hub.token('--role', 'reidentifier');

    const [asked, refused, unknown] = [
      await ask({ uid }, allowed),
      await ask({ uid }, hub.adminToken),
      await ask({ uid: original() }, allowed),
    ];

    const [, series, instance] = originalNames();
    const { items } = (await asked.json()) as { items: unknown[] };
    expect(items[0]).to.deep.include({
      kind: 'instance',
      partner: 'kct',
      studyInstanceUid: original(),
      seriesInstanceUid: series,
      sopInstanceUid: instance,
      patientId: 'ZEBRA-4711',
    });
    expect([refused.status, unknown.status]).to.deep.equal([403, 404]);
    const audit = await (await hub.get('/api/v1/audit?limit=1000')).text();
    const said = (JSON.parse(audit) as { items: { action: string; outcome: string }[] }).items
      .filter(({ action }) => action === 'reidentify')
      .map(({ outcome }) => outcome);
    expect(said).to.deep.equal(['done', 'refused', 'refused']);
    expect(audit).to.not.include('ZEBRA').and.not.to.include(original());
  });

  async function ask(body: unknown, bearer: string): Promise<Response> {
    return await fetch(`${hub.url}/api/v1/reidentifications`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  /** Study, series and instance of the scanner that the released instance was. */
  function originalNames(): readonly (string | undefined)[] {
    const found = study.instances[Number(released.string('InstanceNumber')) - 1];
    return [original(), found?.seriesInstanceUid, found?.sopInstanceUid];
  }

  async function inPacs(): Promise<readonly JsonDataSet[]> {
    const response = await fetch(`${pacs.dicomWebUrl}/studies/${original()}/metadata`, {
      headers: { Accept: 'application/dicom+json' },
    });
    return response.ok ? ((await response.json()) as JsonDataSet[]) : [];
  }

  async function arrivedInPacs(sopInstanceUid: string): Promise<JsonDataSet> {
    return await waitFor(
      `${sopInstanceUid} to be in the PACS`,
      async () => (await inPacs()).find((each) => valueOf(each, '00080018') === sopInstanceUid),
      30_000,
    );
  }

  async function store(file: Uint8Array): Promise<Response> {
    const boundary = 'way-back';
    const head = `--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`;
    return await fetch(`${hub.url}/partner/v1/studies`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        Accept: 'application/dicom+json',
        'Content-Type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
      },
      body: Buffer.concat([Buffer.from(head), file, Buffer.from(`\r\n--${boundary}--\r\n`)]),
    });
  }

  /** What the partner copies from what it was given. */
  function subject(): Attributes {
    const text = (keyword: string) => released.string(keyword) ?? '';
    return Object.fromEntries(
      ['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyInstanceUID', 'StudyDate', 'StudyTime']
        .concat([
          'AccessionNumber',
          'StudyID',
          'ReferringPhysicianName',
          'PatientIdentityRemoved',
          'DeidentificationMethod',
        ])
        .map((keyword) => [keyword, text(keyword)]),
    );
  }

  function reference(over: Attributes = {}): Attributes {
    const { ReferencedSOPInstanceUID = released.string('SOPInstanceUID') } = over;
    return { ReferencedSOPClassUID: released.string('SOPClassUID'), ReferencedSOPInstanceUID };
  }

  function segmentation(sopInstanceUid: string): Uint8Array {
    return encodePart10({
      ...subject(),
      SOPClassUID: SEGMENTATION,
      SOPInstanceUID: sopInstanceUid,
      SeriesInstanceUID: `${OWN}.100`,
      Modality: 'SEG',
      Manufacturer: 'Kuopio Center for Trials',
      FrameOfReferenceUID: released.string('FrameOfReferenceUID'),
      ReferencedSeriesSequence: [
        { SeriesInstanceUID: released.string('SeriesInstanceUID'), ReferencedInstanceSequence: [reference()] },
      ],
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      NumberOfFrames: 1,
      Rows: 8,
      Columns: 8,
      BitsAllocated: 1,
      BitsStored: 1,
      HighBit: 0,
      PixelRepresentation: 0,
      PixelData: { vr: 'OB', value: new Uint8Array(8).fill(0x3c) },
    });
  }

  function report(sopInstanceUid: string, over: Attributes = {}, seriesInstanceUid = `${OWN}.101`): Uint8Array {
    return encodePart10({
      ...subject(),
      SOPClassUID: COMPREHENSIVE_SR,
      SOPInstanceUID: sopInstanceUid,
      SeriesInstanceUID: seriesInstanceUid,
      Modality: 'SR',
      ValueType: 'CONTAINER',
      ContentSequence: [
        { ValueType: 'CONTAINER', ContentSequence: [{ ValueType: 'IMAGE', ReferencedSOPSequence: [reference(over)] }] },
      ],
      CurrentRequestedProcedureEvidenceSequence: [
        {
          StudyInstanceUID: released.string('StudyInstanceUID'),
          ReferencedSeriesSequence: [
            { SeriesInstanceUID: released.string('SeriesInstanceUID'), ReferencedSOPSequence: [reference(over)] },
          ],
        },
      ],
    });
  }
});

type JsonDataSet = Readonly<Record<string, { readonly Value?: readonly unknown[] }>>;

function valueOf(dataSet: JsonDataSet | undefined, tag: string): unknown {
  return dataSet?.[tag]?.Value?.[0];
}
