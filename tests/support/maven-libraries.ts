/** Java libraries for tests, fetched by Maven into a folder of the cache. */
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from './child-process.ts';
import { cacheFolder } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { allow } from './patience.ts';
import { PeerUnavailable } from './peer-unavailable.ts';

const FETCH_TIMEOUT_MS = 300_000;

/**
 * @param pom - a file whose dependencies are pinned
 * @returns a folder with their jars, and with those of what they need
 * @throws {PeerUnavailable} when there is no Maven, or its repository cannot be reached
 */
export async function mavenLibraries(name: string, pom: string): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 8);
  const folder = join(cacheFolder(), `maven-${name}-${digest}`);
  const isThere = () =>
    access(folder).then(
      () => true,
      () => false,
    );
  if (await isThere()) return folder;
  allow(FETCH_TIMEOUT_MS);
  await mkdir(dirname(folder), { recursive: true });
  await withFileLock(`${folder}.lock`, FETCH_TIMEOUT_MS, async () => {
    if (await isThere()) return;
    // Fetched beside and renamed as a whole: a run that is killed half-way leaves no folder that looks complete.
    const work = await mkdtemp(`${folder}.`);
    try {
      const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${join(work, 'lib')}`];
      const { code, stdout, stderr } = await run({ path: 'mvn', env: {} }, args, { timeoutMs: FETCH_TIMEOUT_MS });
      if (code !== 0) throw new Error(`mvn ended with ${String(code)}: ${(stdout + stderr).trimEnd().slice(-300)}`);
      await rename(join(work, 'lib'), folder);
    } catch (error) {
      throw new PeerUnavailable(name, error instanceof Error ? error.message : String(error), error);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return folder;
}
