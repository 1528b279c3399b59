import { expect } from 'chai';
import { encodePart10 } from '../../../core/dicom/encode.ts';
import { BIG_ENDIAN, element, identity, pixels, sampleFile } from '../../support/dicom-samples.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { partsOf, startWadoDoor, type WadoDoor } from '../../support/wado-door.ts';

type Json = Readonly<Record<string, { vr: string; Value?: unknown[]; InlineBinary?: string; BulkDataURI?: string }>>;

describe('WADO-RS metadata and bulk data', function () {
  this.timeout(30_000);
  let door: WadoDoor;
  before(async () => {
    door = await startWadoDoor();
  });
  after(() => door.stop());

  const metadata = async (url: string): Promise<readonly Json[]> => {
    const response = await door.get(`${url}/metadata`, { Accept: 'application/dicom+json' });
    expect([response.status, response.headers.get('content-type')]).to.deep.equal([200, 'application/dicom+json']);
    return (await response.json()) as readonly Json[];
  };

  it('tells every instance of a series as DICOM JSON, with the pixel data by reference', async () => {
    const uids = { StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
    const instances = [mrInstance({ ...uids, PatientName: 'Ängström^Åsa' }), mrInstance(uids)];
    const urls = [];
    for (const { part10 } of instances) urls.push(await door.add(part10));

    const [first, second] = await metadata(urls[0]?.replace(/\/instances.*/, '') ?? '');

    expect(first?.['00080018']).to.deep.equal({ vr: 'UI', Value: [instances[0]?.sopInstanceUid] });
    expect(first?.['00100010']).to.deep.equal({ vr: 'PN', Value: [{ Alphabetic: 'Ängström^Åsa' }] });
    expect(first?.['00280010']).to.deep.equal({ vr: 'US', Value: [32] });
    expect(first?.['7FE00010']).to.deep.equal({ vr: 'OW', BulkDataURI: `${urls[0] ?? ''}/bulkdata/7FE00010` });
    expect(second?.['00080018']?.Value).to.deep.equal([instances[1]?.sopInstanceUid]);
  });

  it('gives the value behind each reference it hands out, wherever it stands', async () => {
    const document = Buffer.from('%PDF-1.7 '.repeat(400));
    const waveform = Buffer.from(Int16Array.from({ length: 2_000 }, (_, n) => n).buffer);
    const part10 = encodePart10({
      ...mrInstance().attributes,
      EncapsulatedDocument: { vr: 'OB', value: document },
      WaveformSequence: [{ WaveformBitsAllocated: 16 }, { WaveformData: { vr: 'OW', value: waveform } }],
    });
    const url = await door.add(part10);
    const [json] = await metadata(url);
    const sequence = json?.['54000100']?.Value?.[1] as Json | undefined;

    const values = await Promise.all(
      [json?.['00420011'], sequence?.['54001010'], json?.['7FE00010']].map(async (one) => {
        const response = await door.get(one?.BulkDataURI ?? '');
        return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
      }),
    );

    expect(values.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
    expect(values[0]?.bytes.equals(document)).to.be.true;
    expect(values[1]?.bytes.equals(waveform)).to.be.true;
    expect(values[2]?.bytes.length).to.equal(2_048);
  });

  it('gives bulk data in little endian, also a range of it that begins inside a value', async () => {
    const values = [0x0102, 0x0304, 0x0506, 0x0708];
    const uids = { study: newUid(), series: newUid(), instance: newUid() };
    const url = await door.add(sampleFile([...identity(uids), ...pixels(values, true)], BIG_ENDIAN));

    const whole = await door.get(`${url}/bulkdata/7FE00010`);
    const part = await door.get(`${url}/bulkdata/7FE00010`, { Range: 'bytes=3-5' });

    expect(Buffer.from(await whole.arrayBuffer()).toString('hex')).to.equal('0201040306050807');
    expect([part.status, part.headers.get('content-range')]).to.deep.equal([206, 'bytes 3-5/8']);
    expect(Buffer.from(await part.arrayBuffer()).toString('hex')).to.equal('030605');
  });

  it('gives bulk data as multipart to who asks so', async () => {
    const url = await door.add(mrInstance().part10);

    const [part] = await partsOf(
      await door.get(`${url}/bulkdata/7FE00010`, { Accept: 'multipart/related; type="application/octet-stream"' }),
    );

    expect(part?.body.length).to.equal(2_048);
  });

  it('answers 404 for a path that names nothing, 406 for XML', async () => {
    const url = await door.add(
      sampleFile([...identity({ study: newUid(), instance: newUid() }), element('AccessionNumber', '1')]),
    );

    const paths = [
      '7FE00010',
      '0008',
      '00081140/0/00081150',
      '00080050/0/00080050',
      'x/y',
      '00081140/9999999999/00080018',
    ];
    const statuses = await Promise.all(paths.map(async (path) => (await door.get(`${url}/bulkdata/${path}`)).status));
    const xml = await door.get(`${url}/metadata`, { Accept: 'multipart/related; type="application/dicom+xml"' });

    expect(statuses).to.deep.equal(paths.map(() => 404));
    expect(xml.status).to.equal(406);
  });
});
