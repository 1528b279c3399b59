import { deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { type Attributes } from '../../../core/dicom/encode.ts';
import { fileMeta } from '../../../core/dicom/part10.ts';
import type { ByteSource } from '../../../core/store.ts';
import { describe as describeHeader } from '../../../gateway/header/describe.ts';
import { HeaderReader } from '../../../gateway/header/header-reader.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { thrownBy } from '../../support/thrown.ts';

const DEFLATED = '1.2.840.10008.1.2.1.99';
/** Items of a functional group, so many that the header is larger than what is read in the doors' own thread. */
const FRAMES: Attributes = {
  PerFrameFunctionalGroupsSequence: Array.from({ length: 20_000 }, (_, n) => ({
    FrameContentSequence: [{ StackID: '1', InStackPositionNumber: n + 1 }],
  })),
};

describe('the reader of headers', function () {
  this.timeout(30_000);
  const reader = new HeaderReader();

  it('says the same of a header that another thread reads', async () => {
    const { part10 } = mrInstance(FRAMES);
    const watched = watch(bytesAsSource(part10));

    const examined = await reader.read(watched.source, undefined);

    expect(examined).to.deep.equal(await describeHeader(bytesAsSource(part10)));
    expect(watched.longest(), 'the other thread asked for it').to.be.greaterThan(256 * 1024);
  });

  it('reads an ordinary header where it is', async () => {
    const { part10, sopInstanceUid } = mrInstance({}, 512);
    const watched = watch(bytesAsSource(part10));

    expect(await reader.read(watched.source, undefined)).to.include({ sopInstanceUid });
    expect(watched.longest()).to.be.at.most(64 * 1024);
  });

  it('reads what was deflated, and refuses it when its pixels are cut off', async () => {
    const { dataSet, sopInstanceUid } = mrInstance({}, 512);
    const whole = deflated(dataSet);
    const cut = deflated(dataSet.subarray(0, -1000));

    const examined = await reader.read(whole.source, whole.from);
    const error = await thrownBy(reader.read(cut.source, cut.from));

    expect(examined).to.include({ sopInstanceUid, transferSyntaxUid: DEFLATED });
    expect(examined.attributes).to.have.property('Modality').that.deep.equals(['MR']);
    expect(error.code).to.equal('dataset.unreadable');
  });

  it('refuses what is no deflate stream, ends early, or inflates without end', async () => {
    const { dataSet } = mrInstance({}, 512);
    const good = deflateRawSync(dataSet);
    const bad = [
      deflated(dataSet, Buffer.from('not deflated at all')),
      deflated(dataSet, good.subarray(0, good.length >> 1)),
      deflated(dataSet, deflateRawSync(Buffer.concat([dataSet, Buffer.alloc(600_000_000)]))),
    ];

    const errors = [];
    for (const { source, from } of bad) errors.push(await thrownBy(reader.read(source, from)));

    expect(errors.map(({ code }) => code)).to.deep.equal(Array(3).fill('dataset.unreadable'));
    expect(errors.map(({ fields }) => fields['detail'])).to.deep.equal([
      'not-a-deflate-stream',
      'not-a-deflate-stream',
      'inflates-too-far',
    ]);
  });

  it('serves several at once, each with its own answer, and goes on after a source that fails', async () => {
    const objects = Array.from({ length: 3 }, () => mrInstance(FRAMES));
    const broken: ByteSource = {
      ...bytesAsSource(mrInstance(FRAMES).part10),
      read: (offset, length) =>
        length > 256 * 1024
          ? Promise.reject(new Error('EIO'))
          : bytesAsSource(mrInstance(FRAMES).part10).read(offset, length),
    };

    const [failure, ...examined] = await Promise.all([
      thrownBy(reader.read(broken, undefined)),
      ...objects.map(({ part10 }) => reader.read(bytesAsSource(part10), undefined)),
    ]);

    expect(failure.code).to.equal('dataset.unreadable');
    expect(examined.map(({ sopInstanceUid }) => sopInstanceUid)).to.deep.equal(
      objects.map(({ sopInstanceUid }) => sopInstanceUid),
    );
  });

  it('counts the fragments of many without asking for each', async () => {
    const fragment = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 2, 0, 0, 0, 1, 2]);
    const end = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    const pixels = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    const { dataSet, sopInstanceUid } = mrInstance({ PixelData: undefined });
    const meta = fileMeta({ sopClassUid: '1.2', sopInstanceUid, transferSyntaxUid: '1.2.840.10008.1.2.5' });
    const fragments = Array<Buffer>(50_000).fill(fragment);
    const whole = Buffer.concat([meta, dataSet, pixels, ...fragments, end]);
    const watched = watch(bytesAsSource(whole));

    const examined = await reader.read(watched.source, undefined);
    const error = await thrownBy(reader.read(bytesAsSource(whole.subarray(0, -20)), undefined));

    expect(examined).to.include({ sopInstanceUid });
    expect(watched.reads()).to.be.lessThan(2_100);
    expect(error.code).to.equal('dataset.unreadable');
  });
});

function deflated(dataSet: Uint8Array, bytes: Uint8Array = deflateRawSync(dataSet)) {
  const meta = fileMeta({ sopClassUid: '1.2', sopInstanceUid: '1.3', transferSyntaxUid: DEFLATED });
  return { source: bytesAsSource(Buffer.concat([meta, bytes])), from: meta.length };
}

function watch(source: ByteSource) {
  const lengths: number[] = [];
  const read: ByteSource['read'] = (offset, length) => {
    lengths.push(length);
    return source.read(offset, length);
  };
  return { source: { ...source, read }, longest: () => Math.max(...lengths), reads: () => lengths.length };
}
