/** The notes of one refusal: beside the file, or beside a study folder and beside each of its scans that was not taken. */
import { join } from 'node:path';
import { writeNote } from './error-note.ts';
import type { FoundFile } from './found.ts';
import { isStudy } from './found-study.ts';
import type { Outcome } from './outcome.ts';

/**
 * @param fingerprint - undefined: the next start of the hub tries the file again
 * @throws the file system's error; then some of them may be written
 */
export async function writeNotes(
  file: FoundFile,
  { lines, scans, needsBytes }: Extract<Outcome, { kind: 'refused' }>,
  fingerprint: string | undefined,
  at: Date,
): Promise<void> {
  for (const [scan, about] of scans ?? [])
    await writeNote(join(file.path, scan), { about: 'scan', lines: about, fingerprint: undefined, at });
  // Last: it is by this one that the hub knows that it has tried.
  const about = isStudy(file) ? 'study' : needsBytes === undefined ? 'file' : 'large';
  await writeNote(file.path, { about, lines, fingerprint, at });
}
