/** Notices that a configuration file was written, once its writer is done with it. */
import { fileStamp } from './file-stamp.ts';

const LOOK_EVERY_MS = 1_000;

/**
 * Calls `onChange` when the file differs from what it was and has been the same for one look: an editor writes in steps.
 * A look is one `stat`: it sees network disks and exchanged links, where being told by the system does not.
 *
 * @returns stops it
 */
export function watchFile(file: string, onChange: () => void, everyMs = LOOK_EVERY_MS): () => void {
  let settled: string | undefined;
  let last: string | undefined;
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    const now = await fileStamp(file);
    isLooking = false;
    settled ??= now;
    const isStill = now === last;
    last = now;
    if (!isStill || now === settled) return;
    settled = now;
    onChange();
  };
  void look();
  const timer = setInterval(() => void look(), everyMs);
  return () => clearInterval(timer);
}
