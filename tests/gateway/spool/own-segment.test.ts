import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSpoolFolder, type SpoolFile, type SpoolFiles } from '../../../gateway/spool/files.ts';
import { OwnSegment } from '../../../gateway/spool/own-segment.ts';
import { silentLog } from '../../support/silent-log.ts';

const MIB = 1024 * 1024;
const BLOCK = Buffer.alloc(MIB, 7);

describe('a segment of its own', () => {
  let folder: string;
  let files: SpoolFiles;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hub-own-segment-'));
    files = await openSpoolFolder(folder);
  });
  afterEach(async () => rm(folder, { recursive: true, force: true }));

  it('sends what it has to the disk while more comes, so that the last sync has little to do', async () => {
    const watched = watch(files);
    const segment = new OwnSegment(watched.files, '1.seg', silentLog);

    await writeMany(segment, 40);

    expect(watched.syncs(), 'syncs before the commit').to.be.at.least(1);
    await segment.commit(() => Buffer.alloc(4096));
    expect(watched.syncs()).to.be.at.least(2);
  });

  it('takes the failure of an early sync for the failure of the object, whatever later syncs say', async () => {
    const watched = watch(files, (sync) => sync === 1);
    const segment = new OwnSegment(watched.files, '1.seg', silentLog);
    await writeMany(segment, 40);

    const error = await thrown(segment.commit(() => Buffer.alloc(4096)));
    await segment.remove();

    expect(error).to.have.property('code', 'EIO');
    expect(await files.list()).to.deep.equal([]);
  });

  it('gives every buffer back once, in order, also those a failed write never got to', async () => {
    const watched = watch(files, () => false, 0);
    const segment = new OwnSegment(watched.files, '1.seg', silentLog);
    const given: number[] = [];
    for (let n = 0; n < 10; n += 1) segment.write([BLOCK], () => given.push(n));

    const error = await thrown(segment.caughtUp());
    segment.write([BLOCK], () => given.push(10));
    await thrown(segment.caughtUp());
    await segment.remove();

    expect(error).to.have.property('code', 'EIO');
    expect(given).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(segment.isBehind).to.equal(false);
  });

  it('tells its sender to wait above two mebibytes that are not written', async () => {
    const segment = new OwnSegment(files, '1.seg', silentLog);

    for (let n = 0; n < 3; n += 1) segment.write([BLOCK], () => undefined);

    expect(segment.isBehind).to.equal(true);
    await segment.caughtUp();
    expect(segment.isBehind).to.equal(false);
    await segment.remove();
  });
});

async function thrown(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function writeMany(segment: OwnSegment, blocks: number): Promise<void> {
  for (let n = 0; n < blocks; n += 1) {
    segment.write([BLOCK], () => undefined);
    if (segment.isBehind) await segment.caughtUp();
  }
  await segment.caughtUp();
}

/** The real folder, with syncs counted and, where asked, syncs or writes that fail. */
function watch(files: SpoolFiles, failsToSync: (sync: number) => boolean = () => false, writesBefore = Infinity) {
  let syncs = 0;
  let writes = 0;
  const failure = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
  const wrap = (file: SpoolFile): SpoolFile => ({
    ...file,
    sync: () => (failsToSync((syncs += 1)) ? failure() : file.sync()),
    write: (...args) => ((writes += 1) > writesBefore ? failure() : file.write(...args)),
  });
  return {
    files: { ...files, create: async (name: string) => wrap(await files.create(name)) },
    syncs: () => syncs,
  };
}
