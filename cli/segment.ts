/** `hub segment PATH --out DIR [--model NAME|DIR]`: the segment processor on files, without a hub; the same code, the same objects. */
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HubError } from '../core/errors.ts';
import { pseudonymOf } from '../processors/objects/bids.ts';
import { HUB } from '../processors/objects/hub.ts';
import { labelMap, maskNifti } from '../processors/segment/mask-nifti.ts';
import type { Model } from '../processors/segment/model.ts';
import { DEFAULT_MODEL, openModelOrFolder } from '../processors/segment/open-model.ts';
import { overlayPicture } from '../processors/segment/overlay.ts';
import { hasMask, ResultHead, seriesResult, type SeriesResult } from '../processors/segment/result.ts';
import { SegmentResults } from '../processors/objects/segment-results.ts';
import { SEGMENT_OUTPUTS } from '../processors/segment/outputs.ts';
import type { SegmentedVolume } from '../processors/segment/segment-volume.ts';
import { segmentVolumes, type VolumeOutcome } from '../processors/segment/segment-volumes.ts';
import { assembleVolumes } from '../processors/volumes/assemble.ts';
import type { Volume } from '../processors/volumes/volume.ts';
import { JSON_OPTION, onlyPath, readArguments } from './arguments.ts';
import { CONFIG_OPTION } from './configuration.ts';
import { configuredModels } from './configured-models.ts';
import { EXIT } from './exit-codes.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { pathOrUnpacked } from './local-archive.ts';
import { leftOutLines, type LocalFiles, openLocalFiles, seriesName } from './local-files.ts';
import { readNiftiFile } from './nifti-files.ts';
import { makeFolder } from './out-folder.ts';
import { progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  out: {
    type: 'string',
    value: 'DIR',
    about: 'where masks, pictures, DICOM objects, reports and BIDS derivatives go (needed)',
  },
  model: {
    type: 'string',
    value: 'NAME|DIR',
    about: `a bundled model, one of \`models:\`, or a folder with model.json (${DEFAULT_MODEL})`,
  },
  probability: { type: 'boolean', about: 'write probability.nii.gz too: how sure the model is, voxel by voxel' },
  config: CONFIG_OPTION,
  json: JSON_OPTION,
} as const;

/** What became of one series, as `result.json` says it. */
interface NamedResult extends SeriesResult {
  readonly name: string;
  /** What is worth knowing of a series that was segmented nevertheless. */
  readonly findings?: readonly string[];
  readonly files?: readonly string[];
}

/** 0 when at least one series was segmented. */
export async function segment(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const path = onlyPath(positionals);
  const { out } = values;
  if (out === undefined) throw new HubError('command.usage', { detail: 'where do the results go? --out DIR' });
  const model = openModelOrFolder(values.model ?? DEFAULT_MODEL, { models: configuredModels(values.config) });
  await makeFolder(out);

  const files = await openLocalFiles(await pathOrUnpacked(path, to));
  for (const line of leftOutLines(files)) to.err(line);
  const order = { model, out, withProbability: values.probability === true };
  const result = await interruptible(async (signal) => segmentAll(await readVolumes(files, signal), order, signal));

  await writeFile(join(out, 'result.json'), `${json(result)}\n`);
  if (values.json === true) to.out(json(result));
  else {
    for (const each of result.series) to.out(sentence(each));
    for (const file of result.files ?? []) to.out(`  ${file}`);
  }
  if (result.series.some(({ voxels }) => voxels !== undefined)) return EXIT.done;
  to.err(`no series below ${path} was segmented`);
  return EXIT.failed;
}

interface Volumes {
  readonly volumes: readonly {
    readonly name: string;
    readonly volume: Volume;
    readonly findings: readonly string[];
  }[];
  /** What could not be made a volume, and why. */
  readonly unusable: readonly NamedResult[];
}

async function readVolumes(files: LocalFiles, signal: AbortSignal): Promise<Volumes> {
  const assembled = await assembleVolumes(files.instances, files.store, signal);
  const messagesOf = (uid: string) =>
    assembled.findings.flatMap(({ seriesInstanceUid, message }) => (seriesInstanceUid === uid ? [message] : []));
  const volumes = assembled.volumes.map((volume) => ({
    name: seriesName(files, volume.seriesInstanceUid),
    volume,
    findings: messagesOf(volume.seriesInstanceUid),
  }));
  const whole = new Set(assembled.volumes.map(({ seriesInstanceUid }) => seriesInstanceUid));
  const unusable: NamedResult[] = assembled.findings
    .filter(({ seriesInstanceUid }) => !whole.has(seriesInstanceUid))
    .map(({ seriesInstanceUid, message }) => ({ name: seriesName(files, seriesInstanceUid), finding: message }));
  for (const file of files.niftiFiles) {
    const name = basename(file);
    try {
      const { volume, findings } = await readNiftiFile(file);
      const unsized = findings.find(({ code }) => code === 'spacing-unknown');
      // A mask of a scan of no size has a volume that somebody would believe.
      if (unsized !== undefined) unusable.push({ name, finding: unsized.message });
      else volumes.push({ name, volume, findings: findings.map(({ message }) => message) });
    } catch (error) {
      unusable.push({ name, finding: sentenceOf(commandFailure(error)) });
    }
  }
  return { volumes, unusable };
}

interface Order {
  readonly model: Model;
  readonly out: string;
  readonly withProbability: boolean;
}

async function segmentAll({ volumes, unusable }: Volumes, order: Order, signal: AbortSignal) {
  const { model, out } = order;
  const series: NamedResult[] = [...unusable];
  const head = new ResultHead(model);
  const studies = studyFolders(volumes, order);
  const bar = progressBar('segmenting', volumes.length);
  try {
    const all = volumes.map(({ volume }) => volume);
    for await (const outcome of segmentVolumes(all, model, signal)) {
      const index = all.indexOf(outcome.volume);
      const { name = '', findings = [] } = volumes[index] ?? {};
      const known = findings.length === 0 ? { name } : { name, findings };
      bar.update(index + 1);
      head.add(outcome);
      if (!hasMask(outcome)) {
        series.push({ ...known, ...seriesResult(outcome) });
        continue;
      }
      // One series: the plain names; several: a folder each, numbered, because names of series are free text.
      const folder = volumes.length === 1 ? out : join(out, `series-${String(index + 1)}`);
      const files = await writeScan(outcome, folder, studies.of(outcome.volume), order);
      series.push({ ...known, ...seriesResult(outcome), files });
    }
  } finally {
    bar.stop();
  }
  const files: string[] = [];
  for (const study of studies.all) files.push(...(await writeStudy(study)));
  return { ...head.values, series, ...(files.length === 0 ? {} : { files }) };
}

interface Study {
  readonly folder: string;
  readonly results: SegmentResults;
}

/** One study: `--out` itself; several: a folder each below it. Subjects without a pseudonym are numbered. */
function studyFolders(volumes: Volumes['volumes'], { model, out }: Order) {
  const uids = [...new Set(volumes.map(({ volume }) => volume.studyInstanceUid))];
  const patients = [...new Set(volumes.map(({ volume }) => patientOf(volume)))];
  const studies = uids.map((uid, index): [string, Study] => {
    const results = new SegmentResults({
      model: { ...model.manifest, manifestSha256: model.manifestSha256 },
      hub: HUB,
      outputs: SEGMENT_OUTPUTS,
      subject: (header) =>
        pseudonymOf(header) ?? String(patients.indexOf(header.string('PatientID') ?? '') + 1).padStart(2, '0'),
      quality: new Map(),
    });
    return [uid, { folder: uids.length === 1 ? out : join(out, `study-${String(index + 1)}`), results }];
  });
  const byUid = new Map(studies);
  return {
    all: [...byUid.values()],
    of({ studyInstanceUid }: Volume): Study {
      const study = byUid.get(studyInstanceUid);
      if (study === undefined) throw new TypeError('every volume is of a study');
      return study;
    },
  };
}

function patientOf({ header }: Volume): string {
  return header.string('PatientID') ?? '';
}

/** `mask.nii.gz` is 1 wherever any label is; `labels.nii.gz` says which. */
async function writeScan(
  { volume, segmented }: VolumeOutcome & { readonly segmented: SegmentedVolume },
  folder: string,
  study: Study,
  { withProbability }: Order,
): Promise<readonly string[]> {
  const { labels, mask, probability } = segmented;
  const outlines = labels.map(({ mask: of, label }) => ({ mask: of, rgb: label.rgb }));
  const { segmentation, capture, files } = await study.results.add({
    volume,
    ...segmented,
    labelMap: labelMap(segmented),
  });
  return [
    await write(folder, 'mask.nii.gz', await maskNifti(volume, mask)),
    ...(labels.length > 1 ? [await write(folder, 'labels.nii.gz', await maskNifti(volume, labelMap(segmented)))] : []),
    ...(withProbability ? [await write(folder, 'probability.nii.gz', await maskNifti(volume, probability))] : []),
    await write(folder, 'overlay.png', overlayPicture(volume, outlines)),
    ...(segmentation === undefined ? [] : [await write(folder, 'segmentation.dcm', segmentation.bytes)]),
    ...(capture === undefined ? [] : [await write(folder, 'overview.dcm', capture.bytes)]),
    ...(await writeAll(join(study.folder, 'bids'), files)),
  ];
}

async function writeStudy({ folder, results }: Study): Promise<readonly string[]> {
  const { report, document, pdf, files } = await results.finish();
  return [
    ...(report === undefined ? [] : [await write(folder, 'measurements.dcm', report.bytes)]),
    ...(document === undefined ? [] : [await write(folder, 'report.dcm', document.bytes)]),
    ...(pdf === undefined ? [] : [await write(folder, 'report.pdf', pdf)]),
    ...(await writeAll(join(folder, 'bids'), files)),
  ];
}

async function writeAll(
  folder: string,
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): Promise<readonly string[]> {
  const written: string[] = [];
  for (const { path, bytes } of files) written.push(await write(folder, path, bytes));
  return written;
}

async function write(folder: string, name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await makeFolder(dirname(path));
  await writeFile(path, bytes);
  return path;
}

function sentence({ name, finding, findings = [], labels = [], confidence, reliability, files }: NamedResult): string {
  const remarks = findings.map((each) => `  ! ${each}`);
  if (finding !== undefined) return [`${name}: ${finding}`, ...remarks].join('\n');
  const found = labels.map((each) => `${each.name} ${each.volumeMm3.toFixed(1)} mm³ (${String(each.voxels)} voxels)`);
  const doubts = reliability?.verdict === 'unreliable' ? reliability.reasons : [];
  return [
    `${name}: ${found.join(', ')}, confidence ${(confidence ?? 0).toFixed(2)}`,
    ...remarks,
    ...doubts.map((reason) => `  mask unreliable: ${reason}`),
    ...(files ?? []).map((file) => `  ${file}`),
  ].join('\n');
}
