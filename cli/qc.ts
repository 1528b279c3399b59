/**
 * `hub qc PATH [--json FILE] [--images DIR] [--report FILE]`: the qc processor's measures on a folder, a file or a NIfTI volume.
 * `hub qc history`, `accept`, `reject`: what a hub has measured, and what later scans are held against.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HubError } from '../core/errors.ts';
import type { InstanceItem } from '../core/store.ts';
import { chartsOf } from '../processors/pictures/scan-charts.ts';
import { picturesOf } from '../processors/pictures/scan-pictures.ts';
import { batchOutliers } from '../processors/qc/aidaqc.ts';
import { maskOf } from '../processors/qc/brain-masks.ts';
import { examine, type Examination, type Examined, type ScanReport } from '../processors/qc/examine.ts';
import { titleOf } from '../processors/qc/measures.ts';
import { parseQcOptions, type QcOptions } from '../processors/qc/options.ts';
import { factsOf, type ScanFacts, studyFindings } from '../processors/qc/report.ts';
import { StudyReport } from '../processors/report/study-report.ts';
import { assembleVolumes, imagesBySeries } from '../processors/volumes/assemble.ts';
import { readNifti } from '../processors/volumes/nifti.ts';
import { onlyPath, readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { leftOutLines, openLocalFiles, seriesName } from './local-files.ts';
import { isDerived, maskBeside, withCompanions } from './nifti-companions.ts';
import { progressBar } from './progress.ts';
import { historyVerb, qcHistory } from './qc-history.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  json: { type: 'string', value: 'FILE', about: 'write the report there, not to standard output' },
  images: { type: 'string', value: 'DIR', about: 'write pictures and charts of each series' },
  report: { type: 'string', value: 'FILE', about: 'write a page for people (HTML, everything in one file)' },
  options: { type: 'string', value: 'FILE', about: 'JSON: what stands under `qc:` in a route, such as limits' },
  mode: { type: 'string', value: 'hub|aidaqc', about: 'aidaqc: features and batch votes as that tool computes them' },
  mask: { type: 'string', value: 'FILE', about: 'NIfTI mask of the brain, on the grid of the scan' },
} as const;

/** Series by a name for people: this stays on the machine it was asked for on. */
interface NamedReport extends Omit<ScanReport, 'seriesInstanceUid'> {
  readonly name: string;
  readonly seriesInstanceUid?: string;
  readonly curves?: unknown;
  /** In the mode aidaqc: measures that are outliers among the scans of this kind. */
  readonly batchOutliers?: readonly string[];
}

/** 0 done, 1 nothing could be measured. */
export async function qc(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const verb = historyVerb(argv);
  if (verb !== undefined) return await qcHistory(verb, to);
  const { values, positionals } = readArguments(argv, OPTIONS);
  const path = onlyPath(positionals);
  const options = await optionsOf(values);
  const givenMask = values.mask === undefined ? undefined : maskOf(await readFrom(values.mask));
  const files = await openLocalFiles(path);
  for (const line of leftOutLines(files)) to.err(line);
  const niftiFiles = files.niftiFiles.filter((file) => !isDerived(file) || files.niftiFiles.length === 1);

  const allSeries = imagesBySeries(files.instances);
  const series: NamedReport[] = [];
  const facts: ScanFacts[] = [];
  const page = new StudyReport({ options, series: allSeries.length + niftiFiles.length });
  const add = async (name: string, examination: Omit<Examination, 'options'>) => {
    const examined = await examine({ ...examination, options });
    series.push(...examined.map((one) => named(name, one)));
    facts.push(...examination.volumes.map(factsOf));
    if (values.images !== undefined) await savePictures(values.images, name, series.length, examined[0]);
    // It stays on the machine it was asked for on, as the names in the report do.
    if (values.report !== undefined) page.add(examined, { name });
    to.err(`${name}: ${examined.map(({ report }) => `${report.kind}, ${report.verdict}`).join('; ')}`);
    for (const finding of new Set(examined.flatMap(({ report }) => report.findings))) to.err(`  ${finding}`);
  };
  const bar = progressBar('measuring', allSeries.length + niftiFiles.length);
  try {
    await interruptible(async (signal) => {
      for (const [index, instances] of allSeries.entries()) {
        const uid = instances[0]?.seriesInstanceUid ?? '';
        const name = seriesName(files, uid);
        bar.update(index, name);
        const { volumes, findings } = await assembleVolumes(instances, files.store, signal);
        await add(name, { seriesInstanceUid: uid, volumes, findings, brainOf: () => givenMask });
      }
      for (const [index, file] of niftiFiles.entries()) {
        signal.throwIfAborted();
        bar.update(allSeries.length + index, basename(file));
        await addNifti(file, givenMask, add, to);
      }
    });
  } finally {
    bar.stop();
  }

  const voted = options.mode === 'aidaqc' ? withVotes(series, to) : series;
  if (values.json === undefined) to.out(json({ series: voted }));
  else await writeFile(values.json, `${json({ series: voted })}\n`);
  if (values.report !== undefined) await writeFile(values.report, page.page(pageOf(files.instances, facts, options)));
  if (series.length > 0) return EXIT.done;
  to.err(`nothing below ${path} could be measured: no MR or CT images and no NIfTI volume`);
  return EXIT.failed;
}

async function addNifti(
  file: string,
  givenMask: Uint8Array | undefined,
  add: (name: string, examination: Omit<Examination, 'options'>) => Promise<void>,
  to: Terminal,
): Promise<void> {
  try {
    const volume = await withCompanions(file, readNifti(await readFile(file)));
    const brain = givenMask ?? (await maskBeside(file));
    await add(basename(file), { seriesInstanceUid: '', volumes: [volume], findings: [], brainOf: () => brain });
  } catch (error) {
    to.err(`cannot be taken: ${basename(file)}: ${sentenceOf(commandFailure(error))}`);
  }
}

/** @throws {HubError} `config.invalid`, `file.failed` */
async function optionsOf(values: { readonly options?: string | undefined; readonly mode?: string | undefined }) {
  const mode = values.mode === undefined ? {} : { mode: values.mode };
  if (values.options === undefined) return parseQcOptions(mode);
  const text = Buffer.from(await readFrom(values.options)).toString('utf8');
  try {
    return parseQcOptions({ ...(JSON.parse(text) as object), ...mode });
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw new HubError('config.invalid', { detail: `${values.options} is not JSON` }, error);
  }
}

async function readFrom(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw commandFailure(error);
  });
}

function named(name: string, { report, measured }: Examined): NamedReport {
  const { seriesInstanceUid, ...rest } = report;
  return {
    name,
    ...(seriesInstanceUid === '' ? {} : { seriesInstanceUid }),
    ...rest,
    ...(measured === undefined ? {} : { curves: measured.curves }),
  };
}

/** One of AIDAqc's five votes: outliers among the scans of a kind. It is no verdict: some of every sound set are. */
function withVotes(series: readonly NamedReport[], to: Terminal): readonly NamedReport[] {
  const votes = batchOutliers(series);
  return series.map((one, index) => {
    const outliers = votes[index] ?? [];
    if (outliers.length > 0)
      to.err(`${one.name}: outlier among the scans of its kind: ${outliers.map(titleOf).join(', ')}`);
    return { ...one, batchOutliers: outliers };
  });
}

/** What the page says of files as a whole: a study's UID where they are of one study. */
function pageOf(instances: readonly InstanceItem[], facts: readonly ScanFacts[], options: QcOptions) {
  const [study, another] = new Set(instances.map(({ studyInstanceUid }) => studyInstanceUid));
  return {
    studyFindings: studyFindings(facts, options),
    models: [],
    ...(study === undefined || another !== undefined ? {} : { studyInstanceUid: study }),
  };
}

async function savePictures(
  folder: string,
  name: string,
  number: number,
  examined: Examined | undefined,
): Promise<void> {
  if (examined?.volume === undefined) return;
  const { volume, measured } = examined;
  await mkdir(folder, { recursive: true });
  const safe = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, 60);
  const start = join(folder, `${String(number).padStart(3, '0')}-${safe}`);
  for (const picture of picturesOf(volume, measured)) await writeFile(`${start}-${picture.name}.png`, picture.png);
  for (const chart of measured === undefined ? [] : chartsOf(volume, measured))
    await writeFile(`${start}-${chart.name}.svg`, String(chart.svg));
}
