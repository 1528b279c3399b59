/** Walks a watched folder, one entry at a time, whatever its size. */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { isNote } from './error-note.ts';
import { isDenied, isVanished } from './file-errors.ts';
import type { IsIgnored } from './ignore.ts';

/** A regular file as it was when it was looked at. */
export interface FoundFile {
  readonly path: string;
  /** Relative to the watched folder, with forward slashes. It may name a patient: never in a log. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** The same as long as nobody wrote to the file or changed its rights. */
  readonly fingerprint: string;
}

export interface Walk {
  readonly root: string;
  readonly isIgnored: IsIgnored;
  /** Folders that are no part of it: where taken files are kept. */
  readonly isExcluded: (path: string) => boolean;
  readonly signal: AbortSignal;
  /** Another entry was read: the file system answers. */
  readonly onProgress: () => void;
  /** A folder or file that the hub may not read. */
  readonly onDenied: () => void;
  /** A folder without an entry; never the watched one. */
  readonly onEmpty: (name: string, path: string) => Promise<void>;
  /** A note of ours beside a file that was not taken. */
  readonly onNote: (path: string) => Promise<void>;
}

/** Deeper folders are left alone: a walk holds one open folder a level. */
const MAX_DEPTH = 32;
/** Entries the system is asked for at once. */
const ENTRIES_AT_ONCE = 128;

/**
 * All files below the folder. A symbolic link is never followed, so nothing outside is reached and no circle is walked.
 *
 * @throws the file system's error when the folder itself cannot be read, or a share behind it went away
 */
export async function* filesBelow(walk: Walk, name = '', depth = 0): AsyncGenerator<FoundFile> {
  const path = join(walk.root, name);
  let isEmpty = true;
  for await (const entry of entriesOf(path, walk, depth > 0)) {
    walk.signal.throwIfAborted();
    walk.onProgress();
    isEmpty = false;
    const inner = name === '' ? entry.name : `${name}/${entry.name}`;
    const innerPath = join(path, entry.name);
    if (entry.isFile() && isNote(entry.name)) {
      await walk.onNote(innerPath);
      continue;
    }
    if (walk.isIgnored(inner)) continue;
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH && !walk.isExcluded(innerPath)) yield* filesBelow(walk, inner, depth + 1);
    } else if (entry.isFile()) {
      const file = await lookAt(innerPath, inner).catch((error: unknown) => toleratedOr(error, walk));
      if (file !== undefined) yield file;
    }
  }
  if (isEmpty && depth > 0) await walk.onEmpty(name, path);
}

/** What the file is now; undefined when it is no regular file (any more). */
export async function lookAt(path: string, name: string): Promise<FoundFile | undefined> {
  const stats = await lstat(path);
  if (!stats.isFile()) return undefined;
  const { size, mtimeMs, ctimeMs } = stats;
  return { path, name, sizeBytes: size, mtimeMs, fingerprint: fingerprintOf(size, mtimeMs, ctimeMs) };
}

export function fingerprintOf(sizeBytes: number, mtimeMs: number, ctimeMs: number): string {
  return `${String(sizeBytes)}-${String(mtimeMs)}-${String(ctimeMs)}`;
}

async function* entriesOf(path: string, walk: Walk, isInner: boolean) {
  try {
    for await (const entry of await opendir(path, { bufferSize: ENTRIES_AT_ONCE })) yield entry;
  } catch (error) {
    // Of the watched folder itself it is the operator's to know.
    if (!isInner) throw error;
    toleratedOr(error, walk);
  }
}

/** One entry that went away or is not ours to read hides no other. @throws what else it is */
function toleratedOr(error: unknown, walk: Walk): undefined {
  if (isDenied(error)) walk.onDenied();
  else if (!isVanished(error)) throw error;
  return undefined;
}
