/** Names that scripts lock where no row stands for what they decide. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';

/** Shared by whoever leases work; alone by whoever moves the bytes that work was told of. */
export const WORK = 'work';

/** Deciding what an instance is to its study, before either has a row; and when the study is complete. */
export function studyLock(study: StudyInstanceUid): string {
  return `study ${study}`;
}
