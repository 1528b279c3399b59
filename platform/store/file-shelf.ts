/** Packs of results in the data folder, seen from outside. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import type { PackShelf } from '../../core/store.ts';

/** Packs of results. */
export const LOCAL_RESULTS = 'store/';
const UNFINISHED = '.pack.tmp';

/** @param dataDir - with its folder `store` */
export function openFileShelf(dataDir: string): PackShelf {
  const folder = join(dataDir, LOCAL_RESULTS);
  const names = async (ending: string) =>
    (await readdir(folder)).filter((name) => name.endsWith(ending)).toSorted((one, other) => (one < other ? -1 : 1));
  return {
    async *list(prefix) {
      for (const name of await names('.pack')) {
        const pack = `${LOCAL_RESULTS}${name}`;
        if (!pack.startsWith(prefix)) continue;
        const found = await statOf(join(dataDir, pack));
        if (found !== undefined) yield { pack, sizeBytes: found.size, madeAt: found.birthtime };
      }
    },
    remove: async (pack) => {
      if (!/^store\/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.pack$/.test(pack)) throw new HubError('store.failed', { pack });
      await rm(join(dataDir, pack), { force: true });
    },
    removeUnfinished: async (before) => {
      let removed = 0;
      for (const name of await names(UNFINISHED)) {
        const found = await statOf(join(folder, name));
        if (found === undefined || found.mtime >= before) continue;
        await rm(join(folder, name), { force: true });
        removed += 1;
      }
      return removed;
    },
  };
}

async function statOf(path: string) {
  return await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined; // Removed meanwhile.
    throw error;
  });
}
