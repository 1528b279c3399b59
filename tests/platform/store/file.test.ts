import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { HubError } from '../../../core/errors.ts';
import { type ByteSource, formatBlobRef, type ObjectStore } from '../../../core/store.ts';
import { openFileStore } from '../../../platform/store/file.ts';

describe('the file store', () => {
  let folder: string;
  let store: ObjectStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-'));
    await mkdir(join(folder, 'store'));
    await mkdir(join(folder, 'spool'));
    store = openFileStore(folder);
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('gives back the objects of a pack, from bytes and from a stream', async () => {
    const [first, second] = [bytes(10, 1), bytes(3_000_000, 2)];
    const pack = await store.createPack('run-1');

    const blobs = [
      await pack.append(first),
      await pack.append(chunksOf(second, 70_000)),
      await pack.append(bytes(0, 0)),
    ];
    await pack.commit();

    expect(blobs.map(({ blob }) => blob)).to.deep.equal([
      'store/run-1.pack#0+10',
      'store/run-1.pack#10+3000000',
      'store/run-1.pack#3000010+0',
    ]);
    expect(blobs.map(({ sha256 }) => sha256)).to.deep.equal([first, second, bytes(0, 0)].map(sha256));
    expect(blobs.map(({ sizeBytes }) => sizeBytes)).to.deep.equal([10, 3_000_000, 0]);
    for (const [index, expected] of [first, second, bytes(0, 0)].entries()) {
      const source = await store.open(blobs[index]?.blob ?? expect.fail());
      expect(sha256(await whole(source))).to.equal(sha256(expected));
      await source.close();
    }
  });

  it('reads any part of an object and never beyond it', async () => {
    await writeFile(join(folder, 'spool', '0001.seg'), bytes(1000, 3));
    const all = bytes(1000, 3);

    const source = await store.open(formatBlobRef('spool/0001.seg', 100, 200));

    expect(source.sizeBytes).to.equal(200);
    expect(await source.read(0, 200)).to.deep.equal(all.slice(100, 300));
    expect(await source.read(150, 500)).to.deep.equal(all.slice(250, 300));
    expect(await source.read(200, 10)).to.have.length(0);
    expect(await whole(source, 50, 20)).to.deep.equal(all.slice(150, 170));
    expect(await whole(source, 190)).to.deep.equal(all.slice(290, 300));
    await source.close();
    await source.close();
  });

  it('streams in chunks of at most 1 MiB that belong to the reader', async () => {
    await writeFile(join(folder, 'spool', '0001.seg'), bytes(2_500_000, 4));
    const source = await store.open(formatBlobRef('spool/0001.seg', 0, 2_500_000));
    const chunks: Uint8Array[] = [];

    for await (const chunk of source.stream()) chunks.push(chunk);

    expect(chunks.map(({ byteLength }) => byteLength)).to.deep.equal([1_048_576, 1_048_576, 402_848]);
    expect(new Set(chunks.map(({ buffer }) => buffer)).size).to.equal(3);
    await source.close();
  });

  it('shows nothing of a pack before it is committed, and nothing at all of one that is given up', async () => {
    const [kept, dropped] = [await store.createPack('kept'), await store.createPack('dropped')];
    const { blob } = await kept.append(bytes(10, 5));
    await dropped.append(bytes(10, 6));

    const early = await store.open(blob).catch((error: unknown) => error);
    await kept.commit();
    await dropped.abort();
    await dropped.abort();
    await kept.abort();

    expect(early).to.be.instanceOf(HubError).and.to.include({ code: 'store.missing' });
    expect(await readdir(join(folder, 'store'))).to.deep.equal(['kept.pack']);
    await (await store.open(blob)).close();
  });

  it('goes on after an object whose source broke, without a trace of it', async () => {
    const pack = await store.createPack('run-1');
    await pack.append(bytes(10, 1));
    const broken = (async function* () {
      yield bytes(5000, 2);
      throw new Error('the source broke');
    })();

    const error = await pack.append(broken).catch((thrown: unknown) => thrown);
    const { blob } = await pack.append(bytes(20, 3));
    await pack.commit();

    expect(error).to.include({ message: 'the source broke' });
    expect(blob).to.equal('store/run-1.pack#10+20');
    const file = await readFile(join(folder, 'store', 'run-1.pack'));
    expect(new Uint8Array(file)).to.deep.equal(new Uint8Array([...bytes(10, 1), ...bytes(20, 3)]));
  });

  it('never lets a pack take the place of one that is there', async () => {
    const first = await store.createPack('run-1');

    const besides = await store.createPack('run-1').catch((error: unknown) => error);
    await first.commit();
    const afterwards = await store.createPack('run-1').catch((error: unknown) => error);

    for (const error of [besides, afterwards]) {
      expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.failed' });
    }
  });

  for (const name of ['../outside', 'a/b', '', '.hidden', 'a b']) {
    it(`refuses ${JSON.stringify(name)} as the name of a pack`, async () => {
      const error = await store.createPack(name).catch((thrown: unknown) => thrown);

      expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.failed' });
    });
  }

  for (const ref of [
    '../etc/passwd#0+10',
    'spool/../../x#0+1',
    '/etc/passwd#0+1',
    'spool/0001.seg',
    'spool/x.seg#0+1',
  ]) {
    it(`has nothing for ${ref}`, async () => {
      const error = await store.open(ref as never).catch((thrown: unknown) => thrown);

      expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.missing' });
    });
  }

  it('says that bytes are missing when a pack is shorter than its objects, before and while they are read', async () => {
    const path = join(folder, 'spool', '0001.seg');
    await writeFile(path, bytes(1000, 7));
    const source = await store.open(formatBlobRef('spool/0001.seg', 0, 1000));
    await truncate(path, 500);

    const reading = await source.read(0, 1000).catch((thrown: unknown) => thrown);
    const opening = await store.open(formatBlobRef('spool/0001.seg', 0, 1000)).catch((thrown: unknown) => thrown);

    for (const error of [reading, opening]) {
      expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.missing' });
    }
    await source.close();
  });

  it('keeps few files open, however many packs are read', async () => {
    for (let index = 0; index < 100; index += 1)
      await writeFile(join(folder, 'spool', `${index}.seg`), bytes(10, index));

    for (let index = 0; index < 100; index += 1) {
      const source = await store.open(formatBlobRef(`spool/${index}.seg`, 0, 10));
      expect(await source.read(0, 10)).to.deep.equal(bytes(10, index));
      await source.close();
    }

    const held = await openFilesBelow(folder);
    expect(held).to.be.within(1, 32);
  });

  it('reads many objects at once, more than it keeps files open', async () => {
    for (let index = 0; index < 60; index += 1)
      await writeFile(join(folder, 'spool', `${index}.seg`), bytes(10, index));

    const sources = await Promise.all(
      Array.from({ length: 60 }, (_, index) => store.open(formatBlobRef(`spool/${index}.seg`, 0, 10))),
    );
    const contents = await Promise.all(sources.map((source) => source.read(0, 10)));
    await Promise.all(sources.map((source) => source.close()));

    expect(contents).to.deep.equal(Array.from({ length: 60 }, (_, index) => bytes(10, index)));
    expect(await openFilesBelow(folder)).to.be.at.most(32);
  });

  it('works in a worker thread', async () => {
    await writeFile(join(folder, 'spool', '0001.seg'), bytes(100, 8));
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      (async () => {
        const { openFileStore } = await import(workerData.module);
        const store = openFileStore(workerData.folder);
        const source = await store.open('spool/0001.seg#0+100');
        const pack = await store.createPack('worker');
        const stored = await pack.append(source.stream());
        await pack.commit();
        await source.close();
        parentPort.postMessage(stored);
      })();`;
    const module = new URL('../../../platform/store/file.ts', import.meta.url).href;
    const worker = new Worker(code, { eval: true, workerData: { folder, module } });

    const stored = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));

    expect(stored).to.deep.equal({
      blob: 'store/worker.pack#0+100',
      sizeBytes: 100,
      sha256: sha256(bytes(100, 8)),
    });
    await worker.terminate();
  });
});

function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 17) % 256);
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

async function* chunksOf(content: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < content.byteLength; at += size) yield content.subarray(at, at + size);
}

async function whole(source: ByteSource, ...range: readonly number[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.stream(...range)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** Descriptors of this process that point below a folder. */
async function openFilesBelow(path: string): Promise<number> {
  const { readlink } = await import('node:fs/promises');
  const descriptors = await readdir('/proc/self/fd');
  const targets = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(path)).length;
}
