/** A zip archive in place of a folder: unpacked beside everything, and removed when the command ends. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import { openArchive } from '../gateway/folder/archive.ts';
import { ignoring } from '../gateway/folder/ignore.ts';
import { isRaw } from '../gateway/folder/take-study.ts';
import { unpack } from '../gateway/folder/unpack.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { interruptible } from './signals.ts';
import type { Terminal } from './terminal.ts';

/** As a watched folder has them unless its configuration says otherwise. */
const LIMITS = { maxEntries: 100_000, maxBytes: 50e9, maxRatio: 100 };
/** What systems put into archives by themselves. */
const isIgnored = ignoring(['.*', '__MACOSX', 'Thumbs.db', 'desktop.ini']);
/** Of the first local file, and of an archive without any. */
const MAGIC = [0x04034b50, 0x06054b50];
const MOST_NAMED = 5;

/**
 * What a command is to read: the path itself, or the folder a zip archive was unpacked to. That goes when the process ends.
 *
 * @throws {HubError} `archive.*`, `file.failed`
 */
export async function pathOrUnpacked(path: string, to: Pick<Terminal, 'err'>): Promise<string> {
  try {
    return (await isArchive(path)) ? await interruptible(async (signal) => unpacked(path, signal, to)) : path;
  } catch (error) {
    throw commandFailure(error);
  }
}

async function isArchive(path: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined))?.isFile() !== true) return false;
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(4) });
    return bytesRead === 4 && MAGIC.includes(buffer.readUInt32LE(0));
  } finally {
    await file.close();
  }
}

async function unpacked(path: string, signal: AbortSignal, to: Pick<Terminal, 'err'>): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'hub-unpacked-'));
  // However the command ends: by a second Ctrl-C too.
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  // The archive's name: a study that says nothing of itself is told apart by its folder's.
  const into = join(scratch, basename(resolve(path)).replace(/\.zip$/iu, ''));
  await mkdir(into);
  const file = await open(path);
  try {
    let refused = 0;
    await unpack(await openArchive(file, LIMITS, isIgnored), {
      into,
      placeOf: ({ name }) => (isRaw(name) ? undefined : name),
      onRefused: ({ name }, error) => {
        refused += 1;
        if (refused <= MOST_NAMED) to.err(`cannot be taken: ${name}: ${sentenceOf(error)}`);
      },
      async *watched(body) {
        for await (const chunk of body) {
          signal.throwIfAborted();
          yield chunk;
        }
      },
    });
    if (refused > MOST_NAMED) to.err(`cannot be taken: ${count(refused - MOST_NAMED, 'more file')}`);
  } catch (error) {
    // The hub's store is no part of a command: what failed is the disk it unpacks to.
    if (error instanceof HubError && error.code.startsWith('store.'))
      throw new HubError('file.failed', { detail: `${scratch}: ${String(error.fields['reason'])}` }, error);
    throw error;
  } finally {
    await file.close();
  }
  return into;
}
