import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { decode } from 'fast-png';
import { encodePart10, type Attributes } from '../../../core/dicom/encode.ts';
import { run } from '../../support/child-process.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { dcmtk } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { partsOf, startWadoDoor, type WadoDoor } from '../../support/wado-door.ts';

const SIZE = 64;
const PNG = { Accept: 'image/png' };

describe('WADO-RS rendered', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let door: WadoDoor;
  before(async () => {
    await mkdir(folder.path, { recursive: true });
    door = await startWadoDoor();
  });
  after(() => door.stop());

  /** A slope of values in both directions. */
  const ramp = (valueAt: (n: number) => number, isSigned = false) => {
    const bytes = Buffer.alloc(SIZE * SIZE * 2);
    for (let n = 0; n < SIZE * SIZE; n++)
      if (isSigned) bytes.writeInt16LE(valueAt(n), n * 2);
      else bytes.writeUInt16LE(valueAt(n), n * 2);
    return { vr: 'OW', value: bytes };
  };
  const picture = async (url: string, headers: Readonly<Record<string, string>> = PNG) => {
    const response = await door.get(url, headers);
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return { response, ...decode(new Uint8Array(await response.arrayBuffer())) };
  };
  /** What DCMTK makes of the same file: 8 bit, PNM. */
  const byDcmtk = async (part10: Uint8Array, ...args: readonly string[]): Promise<Buffer> => {
    const [from, to] = [join(folder.path, newUid()), join(folder.path, newUid())];
    await writeFile(from, part10);
    const { code, stderr } = await run((await dcmtk()).command('dcm2pnm'), ['+op', ...args, from, to]);
    if (code !== 0) throw new Error(stderr);
    const bytes = await readFile(to);
    const [header = ''] = /^P[56]\s(?:#.*\n)?\d+ \d+\s\d+\s/.exec(bytes.toString('latin1')) ?? [];
    return bytes.subarray(header.length);
  };
  const expectSame = (data: ArrayLike<number>, expected: Buffer, tolerance = 1) => {
    expect(data.length).to.equal(expected.length);
    let worst = 0;
    for (let n = 0; n < expected.length; n++) worst = Math.max(worst, Math.abs((data[n] ?? 0) - (expected[n] ?? 0)));
    expect(worst).to.be.at.most(tolerance);
  };

  const grey = (n: number) => (n % SIZE) * 30 + Math.floor(n / SIZE) * 5;
  const cases: Readonly<Record<string, { readonly over: Attributes; readonly args: readonly string[] }>> = {
    'the first window of the file': {
      over: { WindowCenter: ['700', '10'], WindowWidth: ['900', '20'] },
      args: ['+Wi', '1'],
    },
    'the smallest value to the largest where the file has no window': { over: {}, args: ['+Wm'] },
    'MONOCHROME1 the other way round': {
      over: { PhotometricInterpretation: 'MONOCHROME1', WindowCenter: '900', WindowWidth: '1000' },
      args: ['+Wi', '1'],
    },
    'a rescaled image by its window in output units': {
      over: { RescaleSlope: '2', RescaleIntercept: '-1000', WindowCenter: '600', WindowWidth: '1500' },
      args: ['+Wi', '1'],
    },
    'a sigmoid where the file says so': {
      over: { WindowCenter: '900', WindowWidth: '800', VOILUTFunction: 'SIGMOID' },
      args: ['+Wi', '1', '+Wfs'],
    },
    'a modality LUT': {
      over: {
        WindowCenter: '2000',
        WindowWidth: '4000',
        ModalityLUTSequence: [
          {
            LUTDescriptor: [2_048, 0, 16],
            ModalityLUTType: 'US',
            LUTData: { vr: 'OW', value: Buffer.from(Uint16Array.from({ length: 2_048 }, (_, n) => 4_000 - n).buffer) },
          },
        ],
      },
      args: ['+Wi', '1'],
    },
    'a VOI LUT where there is no window': {
      over: {
        VOILUTSequence: [
          {
            LUTDescriptor: [2_048, 0, 12],
            LUTData: { vr: 'OW', value: Buffer.from(Uint16Array.from({ length: 2_048 }, (_, n) => n * 2).buffer) },
          },
        ],
      },
      args: ['+Wl', '1'],
    },
  };
  for (const [what, { over, args }] of Object.entries(cases)) {
    it(`shows ${what}, as DCMTK does`, async () => {
      const { part10 } = mrInstance({ PixelData: ramp(grey), ...over }, SIZE);
      const url = await door.add(part10);

      const { data, width, height, channels } = await picture(`${url}/rendered`);

      expect([width, height, channels]).to.deep.equal([SIZE, SIZE, 1]);
      expectSame(data, await byDcmtk(part10, ...args));
      expect(new Set(data).size).to.be.greaterThan(20);
    });
  }

  it('shows signed values of 16 bits, as DCMTK does', async () => {
    const over = { PixelRepresentation: 1, BitsStored: 16, HighBit: 15, WindowCenter: '0', WindowWidth: '2000' };
    const { part10 } = mrInstance({ ...over, PixelData: ramp((n) => grey(n) - 1_000, true) }, SIZE);
    const url = await door.add(part10);

    expectSame((await picture(`${url}/rendered`)).data, await byDcmtk(part10, '+Wi', '1'));
  });

  it('takes the window of the request, whatever the file says', async () => {
    const over = { WindowCenter: '10', WindowWidth: '20', PixelData: ramp(grey) };
    const { part10 } = mrInstance(over, SIZE);
    const url = await door.add(part10);

    const { data } = await picture(`${url}/rendered?window=800,1200,linear`);

    expectSame(data, await byDcmtk(part10, '+Ww', '800', '1200'));
  });

  const colour = (photometric: string, value: Uint8Array, over: Attributes = {}): Uint8Array =>
    encodePart10({
      ...mrInstance({}, SIZE).attributes,
      ...{ SOPInstanceUID: newUid(), SamplesPerPixel: 3, PlanarConfiguration: 0 },
      ...{ BitsAllocated: 8, BitsStored: 8, HighBit: 7, PhotometricInterpretation: photometric },
      PixelData: { vr: 'OB', value },
      ...over,
    });
  const samples = Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, n) => ((n % 3) * 80 + Math.floor(n / 40)) % 256);

  for (const [photometric, planar] of [
    ['RGB', 0],
    ['RGB', 1],
    ['YBR_FULL', 0],
  ] as const) {
    it(`shows ${photometric} with Planar Configuration ${planar}, as DCMTK does`, async () => {
      const part10 = colour(photometric, samples, { PlanarConfiguration: planar });
      const url = await door.add(part10);

      const { data, channels } = await picture(`${url}/rendered`);

      expect(channels).to.equal(3);
      expectSame(data, await byDcmtk(part10), 2);
    });
  }

  it('shows a palette, as DCMTK does', async () => {
    const table = (factor: number) => ({
      vr: 'OW',
      value: Buffer.from(Uint16Array.from({ length: 256 }, (_, n) => ((n * factor) % 256) * 257).buffer),
    });
    const part10 = encodePart10({
      ...mrInstance({}, SIZE).attributes,
      ...{
        SOPInstanceUID: newUid(),
        PhotometricInterpretation: 'PALETTE COLOR',
        BitsAllocated: 8,
        BitsStored: 8,
        HighBit: 7,
      },
      PixelData: { vr: 'OB', value: samples.subarray(0, SIZE * SIZE) },
      RedPaletteColorLookupTableDescriptor: [256, 0, 16],
      GreenPaletteColorLookupTableDescriptor: [256, 0, 16],
      BluePaletteColorLookupTableDescriptor: [256, 0, 16],
      RedPaletteColorLookupTableData: table(1),
      GreenPaletteColorLookupTableData: table(3),
      BluePaletteColorLookupTableData: table(5),
    });
    const url = await door.add(part10);

    expectSame((await picture(`${url}/rendered`)).data, await byDcmtk(part10));
  });

  it('leaves padding black and out of the range of values', async () => {
    const over = { PixelPaddingValue: 4_095, PixelData: ramp((n) => (n < SIZE ? 4_095 : n % 100)) };
    const url = await door.add(mrInstance(over, SIZE).part10);

    const { data } = await picture(`${url}/rendered`);

    expect(data[0]).to.equal(0);
    expect(Math.max(...data)).to.equal(255);
  });

  it('takes the window and rescale of each frame from the functional groups', async () => {
    const voi = (center: string) => ({ FrameVOILUTSequence: [{ WindowCenter: center, WindowWidth: '10' }] });
    const frames = Buffer.concat([ramp(() => 100).value, ramp(() => 100).value]);
    const over = {
      NumberOfFrames: 2,
      PixelData: { vr: 'OW', value: frames },
      SharedFunctionalGroupsSequence: [
        { PixelValueTransformationSequence: [{ RescaleSlope: '2', RescaleIntercept: '0' }] },
      ],
      PerFrameFunctionalGroupsSequence: [voi('150'), voi('250')],
    };
    const url = await door.add(mrInstance(over, SIZE).part10);

    const [bright, dark] = [await picture(`${url}/frames/1/rendered`), await picture(`${url}/frames/2/rendered`)];

    expect([bright.data[0], dark.data[0]]).to.deep.equal([255, 0]);
  });

  it('fits the picture, or a region of it turned over, into the viewport', async () => {
    const url = await door.add(
      mrInstance({ PixelData: ramp((n) => (n % SIZE) * 4), WindowCenter: '128', WindowWidth: '256' }, SIZE).part10,
    );

    const half = await picture(`${url}/rendered?viewport=32,100`);
    const turned = await picture(`${url}/rendered?viewport=64,64,0,0,-32,32`);

    expect([half.width, half.height]).to.deep.equal([32, 32]);
    expect(half.data[0]).to.be.lessThan(half.data[31] ?? 0);
    expect([turned.width, turned.height]).to.deep.equal([64, 64]);
    expect(turned.data[0]).to.be.closeTo(31 * 4, 3);
    expect(turned.data[63]).to.be.closeTo(0, 3);
  });

  it('gives JPEG unless PNG is asked for, smaller with less quality', async () => {
    const url = await door.add(mrInstance({ PixelData: ramp((n) => (n * 7_919) % 2_048) }, SIZE).part10);

    const fine = await door.get(`${url}/rendered?quality=95`, { Accept: '*/*' });
    const coarse = await door.get(`${url}/rendered?quality=10&accept=image/jpeg`);

    const [one, other] = [Buffer.from(await fine.arrayBuffer()), Buffer.from(await coarse.arrayBuffer())];
    expect(fine.headers.get('content-type')).to.equal('image/jpeg');
    expect(one.subarray(0, 3).toString('hex')).to.equal('ffd8ff');
    expect(other.length).to.be.lessThan(one.length);
  });

  it('gives all pictures of a series as parts, and none alone', async () => {
    const uids = { StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
    const urls = [];
    for (const value of [1, 2, 3])
      urls.push(await door.add(mrInstance({ ...uids, PixelData: ramp((n) => n + value) }, SIZE).part10));
    const series = urls[0]?.replace(/\/instances.*/, '') ?? '';

    const parts = await partsOf(
      await door.get(`${series}/rendered`, { Accept: 'multipart/related; type="image/png"' }),
    );
    const single = await door.get(`${series}/rendered`, PNG);

    expect(parts.map(({ headers }) => headers['content-location'])).to.deep.equal(
      urls.map((url) => `${url}/frames/1/rendered`),
    );
    expect(parts.every(({ body }) => decode(new Uint8Array(body)).width === SIZE)).to.be.true;
    expect(single.status).to.equal(406);
  });

  it('gives a thumbnail of whatever in a study has a picture', async () => {
    const StudyInstanceUID = newUid();
    const report = { ...mrInstance({ StudyInstanceUID }).attributes, PixelData: undefined };
    const study = (await door.add(mrInstance({ StudyInstanceUID, PixelData: ramp(grey) }, SIZE).part10)).replace(
      /\/series.*/,
      '',
    );
    await door.add(encodePart10(report));

    const { width, height } = await picture(`${study}/thumbnail`);
    const small = await picture(`${study}/thumbnail?viewport=20,10`);

    expect([width, height]).to.deep.equal([128, 128]);
    expect([small.width, small.height]).to.deep.equal([10, 10]);
  });

  it('refuses parameters it would have to ignore', async () => {
    const url = await door.add(mrInstance({ PixelData: ramp(grey) }, SIZE).part10);

    const queries = [
      'annotation=patient',
      'window=1',
      'window=1,0',
      'window=1,2,cubic',
      'viewport=0,5',
      'viewport=9999,5',
      'quality=0',
      'quality=a',
      'window=1,2&window=3,4',
    ];
    const statuses = await Promise.all(
      queries.map(async (query) => (await door.get(`${url}/rendered?${query}`)).status),
    );

    expect(statuses).to.deep.equal(queries.map(() => 400));
  });
});
