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
import { loadFor, readArguments, terminal } from './configuration.ts';
import { openLocalFiles } from './local-files.ts';
import { progressBar } from './progress.ts';

const DEFAULT_MODEL = 'rodent-brain';

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
export async function segment(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    out: { type: 'string' },
    model: { type: 'string' },
    config: { type: 'string' },
    json: { type: 'boolean' },
  });
  const [path, second] = positionals;
  if (path === undefined || second !== undefined) throw new HubError('command.usage', { detail: 'one file or folder' });
  const { out } = values;
  if (out === undefined) throw new HubError('command.usage', { detail: '--out DIR is needed: where the results go' });
  const model = openModel(values.model ?? DEFAULT_MODEL, { policies: [], models: modelsOf(values.config) });
  await mkdir(out, { recursive: true });

  const files = await openLocalFiles(path);
  const { volumes, findings } = await assembleVolumes(files.items, files.store, new AbortController().signal);
  const named = [
    ...volumes.map((volume) => ({
      volume,
      name: files.seriesNames.get(volume.seriesInstanceUid) ?? volume.seriesInstanceUid,
    })),
    ...(await Promise.all(
      files.niftiFiles.map(async (file) => ({ volume: readNifti(await readFile(file)), name: basename(file) })),
    )),
  ];
  const results: SeriesResult[] = findings.map(({ seriesInstanceUid, message }) => ({
    name: files.seriesNames.get(seriesInstanceUid) ?? seriesInstanceUid,
    finding: message,
  }));
  const bar = progressBar('segment', named.length);
  let seconds = 0;
  let runtime = '';
  const signal = new AbortController().signal;
  for await (const { volume, segmented, finding } of segmentVolumes(
    named.map((each) => each.volume),
    model,
    signal,
  )) {
    bar.update(results.length + 1 - findings.length);
    const index = named.findIndex((each) => each.volume === volume);
    const name = named[index]?.name ?? '';
    if (segmented === undefined || segmented.voxels === 0) {
      results.push({ name, finding: finding ?? 'the model found nothing in this series' });
      continue;
    }
    seconds += segmented.seconds;
    runtime = segmented.runtime;
    // One series: the plain names; several: a folder each, numbered, because names of series are free text.
    const folder = named.length === 1 ? out : join(out, `series-${String(index + 1)}`);
    await mkdir(folder, { recursive: true });
    const products = productsOf(volume, segmented.mask, model.manifest);
    for (const [file, bytes] of products) await writeFile(join(folder, file), bytes);
    results.push({
      name,
      label: model.manifest.labels[0].name,
      voxels: segmented.voxels,
      volumeMm3: segmented.volumeMm3,
      confidence: segmented.confidence,
      files: products.map(([file]) => join(folder, file)),
    });
  }
  bar.stop();

  const { manifest } = model;
  const result = {
    model: manifest.name,
    modelVersion: manifest.version,
    modelSha256: manifest.onnx.sha256,
    runtime,
    seconds,
    series: results,
  };
  const text = `${JSON.stringify(result, null, 2)}\n`;
  await writeFile(join(out, 'result.json'), text);
  if (values.json === true) process.stdout.write(text);
  else for (const each of results) terminal.out(sentence(each));
  const count = results.filter(({ voxels }) => voxels !== undefined).length;
  if (count === 0) terminal.err('no series was segmented');
  return count === 0 ? 1 : 0;
}

function productsOf(
  volume: Volume,
  mask: Uint8Array,
  manifest: Parameters<typeof segmentationObject>[2],
): readonly (readonly [string, Uint8Array])[] {
  const dicom =
    volume.slices.length === 0
      ? []
      : [['segmentation.dcm', segmentationObject(volume, mask, manifest, HUB).bytes] as const];
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
