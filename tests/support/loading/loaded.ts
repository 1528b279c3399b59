/** What the threads of a hub have loaded, as `preload.ts` wrote it down. */
import { readFile } from 'node:fs/promises';

const PRELOAD = new URL('./preload.ts', import.meta.url);
const PACKAGE = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//g;

/** By the name of the thread; the first is `main`. */
export type Loaded = ReadonlyMap<string, ThreadLoaded>;

interface ThreadLoaded {
  readonly packages: ReadonlySet<string>;
  /** URLs of modules that are no package's. */
  readonly own: readonly string[];
}

/** What a hub has to be started with. @param missing - a package that cannot be found */
export function watchedLoading(file: string, missing?: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import ${PRELOAD.href}`,
    LOADED_MODULES: file,
    ...(missing === undefined ? {} : { MISSING_PACKAGE: missing }),
  };
}

export async function loadedIn(file: string): Promise<Loaded> {
  const threads = new Map<string, { packages: Set<string>; own: string[] }>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const at = line.lastIndexOf(' ');
    if (at === -1) continue;
    const [thread, url] = [line.slice(0, at), line.slice(at + 1)];
    const seen = threads.get(thread) ?? { packages: new Set(), own: [] };
    threads.set(thread, seen);
    const name = [...url.matchAll(PACKAGE)].at(-1)?.[1];
    if (name === undefined) seen.own.push(url);
    else seen.packages.add(name);
  }
  return threads;
}
