import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type BlobRef, type ByteSource, parseBlobRef } from '../../../core/store.ts';
import { rangedSource } from '../../../core/ranged-source.ts';
import { isInstance, readCatalogue } from '../../../gateway/spool/catalogue.ts';
import { packSegments } from '../../../gateway/spool/pack-segments.ts';
import { verifySpool } from '../../../gateway/spool/verify.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type Bench, type HeldStore, openBench } from './shipping-bench.ts';

describe('shipping what was received', function () {
  this.timeout(30_000);
  const root = temporaryFolder();
  let number = 0;
  let bench: Bench;
  const begin = async (over: Parameters<typeof openBench>[1] = {}) => {
    bench = await openBench(join(root.path, String((number += 1))), over);
    return bench;
  };
  afterEach(async () => {
    bench.shipping.stop();
    await bench.spool.close();
  });
  const folder = () => join(root.path, String(number), 'spool');

  it('makes packs that describe themselves like the segment they are of, and refers to the same bytes in them', async () => {
    const { store, told, receive, ship } = await begin();
    // The third one has a segment of its own, with room in front of its head.
    const records = [];
    for (const size of [5_000, 0, 9_000_000, 700_000]) records.push(await receive(size));

    for (const record of records) ship(record);
    await waitFor('all to be shipped', () => told.length === records.length);

    const packs = packSegments(inMemory(store), store);
    const catalogue = await readCatalogue(packs);
    const ends = new Map(catalogue.segments.map(({ name, sizeBytes }) => [name, sizeBytes]));
    expect(catalogue.entries.filter(isInstance).map(({ description }) => description.sopInstanceUid)).to.have.members(
      records.map(({ description }) => description.sopInstanceUid),
    );
    expect(catalogue.entries.map(({ segment, place }) => `spool/${segment}#${place.bodyOffset}`)).to.have.members(
      told.map(({ blob }) => blob.replace(/\+\d+$/, '')),
    );
    expect((await verifySpool(packs, catalogue, ends)).damage).to.deep.equal([]);
  });

  it('puts what follows each other in one pack of at most 16 MiB, and never a record in two', async () => {
    const { store, told, receive, ship } = await begin();
    const records = [];
    for (let n = 0; n < 9; n += 1) records.push(await receive(4_000_000));

    for (const record of records) ship(record);
    await waitFor('all to be shipped', () => told.length === records.length);

    const sizes = [...store.packs.values()].map(({ length }) => length);
    expect(sizes.map((size) => Math.round(size / 4_000_000))).to.have.members([4, 4, 1]);
    expect(Math.max(...sizes)).to.be.at.most(16 * 1024 * 1024 + 16);
    expect(told.map(({ blob }) => parseBlobRef(blob).length)).to.deep.equal(records.map(({ sizeBytes }) => sizeBytes));
  });

  it('tells in the order of reception, whichever copy is there first, and has so many under way at most', async () => {
    const { store, told, receive, ship } = await begin({ uploads: 3 });
    store.isHeld = true;
    const records = [];
    for (let n = 0; n < 5; n += 1) records.push(await receive(12_000_000));
    for (const record of records) ship(record);
    await waitFor('three copies', () => store.underWay === 3);

    store.release(2);
    store.release(1);
    await waitFor('two packs', () => store.packs.size === 2);
    const before = { told: told.length, begun: store.begun.length };
    store.release(0);
    await waitFor('the first three', () => told.length === 3);
    await waitFor('the others', () => store.underWay === 2);
    store.release(3);
    store.release(4);
    await waitFor('all', () => told.length === 5);

    expect(before).to.deep.equal({ told: 0, begun: 3 });
    expect(told.map(({ description }) => description.sopInstanceUid)).to.deep.equal(
      records.map(({ description }) => description.sopInstanceUid),
    );
  });

  it('tries again under another name each time, says once what waits, and once that it goes on', async () => {
    const { store, told, said, receive, ship, shipping } = await begin();
    store.failures = 2;
    const records = [await receive(1_000), await receive(1_000), await receive(1_000)];
    for (const record of records) ship(record);

    await waitFor('the failure', () => shipping.problem !== undefined);
    await waitFor('all', () => told.length === 3);

    expect(new Set(store.begun).size).to.equal(3);
    expect(said.map(({ level, message }) => `${level}: ${message}`)).to.deep.equal([
      'error: object store does not take what was received, it waits in the spool',
      'warn: object store takes what was received again',
    ]);
    expect(said[0]?.fields).to.include({ code: 'store.unreachable', objects: 3 });
    expect(said[0]?.fields).to.have.property('oldestSeconds');
    expect(shipping.problem).to.equal(undefined);
  });

  it('names the ledger when that is what is down', async () => {
    const { store, told, said, receive, ship } = await begin();
    Object.assign(store, { failures: 1, failsWith: 'ledger.unreachable' });

    ship(await receive(1_000));
    await waitFor('it to be told', () => told.length === 1);

    expect(said[0]?.message).to.match(/^ledger does not say whose the object store is/);
    expect(said[0]?.fields).to.include({ code: 'ledger.unreachable', objects: 1 });
  });

  it('waits for company, and for none in a hurry', async () => {
    const { store, told, receive, ship, shipping } = await begin({ lingerMs: 86_400_000 });
    const [first, second] = [await receive(1_000), await receive(1_000)];
    ship(first);
    ship(second);
    const before = store.begun.length;

    shipping.hurry();
    await waitFor('both', () => told.length === 2);

    expect(before).to.equal(0);
    expect(store.packs.size).to.equal(1);
  });

  it('ends at once when it is stopped, and tells nothing that is not there', async () => {
    const { store, told, receive, ship, shipping } = await begin();
    store.isHeld = true;
    ship(await receive(1_000));
    await waitFor('the copy', () => store.underWay === 1);

    shipping.stop();

    expect([told, store.packs.size]).to.deep.equal([[], 0]);
  });

  it('quarantines what the disk changed since it was received, and ships what is behind it', async () => {
    const { told, receive, ship } = await begin();
    const records = [await receive(5_000), await receive(5_000), await receive(5_000)];
    const { offset } = parseBlobRef(records[1]?.blob ?? expect.fail());
    const file = await open(join(folder(), records[1]?.segment ?? ''), 'r+');
    await file.write(Buffer.from([0xff]), 0, 1, offset + 3_000);
    await file.close();

    for (const record of records) ship(record);
    await waitFor('all', () => told.length === 3);

    expect(told.map(({ description }) => description.kind)).to.deep.equal(['instance', 'quarantine', 'instance']);
    expect(told[1]?.description).to.include({ reason: 'store.missing' });
  });

  it('quarantines what the disk does not give back any more, and ships what is before and behind it', async () => {
    const { told, receive, ship, files, store } = await begin();
    const records = [await receive(20_000), await receive(20_000), await receive(20_000)];
    const { offset } = parseBlobRef(records[1]?.blob ?? expect.fail());
    const bad = offset + 10_000;
    const whole = { ...files };
    files.openForReading = async (name) => {
      const file = await whole.openForReading(name);
      const read = async (buffer: Buffer, position: number) => {
        if (position <= bad && bad < position + buffer.length) {
          throw Object.assign(new Error('i/o error'), { code: 'EIO' });
        }
        return file.read(buffer, position);
      };
      return { ...file, read };
    };

    for (const record of records) ship(record);
    await waitFor('all', () => told.length === 3);

    expect(told.map(({ description }) => description.kind)).to.deep.equal(['instance', 'quarantine', 'instance']);
    const last = parseBlobRef(told[2]?.blob ?? expect.fail());
    const kept = store.packs.get(last.pack)?.subarray(last.offset, last.offset + last.length);
    const local = parseBlobRef(records[2]?.blob ?? expect.fail());
    const original = await readFile(join(folder(), records[2]?.segment ?? ''));
    expect(kept?.equals(original.subarray(local.offset, local.offset + local.length))).to.be.true;
  });
});

/** The packs as `ObjectStore.open` would read them. */
function inMemory({ packs }: HeldStore): { open(ref: BlobRef): Promise<ByteSource> } {
  return {
    open: (ref) => {
      const { pack, offset, length } = parseBlobRef(ref);
      const bytes = packs.get(pack)?.subarray(offset, offset + length) ?? Buffer.alloc(0);
      return Promise.resolve(
        rangedSource(
          length,
          (at, some) => Promise.resolve(Uint8Array.from(bytes.subarray(at, at + some))),
          () => Promise.resolve(),
        ),
      );
    },
  };
}
