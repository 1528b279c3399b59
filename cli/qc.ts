/**
 * `hub qc PATH [--json FILE] [--out DIR] [--images DIR] [--report FILE]`: the qc processor's measures on a folder, a file or a NIfTI volume.
 * `hub qc history`, `accept`, `reject`: what a hub has measured, and what later scans are held against; `hub qc trends`: over time.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { HubError } from '../core/errors.ts';
import type { InstanceItem } from '../core/store.ts';
import { batchOutliers } from '../processors/qc/aidaqc.ts';
import { segmentationMasks } from '../processors/qc/brain-masks.ts';
import { examine, type Examination, type Examined, type ScanReport } from '../processors/qc/examine.ts';
import { titleOf } from '../processors/qc/measures.ts';
import { parseQcOptions } from '../processors/qc/options.ts';
import { factsOf, type ScanFacts, studyFindings } from '../processors/qc/report.ts';
import { StudyReport } from '../processors/report/study-report.ts';
import { assembleVolumes, imagesBySeries } from '../processors/volumes/assemble.ts';
import { finding } from '../processors/volumes/volume.ts';
import { onlyPath, readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { adviceOf, commandFailure, sentenceOf } from './failure.ts';
import { pathOrUnpacked } from './local-archive.ts';
import { type DamagedFile, leftOutLines, openLocalFiles, seriesName } from './local-files.ts';
import { isDerived, maskBeside, withCompanions } from './nifti-companions.ts';
import { readNiftiFile } from './nifti-files.ts';
import { makeFolder } from './out-folder.ts';
import { progressBar } from './progress.ts';
import { QualityFolder, savePictures } from './qc-folder.ts';
import { historyVerb, qcHistory } from './qc-history.ts';
import { namedMask } from './qc-mask.ts';
import { qcTrends } from './qc-trends.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  json: { type: 'string', value: 'FILE', about: 'write the report there, not to standard output' },
  out: {
    type: 'string',
    value: 'DIR',
    about: 'write report.json, report.html, report.pdf, pictures, and DICOM objects for a PACS',
  },
  images: { type: 'string', value: 'DIR', about: 'write pictures and charts of each series' },
  report: { type: 'string', value: 'FILE', about: 'write a page for people (HTML, everything in one file)' },
  options: { type: 'string', value: 'FILE', about: 'JSON: what stands under `qc:` in a route, such as limits' },
  mode: { type: 'string', value: 'hub|aidaqc', about: 'aidaqc: features and batch votes as that tool computes them' },
  mask: { type: 'string', value: 'FILE', about: 'mask of the brain, on the grid of the scan: NIfTI, or DICOM SEG' },
} as const;

/** Files that cannot be read and are said one by one in the report. */
const MOST_DAMAGED = 100;

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
  if (argv[0] === 'trends') return await qcTrends(argv.slice(1), to);
  const verb = historyVerb(argv);
  if (verb !== undefined) return await qcHistory(verb, to);
  const { values, positionals } = readArguments(argv, OPTIONS);
  const path = onlyPath(positionals);
  const options = await optionsOf(values);
  const given = values.mask === undefined ? undefined : await namedMask(values.mask);
  // What cannot be written is said before an hour of measuring, not after it.
  for (const folder of [values.out, values.images]) if (folder !== undefined) await makeFolder(folder);
  const files = await openLocalFiles(await pathOrUnpacked(path, to));
  for (const line of leftOutLines(files)) to.err(line);
  const niftiFiles = files.niftiFiles.filter((file) => !isDerived(file) || files.niftiFiles.length === 1);

  const allSeries = imagesBySeries(files.instances);
  const segmentations = segmentationMasks(files.instances, files.store);
  const series: NamedReport[] = [];
  const facts: ScanFacts[] = [];
  const page = new StudyReport({ options, series: allSeries.length + niftiFiles.length + files.damaged.length });
  const folder =
    values.out === undefined
      ? undefined
      : new QualityFolder(values.out, [
          ...allSeries.map(([first]) => first?.studyInstanceUid ?? ''),
          ...(niftiFiles.length === 0 ? [] : ['']),
        ]);
  const add = async (name: string, examination: Omit<Examination, 'options'>) => {
    const examined = await examine({ ...examination, options });
    const number = series.length + 1;
    series.push(...examined.map((one) => named(name, one)));
    facts.push(...examination.volumes.map(factsOf));
    const [first] = examined;
    if (values.images !== undefined && first !== undefined) await savePictures(values.images, name, number, first);
    await folder?.add(name, number, examined);
    // It stays on the machine it was asked for on, as the names in the report do.
    page.add(examined, { name });
    return examined;
  };
  const tell = (name: string, examined: readonly Examined[]) => {
    to.err(`${name}: ${examined.map(({ report }) => `${report.kind}, ${report.verdict}`).join('; ')}`);
    for (const each of new Set(examined.flatMap(({ report }) => report.findings))) to.err(`  ${each}`);
  };
  const addUnreadable = async (name: string, why: string) =>
    await add(name, { seriesInstanceUid: '', volumes: [], findings: [finding('file-unreadable', '', why)] });
  const bar = progressBar('measuring', allSeries.length + niftiFiles.length);
  try {
    await interruptible(async (signal) => {
      for (const [index, instances] of allSeries.entries()) {
        const uid = instances[0]?.seriesInstanceUid ?? '';
        const name = seriesName(files, uid);
        bar.update(index, name);
        const { volumes, findings } = await assembleVolumes(instances, files.store, signal);
        const brainOf = given ?? segmentations;
        tell(name, await add(name, { seriesInstanceUid: uid, volumes, findings, brainOf }));
      }
      for (const [index, file] of niftiFiles.entries()) {
        signal.throwIfAborted();
        const name = basename(file);
        bar.update(allSeries.length + index, name);
        const opened = await openScan(file);
        if (typeof opened === 'string') {
          to.err(`cannot be taken: ${name}: ${opened}`);
          await addUnreadable(name, opened);
          continue;
        }
        const { volume, findings } = opened;
        const brainOf = given ?? (() => maskBeside(file, volume));
        tell(name, await add(name, { seriesInstanceUid: '', volumes: [volume], findings, brainOf }));
      }
      for (const { name, error } of files.damaged.slice(0, MOST_DAMAGED)) await addUnreadable(name, adviceOf(error));
    });
  } finally {
    bar.stop();
  }

  const found = studyFindings(facts, options);
  const report = { series: options.mode === 'aidaqc' ? withVotes(series, to) : series };
  const html = () => page.page(pageOf(files.instances, found));
  if (values.report !== undefined) await writeFile(values.report, html());
  if (values.json !== undefined) await writeFile(values.json, `${json(report)}\n`);
  if (folder !== undefined && values.out !== undefined) {
    await folder.write(values.out, 'report.json', `${json(report)}\n`);
    await folder.write(values.out, 'report.html', html());
    for (const file of await folder.finish(found.map(({ sentence }) => sentence))) to.out(file);
  } else if (values.json === undefined) to.out(json(report));
  if (facts.length > 0 || allSeries.length > 0) return EXIT.done;
  to.err(`nothing below ${path} could be measured: ${whatWasThere(files.damaged, niftiFiles)}`);
  return EXIT.failed;
}

function whatWasThere(damaged: readonly DamagedFile[], niftiFiles: readonly string[]): string {
  return damaged.length + niftiFiles.length > 0 ? 'see above' : 'no MR or CT images and no NIfTI volume';
}

/** With what lies beside it; a sentence where it cannot be read. */
async function openScan(file: string) {
  try {
    const { volume, findings } = await readNiftiFile(file);
    return { volume: await withCompanions(file, volume), findings };
  } catch (error) {
    return sentenceOf(commandFailure(error));
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
function pageOf(instances: readonly InstanceItem[], found: ReturnType<typeof studyFindings>) {
  const [study, another] = new Set(instances.map(({ studyInstanceUid }) => studyInstanceUid));
  return {
    studyFindings: found,
    models: [],
    ...(study === undefined || another !== undefined ? {} : { studyInstanceUid: study }),
  };
}
