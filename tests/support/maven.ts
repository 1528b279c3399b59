import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { run, type Command } from './child-process.ts';
import { cacheFolder } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { allow } from './patience.ts';

const FETCH_TIMEOUT_MS = 300_000;
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';

/**
 * Java libraries with all that they need, in a folder of the cache, fetched by Maven as it is set up on this machine.
 *
 * @param artifacts - `group:artifact:version`
 * @returns the folder of the jars
 * @throws {Error} when there is no Maven, or its repository cannot be reached
 */
export async function mavenLibraries(artifacts: readonly string[]): Promise<string> {
  const digest = createHash('sha256').update(artifacts.join(' ')).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), `maven-${artifacts[0]?.split(':').slice(1).join('-') ?? 'nothing'}-${digest}`);
  if (await exists(folder)) return folder;
  allow(FETCH_TIMEOUT_MS);
  await mkdir(dirname(folder), { recursive: true });
  await withFileLock(`${folder}.lock`, FETCH_TIMEOUT_MS, async () => {
    if (await exists(folder)) return;
    // Fetched beside and renamed as a whole: a run that is killed half-way leaves no folder that looks complete.
    const work = await mkdtemp(`${folder}.`);
    try {
      await writeFile(join(work, 'pom.xml'), pom(artifacts));
      const args = ['-B', '-q', '-f', join(work, 'pom.xml'), COPY, '-DincludeScope=runtime'];
      await must({ path: 'mvn', env: {} }, [...args, `-DoutputDirectory=${join(work, 'lib')}`]);
      await rename(join(work, 'lib'), folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return folder;
}

function pom(artifacts: readonly string[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group = '', name = '', version = ''] = artifact.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>peers</groupId><artifactId>peers</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('')}</dependencies></project>`;
}

async function must(command: Command, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command, args, { timeoutMs: FETCH_TIMEOUT_MS });
  if (code === 0) return;
  const complaint = stdout.split('\n').find((line) => line.includes('[ERROR]')) ?? stderr.trimEnd().slice(-200);
  throw new Error(`${command.path} ended with ${code}: ${complaint}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
