/** Walks a watched folder, one entry at a time, whatever its size. A study folder is one entry. */
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isNote } from './error-note.ts';
import { isDenied, isVanished } from './file-errors.ts';
import type { FoundFile } from './found.ts';
import { foundStudy, studyFingerprint, type StudyReader } from './found-study.ts';
import type { IsIgnored } from './ignore.ts';
import { errorCode } from '../spool/storage-failure.ts';

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
  /** Nothing can be opened by its name: it is not in UTF-8, or longer with its folders than the system takes; or it lies too deep. */
  readonly onMisnamed: () => void;
  /** A folder without an entry; never the watched one. */
  readonly onEmpty: (name: string, path: string) => Promise<void>;
  /** A note of ours beside a file that was not taken. */
  readonly onNote: (path: string) => Promise<void>;
  /** Knows folders that are taken as a whole; without it there are only files. */
  readonly studies?: StudyReader | undefined;
}

/** Deeper folders are not looked into: a walk holds one open folder a level. */
const MAX_DEPTH = 32;
/** Folders with more files are looked through file by file, whatever they hold. */
const MAX_STUDY_FILES = 200_000;
/** What Node puts where a name's bytes are no UTF-8. */
const NO_UTF8 = '\uFFFD';

/**
 * All files below the folder. A symbolic link is never followed, so nothing outside is reached and no circle is walked.
 *
 * @throws the file system's error when the folder itself cannot be read, or a share behind it went away
 */
export async function* filesBelow(walk: Walk, name = '', depth = 0): AsyncGenerator<FoundFile> {
  const path = join(walk.root, name);
  const names = await namesIn(path, walk, depth > 0);
  const study = depth > 0 ? await studyIn(walk, name, depth, names ?? []) : undefined;
  if (study !== undefined) {
    yield study;
    return;
  }
  for (const last of names ?? []) {
    walk.signal.throwIfAborted();
    walk.onProgress();
    const inner = name === '' ? last : `${name}/${last}`;
    const innerPath = join(path, last);
    const isIgnored = walk.isIgnored(inner);
    if (isIgnored && !isNote(last)) continue;
    const stats = await lstat(innerPath).catch((error: unknown) => toleratedOr(error, walk, last));
    if (stats?.isDirectory() === true) {
      if (isIgnored || walk.isExcluded(innerPath)) continue;
      if (depth < MAX_DEPTH) yield* filesBelow(walk, inner, depth + 1);
      else walk.onMisnamed();
    } else if (stats?.isFile() === true) {
      if (isNote(last)) await walk.onNote(innerPath);
      else yield foundFile(innerPath, inner, stats);
    }
  }
  if (names?.length === 0 && depth > 0) await walk.onEmpty(name, path);
}

/** The folder as a study, with all files below it. */
async function studyIn(
  walk: Walk,
  name: string,
  depth: number,
  names: readonly string[],
): Promise<FoundFile | undefined> {
  const path = join(walk.root, name);
  const study = await walk.studies?.recognise(path, names).catch((error: unknown) => toleratedOr(error, walk));
  if (study === undefined) return undefined;
  const files: FoundFile[] = [];
  const notes: string[] = [];
  const inner: Walk = {
    ...walk,
    studies: undefined,
    onEmpty: () => Promise.resolve(),
    onNote: async (note) => {
      notes.push(note);
      await walk.onNote(note);
    },
  };
  for await (const file of filesBelow(inner, name, depth)) {
    if (files.length >= MAX_STUDY_FILES) return undefined;
    files.push(file);
  }
  return foundStudy({ path, name }, study, files, notes);
}

/** What a study folder's fingerprint is now, wherever it stands. @throws the file system's error */
export async function fingerprintOfStudy(path: string, isIgnored: IsIgnored, signal: AbortSignal): Promise<string> {
  const files: FoundFile[] = [];
  const found = filesBelow({
    ...{ root: path, isIgnored, signal },
    isExcluded: () => false,
    onProgress: () => undefined,
    onDenied: () => undefined,
    onMisnamed: () => undefined,
    onEmpty: () => Promise.resolve(),
    onNote: () => Promise.resolve(),
  });
  for await (const file of found) files.push(file);
  return studyFingerprint(files);
}

/** What the file is now; undefined when it is no regular file (any more). */
export async function lookAt(path: string, name: string): Promise<FoundFile | undefined> {
  const stats = await lstat(path);
  return stats.isFile() ? foundFile(path, name, stats) : undefined;
}

function foundFile(path: string, name: string, { size, mtimeMs, ctimeMs }: Stats): FoundFile {
  return { path, name, sizeBytes: size, mtimeMs, fingerprint: fingerprintOf(size, mtimeMs, ctimeMs) };
}

/** Of an open file: nobody wrote to it since it was looked at. */
export async function isUnchanged(handle: FileHandle, file: Pick<FoundFile, 'fingerprint'>): Promise<boolean> {
  const { size, mtimeMs, ctimeMs } = await handle.stat();
  return fingerprintOf(size, mtimeMs, ctimeMs) === file.fingerprint;
}

function fingerprintOf(sizeBytes: number, mtimeMs: number, ctimeMs: number): string {
  return `${String(sizeBytes)}-${String(mtimeMs)}-${String(ctimeMs)}`;
}

/**
 * Names alone, a hundred bytes each: asked for their kinds too, Node looks at each entry itself where the file system
 * does not say (NFS), on the event loop, which a share that hangs would stop.
 */
async function namesIn(path: string, walk: Walk, isInner: boolean): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    // Of the watched folder itself it is the operator's to know.
    if (!isInner) throw error;
    toleratedOr(error, walk);
    return undefined;
  }
}

/** One entry that went away or is not ours to read hides no other. @throws what else it is */
function toleratedOr(error: unknown, walk: Walk, name = ''): undefined {
  if (isDenied(error)) walk.onDenied();
  else if (errorCode(error) === 'ENAMETOOLONG') walk.onMisnamed();
  else if (!isVanished(error)) throw error;
  else if (name.includes(NO_UTF8)) walk.onMisnamed();
  return undefined;
}
