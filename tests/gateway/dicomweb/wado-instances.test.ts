import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodePart10 } from '../../../core/dicom/encode.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { run } from '../../support/child-process.ts';
import { ALL_ENCODINGS, element, encapsulated, identity, pixels, sampleFile } from '../../support/dicom-samples.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { curl, dcmtk } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';
import { partsOf, startWadoDoor, type WadoDoor } from '../../support/wado-door.ts';

const DICOM = 'application/dicom';
const MULTIPART = 'multipart/related; type="application/dicom"';
const EXPLICIT = '1.2.840.10008.1.2.1';

describe('WADO-RS instances', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let door: WadoDoor;
  before(async () => {
    door = await startWadoDoor();
  });
  after(() => door.stop());

  const compressed = async (part10: Uint8Array, program: string, ...args: readonly string[]): Promise<Buffer> => {
    await mkdir(folder.path, { recursive: true });
    const [from, to] = [join(folder.path, newUid()), join(folder.path, newUid())];
    await writeFile(from, part10);
    const { code, stderr } = await run((await dcmtk()).command(program), [...args, from, to]);
    if (code !== 0) throw new Error(`${program}: ${stderr}`);
    return readFile(to);
  };
  const pixelDataOf = async (part10: Uint8Array) => {
    const { dataSet, transferSyntaxUid } = await readDataSet(bytesAsSource(part10));
    const value = dataSet.element(TAG.PixelData)?.value ?? new Uint8Array(0);
    return { dataSet, transferSyntaxUid, value: Buffer.from(value) };
  };

  it('gives every instance of a study, byte for byte as it is stored', async () => {
    const StudyInstanceUID = newUid();
    const instances = Array.from({ length: 5 }, (_, n) => mrInstance({ StudyInstanceUID }, n === 2 ? 900 : 16));
    for (const { part10 } of instances) await door.add(part10);

    const response = await door.get(`${door.url}/studies/${StudyInstanceUID}`, {
      Accept: `${MULTIPART}; transfer-syntax=*`,
    });

    const parts = await partsOf(response);
    expect(response.status).to.equal(200);
    expect(parts.length).to.equal(instances.length);
    for (const [n, { body }] of parts.entries())
      expect(body.equals(instances[n]?.part10 ?? Buffer.alloc(0))).to.be.true;
    expect(parts[0]?.headers['content-type']).to.equal(`${DICOM}; transfer-syntax=${EXPLICIT}`);
    expect(parts[0]?.headers['content-location']).to.contain(`/instances/${instances[0]?.sopInstanceUid ?? ''}`);
    expect(response.headers.get('cache-control')).to.equal('private, no-cache');
  });

  for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
    it(`makes ${name} explicit VR little endian, values and pixels the same`, async () => {
      const uids = { study: newUid(), series: newUid(), instance: newUid() };
      const values = [1, 258, 3, 65_535];
      const elements = [
        ...identity(uids),
        ...pixels(values, encoding.bigEndian),
        element('AccessionNumber', 'A-1'),
        { tag: 0x00081140, vr: 'SQ', value: [[element('ReferencedSOPInstanceUID', '1.2.3')]] },
      ];
      const url = await door.add(sampleFile(elements, encoding));

      const response = await door.get(url, { Accept: DICOM });

      const { dataSet, transferSyntaxUid, value } = await pixelDataOf(Buffer.from(await response.arrayBuffer()));
      expect([response.status, transferSyntaxUid]).to.deep.equal([200, EXPLICIT]);
      expect(dataSet.string('AccessionNumber')).to.equal('A-1');
      expect(dataSet.items('ReferencedImageSequence')[0]?.string('ReferencedSOPInstanceUID')).to.equal('1.2.3');
      expect(dataSet.number('Rows')).to.equal(2);
      expect(Array.from({ length: 4 }, (_, n) => value.readUInt16LE(n * 2))).to.deep.equal(values);
    });
  }

  for (const [program, args] of [
    ['dcmcrle', []],
    ['dcmcjpeg', ['+el']],
    ['dcmcjpeg', ['+e1']],
    ['dcmcjpls', []],
  ] as const) {
    it(`decodes what ${program} ${args.join(' ')} compressed without loss to the very pixels it had`, async () => {
      const original = mrInstance({}, 48);
      const url = await door.add(await compressed(original.part10, program, ...args));

      const response = await door.get(url, { Accept: DICOM });

      const body = Buffer.from(await response.arrayBuffer());
      const { value, transferSyntaxUid } = await pixelDataOf(body);
      expect(transferSyntaxUid).to.equal(EXPLICIT);
      expect(value.equals((await pixelDataOf(original.part10)).value)).to.be.true;
      const file = join(folder.path, 'decoded.dcm');
      await writeFile(file, body);
      const dump = await run((await dcmtk()).command('dcmdump'), ['-q', '+P', 'PixelData', file]);
      expect([dump.code, dump.stderr]).to.deep.equal([0, '']);
    });
  }

  it('decodes JPEG of 12 bits to what dcmdjpeg makes of it', async () => {
    const file = await compressed(mrInstance({}, 64).part10, 'dcmcjpeg', '+ee', '+q', '95');
    const url = await door.add(file);

    const response = await door.get(url, { Accept: DICOM });

    const { value } = await pixelDataOf(Buffer.from(await response.arrayBuffer()));
    const expected = (await pixelDataOf(await compressed(file, 'dcmdjpeg'))).value;
    expect(value.length).to.equal(expected.length);
    for (let n = 0; n < value.length; n += 2)
      expect(value.readUInt16LE(n), `pixel ${n / 2}`).to.be.closeTo(expected.readUInt16LE(n), 2);
  });

  it('decodes lossy colour to RGB, and says so', async () => {
    const width = 64;
    const picture = Uint8Array.from({ length: width * width * 3 }, (_, n) => [200, 100, 50][n % 3] ?? 0);
    const uids = { SOPInstanceUID: newUid(), StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
    const original = encodePart10({
      ...mrInstance(uids, width).attributes,
      SamplesPerPixel: 3,
      PlanarConfiguration: 0,
      PhotometricInterpretation: 'RGB',
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
      PixelData: { vr: 'OB', value: picture },
    });
    const url = await door.add(await compressed(original, 'dcmcjpeg', '+eb'));

    const response = await door.get(url, { Accept: DICOM });

    const { dataSet, value } = await pixelDataOf(Buffer.from(await response.arrayBuffer()));
    expect(dataSet.string('PhotometricInterpretation')).to.equal('RGB');
    for (let n = 0; n < 3; n++) expect(value[n]).to.be.closeTo(picture[n] ?? 0, 4);
    expect(value.length).to.equal(picture.length);
  });

  it('answers 406 for a transfer syntax it cannot make, and for a single part of many', async () => {
    const url = await door.add(mrInstance().part10);
    const study = url.replace(/\/series.*/, '');

    const other = await door.get(url, { Accept: `${DICOM}; transfer-syntax=1.2.840.10008.1.2.4.80` });
    const single = await door.get(study, { Accept: DICOM });
    const picture = await door.get(url, { Accept: 'text/html' });

    expect([other.status, single.status, picture.status]).to.deep.equal([406, 406, 406]);
    expect(other.headers.get('content-type')).to.match(/^application\/problem\+json/);
    expect(await single.json()).to.include({ type: 'urn:hub:error:request.not-acceptable' });
  });

  it('answers 404 for what is not there and 400 for what is no UID', async () => {
    const url = await door.add(mrInstance().part10);

    const statuses = await Promise.all(
      [`${door.url}/studies/1.2.3.4`, url.replace(/instances\/.*/, 'instances/1.2'), `${door.url}/studies/x`].map(
        async (one) => (await door.get(one)).status,
      ),
    );

    expect(statuses).to.deep.equal([404, 404, 400]);
  });

  it('gives ranges of a stored instance, and refuses what lies outside', async () => {
    const { part10 } = mrInstance();
    const url = await door.add(part10);

    const middle = await door.get(url, { Accept: DICOM, Range: 'bytes=128-131' });
    const tail = await door.get(url, { Accept: DICOM, Range: 'bytes=-10' });
    const outside = await door.get(url, { Accept: DICOM, Range: `bytes=${part10.length}-` });

    expect([middle.status, await middle.text()]).to.deep.equal([206, 'DICM']);
    expect(middle.headers.get('content-range')).to.equal(`bytes 128-131/${part10.length}`);
    expect(Buffer.from(await tail.arrayBuffer()).equals(part10.subarray(-10))).to.be.true;
    expect([outside.status, outside.headers.get('content-range')]).to.deep.equal([416, `bytes */${part10.length}`]);
  });

  it('answers 304 to who has it already, and HEAD without reading it', async () => {
    const { part10 } = mrInstance({}, 256);
    const url = await door.add(part10);
    const tag = (await door.get(url, { Accept: DICOM })).headers.get('etag') ?? '';
    const before = door.bytesRead;

    const again = await door.get(url, { Accept: DICOM, 'If-None-Match': tag });
    const head = await fetch(url, { method: 'HEAD', headers: { Accept: DICOM } });

    expect(tag).to.match(/^"[0-9a-f]{32}"$/);
    expect([again.status, await again.text()]).to.deep.equal([304, '']);
    expect([head.status, head.headers.get('content-length')]).to.deep.equal([200, String(part10.length)]);
    expect(door.bytesRead).to.equal(before);
  });

  it('gives a study as a zip archive that the zipfile module of Python finds whole', async () => {
    const uids = { StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
    const instances = [mrInstance(uids), mrInstance(uids, 300)];
    for (const { part10 } of instances) await door.add(part10);
    await mkdir(folder.path, { recursive: true });
    const file = join(folder.path, 'study.zip');

    const args = ['-sS', '-o', file, '-w', '%{http_code}', '-H', 'Accept: application/zip'];
    const { stdout } = await run((await curl()).command('curl'), [
      ...args,
      `${door.url}/studies/${uids.StudyInstanceUID}`,
    ]);

    const listing = await run({ path: 'python3', env: {} }, [
      '-c',
      `import sys,zipfile,hashlib
z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
for n in z.namelist(): print(n, hashlib.sha256(z.read(n)).hexdigest(), z.getinfo(n).compress_type)`,
      file,
    ]);
    expect(stdout).to.equal('200');
    expect(listing.stdout.trim().split('\n')).to.deep.equal(
      instances.map(({ sopInstanceUid, part10 }) => {
        const digest = createHash('sha256').update(part10).digest('hex');
        return `${uids.SeriesInstanceUID}/${sopInstanceUid}.dcm ${digest} 0`;
      }),
    );
  });

  it('says what float pixel data are where an implicit instance does not', async () => {
    const uids = { study: newUid(), series: newUid(), instance: newUid() };
    const value = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
    const url = await door.add(
      sampleFile(
        [...identity(uids), ...pixels().slice(0, -1), element('FloatPixelData', value)],
        ALL_ENCODINGS.IMPLICIT,
      ),
    );

    const response = await door.get(url, { Accept: DICOM });

    const { dataSet } = await readDataSet(bytesAsSource(Buffer.from(await response.arrayBuffer())));
    expect(dataSet.element(TAG.FloatPixelData)).to.include({ vr: 'OF' });
    expect(dataSet.numbers('FloatPixelData')).to.deep.equal([1, 2, 3, 4]);
  });

  it('takes a range of GET only, and none that ends before it begins', async () => {
    const { part10 } = mrInstance();
    const url = await door.add(part10);
    const headers = { Accept: `${DICOM}; transfer-syntax=*` };

    const head = await fetch(url, { method: 'HEAD', headers: { ...headers, Range: 'bytes=2-5' } });
    const backwards = await door.get(url, { ...headers, Range: 'bytes=5-2' });

    expect([head.status, head.headers.get('content-length')]).to.deep.equal([200, String(part10.length)]);
    expect([backwards.status, (await backwards.arrayBuffer()).byteLength]).to.deep.equal([200, part10.length]);
  });

  it('gives a problem no entity tag: it would be kept as the picture it stands for', async () => {
    const uids = { study: newUid(), series: newUid(), instance: newUid() };
    const rle = { ...ALL_ENCODINGS.EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.5' };
    const beginning = sampleFile([...identity(uids), ...pixels().slice(0, -1)], rle);
    const url = await door.add(Buffer.concat([beginning, encapsulated([Buffer.alloc(64, 0xff)])]));

    const response = await door.get(`${url}/rendered`, { Accept: 'image/png' });

    expect(await response.json()).to.include({ type: 'urn:hub:error:pixels.damaged' });
    expect(response.headers.get('etag')).to.equal(null);
  });

  const slowly: Readonly<Record<string, { readonly path: string; readonly accept: string }>> = {
    'a frame': { path: '/frames/1', accept: 'application/octet-stream' },
    'a zip archive': { path: '', accept: 'application/zip' },
  };
  for (const [what, { path, accept }] of Object.entries(slowly)) {
    it(`reads little ahead of a client that does not read ${what}`, async () => {
      const size = 4_096;
      const PixelData = { vr: 'OW', value: Buffer.alloc(2 * size * size) };
      const url = await door.add(mrInstance({ Rows: size, Columns: size, PixelData }).part10);
      const before = door.bytesRead;
      const controller = new AbortController();

      const response = await fetch(`${url}${path}`, { headers: { Accept: accept }, signal: controller.signal });
      await response.body?.getReader().read();
      let last = -1;
      await waitFor('no more is read', () => door.bytesRead > before && last === (last = door.bytesRead));

      const read = door.bytesRead - before;
      controller.abort();
      // Sockets of a machine that talks to itself hold some MiB.
      expect(read).to.be.within(1, 16 * 1024 * 1024);
    });
  }

  it('holds no more than a few chunks of a large study that is read slowly', async () => {
    const StudyInstanceUID = newUid();
    for (let n = 0; n < 8; n++) await door.add(mrInstance({ StudyInstanceUID }, 1_500).part10);
    const before = door.bytesRead;
    const controller = new AbortController();

    const response = await fetch(`${door.url}/studies/${StudyInstanceUID}`, {
      headers: { Accept: `${MULTIPART}; transfer-syntax=*` },
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    await new Promise((resolve) => setImmediate(resolve));

    const read = door.bytesRead - before;
    controller.abort();
    expect(read).to.be.lessThan(24 * 1024 * 1024);
    expect(read).to.be.greaterThan(0);
  });
});
