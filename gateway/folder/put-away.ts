/**
 * What happens to a file once its bytes are durable in the hub: it is kept in another folder, or deleted. Neither has to
 * survive a power cut: a file that stands where it stood is read once more and known for the same bytes. So no folder
 * is synced here; the promise was kept by the spool.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isVanished } from './file-errors.ts';
import { lookAt } from './found-file.ts';
import type { FoundFile } from './found.ts';
import { type FoundStudy, isStudy } from './found-study.ts';

export type WhenTaken =
  /** Under the same relative name. @param folder - absolute, on the same file system */
  { readonly kind: 'keep'; readonly folder: string } | { readonly kind: 'delete' };

/** In the watched folder only between two steps of a deletion; never ignored, so that a crash there loses nothing. */
const LEAVING = 'hub-leaving-';

/**
 * Puts a file away that was read as `taken` says.
 *
 * @returns false when another file stood there meanwhile: it is where it was, or beside it, and waits to be taken
 * @throws the file system's error; then nothing happened, or the file was put back
 */
async function putAway(taken: FoundFile, when: WhenTaken, at: Date): Promise<boolean> {
  const target = when.kind === 'keep' ? await freeName(join(when.folder, taken.name), at) : leavingName(taken.path);
  if (when.kind === 'keep') await mkdir(dirname(target), { recursive: true });
  try {
    await rename(taken.path, target);
  } catch (error) {
    // Whoever took it away has what the hub has too.
    if (isVanished(error) && !(await isThere(taken.path))) return true;
    throw error;
  }
  // An exporter may have renamed a new file over the old one since it was read. Out of its reach we look once more.
  const moved = await lookAt(target, taken.name);
  const isWhatWasTaken = moved?.sizeBytes === taken.sizeBytes && moved.mtimeMs === taken.mtimeMs;
  if (!isWhatWasTaken) {
    await rename(target, (await isThere(taken.path)) ? await freeName(taken.path, at) : taken.path);
    return false;
  }
  if (when.kind === 'delete') await rm(target, { force: true });
  return true;
}

/** What becomes of a study folder that is in the hub: it is never deleted, for the raw data in it is nowhere else. */
export type WhenStudyTaken =
  /** Moved under the same relative name. @param folder - absolute, on the same file system */
  | { readonly kind: 'keep'; readonly folder: string }
  /** Stays where it is, and is read again when something in it changes. */
  | { readonly kind: 'leave' };

/**
 * Moves a study folder away that was read as `taken` says.
 *
 * @param look - its fingerprint where it stands now
 * @returns false when something in it changed meanwhile: it is where it was, and waits to be taken
 * @throws the file system's error; then nothing happened, or the folder was put back
 */
async function putStudyAway(
  taken: FoundStudy,
  folder: string,
  at: Date,
  look: (path: string) => Promise<string>,
): Promise<boolean> {
  const target = await freeName(join(folder, taken.name), at);
  await mkdir(dirname(target), { recursive: true });
  try {
    await rename(taken.path, target);
  } catch (error) {
    if (isVanished(error) && !(await isThere(taken.path))) return true;
    throw error;
  }
  // A scanner may have written on since it was read. Out of its reach we look once more.
  if ((await look(target)) === taken.fingerprint) return true;
  await rename(target, (await isThere(taken.path)) ? await freeName(taken.path, at) : taken.path);
  return false;
}

/** `gone` from where it was, `changed` meanwhile and waiting to be taken, or it `stays`, as it is to. */
export type Put = 'gone' | 'changed' | 'stays';

export interface PutAwayOptions {
  readonly whenTaken: WhenTaken;
  /** Undefined where there are no studies. */
  readonly studies?: WhenStudyTaken | undefined;
  /** A study's fingerprint where it stands now. */
  readonly look: (path: string) => Promise<string>;
}

/** One file at a time: a share that hangs keeps a thread of the pool for each question, and the spool needs some. */
export class PuttingAway {
  readonly #options: PutAwayOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PutAwayOptions) {
    this.#options = options;
  }

  /**
   * When those before have had their turn.
   *
   * @param holdsStudies - an archive with a study in it: like that it is never deleted
   * @throws the file system's error; then nothing happened, or it was put back
   */
  async put(taken: FoundFile, at: Date, holdsStudies = false): Promise<Put> {
    const turn = this.#last.then(async () => this.#put(taken, at, holdsStudies));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async #put(taken: FoundFile, at: Date, holdsStudies: boolean): Promise<Put> {
    const { whenTaken, studies, look } = this.#options;
    if (!isStudy(taken)) {
      const when = holdsStudies && whenTaken.kind === 'delete' ? studies : whenTaken;
      if (when === undefined || when.kind === 'leave') return 'stays';
      return (await putAway(taken, when, at)) ? 'gone' : 'changed';
    }
    if (studies?.kind !== 'keep') return 'stays';
    return (await putStudyAway(taken, studies.folder, at, look)) ? 'gone' : 'changed';
  }
}

/** Beside the file: a deletion must not need a second file system. */
function leavingName(path: string): string {
  return join(dirname(path), `${LEAVING}${randomUUID()}`);
}

/** A name nobody has: an exporter may use one name for many files, one after the other. */
async function freeName(path: string, at: Date): Promise<string> {
  if (!(await isThere(path))) return path;
  const dated = `${path}.${at.toISOString().replaceAll(/[-:.]/gu, '')}`;
  return (await isThere(dated)) ? `${dated}.${randomUUID()}` : dated;
}

/** True for a link too, wherever it leads. */
export async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    (error: unknown) => {
      if (isVanished(error)) return false;
      throw error;
    },
  );
}
