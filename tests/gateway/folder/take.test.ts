import { appendFileSync, existsSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, open, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
} from '../../../core/identifiers.ts';
import { lookAt } from '../../../gateway/folder/found-file.ts';
import type { FoundFile } from '../../../gateway/folder/found.ts';
import type { Outcome, TakePorts } from '../../../gateway/folder/outcome.ts';
import { takeArchive } from '../../../gateway/folder/take-archive.ts';
import { take } from '../../../gateway/folder/take.ts';
import { openSpoolFolder } from '../../../gateway/spool/files.ts';
import { openSpool, type Spool } from '../../../gateway/spool/spool.ts';
import { paravisionStudies } from '../../../paravision/study-folder.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { zipArchive } from '../../support/zip-archive.ts';
import { ARCHIVE_LIMITS } from './watched.ts';

describe('taking one file', () => {
  const folder = temporaryFolder();
  let spool: Spool;
  let root: string;
  let file: FoundFile;
  const stored: string[] = [];

  beforeEach(async () => {
    stored.length = 0;
    await rm(folder.path, { recursive: true, force: true });
    await mkdir(join(folder.path, 'in/exam'), { recursive: true });
    root = await realpath(join(folder.path, 'in'));
    const opened = await openSpool(
      await openSpoolFolder(join(folder.path, 'spool')),
      [],
      {
        disk: { maxUsedFraction: 1, minFreeBytes: 0 },
        segmentBytes: 2 ** 20,
        maxInFlightBytes: 2 ** 24,
        maxObjectBytes: 2 ** 24,
      },
      silentLog,
    );
    spool = opened.spool;
    await writeFile(join(root, 'exam/IM1'), mrInstance({}, 64).part10);
    const found = await lookAt(join(root, 'exam/IM1'), 'exam/IM1');
    if (found === undefined) throw new Error('no file');
    file = found;
  });
  afterEach(async () => spool.close());

  async function outcome(over: Partial<TakePorts> = {}): Promise<Outcome> {
    const plain: Omit<TakePorts, 'takeArchive'> = {
      receive: (prefix) => spool.receive(prefix),
      store: async (reception, { provenance }) => {
        await reception.abandon();
        stored.push(provenance.associationId);
        return {
          studyInstanceUid: parseStudyInstanceUid('1.2'),
          seriesInstanceUid: parseSeriesInstanceUid('1.5'),
          sopInstanceUid: parseSopInstanceUid('1.3'),
          sopClassUid: parseSopClassUid('1.4'),
          sizeBytes: 1,
          filedStudyInstanceUid: parseStudyInstanceUid('1.2'),
        };
      },
      onEnded: () => undefined,
      onProgress: () => undefined,
      signal: new AbortController().signal,
      realRoot: root,
      ...over,
    };
    const archivePorts = {
      ...{ ...plain, isIgnored: () => false, archives: ARCHIVE_LIMITS },
      studies: { reader: paravisionStudies, log: silentLog, scans: { increment: () => undefined } },
      scratch: { folder: join(folder.path, 'unpacked'), roomBytes: () => 0 },
    };
    const { outcome: settled } = await take(
      file,
      { door: 'folder', source: 'a', associationId: 'b' },
      { ...plain, takeArchive: async (archive, handle, from) => takeArchive(archive, handle, from, archivePorts) },
    );
    return await settled;
  }

  it('brings it to the store', async () => {
    expect(await outcome()).to.deep.equal({ kind: 'taken', instances: 1 });
    expect(stored).to.deep.equal(['b']);
  });

  it('is refused when it is an archive of a study and the disk has no room to unpack it', async () => {
    await writeFile(
      join(root, 'exam/IM1'),
      zipArchive([
        { name: 'study/1/acqp', content: Buffer.from('##TITLE=Parameter List') },
        { name: 'study/1/fid', content: Buffer.alloc(1000) },
        { name: 'study/1/pdata/1/2dseq', content: Buffer.alloc(100) },
      ]),
    );
    file = (await lookAt(join(root, 'exam/IM1'), 'exam/IM1')) ?? file;

    const result = await outcome();

    expect(result).to.have.property('kind', 'refused');
    expect(result).to.have.property('needsBytes', 122);
    expect(JSON.stringify(result)).to.contain('No room to unpack').and.to.contain('bytes: 122');
    expect(existsSync(join(folder.path, 'unpacked'))).to.equal(false);
  });

  it('stores nothing of a file that grows while it is read', async () => {
    const result = await outcome({
      receive: (prefix) => {
        appendFileSync(file.path, 'more');
        return spool.receive(prefix);
      },
    });

    expect(result).to.deep.equal({ kind: 'changed' });
    expect(stored).to.deep.equal([]);
  });

  it('reads no other file that took the name since it was looked at', async () => {
    writeFileSync(file.path, mrInstance({}, 32).part10);

    expect(await outcome()).to.deep.equal({ kind: 'changed' });
  });

  it('follows neither a name nor a folder that became a link since it was looked at', async () => {
    renameSync(join(root, 'exam'), join(folder.path, 'exam'));
    symlinkSync(join(folder.path, 'exam'), join(root, 'exam'));
    expect(await outcome()).to.deep.equal({ kind: 'changed' });

    await rm(join(root, 'exam'));
    await mkdir(join(root, 'exam'));
    symlinkSync(join(folder.path, 'exam/IM1'), file.path);
    expect(await outcome()).to.deep.equal({ kind: 'changed' });
    expect(stored).to.deep.equal([]);
  });

  it('keeps no room in the spool for a file whose share went away after its last byte', async () => {
    const abandoned: boolean[] = [];
    const handle = await open(file.path);
    const shared = Object.getPrototypeOf(handle) as { stat: () => Promise<unknown> };
    await handle.close();
    const { stat } = shared;

    const receive = (prefix: Uint8Array) => {
      shared.stat = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ESTALE', syscall: 'fstat' }));
      const reception = spool.receive(prefix);
      const abandon = reception.abandon.bind(reception);
      reception.abandon = async () => {
        abandoned.push(true);
        await abandon();
      };
      return reception;
    };
    const { kind } = await outcome({ receive }).finally(() => (shared.stat = stat));

    expect({ kind, abandoned }).to.deep.equal({ kind: 'unreadable-now', abandoned: [true] });
  });

  it('forgets a file that is gone', async () => {
    await rm(file.path);

    expect(await outcome()).to.deep.equal({ kind: 'changed' });
  });

  for (const [title, error, kind] of [
    ['the hub cannot store', new HubError('store.failed'), 'later'],
    ['the hub stops', new HubError('gateway.stopping'), 'later'],
    ['the disk cannot be read', Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' }), 'unreadable-now'],
    ['it holds another patient', new HubError('dataset.patient-mismatch'), 'refused'],
    ['the hub has a defect', new TypeError('no such thing'), 'refused'],
  ] as const) {
    it(`is ${kind} when ${title}`, async () => {
      const result = await outcome({ store: () => Promise.reject(error) });

      expect(result.kind).to.equal(kind);
    });
  }

  it('ends at once when the hub stops', async () => {
    const stopping = new AbortController();
    stopping.abort();

    expect((await outcome({ signal: stopping.signal })).kind).to.equal('later');
  });
});
