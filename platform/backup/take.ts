/**
 * A copy of a data folder while its hub runs. The ledger is copied as it is at one moment; of the files all that it
 * names then, and what came later: a hub that starts on the copy finds its spool ahead of its ledger, as after a crash,
 * and catches up. Each backup is a folder of its own; what has not changed since the one before is one file with two names.
 */
import { chmod, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { lockExclusively } from '../ledger/sqlite/driver.ts';
import { copySqliteLedger } from '../ledger/sqlite/snapshot.ts';
import { syncFolder, syncFolders } from '../sync-folder.ts';
import { copyFile, digestFile } from './copy-file.ts';
import { type BackedUpFile, type BackupManifest, MANIFEST, readManifest } from './manifest.ts';
import { pinFiles } from './pins.ts';

const UNFINISHED = 'unfinished-';
const NAME = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}Z$/;

export interface BackupOrder {
  readonly dataDir: string;
  /** Where backups are kept; made when it is not there. */
  readonly target: string;
  readonly hub: string;
  readonly node: string;
  readonly withKeys: boolean;
  /** How many backups are kept, this one included; undefined is all. */
  readonly keep: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, ofBytes: number) => void;
}

export interface BackupTaken {
  readonly path: string;
  readonly takenAt: string;
  readonly files: number;
  readonly bytes: number;
  /** Of these, what was copied now. */
  readonly copiedBytes: number;
  readonly unreadable: readonly string[];
  /** Names of older backups that were removed. */
  readonly removed: readonly string[];
}

/** @throws {HubError} `ledger.locked` while another backup runs, `store.failed`, `store.full`, `ledger.missing` */
export async function takeBackup(order: BackupOrder): Promise<BackupTaken> {
  const { dataDir, target } = order;
  const unlock = lockExclusively(join(dataDir, 'backup.lock'));
  try {
    await mkdir(target, { recursive: true, mode: 0o700 });
    await removeUnfinished(target);
    return await take(order);
  } finally {
    unlock();
  }
}

async function take(order: BackupOrder): Promise<BackupTaken> {
  const { dataDir, target, signal } = order;
  const name = nameOf(new Date());
  const unfinished = join(target, `${UNFINISHED}${name}`);
  await mkdir(join(unfinished, 'keys'), { recursive: true, mode: 0o700 });
  const before = await newest(target);
  const pins = await pinFiles(dataDir);
  try {
    const takenAt = new Date().toISOString();
    const ledgerFile = join(unfinished, 'ledger.db');
    copySqliteLedger(join(dataDir, 'ledger.db'), ledgerFile);
    await chmod(ledgerFile, 0o600);
    // What the ledger names that was made since the first look; what it named and is removed since has its pin.
    await pins.again();
    const found = await sized([...pins.list(), ...(await keysOf(order))]);
    const ofBytes = found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let doneBytes = 0;
    let copiedBytes = 0;
    const files: BackedUpFile[] = [];
    const unreadable: string[] = [];
    for (const each of found) {
      signal.throwIfAborted();
      const onBytes = (bytes: number) => order.onProgress(doneBytes + bytes, ofBytes);
      const { file, isCopied } = await backedUp(each, unfinished, before, { onBytes, signal });
      if (file === undefined) unreadable.push(each.path);
      else files.push(file);
      doneBytes += each.sizeBytes;
      copiedBytes += isCopied ? each.sizeBytes : 0;
      order.onProgress(doneBytes, ofBytes);
    }
    const ledger = await digestFile(ledgerFile, signal);
    files.push({ path: 'ledger.db', ...ledger, modified: '0' });
    await finish(unfinished, join(target, name), {
      ...{ schema: 'hub.backup/1', hub: order.hub, node: order.node },
      ...{ takenAt, files, unreadable },
    });
    return {
      ...{ path: join(target, name), takenAt, files: files.length, unreadable },
      bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      copiedBytes: copiedBytes + ledger.sizeBytes,
      removed: await removeOld(target, order.keep),
    };
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw translated(error);
  } finally {
    await pins.remove();
  }
}

interface Before {
  readonly path: string;
  readonly files: ReadonlyMap<string, BackedUpFile>;
}

/** As in the backup before, or copied; without a file when the disk does not give it back. */
async function backedUp(
  each: Sized,
  unfinished: string,
  before: Before | undefined,
  { onBytes, signal }: { onBytes: (bytes: number) => void; signal: AbortSignal },
): Promise<{ readonly file?: BackedUpFile; readonly isCopied: boolean }> {
  const { path, from, sizeBytes, modified } = each;
  const to = join(unfinished, path);
  const known = before?.files.get(path);
  if (
    before !== undefined &&
    known !== undefined &&
    isSame(known, each) &&
    (await linkedTo(join(before.path, path), to))
  )
    return { file: known, isCopied: false };
  let bytes = 0;
  try {
    const copied = await copyFile(from, to, { sizeBytes, onBytes: (more) => onBytes((bytes += more)), signal });
    return { file: { path, ...copied, modified }, isCopied: true };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    // A disk that fails is when a backup matters most: the others are copied.
    await rm(to, { force: true });
    return { isCopied: false };
  }
}

interface Sized {
  readonly path: string;
  readonly from: string;
  readonly sizeBytes: number;
  readonly modified: string;
}

async function sized(files: readonly (readonly [path: string, from: string])[]): Promise<readonly Sized[]> {
  return await Promise.all(
    files.map(async ([path, from]) => {
      const { size, mtimeNs } = await stat(from, { bigint: true });
      return { path, from, sizeBytes: Number(size), modified: String(mtimeNs) };
    }),
  );
}

/** What is acknowledged is never changed: a segment grows at its end, or is written anew under another name. */
function isSame(known: BackedUpFile, { sizeBytes, modified }: Sized): boolean {
  return known.sizeBytes === sizeBytes && known.modified === modified;
}

async function keysOf({ dataDir, withKeys }: BackupOrder): Promise<readonly (readonly [string, string])[]> {
  if (!withKeys) return [];
  const names = await readdir(join(dataDir, 'keys'));
  return names.filter((name) => !name.endsWith('.tmp')).map((name) => [`keys/${name}`, join(dataDir, 'keys', name)]);
}

async function linkedTo(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  return await link(from, to).then(
    () => true,
    // Gone by hand, or a file system without links: copied instead.
    () => false,
  );
}

/** The manifest makes it a backup, and its name a finished one; each is on the disk before the next. */
async function finish(unfinished: string, path: string, manifest: BackupManifest): Promise<void> {
  const file = await open(join(unfinished, MANIFEST), 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(manifest, undefined, 1)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolders(unfinished);
  await rename(unfinished, path);
  await syncFolder(dirname(path));
}

async function newest(target: string): Promise<Before | undefined> {
  for (const name of (await backups(target)).toReversed()) {
    const path = join(target, name);
    // One that was damaged is no reason to take none.
    const manifest = await readManifest(path).catch(() => undefined);
    if (manifest !== undefined) return { path, files: new Map(manifest.files.map((file) => [file.path, file])) };
  }
  return undefined;
}

/** Names, oldest first. */
async function backups(target: string): Promise<readonly string[]> {
  return (await readdir(target)).filter((name) => NAME.test(name)).toSorted();
}

async function removeOld(target: string, keep: number | undefined): Promise<readonly string[]> {
  if (keep === undefined) return [];
  const old = (await backups(target)).slice(0, -keep);
  for (const name of old) {
    // First its name: what is left of one that is half removed must not look like a backup.
    await rename(join(target, name), join(target, `${UNFINISHED}${name}`));
    await rm(join(target, `${UNFINISHED}${name}`), { recursive: true, force: true });
  }
  return old;
}

async function removeUnfinished(target: string): Promise<void> {
  for (const name of await readdir(target))
    if (name.startsWith(UNFINISHED)) await rm(join(target, name), { recursive: true, force: true });
}

const nameOf = (at: Date): string => at.toISOString().replaceAll(/[:.]/g, '-');

function isUnreadable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EIO';
}

function translated(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new HubError('store.full', { detail: 'where the backup goes' }, error);
  return error;
}
