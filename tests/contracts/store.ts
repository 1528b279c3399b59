import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import {
  type BlobRef,
  type ByteSource,
  formatBlobRef,
  type ObjectStore,
  type PackEntry,
  type PackShelf,
} from '../../core/store.ts';
import { thrownBy } from '../support/thrown.ts';

export interface StoreUnderTest {
  readonly objects: ObjectStore;
  readonly shelf: PackShelf;
  /** In front of the names of packs of results. */
  readonly results: string;
  /** Changes a byte of a committed pack, or cuts it: what a broken disk or another program would do. */
  cut(pack: string, sizeBytes: number): Promise<void>;
  remove(): Promise<void>;
}

const MIB = 1024 * 1024;

/** What every object store does, wherever the bytes lie. @param open - a new one for each test */
export function describeStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the object store on ${name}`, function () {
    this.timeout(60_000);
    let current: StoreUnderTest;
    beforeEach(async () => {
      current = await open();
    });
    afterEach(() => current.remove());

    it('gives back the objects of a pack, from bytes and from a stream, with exact lengths and digests', async () => {
      const contents = [bytes(10, 1), bytes(3_000_000, 2), bytes(0, 0), bytes(20 * MIB + 17, 3)];
      const pack = await current.objects.createPack('run-1');

      const stored = [];
      for (const content of contents)
        stored.push(await pack.append(content.length > 10 ? chunksOf(content, 70_000) : content));
      await pack.commit();

      expect(stored.map(({ sizeBytes }) => sizeBytes)).to.deep.equal(contents.map(({ length }) => length));
      expect(stored.map(({ sha256 }) => sha256)).to.deep.equal(contents.map(sha256));
      for (const [n, { blob }] of stored.entries()) {
        const source = await current.objects.open(blob);
        expect(source.sizeBytes).to.equal(contents[n]?.length);
        expect(sha256(await whole(source))).to.equal(stored[n]?.sha256);
        await source.close();
      }
      const size = contents.reduce((sum, { length }) => sum + length, 0);
      expect(await listed(current)).to.deep.equal([{ pack: `${current.results}run-1.pack`, sizeBytes: size }]);
    });

    it('reads any part of an object, and never beyond it', async () => {
      const all = bytes(6 * MIB, 3);
      const blob = await packed(current.objects, 'run-1', [bytes(1000, 1), all, bytes(1000, 2)], 1);

      const source = await current.objects.open(blob);

      expect(Buffer.from(await source.read(0, 200))).to.deep.equal(Buffer.from(all.subarray(0, 200)));
      expect(Buffer.from(await source.read(MIB - 5, 10))).to.deep.equal(Buffer.from(all.subarray(MIB - 5, MIB + 5)));
      expect(Buffer.from(await source.read(6 * MIB - 3, 500))).to.deep.equal(Buffer.from(all.subarray(6 * MIB - 3)));
      expect(await source.read(6 * MIB, 10)).to.have.length(0);
      for (const [offset, length] of [
        [50, 20],
        [MIB - 10, 20],
        [3 * MIB, 2 * MIB + 1],
        [6 * MIB - 10, 10],
      ] as const) {
        const some = await whole(source, offset, length);
        expect(sha256(some), `${offset}+${length}`).to.equal(sha256(all.subarray(offset, offset + length)));
      }
      await source.close();
      await source.close();
    });

    it('streams in chunks of at most 1 MiB that belong to the reader', async () => {
      const content = bytes(2_500_000, 4);
      const source = await current.objects.open(await packed(current.objects, 'run-1', [content], 0));
      const chunks: Uint8Array[] = [];

      for await (const chunk of source.stream()) {
        chunks.push(Uint8Array.from(chunk));
        chunk.fill(0);
      }

      expect(chunks.every(({ byteLength }) => byteLength <= MIB)).to.be.true;
      expect(sha256(Buffer.concat(chunks))).to.equal(sha256(content));
      expect(sha256(await whole(source))).to.equal(sha256(content));
      await source.close();
    });

    it('lets a reader of a stream stop early', async () => {
      const source = await current.objects.open(await packed(current.objects, 'run-1', [bytes(20 * MIB, 4)], 0));

      for await (const chunk of source.stream()) {
        expect(chunk.length).to.be.greaterThan(0);
        break;
      }
      await source.close();
    });

    it('shows nothing of a pack before it is committed, and nothing at all of one that is given up', async () => {
      const [kept, dropped, large] = await Promise.all(
        ['kept', 'dropped', 'large'].map((pack) => current.objects.createPack(pack)),
      );
      const blob = (await kept?.append(bytes(10, 5)))?.blob ?? expect.fail();
      await dropped?.append(bytes(10, 6));
      await large?.append(chunksOf(bytes(30 * MIB, 6), MIB));

      const early = await thrownBy(current.objects.open(blob));
      const before = await listed(current);
      await kept?.commit();
      for (const pack of [dropped, dropped, large, kept]) await pack?.abort();

      expect(early.code).to.equal('store.missing');
      expect(before).to.deep.equal([]);
      expect((await listed(current)).map(({ pack }) => pack)).to.deep.equal([`${current.results}kept.pack`]);
      expect(await current.shelf.removeUnfinished(future())).to.equal(0);
      await (await current.objects.open(blob)).close();
    });

    it('goes on after an object whose source broke', async () => {
      const pack = await current.objects.createPack('run-1');
      await pack.append(bytes(10, 1));
      const broken = (async function* () {
        yield bytes(5000, 2);
        await Promise.reject(new Error('the source broke'));
      })();

      const error: unknown = await pack.append(broken).catch((thrown: unknown) => thrown);
      const { blob, sizeBytes } = await pack.append(bytes(20, 3));
      await pack.commit();

      expect(error).to.include({ message: 'the source broke' });
      expect(sizeBytes).to.equal(20);
      expect(sha256(await contentOf(current.objects, blob))).to.equal(sha256(bytes(20, 3)));
    });

    it('never lets a pack take the place of one that is there, however large', async () => {
      for (const [name, size] of [
        ['small', 100],
        ['large', 20 * MIB],
      ] as const) {
        const blob = await packed(current.objects, name, [bytes(size, 1)], 0);

        const error = await thrownBy(packed(current.objects, name, [bytes(size, 2)], 0));

        expect(error.code).to.equal('store.failed');
        expect(sha256(await contentOf(current.objects, blob))).to.equal(sha256(bytes(size, 1)));
      }
    });

    it('lets one of two that write the same name at once win, and tells the other', async () => {
      const writers = await Promise.allSettled(
        [1, 2].map((seed) => packed(current.objects, 'run-1', [bytes(100_000, seed)], 0)),
      );

      expect(writers.map(({ status }) => status).toSorted()).to.deep.equal(['fulfilled', 'rejected']);
    });

    it('writes and reads many packs at once', async () => {
      const seeds = Array.from({ length: 16 }, (_, n) => n);

      const blobs = await Promise.all(
        seeds.map((n) => packed(current.objects, `run-${n}`, [bytes(300_000 + n, n)], 0)),
      );
      const digests = await Promise.all(blobs.map(async (blob) => sha256(await contentOf(current.objects, blob))));

      expect(digests).to.deep.equal(seeds.map((n) => sha256(bytes(300_000 + n, n))));
      expect(await listed(current)).to.have.length(16);
    });

    it('refuses names that could lead elsewhere', async () => {
      for (const name of ['../outside', 'a/b', '', '.hidden', 'a b']) {
        expect((await thrownBy(current.objects.createPack(name))).code, name).to.equal('store.failed');
      }
    });

    it('says that bytes are missing: no pack, no reference, a pack that is shorter than its objects', async () => {
      const blob = await packed(current.objects, 'run-1', [bytes(2 * MIB, 7)], 0);
      await current.cut(`${current.results}run-1.pack`, MIB + 5);

      const refs = [
        blob,
        `${current.results}none.pack#0+10`,
        `${current.results}none.pack#0+0`,
        'nothing',
      ] as BlobRef[];
      const codes = [];
      for (const ref of refs) codes.push((await thrownBy(current.objects.open(ref))).code);

      expect(codes).to.deep.equal(refs.map(() => 'store.missing'));
      const inside = await current.objects.open(formatBlobRef(`${current.results}run-1.pack`, MIB, 5));
      expect(await inside.read(0, 10)).to.have.length(5);
      await inside.close();
    });

    it('lists packs by the beginning of their names with size and time, and removes them for good', async () => {
      for (const name of ['b', 'a', 'c']) await packed(current.objects, name, [bytes(10, 1)], 0);
      const before = await listed(current);

      await current.shelf.remove(`${current.results}b.pack`);
      await current.shelf.remove(`${current.results}b.pack`);

      expect(before.map(({ pack }) => pack)).to.deep.equal(
        ['a', 'b', 'c'].map((name) => `${current.results}${name}.pack`),
      );
      expect((await listed(current)).map(({ pack }) => pack)).to.deep.equal(
        ['a', 'c'].map((name) => `${current.results}${name}.pack`),
      );
      expect(await listed(current, `${current.results}c`)).to.have.length(1);
      expect((await thrownBy(current.objects.open(formatBlobRef(`${current.results}b.pack`, 0, 10)))).code).to.equal(
        'store.missing',
      );
    });

    it('gives up what was begun long ago and never committed, and nothing younger', async () => {
      const pack = await current.objects.createPack('abandoned');
      await pack.append(chunksOf(bytes(30 * MIB, 1), MIB));

      const young = await current.shelf.removeUnfinished(new Date(Date.now() - 60_000));
      const old = await current.shelf.removeUnfinished(future());

      expect([young, old]).to.deep.equal([0, 1]);
      expect(await listed(current)).to.deep.equal([]);
      await pack.abort().catch(() => undefined); // It is gone already.
    });

    it('writes and reads an object of 100 MiB with a bounded part of it in memory', async () => {
      const chunk = bytes(MIB, 9);
      const digest = createHash('sha256');
      for (let n = 0; n < 100; n += 1) digest.update(chunk);
      let [peak, pieces] = [0, 0];
      const base = held();
      const watched = async function* () {
        for (let n = 0; n < 100; n += 1) {
          if (n % 10 === 0) peak = Math.max(peak, held() - base);
          yield Promise.resolve(chunk);
        }
      };

      const pack = await current.objects.createPack('large');
      const { blob, sha256: stored } = await pack.append(watched());
      await pack.commit();
      const source = await current.objects.open(blob);
      const read = createHash('sha256');
      for await (const piece of source.stream()) {
        read.update(piece);
        if ((pieces += 1) % 10 === 0) peak = Math.max(peak, held() - base);
      }
      await source.close();

      const expected = digest.digest('hex');
      expect([stored, read.digest('hex')]).to.deep.equal([expected, expected]);
      // Two parts under way, one filling, and what connections still hold of those before.
      expect(peak / MIB).to.be.below(64);
    });
  });
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Memory of buffers that is in use, without what nobody holds any more. */
function held(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

const future = () => new Date(Date.now() + 60_000);

async function listed({ shelf, results }: StoreUnderTest, prefix = results) {
  const found: Omit<PackEntry, 'madeAt'>[] = [];
  for await (const { pack, sizeBytes, madeAt } of shelf.list(prefix)) {
    expect(Math.abs(madeAt.getTime() - Date.now())).to.be.below(60_000);
    found.push({ pack, sizeBytes });
  }
  return found;
}

async function packed(
  store: ObjectStore,
  name: string,
  contents: readonly Uint8Array[],
  which: number,
): Promise<BlobRef> {
  const pack = await store.createPack(name);
  try {
    const blobs: BlobRef[] = [];
    for (const content of contents) blobs.push((await pack.append(content)).blob);
    await pack.commit();
    return blobs[which] ?? expect.fail();
  } finally {
    await pack.abort();
  }
}

async function contentOf(store: ObjectStore, blob: BlobRef): Promise<Uint8Array> {
  const source = await store.open(blob);
  try {
    return await whole(source);
  } finally {
    await source.close();
  }
}

function bytes(length: number, seed: number): Uint8Array {
  const period = Uint8Array.from({ length: 65_521 }, (_, n) => (n * 31 + (n >> 8) * 7 + seed * 17) % 256);
  const all = new Uint8Array(length);
  for (let at = 0; at < length; at += period.length)
    all.set(period.subarray(0, Math.min(period.length, length - at)), at);
  return all;
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

async function* chunksOf(content: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < content.byteLength; at += size) yield await Promise.resolve(content.subarray(at, at + size));
}

async function whole(source: ByteSource, ...range: readonly number[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.stream(...range)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
