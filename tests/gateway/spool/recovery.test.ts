import { appendFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { openSpoolFolder } from '../../../gateway/spool/files.ts';
import type { Description } from '../../../gateway/spool/record.ts';
import { openSpool } from '../../../gateway/spool/spool.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { LARGE, OPTIONS, PREFIX, bytes, described, opened, pushAll, sha256, stored } from './objects.ts';
import { CachedDisk } from './disks.ts';

describe('the spool after a crash', function () {
  this.timeout(30_000);
  const root = temporaryFolder();
  let folder = '';
  let number = 0;

  beforeEach(() => {
    folder = join(root.path, String((number += 1)));
  });

  it('gives every whole record again, in order, with what it says', async () => {
    const { spool } = await opened(folder);
    const committed = [
      await stored(spool.receive(PREFIX), bytes(5000, 1)),
      await stored(spool.receive(PREFIX), bytes(0, 2)),
      await stored(spool.receive(PREFIX), bytes(700_000, 3)),
      await stored(spool.receive(PREFIX), bytes(LARGE, 4)),
    ];

    const { unrecorded } = await opened(folder);

    expect(unrecorded.map(({ description: _, digests: __, ...record }) => record)).to.deep.equal(committed);
    expect(unrecorded[0]?.description).to.deep.equal(described(bytes(5000, 1)));
    expect(unrecorded[0]?.digests).to.deep.equal({
      sha256: sha256(Buffer.concat([PREFIX, bytes(5000, 1)])),
      dataSetSha256: sha256(bytes(5000, 1)),
      prefixCrc32: crc32(PREFIX),
    });
    await spool.close();
  });

  it('reads records of format 1, which have a SHA-256 in place of the checksum, and knows when they are not whole', async () => {
    const { spool } = await opened(folder);
    const written = await stored(spool.receive(PREFIX), bytes(5000, 1), describedInFormat1);
    const changed = await stored(spool.receive(PREFIX), bytes(5000, 2), describedInFormat1);
    await stored(spool.receive(PREFIX), bytes(5000, 3), describedInFormat1);
    await spool.close();
    await flipBit(join(folder, changed.segment), changed.endOffset - 3);

    const { unrecorded } = await opened(folder);

    expect(unrecorded.map(({ description }) => description.kind)).to.deep.equal(['instance', 'quarantine', 'instance']);
    expect(unrecorded[0]).to.deep.include({ blob: written.blob, description: describedInFormat1(bytes(5000, 1)) });
    expect(unrecorded[0]?.digests?.dataSetSha256).to.equal(sha256(bytes(5000, 1)));
  });

  it('gives only what is behind the ledger’s position', async () => {
    const { spool } = await opened(folder);
    const first = await stored(spool.receive(PREFIX), bytes(5000, 1));
    const second = await stored(spool.receive(PREFIX), bytes(6000, 2));
    await spool.close();
    const files = await openSpoolFolder(folder);

    const positions = [{ segment: first.segment, offset: first.endOffset }];
    const { unrecorded } = await openSpool(files, positions, OPTIONS, silentLog);

    expect(unrecorded.map(({ blob }) => blob)).to.deep.equal([second.blob]);
  });

  it('cuts a torn tail of any length, and never what was whole before it', async () => {
    const { spool } = await opened(folder);
    const whole = await stored(spool.receive(PREFIX), bytes(300, 1));
    const torn = await stored(spool.receive(PREFIX), bytes(200, 2));
    await spool.close();
    const path = join(folder, whole.segment);
    const original = await readFile(path);
    expect(original.length).to.equal(torn.endOffset);

    for (let length = 0; length < original.length; length += 1) {
      await writeFile(path, original.subarray(0, length));
      const { unrecorded } = await opened(folder);
      expect(
        unrecorded.map(({ blob }) => blob),
        `cut to ${length}`,
      ).to.deep.equal(length < whole.endOffset ? [] : [whole.blob]);
      if (length >= whole.endOffset) expect((await stat(path)).size).to.equal(whole.endOffset);
    }
  });

  it('cuts off the zeros behind small objects, wherever the crash was, and says nothing of it', async () => {
    const { spool } = await opened(folder);
    const small = [1, 2, 3].map(async (n) => stored(spool.receive(PREFIX), bytes(4000, n)));
    const committed = await Promise.all(small);
    const end = committed.at(-1)?.endOffset ?? 0;
    const path = join(folder, committed[0]?.segment ?? '');
    expect((await stat(path)).size).to.be.greaterThan(end);

    const lines: string[] = [];
    const told = {
      ...silentLog,
      warn: (line: string) => void lines.push(line),
      error: (line: string) => void lines.push(line),
    };
    const { unrecorded } = await openSpool(await openSpoolFolder(folder), [], OPTIONS, told);

    expect(unrecorded.map(({ blob }) => blob)).to.deep.equal(committed.map(({ blob }) => blob));
    expect((await stat(path)).size).to.equal(end);
    expect(lines).to.deep.equal([]);
    await spool.close();
  });

  it('cuts off a small object that was torn among the zeros', async () => {
    const { spool } = await opened(folder);
    const whole = await stored(spool.receive(PREFIX), bytes(4000, 1));
    const torn = await stored(spool.receive(PREFIX), bytes(4000, 2));
    const path = join(folder, whole.segment);
    const content = await readFile(path);
    content.fill(0, torn.endOffset - 3000, torn.endOffset);
    await writeFile(path, content);

    const { unrecorded } = await opened(folder);

    expect(unrecorded.map(({ blob }) => blob)).to.deep.equal([whole.blob]);
    expect((await stat(path)).size).to.equal(whole.endOffset);
    await spool.close();
  });

  it('cuts a tail whose last blocks never reached the disk', async () => {
    const { spool } = await opened(folder);
    const whole = await stored(spool.receive(PREFIX), bytes(300, 1));
    const torn = await stored(spool.receive(PREFIX), bytes(5000, 2));
    await spool.close();
    const path = join(folder, whole.segment);

    // The size was written, the last 4 KiB read back as zeros.
    await truncate(path, torn.endOffset - 4096);
    await truncate(path, torn.endOffset);
    const { unrecorded } = await opened(folder);

    expect(unrecorded.map(({ blob }) => blob)).to.deep.equal([whole.blob]);
  });

  for (const [name, at] of [
    ['head', 30],
    ['description', 200],
    ['prefix', 560],
    ['data set', -3],
  ] as const) {
    it(`does not take a record with a flipped bit in its ${name} for whole`, async () => {
      const { spool } = await opened(folder);
      const only = await stored(spool.receive(PREFIX), bytes(300, 1));
      await spool.close();
      const path = join(folder, only.segment);
      const content = await readFile(path);
      const position = at < 0 ? content.length + at : at;
      content.writeUInt8(content.readUInt8(position) ^ 1, position);
      await writeFile(path, content);

      expect((await opened(folder)).unrecorded).to.deep.equal([]);
    });
  }

  for (const [name, at] of [
    ['description', 200],
    ['data set', -3],
  ] as const) {
    it(`quarantines a record whose ${name} changed on the disk, and keeps those behind it`, async () => {
      const { spool } = await opened(folder);
      const [first, ...behind] = [
        await stored(spool.receive(PREFIX), bytes(300, 1)),
        await stored(spool.receive(PREFIX), bytes(300, 2)),
        await stored(spool.receive(PREFIX), bytes(300, 3)),
      ];
      await spool.close();
      await flipBit(join(folder, first.segment), at < 0 ? first.endOffset + at : at);

      const { unrecorded } = await opened(folder);
      const again = await opened(folder);

      expect(unrecorded.map(({ blob }) => blob)).to.deep.equal([first, ...behind].map(({ blob }) => blob));
      expect(unrecorded[0]?.description).to.include({ kind: 'quarantine', reason: 'store.missing' });
      expect(again.unrecorded).to.deep.equal(unrecorded);
    });
  }

  it('quarantines each of several records in a row that changed on the disk, and keeps those behind them', async () => {
    const { spool } = await opened(folder);
    const records = [];
    for (let n = 1; n <= 4; n += 1) records.push(await stored(spool.receive(PREFIX), bytes(300, n)));
    await spool.close();
    for (const { segment, endOffset } of records.slice(0, 2)) await flipBit(join(folder, segment), endOffset - 3);

    const { unrecorded } = await opened(folder);

    expect(unrecorded.map(({ blob }) => blob)).to.deep.equal(records.map(({ blob }) => blob));
    expect(unrecorded.map(({ description }) => description.kind)).to.deep.equal([
      ...['quarantine', 'quarantine', 'instance', 'instance'],
    ]);
  });

  it('cuts nothing off where damage reaches from a record into the head of the next, and a whole one follows', async () => {
    const { spool } = await opened(folder);
    const [first, second] = [
      await stored(spool.receive(PREFIX), bytes(300, 1)),
      await stored(spool.receive(PREFIX), bytes(300, 2)),
    ];
    await stored(spool.receive(PREFIX), bytes(300, 3));
    await spool.close();
    const path = join(folder, second.segment);
    const before = await readFile(path);
    before.fill(0, first.endOffset - 100, first.endOffset + 100);
    await writeFile(path, before);

    await opened(folder);

    expect((await readFile(path)).equals(before)).to.be.true;
  });

  it('cuts nothing off by a position that is inside of a record: it is one of another folder', async () => {
    const { spool } = await opened(folder);
    const { segment, endOffset } = await stored(spool.receive(PREFIX), Buffer.alloc(5_000));
    await spool.close();
    const before = await readFile(join(folder, segment));

    const files = await openSpoolFolder(folder);
    await openSpool(files, [{ segment, offset: endOffset - 1_000 }], OPTIONS, silentLog);

    expect((await readFile(join(folder, segment))).equals(before)).to.be.true;
  });

  it('leaves bytes that are no record and no torn one where they are', async () => {
    const { spool } = await opened(folder);
    const first = await stored(spool.receive(PREFIX), bytes(300, 1));
    await stored(spool.receive(PREFIX), bytes(300, 2));
    await spool.close();
    const path = join(folder, first.segment);
    await flipBit(path, 16);
    const before = await readFile(path);

    expect((await opened(folder)).unrecorded).to.deep.equal([]);
    expect((await readFile(path)).equals(before)).to.be.true;
  });

  it('gives only what is on the disk, though a failed sync left more in the page cache', async () => {
    const disk = new CachedDisk();
    const { spool } = await openSpool(disk, [], OPTIONS, silentLog);
    await stored(spool.receive(PREFIX), bytes(300, 1));
    // The sync fails, and so does cutting the segment back: what was written is in the cache, and taken for clean.
    disk.isBroken = true;
    const error = await thrownBy(stored(spool.receive(PREFIX), bytes(300, 2)));
    disk.isBroken = false;

    const { unrecorded } = await openSpool(disk, [], OPTIONS, silentLog);
    disk.cutPower();
    const after = await openSpool(disk, [], OPTIONS, silentLog);

    expect(error.code).to.equal('store.failed');
    expect(unrecorded).to.not.be.empty;
    expect(after.unrecorded).to.deep.equal(unrecorded);
  });

  it('removes a large object that was not finished', async () => {
    const { spool } = await opened(folder);
    await pushAll(spool.receive(PREFIX), bytes(LARGE, 1));
    expect(await readdir(folder)).to.have.length(1);

    const { unrecorded } = await opened(folder);

    expect(unrecorded).to.deep.equal([]);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('goes on under a number that neither the folder nor the ledger has seen', async () => {
    const files = await openSpoolFolder(folder);
    await appendFile(join(folder, '0000000004.seg'), 'HUB SPOOL 000001');

    const { spool } = await openSpool(files, [{ segment: '0000000009.seg', offset: 400 }], OPTIONS, silentLog);
    const { segment } = await stored(spool.receive(PREFIX), bytes(10, 1));
    await spool.close();

    expect(segment).to.equal('0000000010.seg');
  });
});

async function flipBit(path: string, position: number): Promise<void> {
  const content = await readFile(path);
  content.writeUInt8(content.readUInt8(position) ^ 1, position);
  await writeFile(path, content);
}

function describedInFormat1(content: Buffer): Description {
  const { dataSetCrc32: _, ...description } = described(content);
  return { ...description, dataSetSha256: sha256(content) };
}
