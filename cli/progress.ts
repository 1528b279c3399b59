/** A bar on standard error while a command works; nothing where nobody watches, so that logs and pipes stay clean. */
import { SingleBar } from 'cli-progress';

export interface ProgressBar {
  /** Done so far. @param note - in a word or two, how it went */
  update(done: number, note?: string): void;
  /** Leaves no trace of the bar: what is worth keeping, the command says itself. */
  stop(): void;
}

export function progressBar(label: string, total: number): ProgressBar {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({
    format: `  ${label} {bar} {value}/{total}  {duration_formatted}  {note}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  });
  bar.start(total, 0, { note: '' });
  return {
    update: (done, note = '') => {
      bar.update(done, { note });
    },
    stop: () => {
      bar.stop();
    },
  };
}
