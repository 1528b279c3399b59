/** A bar on standard error while a command works; nothing where nobody watches, so that logs and pipes stay clean. */
import { SingleBar } from 'cli-progress';

export interface ProgressBar {
  /** Done so far; the total may grow. */
  update(done: number, total?: number): void;
  stop(): void;
}

export function progressBar(label: string, total: number): ProgressBar {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({
    format: `  ${label} {bar} {value}/{total}  {duration_formatted}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    stream: process.stderr,
  });
  bar.start(total, 0);
  return {
    update: (done, grown) => {
      if (grown !== undefined) bar.setTotal(grown);
      bar.update(done);
    },
    stop: () => {
      bar.stop();
    },
  };
}
