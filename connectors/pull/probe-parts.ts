/** What the parts of a pull's examination hand to one another. */
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { PullSource } from './source.ts';

export interface PullProbe {
  /** Where a source has to be told that we are: host and port. */
  readonly door: { readonly hosts: readonly string[]; readonly port: number };
  readonly signal: AbortSignal;
}

/** Puts the pull's own question. @returns a study of the answer; undefined: none, or none that could be counted */
export type AskSource = (
  source: Pick<PullSource, 'find' | 'series'>,
  name: 'C-FIND' | 'QIDO-RS',
) => AsyncGenerator<Diagnosis, StudyInstanceUid | undefined>;
