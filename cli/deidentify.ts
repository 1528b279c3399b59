/**
 * `hub deidentify IN OUT`: the deidentify processor on a folder tree, with the same proof. A study is gathered from
 * the whole tree and written whole or not at all; output is named by new UIDs, because file names carry identifiers too.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import { parseYaml } from '../config/yaml.ts';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import type { ByteSource } from '../core/store.ts';
import { openSecret } from '../platform/data-folder.ts';
import { compilePlan } from '../processors/deidentify/plan.ts';
import type { Plan } from '../processors/deidentify/plan.ts';
import { policySchema } from '../processors/deidentify/policy.ts';
import { type HeldInReport, reportPage } from '../processors/deidentify/report-page.ts';
import { reportOf } from '../processors/deidentify/report.ts';
import type { DeidentificationReport } from '../processors/deidentify/report.ts';
import { createReportSigner, SIGNING_PURPOSE } from '../processors/deidentify/signature.ts';
import { deidentifyInstances } from '../processors/deidentify/study.ts';
import type { ReleasedInstance } from '../processors/deidentify/instance.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { invalidConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { sentenceOf } from './failure.ts';
import { type LocalFiles, openFile, openLocalFiles } from './local-files.ts';
import { makeFolder } from './out-folder.ts';
import { progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const DEFAULT_DATA_FOLDER = './data';
const OPTIONS = {
  'policy-file': { type: 'string', value: 'FILE', about: 'one entry of `policies:`; else the Basic Profile' },
  report: { type: 'string', value: 'FILE', about: 'write what was done, as signed JSON without identifiers' },
  'report-page': { type: 'string', value: 'FILE', about: 'write the same as an HTML page to print, a sheet a study' },
  'public-key': { type: 'boolean', about: 'print the key that proves reports, and do nothing else' },
  data: {
    type: 'string',
    value: 'DIR',
    about: 'where the keys are, and are made on first use (./data), unless HUB_…_KEY holds them',
  },
  json: JSON_OPTION,
} as const;

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
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (values['public-key'] === true) return sayPublicKey(values.data, to);
  const [input, output, third] = positionals;
  if (input === undefined || output === undefined || third !== undefined)
    throw new HubError('command.usage', { detail: 'from which folder, and into which?' });
  refuseNested(input, output);
  const plan = await readPlan(values['policy-file']);
  const files = await openLocalFiles(input);
  const secret = await keyFor('deidentify', values.data);

  const { studies, results: damaged } = groupByStudy(files);
  await makeFolder(output);
  const released = await interruptible((signal) => releaseStudies(studies, { plan, secret, input, output, signal }));
  const results = [...damaged, ...released];
  // A volume without a header has nothing to de-identify by: it is left behind as any other file.
  const otherFiles = [...files.otherFiles, ...files.niftiFiles.map((file) => relative(input, file))];

  const summary = { policy: plan.policy, policyHash: plan.hash, tableEdition: plan.edition };
  await writeReports(values, { ...summary, studies: results.map((result) => withoutFiles(result)) });
  if (values.json === true) to.out(json({ ...summary, studies: results, otherFiles }));
  else sayResults(results, otherFiles, to);
  if (results.some(({ outcome }) => outcome === 'quarantined')) return EXIT.quarantined;
  if (results.length > 0) return EXIT.done;
  to.err(`no DICOM file below ${input}`);
  return EXIT.failed;
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
  if (yaml.mistakes.length > 0)
    throw invalidConfig(yaml.mistakes.map(({ line, message }) => `${file}:${line}: ${message}`));
  const policy = policySchema.safeParse(yaml.value);
  if (policy.success) return compilePlan(policy.data);
  throw invalidConfig(
    policy.error.issues.map(
      ({ path, message }) => `${file}:${yaml.positionOf(path).line} /${path.map(String).join('/')}: ${message}`,
    ),
  );
}

interface StudyFile {
  readonly path: string;
  readonly open: () => Promise<ByteSource>;
}

interface Found {
  /** Files by original Study Instance UID. */
  readonly studies: ReadonlyMap<string, readonly StudyFile[]>;
  /** DICOM, but which study nobody can say. */
  readonly results: readonly Result[];
}

/** A damaged file whose study is known goes with its study: it holds the whole of it. */
function groupByStudy({ instances, damaged, store }: LocalFiles): Found {
  const studies = new Map<string, StudyFile[]>();
  const results: Result[] = [];
  const add = (study: string, file: StudyFile) => {
    const files = studies.get(study);
    if (files === undefined) studies.set(study, [file]);
    else files.push(file);
  };
  for (const { studyInstanceUid, path, blob } of instances)
    add(studyInstanceUid, { path, open: () => store.open(blob) });
  for (const { studyInstanceUid, path, name, error } of damaged) {
    if (studyInstanceUid !== undefined) add(studyInstanceUid, { path, open: () => openFile(path) });
    else results.push({ outcome: 'quarantined', reason: error.code, detail: sentenceOf(error), files: [name] });
  }
  return { studies, results };
}

interface Work {
  readonly plan: Plan;
  readonly secret: Uint8Array;
  readonly input: string;
  readonly output: string;
  readonly signal: AbortSignal;
}

async function releaseStudies(studies: Found['studies'], work: Work): Promise<readonly Result[]> {
  const total = [...studies.values()].reduce((sum, files) => sum + files.length, 0);
  const bar = progressBar('de-identifying', total);
  const results: Result[] = [];
  let before = 0;
  try {
    for (const files of studies.values()) {
      results.push(await releaseStudy(files, work, (done) => bar.update(before + done)));
      before += files.length;
    }
  } finally {
    bar.stop();
  }
  return results;
}

/** Written beside its place and renamed when the last instance is proven: an interrupted run leaves no half study. */
async function releaseStudy(
  files: readonly StudyFile[],
  { plan, secret, input, output, signal }: Work,
  onProgress: (done: number) => void,
): Promise<Result> {
  const incoming = await mkdtemp(join(output, '.incoming-'));
  try {
    const study = await deidentifyInstances(
      // Files are named to themselves: a file has no better name before it is read.
      files.map(({ path, open: openIt }) => ({ sopInstanceUid: path, open: openIt })),
      {
        ...{ plan, secret, signal, onProgress },
        write: (instance) => writeInstance(instance, incoming),
        discard: (path) => rm(path),
      },
    );
    if (study.outcome === 'held') {
      const { outcome: _, reason, detail } = study;
      return { outcome: 'quarantined', reason, detail, files: files.map(({ path }) => relative(input, path) || path) };
    }
    await replaceFolder(incoming, join(output, study.studyInstanceUid));
    return { outcome: 'released', report: reportOf(plan, study) };
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/** Copies of one instance, as trees have them, stand side by side. */
async function writeInstance(
  { body, seriesInstanceUid, sopInstanceUid }: ReleasedInstance,
  folder: string,
): Promise<string> {
  const { path, descriptor } = createUnique(join(folder, seriesInstanceUid), sopInstanceUid);
  try {
    for await (const chunk of body)
      for (let written = 0; written < chunk.length;) written += writeSync(descriptor, chunk, written);
  } finally {
    closeSync(descriptor);
  }
  return path;
}

function createUnique(folder: string, name: string): { readonly path: string; readonly descriptor: number } {
  for (let copy = 1; ;) {
    const path = join(folder, copy === 1 ? `${name}.dcm` : `${name}-${copy}.dcm`);
    try {
      return { path, descriptor: openSync(path, 'wx') };
    } catch (error) {
      // The first of its series: a thousand others find the folder there.
      if (hasCode(error, 'ENOENT')) mkdirSync(folder, { recursive: true });
      else if (!hasCode(error, 'EEXIST')) throw error;
      else copy += 1;
    }
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The result of an earlier run gives way: the same study under the same key and policy is the same again. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const old = `${from}.old`;
  await rename(to, old).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}

interface ReportFiles {
  readonly report?: string | undefined;
  readonly 'report-page'?: string | undefined;
  readonly data?: string | undefined;
}

/** Both say the same; the JSON is what is signed. */
async function writeReports(
  { report, 'report-page': page, data }: ReportFiles,
  content: { readonly policy: string; readonly studies: readonly ReportedResult[] },
): Promise<void> {
  if (report === undefined && page === undefined) return;
  const signed = createReportSigner(await keyFor(SIGNING_PURPOSE, data)).sign(content);
  if (report !== undefined) await writeFile(report, `${json(signed)}\n`);
  if (page !== undefined) await writeFile(page, reportPage(signed.studies, signed.signature));
}

async function sayPublicKey(data: string | undefined, to: Terminal): Promise<number> {
  to.out(createReportSigner(await keyFor(SIGNING_PURPOSE, data)).publicKeyPem.trimEnd());
  return EXIT.done;
}

async function keyFor(purpose: string, data: string | undefined): Promise<Uint8Array> {
  return openSecret(purpose, data ?? DEFAULT_DATA_FOLDER, processEnvironment());
}

type ReportedResult = (DeidentificationReport & { readonly outcome: 'released' }) | HeldInReport;

function withoutFiles(result: Result): ReportedResult {
  if (result.outcome === 'released') return { outcome: result.outcome, ...result.report };
  return { outcome: result.outcome, reason: result.reason, detail: result.detail, instances: result.files.length };
}

function sayResults(results: readonly Result[], otherFiles: readonly string[], to: Terminal): void {
  for (const result of results) {
    if (result.outcome === 'released') {
      const { studyInstanceUid, instances, verification } = result.report;
      to.out(
        `released     ${studyInstanceUid}  ${count(instances, 'instance')}, none of ${String(verification.searchedBytes)} bytes repeats a removed value`,
      );
    } else {
      to.out(`quarantined  ${count(result.files.length, 'file')}: ${result.detail} (${result.reason})`);
      for (const file of result.files) to.err(`             ${file}`);
    }
  }
  for (const file of otherFiles) to.err(`not DICOM    ${file}`);
  const released = results.filter(({ outcome }) => outcome === 'released').length;
  to.out(
    `${count(released, 'study', 'studies')} released, ${String(results.length - released)} quarantined, ${count(otherFiles.length, 'file')} not DICOM`,
  );
}
