/**
 * `hub deidentify IN OUT`: the deidentify processor on a folder tree, with the same proof. A study is gathered from
 * the whole tree and written whole or not at all; output is named by new UIDs, because file names carry identifiers too.
 */
import { type FileHandle, mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import { parseYaml } from '../config/yaml.ts';
import { readHeader } from '../core/dicom/part10.ts';
import { HubError } from '../core/errors.ts';
import { openSecret } from '../platform/data-folder.ts';
import { compilePlan } from '../processors/deidentify/plan.ts';
import type { Plan } from '../processors/deidentify/plan.ts';
import { policySchema } from '../processors/deidentify/policy.ts';
import { reportOf } from '../processors/deidentify/report.ts';
import type { DeidentificationReport } from '../processors/deidentify/report.ts';
import { deidentifyInstances } from '../processors/deidentify/study.ts';
import type { ReleasedInstance } from '../processors/deidentify/instance.ts';
import { readArguments, type Terminal, terminal } from './configuration.ts';
import { filesBelow, openFile } from './local-files.ts';
import { progressBar } from './progress.ts';

const DEFAULT_DATA_FOLDER = './data';
const EXIT_QUARANTINED = 3;

/** What became of one study, or of one file that belongs to none. */
type Result =
  | { readonly outcome: 'released'; readonly report: DeidentificationReport }
  | {
      readonly outcome: 'quarantined';
      readonly reason: string;
      readonly detail: string;
      /** Of the input, relative to it; on the terminal only, never in the report. */
      readonly files: readonly string[];
    };

/** 0 when everything was released, 3 when something was quarantined, 1 when there was no DICOM file at all. */
export async function deidentify(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    'policy-file': { type: 'string' },
    report: { type: 'string' },
    data: { type: 'string' },
    json: { type: 'boolean' },
  });
  const [input, output, third] = positionals;
  if (input === undefined || output === undefined || third !== undefined)
    throw new HubError('command.usage', { detail: 'from which folder, and into which?' });
  refuseNested(input, output);
  const plan = await readPlan(values['policy-file']);
  const paths = await filesBelow(input);
  const secret = await openSecret('deidentify', values.data ?? DEFAULT_DATA_FOLDER, processEnvironment());

  const found = await groupByStudy(paths, input);
  await mkdir(output, { recursive: true });
  const results = [...found.unreadable, ...(await releaseStudies(found.studies, { plan, secret, input, output }))];

  const summary = { policy: plan.policy, policyHash: plan.hash, tableEdition: plan.edition };
  if (values.report !== undefined) {
    const text = JSON.stringify({ ...summary, studies: results.map(withoutFiles) }, undefined, 2);
    await writeFile(values.report, `${text}\n`);
  }
  if (values.json === true)
    to.out(JSON.stringify({ ...summary, studies: results, otherFiles: found.otherFiles }, undefined, 2));
  else sayResults(results, found.otherFiles, to);
  if (results.some(({ outcome }) => outcome === 'quarantined')) return EXIT_QUARANTINED;
  return results.length === 0 ? 1 : 0;
}

/** An output below the input would be read as input the next time, an input below the output be taken for results. */
function refuseNested(input: string, output: string): void {
  const isBelow = (inner: string, outer: string) => !relative(resolve(outer), resolve(inner)).startsWith('..');
  if (isBelow(output, input) || isBelow(input, output))
    throw new HubError('command.usage', { detail: 'input and output must be apart' });
}

/** @throws {HubError} `config.invalid` with all mistakes */
async function readPlan(file: string | undefined): Promise<Plan> {
  if (file === undefined) return compilePlan(policySchema.parse({ name: 'basic', profile: 'basic' }));
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new HubError('config.invalid', { detail: `${file} cannot be read` }, error);
  });
  const yaml = parseYaml(text);
  const refuse = (lines: readonly string[]) => new HubError('config.invalid', { detail: ['', ...lines].join('\n') });
  if (yaml.mistakes.length > 0) throw refuse(yaml.mistakes.map(({ line, message }) => `${file}:${line}: ${message}`));
  const policy = policySchema.safeParse(yaml.value);
  if (policy.success) return compilePlan(policy.data);
  throw refuse(
    policy.error.issues.map(
      ({ path, message }) => `${file}:${yaml.positionOf(path).line} /${path.map(String).join('/')}: ${message}`,
    ),
  );
}

interface Found {
  /** Files by original Study Instance UID. */
  readonly studies: ReadonlyMap<string, readonly string[]>;
  /** DICOM, but which study nobody can say. */
  readonly unreadable: readonly Result[];
  /** Not DICOM: not copied. Relative to the input. */
  readonly otherFiles: readonly string[];
}

async function groupByStudy(paths: readonly string[], input: string): Promise<Found> {
  const studies = new Map<string, string[]>();
  const unreadable: Result[] = [];
  const otherFiles: string[] = [];
  const bar = progressBar('reading', paths.length);
  try {
    for (const [index, path] of paths.entries()) {
      const name = relative(input, path) || path;
      const study = await studyOf(path);
      if (study.kind === 'study') {
        const files = studies.get(study.uid);
        if (files === undefined) studies.set(study.uid, [path]);
        else files.push(path);
      } else if (study.kind === 'other') otherFiles.push(name);
      else unreadable.push({ outcome: 'quarantined', reason: study.reason, detail: study.detail, files: [name] });
      bar.update(index + 1);
    }
  } finally {
    bar.stop();
  }
  return { studies, unreadable, otherFiles };
}

type StudyOfFile =
  | { readonly kind: 'study'; readonly uid: string }
  | { readonly kind: 'other' }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly detail: string };

async function studyOf(path: string): Promise<StudyOfFile> {
  const source = await openFile(path);
  try {
    const uid = (await readHeader(source)).dataSet.string('StudyInstanceUID');
    return uid === undefined
      ? { kind: 'unreadable', reason: 'dataset.uid-missing', detail: 'no StudyInstanceUID' }
      : { kind: 'study', uid };
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    if (error.code === 'dataset.empty' || error.fields['detail'] === 'not-a-part-10-file') return { kind: 'other' };
    return { kind: 'unreadable', reason: error.code, detail: error.message };
  } finally {
    await source.close();
  }
}

interface Work {
  readonly plan: Plan;
  readonly secret: Uint8Array;
  readonly input: string;
  readonly output: string;
}

async function releaseStudies(studies: Found['studies'], work: Work): Promise<readonly Result[]> {
  const total = [...studies.values()].reduce((sum, files) => sum + files.length, 0);
  const stop = new AbortController();
  const onSignal = () => stop.abort(new HubError('gateway.stopping', { detail: 'interrupted' }));
  process.once('SIGINT', onSignal);
  const bar = progressBar('de-identifying', total);
  const results: Result[] = [];
  let before = 0;
  try {
    for (const files of studies.values()) {
      results.push(await releaseStudy(files, work, stop.signal, (done) => bar.update(before + done)));
      before += files.length;
    }
  } finally {
    bar.stop();
    process.off('SIGINT', onSignal);
  }
  return results;
}

/** Written beside its place and renamed when the last instance is proven: an interrupted run leaves no half study. */
async function releaseStudy(
  files: readonly string[],
  { plan, secret, input, output }: Work,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Result> {
  const incoming = await mkdtemp(join(output, '.incoming-'));
  try {
    const study = await deidentifyInstances(
      // Files are named to themselves: a file has no better name before it is read.
      files.map((file) => ({ sopInstanceUid: file, open: () => openFile(file) })),
      { plan, secret, signal, onProgress, write: (instance) => writeInstance(instance, incoming) },
    );
    if (study.outcome === 'held') {
      const { outcome: _, reason, detail } = study;
      return { outcome: 'quarantined', reason, detail, files: files.map((file) => relative(input, file) || file) };
    }
    await replaceFolder(incoming, join(output, study.studyInstanceUid));
    return { outcome: 'released', report: reportOf(plan, study) };
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/** Copies of one instance, as trees have them, stand side by side. */
async function writeInstance({ body, seriesInstanceUid, sopInstanceUid }: ReleasedInstance, folder: string) {
  const series = join(folder, seriesInstanceUid);
  await mkdir(series, { recursive: true });
  const file = await createUnique(series, sopInstanceUid);
  try {
    for await (const chunk of body) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}

async function createUnique(folder: string, name: string): Promise<FileHandle> {
  for (let copy = 1; ; copy++) {
    try {
      return await open(join(folder, copy === 1 ? `${name}.dcm` : `${name}-${copy}.dcm`), 'wx');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

/** The result of an earlier run gives way: the same study under the same key and policy is the same again. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const old = `${from}.old`;
  await rename(to, old).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}

function withoutFiles(result: Result): Readonly<Record<string, unknown>> {
  if (result.outcome === 'released') return { outcome: result.outcome, ...result.report };
  return { outcome: result.outcome, reason: result.reason, detail: result.detail, instances: result.files.length };
}

function sayResults(results: readonly Result[], otherFiles: readonly string[], to: Terminal): void {
  for (const result of results) {
    if (result.outcome === 'released') {
      const { studyInstanceUid, instances, verification } = result.report;
      to.out(
        `released     ${studyInstanceUid}  ${instances} instances, none of ${verification.searchedBytes} bytes repeats a removed value`,
      );
    } else {
      to.out(`quarantined  ${result.files.length} files: ${result.detail} (${result.reason})`);
      for (const file of result.files) to.err(`             ${file}`);
    }
  }
  for (const file of otherFiles) to.err(`not DICOM    ${file}`);
  const released = results.filter(({ outcome }) => outcome === 'released').length;
  to.out(
    `${released} studies released, ${results.length - released} quarantined, ${otherFiles.length} files are not DICOM`,
  );
}
