/**
 * Zip archives, entry by entry, straight from the file. Limits are checked against the archive's own directory before the
 * first byte is inflated, and what is inflated against that directory.
 */
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { fromFdPromise, type Entry, type ZipFile } from 'yauzl';
import { HubError } from '../../core/errors.ts';
import { isOfTheSystem } from './file-errors.ts';
import type { IsIgnored } from './ignore.ts';

export interface ArchiveLimits {
  readonly maxEntries: number;
  /** Of all entries, inflated. */
  readonly maxBytes: number;
  /** Inflated size of all entries by the size of the archive. */
  readonly maxRatio: number;
}

export interface Archive {
  /** The files in it that are not ignored. @throws {HubError} `archive.unreadable`; the disk's own errors as they are */
  readonly entries: () => AsyncGenerator<ArchiveEntry>;
}

export interface ArchiveEntry {
  /** From 1, in the order of the archive's directory. */
  readonly number: number;
  /** Relative, with forward slashes, and never leading out of the archive. It may name a patient: never in a log. */
  readonly name: string;
  readonly isArchive: boolean;
  readonly inflatedBytes: number;
  /** To be read before the next entry is asked for. @throws {HubError} `archive.unreadable` when its bytes are not what its checksum says */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Archives that are small whatever they hold need no ratio: a few empty masks compress a thousandfold. */
const RATIO_FROM_BYTES = 64 * 1024 ** 2;
/** Compression methods, PKWARE APPNOTE 4.4.5. */
const STORED = 0;
const DEFLATED = 8;
/** Words of the library's check of names, held by a test. */
const ABOUT_NAMES = /^(?:absolute path|invalid relative path|invalid characters in fileName)/u;

/**
 * Looks through an archive's directory.
 *
 * @param file - stays open, and the caller's
 * @throws {HubError} `archive.unreadable`, `archive.encrypted`, `archive.too-large`; the disk's own errors as they are
 */
export async function openArchive(file: FileHandle, limits: ArchiveLimits, isIgnored: IsIgnored): Promise<Archive> {
  await check(file, limits);
  return { entries: () => entriesIn(file, isIgnored) };
}

async function* entriesIn(file: FileHandle, isIgnored: IsIgnored): AsyncGenerator<ArchiveEntry> {
  let number = 0;
  const archive = await open(file);
  for await (const entry of entriesOf(archive)) {
    number += 1;
    const { fileName: name, uncompressedSize: inflatedBytes } = entry;
    if (name.endsWith('/') || isIgnoredAnywhere(name, isIgnored)) continue;
    yield { number, name, isArchive: /\.zip$/iu.test(name), inflatedBytes, body: bodyOf(archive, entry, number) };
  }
}

/** Reads the whole directory, and no content. */
async function check(file: FileHandle, limits: ArchiveLimits): Promise<void> {
  const archive = await open(file);
  if (archive.entryCount > limits.maxEntries) throw tooLarge('entries', limits.maxEntries);
  let inflatedBytes = 0;
  let number = 0;
  for await (const entry of entriesOf(archive)) {
    number += 1;
    if (entry.isEncrypted()) throw new HubError('archive.encrypted', { entry: number });
    if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
      throw unreadable({ entry: number, reason: `compression method ${String(entry.compressionMethod)}` });
    }
    inflatedBytes += entry.uncompressedSize;
    if (inflatedBytes > limits.maxBytes) throw tooLarge('bytes', limits.maxBytes);
  }
  // Entries that overlap and single runs of zeros both show here: together they are far larger than the file.
  if (inflatedBytes > RATIO_FROM_BYTES && inflatedBytes > archive.fileSize * limits.maxRatio) {
    throw tooLarge('ratio', limits.maxRatio);
  }
}

async function open(file: FileHandle): Promise<ZipFile> {
  try {
    return await fromFdPromise(file.fd, { autoClose: false, lazyEntries: true });
  } catch (error) {
    throw translated(error);
  }
}

async function* entriesOf(archive: ZipFile): AsyncGenerator<Entry> {
  try {
    for await (const entry of archive.eachEntry()) yield entry;
  } catch (error) {
    throw translated(error);
  }
}

async function* bodyOf(archive: ZipFile, entry: Entry, number: number): AsyncGenerator<Uint8Array> {
  let checksum = 0;
  try {
    const chunks: AsyncIterable<Buffer> = await archive.openReadStreamPromise(entry);
    for await (const chunk of chunks) {
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  } catch (error) {
    throw translated(error, number);
  }
  if (checksum !== entry.crc32) throw unreadable({ entry: number, reason: 'checksum' });
}

function isIgnoredAnywhere(fileName: string, isIgnored: IsIgnored): boolean {
  const parts = fileName.split('/');
  return parts.some((_, n) => isIgnored(parts.slice(0, n + 1).join('/')));
}

function translated(error: unknown, entry?: number): unknown {
  if (error instanceof HubError || isOfTheSystem(error)) return error;
  const said = error instanceof Error ? error.message : '';
  if (/encrypt/u.test(said)) return new HubError('archive.encrypted', entry === undefined ? {} : { entry }, error);
  // What the library says may hold the name of an entry: it goes no further than the cause.
  const reason = ABOUT_NAMES.test(said) ? 'a name that leads out of the archive' : 'damaged or cut off';
  return unreadable({ ...(entry === undefined ? {} : { entry }), reason }, error);
}

function unreadable(fields: { readonly entry?: number; readonly reason: string }, cause?: unknown): HubError {
  return new HubError('archive.unreadable', fields, cause);
}

function tooLarge(what: 'entries' | 'bytes' | 'ratio', limit: number): HubError {
  return new HubError('archive.too-large', { what, limit });
}
