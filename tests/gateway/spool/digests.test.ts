import { createHash } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { DigestThread } from '../../../gateway/spool/digest-thread.ts';
import { digesterHere, type ToDigest } from '../../../gateway/spool/digester.ts';
import { openSpoolFolder } from '../../../gateway/spool/files.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { itemsOf, SpoolHub } from '../../support/spool-hub.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';

const ENTRY = new URL('../../../wiring/digest-worker.ts', import.meta.url);

describe('the digests the ledger is told', () => {
  const root = temporaryFolder();
  const threads: DigestThread[] = [];
  let folder = '';
  let number = 0;
  beforeEach(() => (folder = join(root.path, String((number += 1)))));
  afterEach(async () => {
    await Promise.all(threads.splice(0).map(async (thread) => thread.close()));
  });

  it('are those of the bytes on the disk, whoever makes them, and say when they are not what was received', async () => {
    const files = await openSpoolFolder(folder);
    const large = Buffer.alloc(2_500_000, 'large');
    await writeFile(join(folder, '1.seg'), Buffer.concat([Buffer.from('head, prefix, data'), large]));
    await writeFile(join(folder, '2.seg'), 'another');
    const records = [
      toDigest('1.seg', [6, 14, 18], { dataSetCrc32: crc32('data') }),
      toDigest('1.seg', [18, 18, 18 + large.length], { dataSetCrc32: crc32(large) }),
      toDigest('2.seg', [0, 2, 7], { dataSetSha256: sha256('other') }),
      toDigest('2.seg', [0, 2, 7], { dataSetCrc32: crc32('othes') }),
    ];

    const here = await digesterHere(files).digest(records);
    const inThread = await started(ENTRY).digest(records);

    expect(here).to.deep.equal([
      {
        sha256: sha256('prefix, data'),
        dataSetSha256: sha256('data'),
        prefixCrc32: crc32('prefix, '),
        isAsReceived: true,
      },
      { sha256: sha256(large), dataSetSha256: sha256(large), prefixCrc32: 0, isAsReceived: true },
      { sha256: sha256('another'), dataSetSha256: sha256('other'), prefixCrc32: crc32('an'), isAsReceived: true },
      { sha256: sha256('another'), dataSetSha256: sha256('other'), prefixCrc32: crc32('an'), isAsReceived: false },
    ]);
    expect(inThread).to.deep.equal(here);
  });

  it('are not waited for when the disk does not give the bytes back: what it still has goes on', async () => {
    const files = await openSpoolFolder(folder);
    await writeFile(join(folder, '1.seg'), 'data, more');
    const [whole, cutOff] = [
      toDigest('1.seg', [0, 0, 4], { dataSetCrc32: crc32('data') }),
      toDigest('1.seg', [6, 6, 99], { dataSetCrc32: crc32('more') }),
    ];
    const sick = {
      openForReading: async (name: string) => {
        const file = await files.openForReading(name);
        const read = async (buffer: Uint8Array, position: number) =>
          position < 6
            ? Promise.reject(Object.assign(new Error('bad sector'), { code: 'EIO' }))
            : file.read(buffer, position);
        return { ...file, read };
      },
    };

    const [beginning, behindTheEnd] = await started(ENTRY).digest([whole, cutOff]);
    const [badSector] = await digesterHere(sick).digest([whole]);

    expect([beginning, behindTheEnd, badSector].map((made) => made?.isAsReceived)).to.deep.equal([true, false, false]);
  });

  it('come with the next attempt when the disk, or the thread, failed at one', async () => {
    const record = toDigest('1.seg', [0, 0, 4], { dataSetCrc32: crc32('data') });
    const [thread, dying] = [started(ENTRY), started(new URL(`data:text/javascript,process.exit(1)`))];

    const errors = [await thrownBy(thread.digest([record])), await thrownBy(dying.digest([record]))];
    await mkdir(folder);
    await writeFile(join(folder, '1.seg'), 'data');
    const [made] = await thread.digest([record]);

    expect(errors.map(({ code }) => code)).to.deep.equal(['store.failed', 'store.failed']);
    expect(made?.isAsReceived).to.be.true;
  });

  it('are never those of bytes that were not received: what the disk changed before is quarantined', async () => {
    await mkdir(folder);
    const [changed, whole] = [mrInstance({}, 48), mrInstance({}, 48)];
    const change = async (name: string) => {
      const segment = await open(join(folder, 'spool', name), 'r+');
      const content = await segment.readFile();
      const last = content.indexOf(changed.dataSet) + changed.dataSet.length - 1;
      await segment.write(Buffer.from([content.readUInt8(last) ^ 1]), 0, 1, last);
      await segment.close();
    };
    let isChanged = false;
    const hub = await SpoolHub.open(folder, {
      segmentBytes: 1_000_000,
      // As the pump begins to read: both have their Success.
      wrap: (files) => ({
        ...files,
        openForReading: async (name) => {
          if (!isChanged) await change(name);
          isChanged = true;
          return files.openForReading(name);
        },
      }),
    });

    await hub.receive(changed);
    await hub.receive(whole);
    await hub.recorded();
    const entries = await hub.ledger.quarantine.list({ limit: 10 });
    const known = [await itemsOf(hub.ledger, changed), await itemsOf(hub.ledger, whole)].map(({ length }) => length);
    await hub.close();

    expect(known).to.deep.equal([0, 1]);
    expect(entries.map(({ reason, studyInstanceUid }) => ({ reason, studyInstanceUid }))).to.deep.equal([
      { reason: 'store.missing', studyInstanceUid: changed.studyInstanceUid },
    ]);
  });

  function started(entry: URL): DigestThread {
    const thread = new DigestThread(entry, folder);
    threads.push(thread);
    return thread;
  }
});

function toDigest(
  segment: string,
  [bodyOffset, dataSetOffset, endOffset]: readonly [number, number, number],
  guard: ToDigest['guard'],
): ToDigest {
  return { segment, place: { bodyOffset, dataSetOffset, endOffset }, guard };
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
