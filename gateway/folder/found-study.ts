/**
 * A scanner's study folder, found in a watched folder: many files that are one thing. It is whole when nothing in it changes
 * any more, and it is taken, noted and put away as one.
 */
import { createHash } from 'node:crypto';
import type { HubError } from '../../core/errors.ts';
import type { ByteSource } from '../../core/store.ts';
import type { FoundFile } from './found.ts';

/** What knows the study folders of a scanner's software. */
export interface StudyReader {
  /**
   * @param names - of the folder's entries
   * @param called - what the folder is called where the study is from, if it does not stand under its own name
   */
  readonly recognise: (path: string, names: readonly string[], called?: string) => Promise<RecognisedStudy | undefined>;
  /**
   * The folder that would be a study because a file of this name is in it, told by the name alone; undefined: nothing says so.
   *
   * @param name - relative, with forward slashes @returns empty for the folder that names are relative to
   */
  readonly rootOf: (name: string) => string | undefined;
}

export interface RecognisedStudy {
  /** All there is in it, scan by scan. @throws the disk's errors */
  readonly items: () => AsyncIterable<StudyItem>;
}

export type StudyItem =
  | (StudyItemPlace & {
      readonly kind: 'image';
      /** A Part 10 file, made while it is read. @throws {HubError} what is wrong with it */
      readonly open: (signal: AbortSignal) => Promise<{ readonly source: ByteSource }>;
      /** What a person should look at although it is taken. */
      readonly remark?: string;
    })
  | (StudyItemPlace & { readonly kind: 'broken'; readonly error: HubError })
  /** Nothing that could be an image: no failure. */
  | (StudyItemPlace & { readonly kind: 'no-image'; readonly reason: string });

interface StudyItemPlace {
  /** Name of the scan folder in the study folder. */
  readonly scan: string;
  /** Of the item, relative to the study folder: names of folders the software gives, never a patient's. */
  readonly name: string;
}

/** Its `sizeBytes` and `mtimeMs` are those of all its files: their sum, and the latest. */
export interface FoundStudy extends FoundFile {
  readonly study: RecognisedStudy;
  readonly files: readonly FoundFile[];
  /** Notes of ours beside its scans. */
  readonly notes: readonly string[];
}

export function isStudy(file: FoundFile): file is FoundStudy {
  return 'study' in file;
}

/** @param folder - of the study: names in it count, not where it stands */
export function foundStudy(
  folder: Pick<FoundFile, 'path' | 'name'>,
  study: RecognisedStudy,
  files: readonly FoundFile[],
  notes: readonly string[],
): FoundStudy {
  return {
    ...folder,
    study,
    files,
    notes,
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    mtimeMs: files.reduce((latest, file) => Math.max(latest, file.mtimeMs), 0),
    fingerprint: studyFingerprint(files.map((file) => ({ ...file, name: file.name.slice(folder.name.length + 1) }))),
  };
}

/** The same as long as no file came, went or changed. @param files - named relative to the study folder */
export function studyFingerprint(files: readonly Pick<FoundFile, 'name' | 'fingerprint'>[]): string {
  const lines = files.map(({ name, fingerprint }) => `${name} ${fingerprint}\n`).toSorted();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return hash.digest('hex');
}
