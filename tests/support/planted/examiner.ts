/** Lets `hub deidentify` loose on a planted corpus, as a user would, and reads what comes out with somebody else's parser. */
import { globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { stringify } from 'yaml';
import { type Command, run } from '../child-process.ts';
import type { PlantedCorpus } from './corpus.ts';
import { type DumpedFile, dumpFiles, searchableText } from './dump.ts';
import type { ExaminedPolicy } from './expectation.ts';
import { type Examined, judge, type Verdict } from './judge.ts';

const HUB = { path: process.execPath, env: {} };
const ROOT = join(import.meta.dirname, '../../..');

/** A corpus on disk, read once by the other parser. */
export interface WrittenCorpus {
  readonly corpus: PlantedCorpus;
  readonly folder: string;
  readonly dumps: readonly DumpedFile[];
}

export interface Examination {
  readonly verdict: Verdict;
  /** Exit code of the command. */
  readonly code: number;
  readonly released: number;
  readonly report: string;
  readonly said: string;
  /** Names of the files that did not come out. */
  readonly missing: readonly string[];
}

export async function writeCorpus(corpus: PlantedCorpus, folder: string, python: Command): Promise<WrittenCorpus> {
  const input = join(folder, `in-${String(corpus.seed)}`);
  await mkdir(input, { recursive: true });
  const paths = corpus.files.map(({ number }) => join(input, `${String(number)}.dcm`));
  for (const [index, { bytes }] of corpus.files.entries()) await writeFile(paths[index] ?? '', bytes);
  return { corpus, folder, dumps: await dumpFiles(python, paths) };
}

export async function examine(
  { corpus, folder, dumps }: WrittenCorpus,
  name: string,
  policy: ExaminedPolicy,
  python: Command,
): Promise<Examination> {
  const place = join(folder, `${name}-${String(corpus.seed)}`);
  await mkdir(place, { recursive: true });
  const [policyFile, report, out] = [join(place, 'policy.yaml'), join(place, 'report.json'), join(place, 'out')];
  await writeFile(policyFile, stringify({ name, profile: 'basic', ...policy }));
  const args = ['main.ts', 'deidentify', join(folder, `in-${String(corpus.seed)}`), out, '--policy-file', policyFile];
  const { code, stdout, stderr } = await run(HUB, [...args, '--report', report, '--data', join(folder, 'data')], {
    cwd: ROOT,
    // Ten seconds of work; on a machine that others share it has been seen to take two minutes. The test has the limit.
    timeoutMs: 600_000,
  });
  const paths = globSync('**/*.dcm', { cwd: out }).map((path) => join(out, path));
  const outputs = paths.length === 0 ? [] : await dumpFiles(python, paths);
  const instances = await Promise.all(
    outputs.map(async ({ file, elements }): Promise<Examined> => {
      const number = Number(elements.find(({ path }) => path === '00200013')?.text);
      const planted = corpus.files.find((one) => one.number === number);
      const source = dumps.find((one) => basename(one.file) === `${String(number)}.dcm`);
      if (planted === undefined || source === undefined) throw new Error(`an output has no input: ${file}`);
      return {
        file: planted,
        source: source.elements,
        output: elements,
        sourceText: searchableText(planted.bytes, planted.isDeflated),
        outputText: searchableText(await readFile(file), planted.isDeflated),
      };
    }),
  );
  const came = new Set(instances.map(({ file }) => file.number));
  return {
    verdict: judge(corpus, policy, instances),
    code,
    released: instances.length,
    report: await readFile(report, 'utf8').catch(() => ''),
    said: `${stdout}\n${stderr}`,
    missing: corpus.files.filter(({ number }) => !came.has(number)).map((one) => one.name),
  };
}
