import { request as httpRequest } from 'node:http';
import { expect } from 'chai';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { dataSetToJson, type JsonDataSet } from '../../../core/dicom/json-model.ts';
import { fragments, readDataSet, readHeader } from '../../../core/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { ByteSource } from '../../../core/store.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { openDicomwebDoor, type DicomwebDoor } from '../../support/dicomweb-door.ts';
import { mrInstance, type MrInstance } from '../../support/mr-instance.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type SentPart, framed, jpegHead, pixelsOf, referring, uidsOf } from './stow-parts.ts';

const REFERENCED = '00081199';
const FAILED = '00081198';
const OTHER = '0008119A';
const JSON_TYPE = 'application/dicom+json';
const OCTETS = 'application/octet-stream';

describe('STOW-RS of metadata and bulk data', function () {
  this.timeout(30_000);
  let hub: RunningGateway;
  let door: DicomwebDoor;
  let url: string;
  const opened: ByteSource[] = [];

  before(async () => {
    hub = await startGateway({ options: { stow: { maxHeldBytes: 24 * 1024 * 1024 } } });
    door = await openDicomwebDoor([hub.gateway.stowRouter]);
    ({ url } = door);
  });
  after(async () => {
    door.stop();
    await hub.remove();
  });

  afterEach(async () => {
    for (const source of opened.splice(0)) await source.close();
  });

  const post = async (parts: readonly SentPart[], options: { path?: string; type?: string } = {}) => {
    const response = await fetch(`${url}${options.path ?? '/studies'}`, {
      method: 'POST',
      headers: { 'Content-Type': options.type ?? `multipart/related; type="${JSON_TYPE}"; boundary=b-0` },
      body: Uint8Array.from(framed(parts)),
    });
    return { status: response.status, body: (await response.json()) as JsonDataSet & { type?: string } };
  };
  const stored = async ({ studyInstanceUid, sopInstanceUid }: MrInstance) => {
    const item = await waitFor('the instance in the ledger', async () =>
      (await hub.ledger.instances.ofStudy(parseStudyInstanceUid(studyInstanceUid))).find(
        (one) => one.sopInstanceUid === sopInstanceUid,
      ),
    );
    const source = await openFileStore(hub.dataDir).open(item.blob);
    opened.push(source);
    return source;
  };

  it('stores what it is given beside the JSON: native pixels of an instance', async () => {
    const instance = mrInstance({ PatientName: 'Yamada^Tarou=山田^太郎' });

    const { status, body } = await post([
      { type: JSON_TYPE, body: JSON.stringify([referring(instance, 'pixels/1')]) },
      { type: OCTETS, location: 'pixels/1', body: pixelsOf(instance) },
    ]);

    expect([status, uidsOf(body, REFERENCED)]).to.deep.equal([200, [instance.sopInstanceUid]]);
    const { dataSet, transferSyntaxUid } = await readDataSet(await stored(instance));
    expect(transferSyntaxUid).to.equal(EXPLICIT_VR_LITTLE_ENDIAN);
    expect(dataSetToJson(dataSet)).to.deep.equal(
      dataSetToJson(parseDataSet(instance.dataSet, EXPLICIT_VR_LITTLE_ENDIAN)),
    );
  });

  it('matches parts to instances by their URIs, absolute or relative, in any order, one part for several', async () => {
    const study = mrInstance().studyInstanceUid;
    const [one, two, three] = [0, 1, 2].map(() => mrInstance({ StudyInstanceUID: study }));
    if (one === undefined || two === undefined || three === undefined) throw new Error('three instances');

    const { status, body } = await post(
      [
        {
          type: JSON_TYPE,
          body: JSON.stringify([
            referring(one, `${url}/bulk/1`),
            referring(two, '/dicom-web/bulk/2'),
            referring(three, 'bulk/1'),
          ]),
        },
        { type: OCTETS, location: 'bulk/2', body: pixelsOf(two) },
        { type: OCTETS, location: '/dicom-web/bulk/1', body: pixelsOf(one) },
      ],
      { path: `/studies/${study}` },
    );

    expect(status).to.equal(200);
    expect(uidsOf(body, REFERENCED).toSorted()).to.deep.equal(
      [one, two, three].map((each) => each.sopInstanceUid).toSorted(),
    );
  });

  it('takes one data set without parts, its bytes inline', async () => {
    const instance = mrInstance();
    const inline = dataSetToJson(parseDataSet(instance.dataSet, EXPLICIT_VR_LITTLE_ENDIAN));
    const response = await fetch(`${url}/studies`, {
      method: 'POST',
      headers: { 'Content-Type': JSON_TYPE },
      body: JSON.stringify(inline),
    });

    expect(response.status).to.equal(200);
    expect(dataSetToJson((await readDataSet(await stored(instance))).dataSet)).to.deep.equal(inline);
  });

  it('takes a single file without multipart around it', async () => {
    const instance = mrInstance();
    const response = await fetch(`${url}/studies`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/dicom' },
      body: Uint8Array.from(instance.part10),
    });

    expect(response.status).to.equal(200);
    expect(uidsOf((await response.json()) as JsonDataSet, REFERENCED)).to.deep.equal([instance.sopInstanceUid]);
  });

  it('streams pixels that are larger than all that may wait in memory', async () => {
    const instance = mrInstance({ NumberOfFrames: '4' }, 2048);
    const frame = pixelsOf(instance);
    const all = Buffer.concat(Array.from({ length: 4 }, () => frame));

    const { status, body } = await post([
      { type: JSON_TYPE, body: JSON.stringify([referring(instance, 'big')]) },
      { type: OCTETS, location: 'big', body: all },
    ]);

    expect([status, uidsOf(body, REFERENCED)]).to.deep.equal([200, [instance.sopInstanceUid]]);
    const source = await stored(instance);
    const { pixelData } = await readHeader(source);
    expect(pixelData?.length).to.equal(all.length);
    expect(Buffer.from(await source.read(pixelData?.offset ?? 0, all.length)).equals(all)).to.equal(true);
  });

  for (const { name, size, count } of [
    { name: 'one fragment', size: 999, count: 2 },
    { name: 'several fragments when it is large', size: 9 * 1024 * 1024 + 1, count: 11 },
  ]) {
    it(`puts a compressed picture into ${name}, in the transfer syntax it says itself`, async () => {
      const instance = mrInstance({ PatientID: name });
      const jpeg = Buffer.concat([jpegHead(0xc3, 1), Buffer.alloc(size, 0x55)]);

      const { status } = await post([
        { type: JSON_TYPE, body: JSON.stringify([referring(instance, 'picture')]) },
        { type: 'image/jpeg', location: 'picture', body: jpeg },
      ]);

      expect(status).to.equal(200);
      const source = await stored(instance);
      const header = await readHeader(source);
      expect(header.transferSyntaxUid).to.equal('1.2.840.10008.1.2.4.70');
      if (header.pixelData === undefined) throw new Error('no pixel data');
      const kept: Uint8Array[] = [];
      for await (const { offset, length } of fragments(source, header, header.pixelData))
        kept.push(await source.read(offset, length));
      expect(kept).to.have.length(count);
      expect(Buffer.concat(kept).subarray(0, jpeg.length).equals(jpeg)).to.equal(true);
    });
  }

  it('honours the transfer syntax a part names', async () => {
    const instance = mrInstance();
    const { status } = await post([
      { type: JSON_TYPE, body: JSON.stringify([referring(instance, 'x')]) },
      { type: `${OCTETS}; transfer-syntax="1.2.840.10008.1.2.5"`, location: 'x', body: Buffer.alloc(100) },
    ]);

    expect(status).to.equal(200);
    expect((await readHeader(await stored(instance))).transferSyntaxUid).to.equal('1.2.840.10008.1.2.5');
  });

  it('fails the instances that lack something, each with its reason, and stores the others', async () => {
    const [good, lacking, short, elsewhere] = [mrInstance(), mrInstance(), mrInstance({}, 2048), mrInstance()];
    const { status, body } = await post([
      {
        type: JSON_TYPE,
        body: JSON.stringify([
          referring(good, 'good'),
          referring(lacking, 'nowhere'),
          referring(short, 'short'),
          { '00100020': { vr: 'LO', Value: [{}] } },
          referring(elsewhere, 'two-frames'),
        ]),
      },
      { type: OCTETS, location: 'good', body: pixelsOf(good) },
      { type: OCTETS, location: 'short', body: Buffer.alloc(8 * 1024 * 1024 + 10) },
      { type: OCTETS, location: 'unknown', body: Buffer.alloc(10) },
      { type: 'image/x-unknown', location: 'two-frames', body: Buffer.alloc(10) },
    ]);

    expect(status).to.equal(202);
    expect(uidsOf(body, REFERENCED)).to.deep.equal([good.sopInstanceUid]);
    expect(uidsOf(body, FAILED).toSorted()).to.deep.equal(
      [lacking, short, elsewhere].map((each) => each.sopInstanceUid).toSorted(),
    );
    expect(body[OTHER]?.Value).to.have.length(2);
  });

  it('fails an instance of another study than the path names', async () => {
    const instance = mrInstance();
    const { status, body } = await post(
      [
        { type: JSON_TYPE, body: JSON.stringify([referring(instance, 'x')]) },
        { type: OCTETS, location: 'x', body: pixelsOf(instance) },
      ],
      { path: '/studies/1.2.3' },
    );

    expect([status, uidsOf(body, FAILED)]).to.deep.equal([409, [instance.sopInstanceUid]]);
  });

  const WHOLE: readonly (readonly [string, number, string, readonly SentPart[]])[] = [
    ['metadata that is no JSON', 400, 'request.invalid', [{ type: JSON_TYPE, body: '{"00100010": Planted' }]],
    [
      'metadata beyond the limit',
      413,
      'request.too-large',
      [{ type: JSON_TYPE, body: `{"x":"${'x'.repeat(17_000_000)}"}` }],
    ],
    [
      'metadata of millions of items',
      413,
      'request.too-large',
      [{ type: JSON_TYPE, body: `{"00081140":{"vr":"SQ","Value":[${'{},'.repeat(1_000_000)}{}]}}` }],
    ],
    ['metadata that ends early', 400, 'request.invalid', [{ type: JSON_TYPE, body: '{"00100010":{}' }]],
    ['metadata with more behind it', 400, 'request.invalid', [{ type: JSON_TYPE, body: '[] []' }]],
    ['metadata that is an array of arrays', 400, 'request.invalid', [{ type: JSON_TYPE, body: '[[]]' }]],
    ['metadata without anything between commas', 400, 'request.invalid', [{ type: JSON_TYPE, body: '[,{}]' }]],
    ['an empty array of metadata', 400, 'request.invalid', [{ type: JSON_TYPE, body: ' [ ] ' }]],
  ];
  for (const [name, status, type, parts] of WHOLE) {
    it(`answers ${status} to ${name}`, async () => {
      const answer = await post(parts);

      expect([answer.status, answer.body.type]).to.deep.equal([status, `urn:hub:error:${type}`]);
      expect(JSON.stringify(answer.body)).to.not.include('Planted');
    });
  }

  it('reads a long array of metadata one by one, with braces, quotes and backslashes in its texts', async () => {
    const study = mrInstance().studyInstanceUid;
    const instances = ['}{][', '"', '"}]', String.raw`\"`].map((text) =>
      mrInstance({ StudyInstanceUID: study, PatientComments: text }),
    );
    const json = instances.map(({ dataSet }) => dataSetToJson(parseDataSet(dataSet, EXPLICIT_VR_LITTLE_ENDIAN)));
    const padded = json.map((one) => ({ ...one, '00100011': { vr: 'LO', BulkPadding: 'x'.repeat(5_000_000) } }));

    const { status, body } = await post([{ type: JSON_TYPE, body: JSON.stringify(padded) }]);

    expect(status).to.equal(200);
    expect(uidsOf(body, REFERENCED)).to.deep.equal(instances.map((each) => each.sopInstanceUid));
  });

  it('takes text beside the JSON that is too long for its VR', async () => {
    const instance = mrInstance();
    const numbers = Array.from({ length: 20_000 }, (_, n) => n);
    const json = { ...referring(instance, 'pixels'), '30060050': { vr: 'DS', BulkDataURI: 'contour' } };
    const text = [...numbers, 1].join('\\');

    const { status } = await post([
      { type: JSON_TYPE, body: JSON.stringify([json]) },
      { type: OCTETS, location: 'contour', body: text },
      { type: OCTETS, location: 'pixels', body: pixelsOf(instance) },
    ]);

    expect([status, text.length % 2]).to.deep.equal([200, 1]);
    const { dataSet } = await readHeader(await stored(instance));
    expect(dataSet.strings('ContourData').map(Number)).to.deep.equal([...numbers, 1]);
  });

  it('names an instance whose metadata cannot be read, so far as it can', async () => {
    const { sopInstanceUid } = mrInstance();
    const { status, body } = await post([
      {
        type: JSON_TYPE,
        body: JSON.stringify({
          '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.4'] },
          '00080018': { vr: 'UI', Value: [sopInstanceUid] },
          '00200013': { vr: 'IS', Value: [1.5] },
        }),
      },
    ]);

    expect([status, uidsOf(body, FAILED)]).to.deep.equal([409, [sopInstanceUid]]);
  });

  it('holds no more than its limit when one part is for many instances', async () => {
    const study = mrInstance().studyInstanceUid;
    const instances = [0, 1, 2, 3, 4].map(() => mrInstance({ StudyInstanceUID: study }));

    const { status, body } = await post([
      {
        type: JSON_TYPE,
        body: JSON.stringify(
          instances.map((each) => ({ ...referring(each, 'never'), '00420011': { vr: 'OB', BulkDataURI: 'shared' } })),
        ),
      },
      { type: OCTETS, location: 'shared', body: Buffer.alloc(7 * 1024 * 1024) },
    ]);

    expect([status, body.type]).to.deep.equal([413, 'urn:hub:error:request.too-large']);
  });

  it('answers 415 when nothing in the request is of a kind that can be stored', async () => {
    const { status } = await post([{ type: 'text/plain', body: 'x' }]);

    expect(status).to.equal(415);
  });

  it('tells what it stored of a request whose framing breaks afterwards', async () => {
    const instance = mrInstance();
    const body = framed([{ type: 'application/dicom', body: instance.part10 }]).subarray(0, -8);
    const broken = Buffer.concat([
      body,
      Buffer.from('\r\n--b-0\r\nContent-Type: application/dicom\r\n\r\n'),
      instance.part10,
    ]);

    const response = await fetch(`${url}/studies`, {
      method: 'POST',
      headers: { 'Content-Type': 'multipart/related; boundary="b-0"' },
      body: Uint8Array.from(broken),
    });

    expect(response.status).to.equal(202);
    const answer = (await response.json()) as JsonDataSet;
    expect(uidsOf(answer, REFERENCED)).to.deep.equal([instance.sopInstanceUid]);
    expect(answer[OTHER]?.Value).to.have.length(1);
  });

  const EDGES: readonly (readonly [string, string, (part10: Uint8Array) => Buffer])[] = [
    [
      'a line in the data that begins like the boundary and goes on',
      'multipart/related; boundary=b-0',
      (part10) => framed([{ type: 'application/dicom', body: part10 }]),
    ],
    [
      'a quoted boundary with what needs quotes, and escaped ones',
      'multipart/related; type="application\\/dicom"; boundary="b\\-0"',
      (part10) => framed([{ type: 'application/dicom', body: part10 }]),
    ],
    [
      'a part header folded over two lines, blanks behind the boundary, no type',
      'multipart/related;boundary=b-0;start="<a;b=\\"c\\">"',
      (part10) =>
        Buffer.concat([
          Buffer.from('--b-0 \t \r\nX-Long: a\r\n b\r\nContent-Length: nonsense\r\n\r\n'),
          part10,
          Buffer.from('\r\n--b-0--'),
        ]),
    ],
  ];
  for (const [name, type, make] of EDGES) {
    it(`reads ${name}`, async () => {
      const instance = mrInstance({
        PixelData: {
          vr: 'OW',
          value: Buffer.from('\r\n--b-0x\r\n\r\n--b-01--\r\n--b-0 and so on'.padEnd(2048), 'latin1'),
        },
      });
      const response = await fetch(`${url}/studies`, {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: Uint8Array.from(make(instance.part10)),
      });

      expect(response.status).to.equal(200);
      const source = await stored(instance);
      const bytes = Buffer.from(await source.read(0, source.sizeBytes));
      expect(bytes.subarray(-instance.dataSet.length).equals(instance.dataSet)).to.equal(true);
    });
  }

  it('keeps nothing of an instance whose bulk data is cut off', async () => {
    const instance = mrInstance({ NumberOfFrames: '1' }, 4096);
    const body = framed([
      { type: JSON_TYPE, body: JSON.stringify([referring(instance, 'big')]) },
      { type: OCTETS, location: 'big', body: Buffer.alloc(4096 * 4096 * 2) },
    ]);
    const seen = hub.lines.length;
    const request = httpRequest(`${url}/studies`, {
      method: 'POST',
      headers: {
        'Content-Type': `multipart/related; type="${JSON_TYPE}"; boundary=b-0`,
        'Content-Length': body.length,
      },
    });
    request.on('error', () => undefined); // We hang up ourselves.
    await new Promise((sent) => request.write(body.subarray(0, 12_000_000), sent));
    request.destroy();

    const ended = await waitFor('the end of the request', () =>
      hub.lines.slice(seen).find(({ message }) => message === 'store request ended'),
    );
    expect(ended.fields).to.include({ instances: 0, failed: 0 });
    expect(await hub.ledger.studies.get(parseStudyInstanceUid(instance.studyInstanceUid))).to.equal(undefined);
  });
});
