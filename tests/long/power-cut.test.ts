import { expect } from 'chai';
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { type BlobRef, parseBlobRef } from '../../core/store.ts';
import { openDataFolder } from '../../platform/data-folder.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { skip } from '../support/skip.ts';
import { waitFor } from '../support/wait-for.ts';
import type { Acknowledged } from './durable-writer.ts';
import { type LoopDisk, mountLoopDisk } from './loop-disk.ts';

const WRITER = join(import.meta.dirname, 'durable-writer.ts');
const exec = promisify(execFile);

describe('when the power is cut', function () {
  this.timeout(300_000);
  let disk: LoopDisk | undefined;
  let reason = '';
  before(async () => {
    const mounted = await mountLoopDisk(512);
    if (typeof mounted === 'string') reason = mounted;
    else disk = mounted;
  });
  after(async () => {
    await disk?.remove();
  });

  it('this test would see it: what was not synced is gone', async function () {
    if (disk === undefined) skip(this, reason);
    const kept = join(disk.path, 'kept');
    const file = await open(kept, 'w');
    await file.writeFile('before');
    await file.sync();
    await file.close();
    const folder = await open(disk.path, 'r');
    await folder.sync();
    await folder.close();

    await writeFile(kept, 'afterw', { flag: 'r+' });
    await writeFile(join(disk.path, 'new'), 'new');
    const after = await disk.cutPower();

    const content = await readFile(join(after.path, 'kept'), 'utf8');
    const isNewThere = existsSync(join(after.path, 'new'));
    await after.remove();
    expect(content).to.equal('before');
    expect(isNewThere).to.equal(false);
  });

  it('nothing that was acknowledged is lost: facts, packs, keys', async function () {
    if (disk === undefined) skip(this, reason);
    const acknowledged: Acknowledged[] = [];
    const writer = fork(WRITER, [join(disk.path, 'data')], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    writer.on('message', (message: Acknowledged) => acknowledged.push(message));
    try {
      for (let round = 1; round <= 8; round += 1) {
        const enough = acknowledged.length + 150 * round;
        await waitFor('more acknowledgements', () => acknowledged.length >= enough, 60_000);
        await cutAndCompare(disk, writer, acknowledged);
      }
    } finally {
      writer.kill('SIGKILL');
      await once(writer, 'exit');
    }

    const kinds = new Set(acknowledged.map(({ kind }) => kind));
    expect([...kinds].toSorted()).to.deep.equal(['fact', 'key', 'pack']);
  });

  it("the first start makes the data folder's own name durable, up to the folder that was there", async function () {
    if ((await exec('strace', ['-V']).catch(() => undefined)) === undefined) skip(this, 'strace is not installed');
    const folder = await mkdtemp(join(tmpdir(), 'strace-'));
    const trace = join(folder, 'trace');

    const options = ['-f', '-y', '-e', 'trace=fsync', '-o', trace];
    await exec('strace', [...options, process.execPath, WRITER, join(folder, 'new/data'), '1']);

    const synced = (await readFile(trace, 'utf8')).split('\n');
    await rm(folder, { recursive: true });
    for (const path of [folder, join(folder, 'new'), join(folder, 'new/data')])
      expect(
        synced.some((line) => line.includes(`<${path}>)`)),
        path,
      ).to.equal(true);
  });

  it('each acknowledgement alone has been through a sync of its own', async function () {
    if ((await exec('strace', ['-V']).catch(() => undefined)) === undefined) skip(this, 'strace is not installed');
    const folder = await mkdtemp(join(tmpdir(), 'strace-'));
    const trace = join(folder, 'trace');

    const options = ['-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', trace];
    await exec('strace', [...options, process.execPath, WRITER, join(folder, 'data'), '100']);

    const syncs = (await readFile(trace, 'utf8'))
      .split('\n')
      .filter((line) => /\b(fsync|fdatasync)\(\d+<[^>]*ledger\.db-wal>/.test(line));
    await rm(folder, { recursive: true });
    expect(syncs.length).to.be.at.least(100);
  });
});

/** Stops the writer in mid-stride, looks at what the disk holds at that instant, and lets it go on. */
async function cutAndCompare(
  disk: LoopDisk,
  writer: ChildProcess,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  writer.kill('SIGSTOP');
  // What is still on its way from the writer was acknowledged before it was stopped.
  let count = -1;
  await waitFor('the last acknowledgement', () => {
    const isQuiet = count === acknowledged.length;
    count = acknowledged.length;
    return isQuiet;
  });
  const expected = [...acknowledged];
  const after = await disk.cutPower();
  writer.kill('SIGCONT');
  try {
    expect(await missingFrom(join(after.path, 'data'), expected)).to.deep.equal([]);
  } finally {
    await after.remove();
  }
}

async function missingFrom(dir: string, acknowledged: readonly Acknowledged[]): Promise<readonly Acknowledged[]> {
  const folder = await openDataFolder(dir, {});
  const ledger = await openSqliteLedger({ file: folder.ledgerFile });
  const subjects = new Set<string>();
  for (let after = 0; ;) {
    const page = await ledger.events.read({ streams: ['hub.audit.v1'], after, limit: 1000 });
    for (const { data } of page) if ('subject' in data) subjects.add(data.subject);
    if (page.length < 1000) break;
    after = page.at(-1)?.position ?? after;
  }
  await ledger.close();
  const db = new DatabaseSync(folder.ledgerFile, { readOnly: true });
  expect(db.prepare('PRAGMA integrity_check').get()).to.include({ integrity_check: 'ok' });
  db.close();

  const missing: Acknowledged[] = [];
  for (const each of acknowledged) {
    const isThere =
      each.kind === 'fact'
        ? subjects.has(each.subject)
        : each.kind === 'pack'
          ? (await digestOf(folder.path, each.blob)) === each.sha256
          : Buffer.from(await folder.secret(each.purpose)).toString('hex') === each.hex;
    if (!isThere) missing.push(each);
  }
  return missing;
}

/** Without the store, which keeps files open for a while: the disk is taken away as soon as it was looked at. */
async function digestOf(dir: string, blob: string): Promise<string> {
  const { pack, offset, length } = parseBlobRef(blob as BlobRef);
  const content = await readFile(join(dir, pack)).catch(() => new Uint8Array());
  return createHash('sha256')
    .update(content.subarray(offset, offset + length))
    .digest('hex');
}
