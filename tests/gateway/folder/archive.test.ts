import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { waitFor } from '../../support/wait-for.ts';
import { zipArchive, type ZipEntry } from '../../support/zip-archive.ts';
import { ARCHIVE_LIMITS, watch, type Watched } from './watched.ts';

const MEBIBYTE = 1024 * 1024;

describe('a zip archive in a watched folder', function () {
  this.timeout(30_000);

  let hub: Watched;
  afterEach(async () => {
    await hub.remove();
  });

  const study = newUid();
  const instances = Array.from({ length: 4 }, () => mrInstance({ StudyInstanceUID: study }));
  const content = (n: number) => instances[n]?.part10 ?? new Uint8Array(0);
  const uids = (...numbers: readonly number[]) => numbers.map((n) => instances[n]?.sopInstanceUid).toSorted();

  /** Puts the archive into a folder of its own and waits for its note. */
  async function note(entries: readonly ZipEntry[] | Buffer): Promise<string> {
    await hub.put('export.zip', Buffer.isBuffer(entries) ? entries : zipArchive(entries));
    await hub.holds('export.zip', 'export.zip.error');
    return await readFile(join(hub.folder, 'export.zip.error'), 'utf8');
  }

  it('is taken whole: nested folders, stored and deflated entries, ZIP64, whatever it is called', async () => {
    hub = await watch();

    await hub.put(
      'a/export',
      zipArchive([
        { name: 'exam/', content: new Uint8Array(0), isStored: true },
        { name: 'exam/5/pdata/1/dicom/MRIm01.dcm', content: content(0) },
        { name: 'exam/5/pdata/1/dicom/MRIm02.dcm', content: content(1), isStored: true },
        { name: 'IM3', content: content(2), isZip64: true },
        { name: 'raw', content: instances[3]?.dataSet ?? new Uint8Array(0) },
        { name: 'exam/5/visu_pars', content: Buffer.from('##TITLE=Parameter List') },
        { name: '__MACOSX/._IM3', content: Buffer.from('not looked at'), crc32: 1 },
      ]),
    );
    await hub.holds('done/a/export');

    expect(await hub.instancesOf(study, 4)).to.deep.equal(uids(0, 1, 2, 3));
  });

  it('is one batch, apart from the files beside it', async () => {
    hub = await watch();
    await hub.put('one.zip', zipArchive([{ name: 'a', content: content(0) }]));
    await hub.put('two.zip', zipArchive([{ name: 'a', content: content(1) }]));
    await hub.put('b', content(2));
    await hub.holds('done/b', 'done/one.zip', 'done/two.zip');
    await hub.instancesOf(study, 3);

    const series = await hub.ledger.studies.series(parseStudyInstanceUid(study));
    expect(new Set(series.map(({ provenance }) => provenance.associationId)).size).to.equal(3);
  });

  it('takes what it can of a damaged one, and says which entry is damaged without its name', async () => {
    hub = await watch();

    const said = await note([
      { name: 'Secret^Name/1', content: content(0) },
      { name: 'Secret^Name/2', content: content(1), crc32: 12 },
      { name: 'Secret^Name/3', content: content(2) },
    ]);

    expect(said).to.contain('entry 2: Archive cannot be read (entry=2 reason=checksum)');
    expect(said).to.contain('instances of this archive that are in the hub: 2').and.not.to.contain('Secret');
    expect(await hub.instancesOf(study, 2)).to.deep.equal(uids(0, 2));
    expect(JSON.stringify(hub.lines)).not.to.contain('Secret');

    await rename(
      await hub.put('export.tmp', zipArchive([{ name: '2', content: content(1) }])),
      join(hub.folder, 'export.zip'),
    );
    await hub.holds('done/export.zip');
    expect(await hub.instancesOf(study, 3)).to.deep.equal(uids(0, 1, 2));
  });

  for (const [title, expected, entries] of [
    [
      'an encrypted one',
      'code: archive.encrypted',
      [{ name: 'a', content: content(0), isEncrypted: true, isStored: true, inflatedBytes: content(0).length - 12 }],
    ],
    [
      'one packed by a method that nobody here opens',
      'reason: compression method 14',
      [{ name: 'a', content: content(0), method: 14 }],
    ],
    [
      'a name that leads out of it',
      'reason: a name that leads out of the archive',
      [{ name: '../../etc/cron.d/x', content: content(0) }],
    ],
    [
      'an absolute name',
      'reason: a name that leads out of the archive',
      [{ name: '/etc/cron.d/x', content: content(0) }],
    ],
    [
      'an absolute name of another system',
      'reason: a name that leads out of the archive',
      [{ name: 'C:/x', content: content(0) }],
    ],
    [
      'an archive inside it',
      'an archive inside an archive',
      [{ name: 'inner.zip', content: zipArchive([{ name: 'a', content: content(0) }]) }],
    ],
    ['more bytes than it says', 'damaged or cut off', [{ name: 'a', content: content(0), inflatedBytes: 100 }]],
    ['fewer bytes than it says', 'damaged or cut off', [{ name: 'a', content: content(0), inflatedBytes: 1_000_000 }]],
    ['a damaged instance', 'code: dataset.unreadable', [{ name: 'a', content: content(0).subarray(0, 900) }]],
  ] as const satisfies readonly (readonly [string, string, readonly ZipEntry[]])[]) {
    it(`is left with a note: ${title}`, async () => {
      hub = await watch();

      expect(await note(entries)).to.contain(expected);
      expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);
      expect(await hub.ledger.studies.list({ limit: 10 })).to.deep.equal([]);
    });
  }

  it('is left with a note when its end is missing, and taken when the rest has come', async () => {
    hub = await watch();
    const whole = zipArchive([{ name: 'a', content: content(0) }]);
    expect(await note(whole.subarray(0, whole.length - 30))).to.contain('code: archive.unreadable');

    await hub.put('export.zip', whole);

    await hub.holds('done/export.zip');
  });

  it('is not opened with more entries than allowed', async () => {
    hub = await watch({ archives: { ...ARCHIVE_LIMITS, maxEntries: 2 } });
    const said = await note(['a', 'b', 'c'].map((name, n) => ({ name, content: content(n) })));

    expect(said).to.contain('code: archive.too-large').and.to.contain('what: entries').and.to.contain('limit: 2');
  });

  it('is not opened with more bytes than allowed', async () => {
    hub = await watch({ archives: { ...ARCHIVE_LIMITS, maxBytes: MEBIBYTE } });
    const said = await note([
      { name: 'a', content: content(0) },
      { name: 'b', content: new Uint8Array(MEBIBYTE) },
    ]);

    expect(said).to.contain('what: bytes');
    expect(await hub.ledger.studies.list({ limit: 10 })).to.deep.equal([]);
  });

  it('is not opened when it is far larger inside: a bomb', async () => {
    hub = await watch();
    const said = await note([
      { name: 'a', content: content(0) },
      { name: 'b', content: new Uint8Array(70 * MEBIBYTE) },
    ]);

    expect(said).to.contain('what: ratio');
    expect(await hub.ledger.studies.list({ limit: 10 })).to.deep.equal([]);
  });

  it('is not inflated beyond what its directory says', async () => {
    hub = await watch();
    const said = await note([
      { name: 'b', content: Buffer.concat([content(0), Buffer.alloc(50 * MEBIBYTE)]), inflatedBytes: 4_000 },
    ]);

    expect(said).to.contain('damaged or cut off');
  });

  it('is no error without an instance in it: documents are archives too', async () => {
    hub = await watch();
    await hub.put('letter.docx', zipArchive([{ name: 'word/document.xml', content: Buffer.from('<document/>') }]));

    await waitFor('it to be counted', async () => /state="other"\} 1\n/.test(await hub.metrics()));

    expect(await hub.files()).to.deep.equal(['letter.docx']);
  });
});
