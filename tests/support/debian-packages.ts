import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run, type Command } from './child-process.ts';
import { withFileLock } from './file-lock.ts';
import { allow } from './patience.ts';

const FETCH_TIMEOUT_MS = 300_000;

/** Where what was fetched is kept between runs: `HUB_TEST_CACHE`, or below node_modules. */
export function cacheFolder(): string {
  return process.env['HUB_TEST_CACHE'] ?? resolve(import.meta.dirname, '../../node_modules/.cache/hub-peers');
}

/**
 * Unpacks Debian packages, with all that they need and this machine lacks, into a folder of the cache.
 *
 * Nothing is installed, no service is started, no root is needed: the package lists too are our own, in the cache. What
 * this machine has installed already is not fetched again, so the folder is of use on machines like this one only.
 *
 * @param again - fetch even though the cache has it: what it has turned out not to work
 * @returns the folder that holds `usr/`
 * @throws {Error} when this is not a Debian-like machine or its package servers cannot be reached
 */
export async function unpackDebianPackages(packages: readonly string[], again: boolean): Promise<string> {
  const folder = join(cacheFolder(), await nameFor(packages));
  const before = await bornMs(folder);
  if (before !== undefined && !again) return folder;
  allow(FETCH_TIMEOUT_MS);
  return withFileLock(`${folder}.lock`, FETCH_TIMEOUT_MS, async () => {
    // Another run may have fetched it while this one waited for the lock.
    if ((await bornMs(folder)) === before) await fetchInto(folder, packages);
    return folder;
  });
}

/** What a program below such a folder needs to find its libraries. */
export async function environmentOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const libraries = await readdir(join(folder, 'usr/lib')).catch(() => []);
  const multiarch = libraries.filter((name) => name.endsWith('-linux-gnu'));
  // PulseAudio's common part lies in a folder of its own, which its library finds only where it was installed.
  const paths = multiarch.flatMap((name) =>
    ['', 'pulseaudio'].flatMap((inner) => [join(folder, 'usr/lib', name, inner), join(folder, 'lib', name, inner)]),
  );
  return { LD_LIBRARY_PATH: [...paths, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':') };
}

async function fetchInto(folder: string, packages: readonly string[]): Promise<void> {
  // Unpacked beside and renamed as a whole: a run that is killed half-way leaves no folder that looks complete.
  const work = await mkdtemp(`${folder}.`);
  try {
    const lists = join(work, 'lists');
    const cache = join(work, 'cache');
    await mkdir(join(lists, 'partial'), { recursive: true });
    await mkdir(join(cache, 'archives/partial'), { recursive: true });
    const own = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`, '-o', 'Debug::NoLocking=1'];
    // Root's apt would hand the download to a user who may not write here.
    own.push('-o', 'APT::Sandbox::User=root', '-o', 'APT::Keep-Downloaded-Packages=true');
    await must('apt-get', [...own, 'update']);
    await must('apt-get', [...own, 'install', '-y', '--no-install-recommends', '--download-only', ...packages]);
    const root = join(work, 'root');
    await mkdir(root);
    const archives = (await readdir(join(cache, 'archives'))).filter((name) => name.endsWith('.deb'));
    for (const archive of archives) await must('dpkg-deb', ['-x', join(cache, 'archives', archive), root]);
    await rm(folder, { recursive: true, force: true });
    await rename(root, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function must(name: string, args: readonly string[]): Promise<void> {
  const command: Command = { path: name, env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' } };
  const { code, stdout, stderr } = await run(command, args, { timeoutMs: FETCH_TIMEOUT_MS });
  if (code === 0) return;
  const complaint = stderr.split('\n').find((line) => line.startsWith('E: ')) ?? stderr.trimEnd().slice(-200);
  throw new Error(`${name} ended with ${code}: ${complaint}`, { cause: `${stdout}\n${stderr}` });
}

/** A cache may be shared by machines; libraries of one release do not run on another. */
async function nameFor(packages: readonly string[]): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => process.platform);
  const machine = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] ?? process.platform;
  const digest = createHash('sha256').update(packages.join(' ')).digest('hex').slice(0, 8);
  return `${machine}-${process.arch}-${packages[0] ?? 'nothing'}-${digest}`;
}

async function bornMs(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.ctimeMs,
    () => undefined,
  );
}
