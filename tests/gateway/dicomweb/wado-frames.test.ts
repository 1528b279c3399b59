import { expect } from 'chai';
import codecs from 'dcmjs-codecs';
import { encodePart10, type Attributes } from '../../../core/dicom/encode.ts';
import { fileMeta } from '../../../core/dicom/part10.ts';
import { encodeDataSet } from '../../../core/dicom/encode.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { partsOf, startWadoDoor, type WadoDoor } from '../../support/wado-door.ts';

const OCTETS = 'multipart/related; type="application/octet-stream"';
const RLE = '1.2.840.10008.1.2.5';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const JPEG_2000 = '1.2.840.10008.1.2.4.90';
const HTJ2K = '1.2.840.10008.1.2.4.201';
const SIZE = 16;

describe('WADO-RS frames', function () {
  this.timeout(30_000);
  let door: WadoDoor;
  before(async () => {
    await codecs.NativeCodecs.initializeAsync({ logCodecsInfo: false });
    door = await startWadoDoor();
  });
  after(() => door.stop());

  const frames = [0, 1, 2].map((frame) => Uint16Array.from({ length: SIZE * SIZE }, (_, n) => n * 3 + frame * 1_000));
  const bytesOf = (values: Uint16Array) => Buffer.from(values.buffer);
  const multiFrame = (over: Attributes = {}) =>
    mrInstance(
      {
        NumberOfFrames: 3,
        BitsStored: 16,
        HighBit: 15,
        PixelData: { vr: 'OW', value: Buffer.concat(frames.map(bytesOf)) },
        ...over,
      },
      SIZE,
    );
  /** Encapsulated as given: offset table and fragments, with the header of the native instance. */
  const encapsulated = (
    transferSyntaxUid: string,
    fragments: readonly Uint8Array[],
    options: { readonly table?: readonly number[]; readonly over?: Attributes } = {},
  ) => {
    const { attributes } = multiFrame({ SOPInstanceUID: newUid(), ...options.over, PixelData: undefined });
    const item = (bytes: Uint8Array) => {
      const header = Buffer.from('feff00e000000000', 'hex');
      header.writeUInt32LE(bytes.length, 4);
      return Buffer.concat([header, bytes]);
    };
    const table = Buffer.alloc((options.table?.length ?? 0) * 4);
    options.table?.forEach((offset, n) => table.writeUInt32LE(offset, n * 4));
    return Buffer.concat([
      fileMeta({
        sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
        sopInstanceUid: newUid(),
        transferSyntaxUid,
      }),
      encodeDataSet(attributes),
      Buffer.from('e07f10004f420000ffffffff', 'hex'),
      item(table),
      ...fragments.map(item),
      Buffer.from('feffdde000000000', 'hex'),
    ]);
  };
  const even = (bytes: Uint8Array) => (bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]));
  const encode = (kind: 'encodeRle' | 'encodeJpegLs' | 'encodeJpeg2000' | 'encodeHtJpeg2000', values: Uint16Array) => {
    const context = new codecs.Context({
      width: SIZE,
      height: SIZE,
      bitsAllocated: 16,
      bitsStored: 16,
      samplesPerPixel: 1,
      pixelRepresentation: 0,
      planarConfiguration: 0,
      photometricInterpretation: 'MONOCHROME2',
      decodedBuffer: new Uint8Array(bytesOf(values)),
    });
    return even(Uint8Array.from(codecs.NativeCodecs[kind](context, {}).getEncodedBuffer() ?? []));
  };
  const framesAt = async (url: string, list: string, accept = OCTETS) =>
    partsOf(await door.get(`${url}/frames/${list}`, { Accept: accept }));
  const same = (parts: readonly { readonly body: Buffer }[], expected: readonly number[]) => {
    expect(parts.map(({ body }) => frames.findIndex((frame) => bytesOf(frame).equals(body)))).to.deep.equal(expected);
  };

  it('gives native frames in the order asked for', async () => {
    const url = await door.add(multiFrame().part10);

    const parts = await framesAt(url, '3,1');

    same(parts, [2, 0]);
    expect(parts[0]?.headers['content-type']).to.equal('application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1');
    expect(parts[0]?.headers['content-location']).to.equal(`${url}/frames/3`);
  });

  for (const [name, transferSyntax, kind] of [
    ['RLE', RLE, 'encodeRle'],
    ['JPEG-LS', JPEG_LS, 'encodeJpegLs'],
    ['JPEG 2000', JPEG_2000, 'encodeJpeg2000'],
    ['HTJ2K', HTJ2K, 'encodeHtJpeg2000'],
  ] as const) {
    it(`decodes ${name} frames for who asks for bytes`, async () => {
      const url = await door.add(
        encapsulated(
          transferSyntax,
          frames.map((frame) => encode(kind, frame)),
        ),
      );

      same(await framesAt(url, '1,2,3'), [0, 1, 2]);
    });
  }

  it('gives compressed frames as stored, by their media type or by transfer-syntax=*', async () => {
    const fragments = frames.map((frame) => encode('encodeJpegLs', frame));
    const url = await door.add(encapsulated(JPEG_LS, fragments));

    const typed = await framesAt(url, '2', 'multipart/related; type="image/jls"');
    const any = await framesAt(url, '2', `${OCTETS}; transfer-syntax=*`);
    const single = await door.get(`${url}/frames/2`, { Accept: 'image/jls' });
    const other = await door.get(`${url}/frames/2`, { Accept: 'multipart/related; type="image/jp2"' });

    expect(typed[0]?.headers['content-type']).to.equal(`image/jls; transfer-syntax=${JPEG_LS}`);
    expect(any[0]?.headers['content-type']).to.equal(`application/octet-stream; transfer-syntax=${JPEG_LS}`);
    for (const body of [typed[0]?.body, any[0]?.body, Buffer.from(await single.arrayBuffer())])
      expect(body?.equals(fragments[1] ?? Buffer.alloc(0))).to.be.true;
    expect(other.status).to.equal(406);
  });

  describe('with several fragments a frame', () => {
    let halves: readonly Uint8Array[];
    let starts: readonly number[];
    before(() => {
      halves = frames.flatMap((frame) => {
        const bytes = encode('encodeJpegLs', frame);
        const middle = Math.floor(bytes.length / 4) * 2;
        return [bytes.subarray(0, middle), bytes.subarray(middle)];
      });
      starts = [0, 2, 4].map((n) => halves.slice(0, n).reduce((sum, half) => sum + half.length + 8, 0));
    });

    it('tells them apart by the basic offset table', async () => {
      const url = await door.add(encapsulated(JPEG_LS, halves, { table: starts }));

      same(await framesAt(url, '1,2,3'), [0, 1, 2]);
    });

    it('tells them apart by the extended offset table', async () => {
      const table = Buffer.alloc(24);
      starts.forEach((start, n) => table.writeBigUInt64LE(BigInt(start), n * 8));
      const over = { ExtendedOffsetTable: { vr: 'OV', value: table } };
      const url = await door.add(encapsulated(JPEG_LS, halves, { over }));

      same(await framesAt(url, '3,2'), [2, 1]);
    });

    it('tells them apart by the first marker of each codestream where there is no table', async () => {
      const url = await door.add(encapsulated(JPEG_LS, halves));

      same(await framesAt(url, '2'), [1]);
    });

    it('says so when table and fragments contradict each other', async () => {
      const url = await door.add(encapsulated(JPEG_LS, halves, { table: [0, 2, 4] }));

      const response = await door.get(`${url}/frames/1`, { Accept: OCTETS });

      expect([response.status, (await problem(response)).type]).to.deep.equal([500, 'urn:hub:error:pixels.damaged']);
    });
  });

  it('gives each frame of single bits from its own first bit', async () => {
    const bits = [Uint8Array.from({ length: 9 }, (_, n) => n % 2), Uint8Array.from({ length: 9 }, () => 1)];
    const packed = Buffer.alloc(4);
    bits
      .flatMap((frame) => [...frame])
      .forEach((bit, n) => (packed[n >> 3] = (packed[n >> 3] ?? 0) | (bit << (n & 7))));
    const url = await door.add(
      mrInstance({
        ...{ NumberOfFrames: 2, Rows: 3, Columns: 3, BitsAllocated: 1, BitsStored: 1, HighBit: 0 },
        PixelData: { vr: 'OB', value: packed },
      }).part10,
    );

    const parts = await framesAt(url, '1,2');

    expect(parts.map(({ body }) => [...body])).to.deep.equal([
      [0b10101010, 0],
      [0xff, 1],
    ]);
  });

  it('answers 404 beyond the last frame and without pixel data, 400 for what is no list', async () => {
    const url = await door.add(multiFrame().part10);
    const report = await door.add(
      encodePart10({ ...multiFrame().attributes, SOPInstanceUID: newUid(), PixelData: undefined }),
    );

    const statuses = await Promise.all(
      [`${url}/frames/4`, `${report}/frames/1`, `${url}/frames/0`, `${url}/frames/a`].map(
        async (one) => (await door.get(one)).status,
      ),
    );

    expect(statuses).to.deep.equal([404, 404, 400, 400]);
  });

  describe('against hostile pixel data', () => {
    it('refuses a codestream of another size than the header before it is decoded', async () => {
      const bomb = Buffer.from(encode('encodeJpegLs', frames[0] ?? new Uint16Array(0)));
      const sof = bomb.indexOf(Buffer.from('fff7', 'hex'));
      bomb.writeUInt16BE(65_000, sof + 5);
      bomb.writeUInt16BE(65_000, sof + 7);
      const url = await door.add(encapsulated(JPEG_LS, [bomb, bomb, bomb]));

      const response = await door.get(`${url}/frames/1`, { Accept: OCTETS });

      const { type, detail } = await problem(response);
      expect([response.status, type]).to.deep.equal([500, 'urn:hub:error:pixels.damaged']);
      expect(detail).to.contain('65000 × 65000');
    });

    it('refuses to decode a frame larger than it would hold in memory', async () => {
      const over = { Rows: 60_000, Columns: 60_000, NumberOfFrames: 1 };
      const url = await door.add(encapsulated(JPEG_LS, [Buffer.alloc(64)], { over }));

      const response = await door.get(`${url}/rendered`);

      expect([response.status, (await problem(response)).type]).to.deep.equal([406, 'urn:hub:error:pixels.too-large']);
    });

    it('goes on decoding for others after a decoder has trapped', async () => {
      const cut = encode('encodeJpegLs', frames[0] ?? new Uint16Array(0)).subarray(0, 40);
      const broken = await door.add(encapsulated(JPEG_LS, [cut, cut, cut]));
      const whole = await door.add(
        encapsulated(
          JPEG_LS,
          frames.map((frame) => encode('encodeJpegLs', frame)),
        ),
      );

      const response = await door.get(`${broken}/frames/1`, { Accept: OCTETS });
      const parts = await framesAt(whole, '1');

      expect([response.status, (await problem(response)).type]).to.deep.equal([500, 'urn:hub:error:pixels.damaged']);
      same(parts, [0]);
    });

    it('ends what takes longer than its limit, and refuses more than may wait', async () => {
      const slow = await startWadoDoor({ size: 1, maxWaiting: 0, timeLimitMs: 1 });
      try {
        const url = await slow.add(
          encapsulated(
            JPEG_LS,
            frames.map((frame) => encode('encodeJpegLs', frame)),
          ),
        );

        const responses = await Promise.all([1, 2, 3].map((n) => slow.get(`${url}/frames/${n}`, { Accept: OCTETS })));

        expect(responses.map(({ status }) => status).toSorted()).to.deep.equal([429, 429, 504]);
      } finally {
        await slow.stop();
      }
    });
  });
});

async function problem(response: Response): Promise<{ readonly type?: unknown; readonly detail?: unknown }> {
  return (await response.json()) as { readonly type?: unknown; readonly detail?: unknown };
}
