/** Programs for tests that are written in Go: built once from sources of ours, with modules pinned by go.mod and go.sum. */
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { run, type Command } from './child-process.ts';
import { cacheFolder } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { allow } from './patience.ts';
import { PeerUnavailable } from './peer-unavailable.ts';

/** Two cores that do nothing else need two minutes for a module of Kubernetes. */
const BUILD_TIMEOUT_MS = 900_000;
const DOWNLOAD_TIMEOUT_MS = 300_000;
/** Neither another toolchain than the machine's, nor settings of whoever runs the tests. */
const GO: Command = { path: 'go', env: { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -trimpath', CGO_ENABLED: '0' } };

/**
 * @param folder - of a main package with its go.mod and go.sum; built anew when something in it changes
 * @throws {PeerUnavailable} when there is no Go, or its modules cannot be had
 */
export async function goProgram(folder: string): Promise<Command> {
  const name = folder.split('/').at(-1) ?? 'program';
  const program = join(cacheFolder(), `go-${name}-${await digestOf(folder)}`);
  const isBuilt = () =>
    access(program).then(
      () => true,
      () => false,
    );
  if (await isBuilt()) return { path: program, env: {} };
  allow(BUILD_TIMEOUT_MS);
  try {
    await mkdir(dirname(program), { recursive: true });
    await withFileLock(`${program}.lock`, BUILD_TIMEOUT_MS, async () => {
      if (await isBuilt()) return;
      const work = `${program}.${String(process.pid)}`;
      try {
        await must(['build', '-o', work, '.'], BUILD_TIMEOUT_MS, folder);
        await rename(work, program);
      } finally {
        await rm(work, { force: true });
      }
    });
  } catch (error) {
    throw new PeerUnavailable(name, error instanceof Error ? error.message : String(error), error);
  }
  return { path: program, env: {} };
}

const downloaded = z.object({ Dir: z.string() });

/**
 * @param module - `path@version`; its sum is checked by Go against the public log of sums
 * @returns the folder its files lie in, read-only
 * @throws {PeerUnavailable} when it cannot be had
 */
export async function goModule(module: string): Promise<string> {
  allow(DOWNLOAD_TIMEOUT_MS);
  try {
    // Outside any module, so that nothing of ours is changed by it.
    const { Dir } = downloaded.parse(
      JSON.parse(await must(['mod', 'download', '-json', module], DOWNLOAD_TIMEOUT_MS, '/')),
    );
    return Dir;
  } catch (error) {
    throw new PeerUnavailable(module, error instanceof Error ? error.message : String(error), error);
  }
}

async function must(args: readonly string[], timeoutMs: number, cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(GO, args, { timeoutMs, cwd });
  if (code === 0) return stdout;
  throw new Error(`go ${args.join(' ')} ended with ${String(code)}: ${(stderr + stdout).trimEnd().slice(-400)}`);
}

/** Of the sources and of the Go that compiles them. */
async function digestOf(folder: string): Promise<string> {
  const hash = createHash('sha256').update(await must(['version'], 30_000, folder));
  for (const name of (await readdir(folder)).toSorted()) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest('hex').slice(0, 12);
}
