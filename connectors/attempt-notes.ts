/**
 * What an attempt asked, was answered and read, noted where it happens: whatever a connector does on behalf of an attempt
 * finds the attempt's notes, without passing them on through each of its calls.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const MAX_LENGTH = 300;

export class AttemptNotes {
  /** Aborted with the attempt. */
  readonly signal: AbortSignal;
  sizeBytes = 0;
  #request: string | undefined;
  #answer: string | undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  get request(): string | undefined {
    return this.#request;
  }

  get answer(): string | undefined {
    return this.#answer;
  }

  /** In a line: no path or query of a URL (it may hold a secret), no value of a data set. The answer to it is not there yet. */
  asked(request: string): void {
    this.#request = line(request);
    this.#answer = undefined;
  }

  /** In a line: a status and such; nothing that the other side made up beyond it. */
  answered(answer: string): void {
    this.#answer = line(answer);
  }
}

const current = new AsyncLocalStorage<AttemptNotes>();

/** Everything that `work` does, however deep and late, notes into `notes`. */
export function noting<Result>(notes: AttemptNotes, work: () => Promise<Result>): Promise<Result> {
  return current.run(notes, work);
}

/** Of the attempt that asks; undefined where none is under way, as in a probe. */
export function attemptNotes(): AttemptNotes | undefined {
  return current.getStore();
}

function line(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_LENGTH);
}
