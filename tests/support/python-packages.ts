import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run, type Command } from './child-process.ts';
import { cacheFolder } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { allow } from './patience.ts';

const FETCH_TIMEOUT_MS = 300_000;

/**
 * Python packages in a folder of the cache, beside whatever this machine's Python has. Pinned, without what they
 * depend on: all of it is named.
 *
 * @param requirements - `name==version`
 * @returns python3, with the packages on its path
 * @throws {Error} when there is no python3 with pip, or its package index cannot be reached
 */
export async function pythonWith(requirements: readonly string[]): Promise<Command> {
  const version = await must({ path: 'python3', env: {} }, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
  const folder = join(cacheFolder(), `python${version.trim()}-${requirements.join('-').replaceAll('==', '-')}`);
  const python = { path: 'python3', env: { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' } };
  if (await exists(folder)) return python;
  allow(FETCH_TIMEOUT_MS);
  await mkdir(dirname(folder), { recursive: true });
  await withFileLock(`${folder}.lock`, FETCH_TIMEOUT_MS, async () => {
    if (await exists(folder)) return;
    // Fetched beside and renamed as a whole: a run that is killed half-way leaves no folder that looks complete.
    const work = await mkdtemp(`${folder}.`);
    try {
      const args = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--no-deps'];
      await must({ path: 'python3', env: {} }, [...args, '--target', join(work, 'site'), ...requirements]);
      await rename(join(work, 'site'), folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return python;
}

/** A program that such packages brought with them. @param python - as `pythonWith` gave it */
export function pythonProgram(python: Command, name: string): Command {
  return { path: join(python.env['PYTHONPATH'] ?? '', 'bin', name), env: python.env };
}

async function must(command: Command, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { timeoutMs: FETCH_TIMEOUT_MS });
  if (code === 0) return stdout;
  throw new Error(`${command.path} ${args.slice(0, 3).join(' ')} ended with ${code}: ${stderr.trimEnd().slice(-200)}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
