/** `hub segment PATH --out DIR [--model NAME]`: the segment processor on files, without a hub; the same code, the same objects. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HubError } from '../core/errors.ts';
import { HUB, openModel, segmentVolumes } from '../processors/segment/index.ts';
import { maskNifti } from '../processors/segment/mask-nifti.ts';
import { overlayPicture } from '../processors/segment/overlay.ts';
import { segmentationObject } from '../processors/segment/segmentation-object.ts';
import { assembleVolumes } from '../processors/volumes/assemble.ts';
import { readNifti } from '../processors/volumes/nifti.ts';
import type { Volume } from '../processors/volumes/volume.ts';
import { configShapes } from '../shapes.ts';
import { JSON_OPTION, onlyPath, readArguments } from './arguments.ts';
import { CONFIG_OPTION, loadFor } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { leftOutLines, type LocalFiles, openLocalFiles, seriesName } from './local-files.ts';
import { progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

type Model = ReturnType<typeof openModel>;

const DEFAULT_MODEL = 'rodent-brain';
const OPTIONS = {
  out: { type: 'string', value: 'DIR', about: 'where masks, pictures and DICOM Segmentations go (needed)' },
  model: { type: 'string', value: 'NAME', about: `a bundled model or one of \`models:\` (${DEFAULT_MODEL})` },
  config: CONFIG_OPTION,
  json: JSON_OPTION,
} as const;

/** What became of one series, as `result.json` says it. */
interface SeriesResult {
  readonly name: string;
  readonly finding?: string;
  readonly label?: string;
  readonly voxels?: number;
  readonly volumeMm3?: number;
  readonly confidence?: number;
  readonly files?: readonly string[];
}

/** 0 when at least one series was segmented. */
export async function segment(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const path = onlyPath(positionals);
  const { out } = values;
  if (out === undefined) throw new HubError('command.usage', { detail: 'where do the results go? --out DIR' });
  const model = openModel(values.model ?? DEFAULT_MODEL, { policies: [], models: modelsOf(values.config) });
  await mkdir(out, { recursive: true });

  const files = await openLocalFiles(path);
  for (const line of leftOutLines(files)) to.err(line);
  const result = await interruptible(async (signal) =>
    segmentAll(await readVolumes(files, signal), model, out, signal),
  );

  await writeFile(join(out, 'result.json'), `${json(result)}\n`);
  if (values.json === true) to.out(json(result));
  else for (const each of result.series) to.out(sentence(each));
  if (result.series.some(({ voxels }) => voxels !== undefined)) return EXIT.done;
  to.err(`no series below ${path} was segmented`);
  return EXIT.failed;
}

interface Volumes {
  readonly volumes: readonly { readonly name: string; readonly volume: Volume }[];
  /** What could not be made a volume, and why. */
  readonly unusable: readonly SeriesResult[];
}

async function readVolumes(files: LocalFiles, signal: AbortSignal): Promise<Volumes> {
  const assembled = await assembleVolumes(files.instances, files.store, signal);
  const volumes = assembled.volumes.map((volume) => ({ name: seriesName(files, volume.seriesInstanceUid), volume }));
  const unusable: SeriesResult[] = assembled.findings.map(({ seriesInstanceUid, message }) => ({
    name: seriesName(files, seriesInstanceUid),
    finding: message,
  }));
  for (const file of files.niftiFiles) {
    try {
      volumes.push({ name: basename(file), volume: readNifti(await readFile(file)) });
    } catch (error) {
      unusable.push({ name: basename(file), finding: sentenceOf(commandFailure(error)) });
    }
  }
  return { volumes, unusable };
}

async function segmentAll({ volumes, unusable }: Volumes, model: Model, out: string, signal: AbortSignal) {
  const { manifest } = model;
  const series: SeriesResult[] = [...unusable];
  const bar = progressBar('segmenting', volumes.length);
  let seconds = 0;
  let runtime = '';
  try {
    const all = volumes.map(({ volume }) => volume);
    for await (const { volume, segmented, finding } of segmentVolumes(all, model, signal)) {
      const index = all.indexOf(volume);
      const name = volumes[index]?.name ?? '';
      bar.update(index + 1);
      if (segmented === undefined || segmented.voxels === 0) {
        series.push({ name, finding: finding ?? 'the model found nothing in this series' });
        continue;
      }
      seconds += segmented.seconds;
      runtime = segmented.runtime;
      // One series: the plain names; several: a folder each, numbered, because names of series are free text.
      const folder = volumes.length === 1 ? out : join(out, `series-${String(index + 1)}`);
      await mkdir(folder, { recursive: true });
      const products = productsOf(volume, segmented.mask, manifest);
      for (const [file, bytes] of products) await writeFile(join(folder, file), bytes);
      series.push({
        name,
        label: manifest.labels[0].name,
        voxels: segmented.voxels,
        volumeMm3: segmented.volumeMm3,
        confidence: segmented.confidence,
        files: products.map(([file]) => join(folder, file)),
      });
    }
  } finally {
    bar.stop();
  }
  const { name: modelName, version: modelVersion, onnx } = manifest;
  return { model: modelName, modelVersion, modelSha256: onnx.sha256, runtime, seconds, series };
}

function productsOf(
  volume: Volume,
  mask: Uint8Array,
  manifest: Model['manifest'],
): readonly (readonly [string, Uint8Array])[] {
  const dicom =
    volume.slices.length === 0
      ? []
      : [
          [
            'segmentation.dcm',
            segmentationObject(volume, [{ label: manifest.labels[0], mask }], manifest, HUB).bytes,
          ] as const,
        ];
  return [['mask.nii.gz', maskNifti(volume, mask)], ['overlay.png', overlayPicture(volume, mask)], ...dicom];
}

/** Models of the configuration, when there is one; the bundled ones need none. */
function modelsOf(file: string | undefined): readonly { readonly name: string; readonly path: string }[] {
  const { loaded } = loadFor(file, configShapes());
  if (loaded.mistakes === undefined) return loaded.config.models;
  if (file === undefined) return [];
  throw new HubError('config.invalid', { detail: `${file} is not valid: run hub check --config ${file}` });
}

function sentence({ name, finding, label, voxels, volumeMm3, confidence, files }: SeriesResult): string {
  if (finding !== undefined) return `${name}: ${finding}`;
  return `${name}: ${label ?? ''} ${(volumeMm3 ?? 0).toFixed(1)} mm³ (${String(voxels)} voxels, confidence ${(confidence ?? 0).toFixed(2)})\n  ${files?.join('\n  ') ?? ''}`;
}
