import { appendFile, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { openSpoolFolder, type SpoolFile, type SpoolFiles } from '../../../gateway/spool/files.ts';
import type { Committed, Reception } from '../../../gateway/spool/reception.ts';
import type { Description } from '../../../gateway/spool/record.ts';
import { openSpool, type OpenedSpool } from '../../../gateway/spool/spool.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

const OPTIONS = {
  disk: { maxUsedFraction: 1, minFreeBytes: 0 },
  segmentBytes: 64 * 1024 * 1024,
  maxInFlightBytes: 64 * 1024 * 1024,
  maxObjectBytes: 64 * 1024 * 1024,
};
const PREFIX = Buffer.from('the file meta information');
const LARGE = 9 * 1024 * 1024;

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

  describe('after a crash', () => {
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

      expect(unrecorded.map(({ description }) => description.kind)).to.deep.equal([
        'instance',
        'quarantine',
        'instance',
      ]);
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
});

async function flipBit(path: string, position: number): Promise<void> {
  const content = await readFile(path);
  content.writeUInt8(content.readUInt8(position) ^ 1, position);
  await writeFile(path, content);
}

/** Files of memory that behave like Linux' page cache: a failed sync leaves the pages clean, and never on the disk. */
class CachedDisk implements SpoolFiles {
  isBroken = false;
  readonly #files = new Map<string, { cache: Buffer; disk: Buffer; dirty: { from: number; to: number }[] }>();

  cutPower(): void {
    for (const file of this.#files.values()) file.cache = Buffer.from(file.disk);
  }

  list = async (): Promise<readonly string[]> => [...this.#files.keys()].sort();

  create = async (name: string): Promise<SpoolFile> => {
    this.#files.set(name, { cache: Buffer.alloc(0), disk: Buffer.alloc(0), dirty: [] });
    return this.open(name);
  };

  openForReading = async (name: string): Promise<SpoolFile> => this.open(name);
  createUnfinished = async (): Promise<SpoolFile> => Promise.reject(new Error('nothing is copied here'));
  finish = async (): Promise<void> => undefined;
  removeUnfinished = async (): Promise<void> => undefined;
  listUnfinished = async (): Promise<readonly string[]> => [];

  open = async (name: string): Promise<SpoolFile> => {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error('no such file');
    const sized = (bytes: Buffer, length: number) => Buffer.concat([bytes, Buffer.alloc(length)], length);
    return {
      write: async (buffers, position) => {
        const bytes = Buffer.concat(buffers);
        file.cache = sized(file.cache, Math.max(file.cache.length, position + bytes.length));
        bytes.copy(file.cache, position);
        file.dirty.push({ from: position, to: position + bytes.length });
      },
      read: async (buffer, position) => file.cache.copy(buffer, 0, position),
      sync: async () => {
        const dirty = file.dirty.splice(0);
        this.#fail();
        file.disk = sized(file.disk, file.cache.length);
        for (const { from, to } of dirty) file.cache.copy(file.disk, from, from, to);
      },
      truncate: async (sizeBytes) => {
        this.#fail();
        file.cache = sized(file.cache, sizeBytes);
      },
      sizeBytes: async () => file.cache.length,
      close: async () => undefined,
    };
  };

  remove = async (name: string): Promise<void> => void this.#files.delete(name);
  syncFolder = async (): Promise<void> => undefined;
  disk = async () => ({ usedFraction: 0, freeBytes: 1e12 });

  #fail(): void {
    if (this.isBroken) throw Object.assign(new Error('broken on purpose'), { code: 'EIO' });
  }
}

async function opened(
  folder: string,
  wrap?: (real: SpoolFiles) => SpoolFiles,
  options: Partial<typeof OPTIONS> = {},
): Promise<OpenedSpool> {
  const files = await openSpoolFolder(folder);
  return openSpool(wrap?.(files) ?? files, [], { ...OPTIONS, ...options }, silentLog);
}

async function stored(reception: Reception, content: Buffer, describe = described): Promise<Committed> {
  await pushAll(reception, content);
  await reception.finish();
  return reception.commit(describe(content));
}

async function pushAll(reception: Reception, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length; at += 100_000) {
    if (!reception.push(content.subarray(at, at + 100_000))) await reception.room();
  }
}

function described(content: Buffer): Description {
  return {
    kind: 'instance',
    provenance: { door: 'dimse', source: 'pv-7t', associationId: 'a' },
    receivedAt: '2026-11-20T10:00:00.000Z',
    dataSetCrc32: crc32(content),
    studyInstanceUid: '1.2.3',
    seriesInstanceUid: '1.2.3.4',
    sopInstanceUid: '1.2.3.4.5',
    sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    patientDigest: 'f'.repeat(64),
  };
}

function describedInFormat1(content: Buffer): Description {
  const { dataSetCrc32: _, ...description } = described(content);
  return { ...description, dataSetSha256: sha256(content) };
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function bytes(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, n) => (n * 31 + seed * 101) % 253));
}

async function atReference(folder: string, { blob }: Committed): Promise<Buffer> {
  const [, name = '', offset = '', length = ''] = /^spool\/(.*)#(\d+)\+(\d+)$/.exec(blob) ?? [];
  const handle = await open(join(folder, name));
  const buffer = Buffer.alloc(Number(length));
  await handle.read(buffer, 0, buffer.length, Number(offset));
  await handle.close();
  return buffer;
}

/** Notes each step when it is done, so that an order of lines is an order of facts. */
function traced(real: SpoolFiles, trace: string[]): SpoolFiles {
  const file = (name: string, inner: SpoolFile): SpoolFile => ({
    ...inner,
    write: async (buffers, position) => {
      await inner.write(buffers, position);
      trace.push(`write ${name}`);
    },
    sync: async () => {
      await inner.sync();
      trace.push(`synced ${name}`);
    },
    close: async () => {
      await inner.close();
      trace.push(`closed ${name}`);
    },
  });
  return {
    ...real,
    create: async (name) => {
      const made = await real.create(name);
      trace.push(`create ${name}`);
      return file(name, made);
    },
    syncFolder: async () => {
      await real.syncFolder();
      trace.push('synced folder');
    },
  };
}

function breaking(real: SpoolFiles, at: 'write' | 'sync', codeNow: () => string | undefined): SpoolFiles {
  const fail = () => {
    const code = codeNow();
    if (code !== undefined) throw Object.assign(new Error('broken on purpose'), { code });
  };
  return {
    ...real,
    create: async (name) => {
      const inner = await real.create(name);
      return {
        ...inner,
        write: async (buffers, position) => {
          if (at === 'write') fail();
          await inner.write(buffers, position);
        },
        sync: async () => {
          if (at === 'sync') fail();
          await inner.sync();
        },
      };
    },
  };
}

function slow(real: SpoolFiles, held: (() => void)[]): SpoolFiles {
  return {
    ...real,
    create: async (name) => {
      const inner = await real.create(name);
      return {
        ...inner,
        write: async (buffers, position) => {
          await new Promise<void>((go) => held.push(go));
          await inner.write(buffers, position);
        },
      };
    },
  };
}
