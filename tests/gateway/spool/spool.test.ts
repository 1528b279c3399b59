import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';
import { LARGE, PREFIX, atReference, bytes, opened, pushAll, stored } from './objects.ts';
import { breaking, slow, syncing, traced } from './disks.ts';

describe('the spool', function () {
  this.timeout(30_000);
  const root = temporaryFolder();
  let folder = '';
  let number = 0;

  beforeEach(() => {
    folder = join(root.path, String((number += 1)));
  });

  it('keeps an object where its reference says', async () => {
    const { spool } = await opened(folder);

    const small = await stored(spool.receive(PREFIX), bytes(5000, 1));
    const large = await stored(spool.receive(PREFIX), bytes(LARGE, 2));
    const next = await stored(spool.receive(PREFIX), bytes(300_000, 3));
    await spool.close();

    for (const [committed, content] of [
      [small, bytes(5000, 1)],
      [large, bytes(LARGE, 2)],
      [next, bytes(300_000, 3)],
    ] as const) {
      const whole = Buffer.concat([PREFIX, content]);
      expect(await atReference(folder, committed)).to.satisfy((kept: Buffer) => kept.equals(whole));
      expect(committed.sizeBytes).to.equal(whole.length);
      expect(committed.dataSetBytes).to.equal(content.length);
    }
    expect(small.segment).to.equal(next.segment);
    expect(large.segment).to.not.equal(small.segment);
  });

  it('says nothing is durable before the bytes, the size and the names were synced', async () => {
    const trace: string[] = [];
    const { spool } = await opened(folder, (real) => traced(real, trace));

    await stored(spool.receive(PREFIX), bytes(5000, 1));
    trace.push('small is durable');
    await stored(spool.receive(PREFIX), bytes(LARGE, 2));
    trace.push('large is durable');
    await spool.close();

    const afterOpen = trace.slice(trace.indexOf('create 0000000001.seg'));
    expect(afterOpen.slice(0, afterOpen.indexOf('small is durable') + 1)).to.deep.equal([
      'create 0000000001.seg',
      'write 0000000001.seg',
      'synced 0000000001.seg',
      'synced folder',
      'write 0000000001.seg',
      'synced 0000000001.seg',
      'small is durable',
    ]);
    const large = afterOpen.slice(afterOpen.indexOf('create 0000000002.seg'));
    const lastWrite = large.lastIndexOf('write 0000000002.seg');
    expect(large.slice(lastWrite, large.indexOf('large is durable') + 1)).to.deep.equal([
      'write 0000000002.seg',
      'synced 0000000002.seg',
      'synced folder',
      'closed 0000000002.seg',
      'large is durable',
    ]);
  });

  it('lays room behind small objects, which those that follow fill, and takes back what is left', async () => {
    const { spool } = await opened(folder);
    const sizes: number[] = [];
    const size = async () => sizes.push((await stat(join(folder, '0000000001.seg'))).size);

    const first = await stored(spool.receive(PREFIX), bytes(4000, 1));
    await size();
    for (let n = 2; n <= 10; n += 1) await stored(spool.receive(PREFIX), bytes(4000, n));
    await size();
    const large = await stored(spool.receive(PREFIX), bytes(400_000, 11));
    await size();
    const last = await stored(spool.receive(PREFIX), bytes(4000, 12));
    await spool.close();
    await size();

    const room = 256 * 1024;
    expect(sizes).to.deep.equal([first.endOffset + room, first.endOffset + room, large.endOffset, last.endOffset]);
    const { unrecorded } = await opened(folder);
    expect(unrecorded).to.have.length(12);
  });

  it('lets all that wait share one sync', async () => {
    const trace: string[] = [];
    const { spool } = await opened(folder, (real) => traced(real, trace));
    await stored(spool.receive(PREFIX), bytes(10, 0));
    trace.length = 0;

    await Promise.all(Array.from({ length: 50 }, async (_, n) => stored(spool.receive(PREFIX), bytes(2000, n))));
    await spool.close();

    const syncs = trace.filter((line) => line.startsWith('synced')).length;
    expect(syncs).to.be.within(1, 5);
  });

  it('waits for the sync of a single sender on the loop, as soon as the disk is known to be quick', async () => {
    const places: ('here' | 'aside')[] = [];
    const { spool } = await opened(folder, (real) => syncing(real, places));

    for (let n = 0; n < 2_000 && !places.includes('here'); n += 1) await stored(spool.receive(PREFIX), bytes(2000, n));
    await spool.close();

    expect(places.indexOf('here')).to.be.at.least(8);
    expect((await opened(folder)).unrecorded).to.have.length(places.length - 1);
  });

  it('never waits on the loop for a disk that is slow, nor while another object has bytes on their way', async () => {
    const [slowly, beside]: ('here' | 'aside')[][] = [[], []];
    const ofSlow = (await opened(folder, (real) => syncing(real, slowly ?? [], 2))).spool;
    const ofMany = (await opened(`${folder}-many`, (real) => syncing(real, beside ?? []))).spool;
    const other = ofMany.receive(PREFIX);
    other.push(bytes(10, 1));

    for (let n = 0; n < 30; n += 1) await stored(ofSlow.receive(PREFIX), bytes(2000, n));
    for (let n = 0; n < 100; n += 1) await stored(ofMany.receive(PREFIX), bytes(2000, n));
    await other.abandon();
    await Promise.all([ofSlow.close(), ofMany.close()]);

    expect(new Set(slowly)).to.deep.equal(new Set(['aside']));
    expect(new Set(beside)).to.deep.equal(new Set(['aside']));
  });

  const BREAKS: readonly {
    readonly name: string;
    readonly code: string;
    readonly expected: string;
    readonly at: 'write' | 'sync';
  }[] = [
    { name: 'the disk is full', code: 'ENOSPC', expected: 'store.full', at: 'write' },
    { name: 'the disk fails while writing', code: 'EIO', expected: 'store.failed', at: 'write' },
    { name: 'the disk fails while syncing', code: 'EIO', expected: 'store.failed', at: 'sync' },
  ];
  for (const { name, code, expected, at } of BREAKS) {
    for (const size of [5000, LARGE]) {
      it(`keeps nothing of ${size} bytes when ${name}, and goes on in another segment`, async () => {
        let isBroken = false;
        const { spool } = await opened(folder, (real) => breaking(real, at, () => (isBroken ? code : undefined)));
        const before = await stored(spool.receive(PREFIX), bytes(100, 1));

        isBroken = true;
        const error = await thrownBy(stored(spool.receive(PREFIX), bytes(size, 2)));
        isBroken = false;
        const after = await stored(spool.receive(PREFIX), bytes(100, 3));
        await spool.close();

        expect(error.code).to.equal(expected);
        if (size === 5000) expect(after.segment).to.not.equal(before.segment);
        const { unrecorded } = await opened(folder);
        expect(unrecorded.map(({ blob }) => blob)).to.deep.equal([before.blob, after.blob]);
      });
    }
  }

  it('refuses while the disk is low, and takes the bytes from the sender all the same', async () => {
    const { spool } = await opened(folder, undefined, {
      disk: { maxUsedFraction: 1, minFreeBytes: Number.MAX_SAFE_INTEGER },
    });
    const reception = spool.receive(PREFIX);

    expect(reception.push(bytes(5000, 1))).to.be.true;
    const error = await thrownBy(reception.finish());

    expect(error.code).to.equal('store.full');
    await spool.close();
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('ends a large object that began while there was room, before it takes what the ledger needs', async () => {
    let freeBytes = 100;
    const { spool } = await opened(
      folder,
      (real) => ({ ...real, disk: async () => ({ usedFraction: 0.5, freeBytes }) }),
      {
        disk: { maxUsedFraction: 1, minFreeBytes: 100 },
      },
    );
    const [reception, small] = [spool.receive(PREFIX), spool.receive(PREFIX)];
    await pushAll(reception, bytes(LARGE, 1));
    freeBytes = 49;
    await waitFor('the disk to be looked at', () => spool.isFull);

    await pushAll(reception, bytes(5000, 2));
    const error = await thrownBy(reception.finish());
    const kept = await stored(small, bytes(5000, 3));
    await spool.close();

    expect(error.code).to.equal('store.full');
    expect(await readdir(folder)).to.deep.equal([kept.segment]);
  });

  it('refuses what is larger than allowed, and keeps nothing of it', async () => {
    const { spool } = await opened(folder, undefined, { maxObjectBytes: LARGE });

    const error = await thrownBy(stored(spool.receive(PREFIX), bytes(LARGE + 1, 1)));
    await spool.close();

    expect(error.code).to.equal('dataset.too-large');
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('keeps nothing of an object that is abandoned', async () => {
    const { spool } = await opened(folder);
    for (const size of [5000, LARGE]) {
      const reception = spool.receive(PREFIX);
      await pushAll(reception, bytes(size, 1));
      await reception.abandon();
    }
    await spool.close();

    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('tells a fast sender to wait for a slow disk', async () => {
    const held: (() => void)[] = [];
    const { spool } = await opened(folder, (real) => slow(real, held));
    const reception = spool.receive(PREFIX);
    let pushed = 0;
    while (reception.push(bytes(256 * 1024, 1)) && pushed < 200) pushed += 1;

    expect(pushed).to.be.below(60);
    const release = setInterval(() => held.splice(0).forEach((go) => go()), 1);
    await reception.room();
    await reception.finish();
    await reception.abandon();
    await spool.close();
    clearInterval(release);
  });

  it('lets every object get on when all of them together need more memory than there is', async () => {
    const { spool } = await opened(folder, undefined, { maxInFlightBytes: 1024 * 1024 });
    const contents = Array.from({ length: 8 }, (_, n) => bytes(1_500_000, n));
    const receptions = contents.map(() => spool.receive(PREFIX));

    const committed = await Promise.all(
      receptions.map(async (reception, n) => stored(reception, contents[n] ?? Buffer.alloc(0))),
    );
    await spool.close();

    for (const [n, one] of committed.entries()) {
      const whole = Buffer.concat([PREFIX, contents[n] ?? Buffer.alloc(0)]);
      expect(await atReference(folder, one)).to.satisfy((kept: Buffer) => kept.equals(whole));
    }
  });

  it('survives a disk that does not even let it remove what it gives up', async () => {
    const { spool } = await opened(folder, (real) => ({
      ...real,
      remove: async () => Promise.reject(Object.assign(new Error('read-only'), { code: 'EROFS' })),
    }));
    const reception = spool.receive(PREFIX);
    await pushAll(reception, bytes(LARGE, 1));

    await reception.abandon();
    await spool.close();

    expect((await opened(folder)).unrecorded).to.deep.equal([]);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('takes nothing after it was closed, for then another process may own the folder', async () => {
    const { spool } = await opened(folder);
    const [small, large] = [spool.receive(PREFIX), spool.receive(PREFIX)];
    await pushAll(large, bytes(LARGE, 2));
    await spool.close();

    const errors = [await thrownBy(stored(small, bytes(10, 1))), await thrownBy(stored(large, bytes(10, 2)))];
    await large.abandon();

    expect(errors.map(({ code }) => code)).to.deep.equal(['gateway.stopping', 'gateway.stopping']);
    expect(await readdir(folder)).to.deep.equal([]);
  });
});
