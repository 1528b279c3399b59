/** A gateway that watches a folder of its own, made for one test. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { WatchedFolderOptions } from '../../../gateway/folder/watched-folder.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';

export interface Watched extends RunningGateway {
  readonly folder: string;
  /** Writes a file as an exporter does, in one go. */
  put(name: string, content: Uint8Array | string): Promise<string>;
  /** All files below the folder, relative, sorted. */
  files(): Promise<readonly string[]>;
  /** SOP Instance UIDs the ledger has of a study, when there are so many. */
  instancesOf(study: string, count: number): Promise<readonly string[]>;
  /** Waits until the folder holds just these files. */
  holds(...names: readonly string[]): Promise<void>;
}

export const ARCHIVE_LIMITS = { maxEntries: 1_000, maxBytes: 512 * 1024 ** 2, maxRatio: 100 };

function watchedOptions(folder: string, over: Partial<WatchedFolderOptions> = {}): WatchedFolderOptions {
  return {
    name: 'pv-export',
    path: folder,
    scanMs: 20,
    minAgeMs: 60,
    whenTaken: { kind: 'keep', folder: join(folder, 'done') },
    ignore: ['.*', '*.tmp', 'Thumbs.db'],
    archives: ARCHIVE_LIMITS,
    ...over,
  };
}

export async function watch(
  over: Partial<WatchedFolderOptions> = {},
  settings: GatewaySettings & { readonly folder?: string } = {},
): Promise<Watched> {
  const folder = settings.folder ?? (await mkdtemp(join(tmpdir(), 'hub-watched-')));
  const folders = [watchedOptions(folder, over)];
  const hub = await startGateway({ ...settings, options: { ...settings.options, folders } });
  const files = async () => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .toSorted();
  };
  return {
    ...hub,
    folder,
    files,
    put: async (name, content) => {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      return path;
    },
    instancesOf: async (study, count) =>
      waitFor(`${String(count)} instances in the ledger`, async () => {
        const items = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(study));
        return items.length >= count ? items.map(({ sopInstanceUid }) => sopInstanceUid).toSorted() : undefined;
      }),
    holds: async (...names) => {
      let seen: readonly string[] = [];
      const expected = names.toSorted().join('\n');
      await waitFor(`the folder to hold ${names.join(', ')}`, async () => {
        seen = await files();
        return seen.join('\n') === expected;
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}; it holds ${seen.join(', ')}\n${JSON.stringify(hub.lines.slice(-5))}`);
      });
    },
    remove: async () => {
      await hub.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
