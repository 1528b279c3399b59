/** Empty working folders of inference processes whose hub was killed before it could remove them. */
import { opendir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export const FOLDER_PREFIX = 'hub-segment-';
/** No network takes this long to load: a younger folder may be that of another hub on this machine. */
const ABANDONED_MS = 60 * 60 * 1000;
/** A temporary folder may be full of other people's files. */
const MOST_ENTRIES = 10_000;
const MOST_REMOVED = 1_000;

/**
 * Removes what is old and empty, and nothing else; what cannot be removed stays.
 *
 * @returns how many were removed
 */
export async function sweepAbandoned(root: string, nowMs = Date.now()): Promise<number> {
  let [seen, removed] = [0, 0];
  const entries = await opendir(root).catch(() => undefined); // not ours to list: nothing is swept
  if (entries === undefined) return 0;
  for await (const entry of entries) {
    seen += 1;
    if (seen > MOST_ENTRIES || removed === MOST_REMOVED) break;
    if (!entry.isDirectory() || !entry.name.startsWith(FOLDER_PREFIX)) continue;
    if (await isRemoved(join(root, entry.name), nowMs)) removed += 1;
  }
  return removed;
}

async function isRemoved(folder: string, nowMs: number): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(folder);
    if (nowMs - mtimeMs < ABANDONED_MS) return false;
    // Never with what is inside: a folder that holds something is not one of these.
    await rmdir(folder);
    return true;
  } catch {
    // Another user's, not empty, or another hub was faster.
    return false;
  }
}
