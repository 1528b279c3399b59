/** What one look into a watched folder found. */
import { isDenied } from './file-errors.ts';
import { errorCode } from '../spool/storage-failure.ts';

export interface FolderCounts {
  /** Not taken yet: still changing, or the hub takes nothing now. */
  readonly waiting: number;
  /** Not taken, with a note that says why. */
  readonly refused: number;
  /** No instances. */
  readonly other: number;
  /** In the hub, and could not be put away. */
  readonly stuck: number;
}

export const FILE_STATES = ['waiting', 'refused', 'other', 'stuck'] as const satisfies readonly (keyof FolderCounts)[];

export class LookTally implements FolderCounts {
  waiting = 0;
  refused = 0;
  other = 0;
  stuck = 0;
  /** Of those that wait: they cannot be read. */
  unreadable = 0;
  /** Files, folders and notes the hub may not read or write. */
  denied = 0;
  misnamed = 0;
  failuresInARow = 0;
  lastFailure: unknown;
  #failures = 0;
  #stuckFor = '';

  /** A file that cannot be read now, or could not a moment ago: it waits like the others. */
  failed(error: unknown, isTried = true): void {
    this.waiting += 1;
    this.unreadable += 1;
    if (isDenied(error)) {
      this.denied += 1;
      return;
    }
    this.#failures += 1;
    if (isTried) this.failuresInARow += 1;
    this.lastFailure = error;
  }

  cannotPutAway(error: unknown): void {
    this.stuck += 1;
    this.#stuckFor = errorCode(error);
  }

  get counts(): FolderCounts {
    const { waiting, refused, other, stuck } = this;
    return { waiting, refused, other, stuck };
  }

  /** For the operator: no path, no file name. */
  get problem(): string | undefined {
    const problems = [
      ...(this.denied > 0 ? [`the hub may not use ${String(this.denied)} of the files in it`] : []),
      ...(this.misnamed > 0
        ? [`${String(this.misnamed)} names in it are not in UTF-8, too long or too deep, the hub cannot open them`]
        : []),
      ...(this.#failures > 0 ? [`${String(this.#failures)} files cannot be read: ${errorCode(this.lastFailure)}`] : []),
      ...(this.stuck > 0 ? [`${String(this.stuck)} taken files cannot be put away: ${this.#stuckFor}`] : []),
    ];
    return problems.length === 0 ? undefined : problems.join('; ');
  }
}
