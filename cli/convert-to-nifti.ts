/** Series and NIfTI files as `.nii.gz` with a BIDS sidecar, and `.bval` and `.bvec` where they are diffusion-weighted. */
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createGzip } from 'node:zlib';
import { HubError } from '../core/errors.ts';
import { SOFTWARE } from '../core/software.ts';
import { distinctFindings, imagesBySeries } from '../processors/volumes/assemble.ts';
import { planSeries, type VolumePlan } from '../processors/volumes/series.ts';
import { planToNifti, volumeToNifti } from '../processors/volumes/to-nifti.ts';
import { FINDINGS } from '../processors/volumes/volume.ts';
import { type Conversion, writeWhole } from './convert-to-dicom.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { fileNames } from './file-names.ts';
import { type LocalFiles, seriesName } from './local-files.ts';
import { readNiftiFile, stemOf } from './nifti-files.ts';
import { progressBar } from './progress.ts';

export async function toNifti(files: LocalFiles, out: string, signal: AbortSignal): Promise<readonly Conversion[]> {
  const conversions: Conversion[] = [];
  const nameFor = fileNames();
  const series = imagesBySeries(files.instances);
  for (const instances of series) {
    const seriesInstanceUid = instances[0]?.seriesInstanceUid ?? '';
    const name = seriesName(files, seriesInstanceUid);
    const { plans, findings } = await planSeries(instances, files.store, signal);
    const sentences = distinctFindings(findings).map(({ message }) => message);
    if (plans.length === 0) {
      conversions.push({ name, seriesInstanceUid, findings: sentences, error: 'no volume could be made of it' });
      continue;
    }
    for (const plan of plans) {
      const target = join(out, nameFor(volumeName(name, plan, plans)));
      conversions.push({
        name,
        seriesInstanceUid,
        dims: plan.head.dims,
        findings: sentences,
        ...(await writeVolume(plan, files, target, signal)),
      });
    }
  }
  const bar = progressBar('NIfTI files', files.niftiFiles.length);
  try {
    for (const [index, file] of files.niftiFiles.entries()) {
      signal.throwIfAborted();
      const name = basename(file);
      conversions.push(await rewrite(file, join(out, nameFor(stemOf(name))), signal));
      bar.update(index + 1);
    }
  } finally {
    bar.stop();
  }
  return conversions;
}

/** Series number and name, and what tells it from the other volumes of its series, in dcm2niix's order and words. */
function volumeName(name: string, { head }: VolumePlan, plans: readonly VolumePlan[]): string {
  const echoes = [...new Set(plans.map((plan) => plan.head.echoTimeMs ?? 0))].toSorted((a, b) => a - b);
  const component = head.component ?? 'magnitude';
  return [
    head.header.string('SeriesNumber'),
    name,
    echoes.length > 1 ? `e${echoes.indexOf(head.echoTimeMs ?? 0) + 1}` : undefined,
    component === 'magnitude' ? undefined : component === 'phase' ? 'ph' : component,
  ]
    .filter((part) => part !== undefined)
    .join('_');
}

async function writeVolume(
  plan: VolumePlan,
  { store }: LocalFiles,
  target: string,
  signal: AbortSignal,
): Promise<Pick<Conversion, 'files' | 'error'> & Partial<Pick<Conversion, 'findings'>>> {
  const bar = progressBar(basename(target), plan.frames.length);
  let slices = 0;
  const { bytes, sidecar, gradients, zeroed } = planToNifti(plan, store, SOFTWARE, signal, () =>
    bar.update((slices += 1)),
  );
  try {
    await writeWhole(`${target}.nii.gz`, bytes, signal, createGzip());
    const texts = [
      [`${target}.json`, `${JSON.stringify(sidecar, undefined, 2)}\n`] as const,
      ...(gradients === undefined
        ? []
        : [[`${target}.bval`, gradients.bval] as const, [`${target}.bvec`, gradients.bvec] as const]),
    ];
    for (const [file, text] of texts) await writeFile(file, text);
    const files = [`${target}.nii.gz`, ...texts.map(([file]) => file)];
    return zeroed() === 0 ? { files } : { files, findings: [`${FINDINGS['values-not-finite']}: ${zeroed()}.`] };
  } catch (thrown) {
    return { error: failed(thrown, signal) };
  } finally {
    bar.stop();
  }
}

/** As it was stored, on the grid it has, with a header that says all it can. */
async function rewrite(file: string, target: string, signal: AbortSignal): Promise<Conversion> {
  const name = basename(file);
  try {
    const { volume, findings } = await readNiftiFile(file);
    const unsized = findings.find(({ code }) => code === 'spacing-unknown');
    // Written with a size it would look as if somebody had known it.
    if (unsized !== undefined) throw new HubError('dataset.unreadable', { detail: unsized.message });
    await writeWhole(`${target}.nii.gz`, volumeToNifti(volume), signal, createGzip());
    const sentences = findings.map(({ message }) => message);
    return { name, dims: volume.dims, files: [`${target}.nii.gz`], findings: sentences };
  } catch (thrown) {
    return { name, error: failed(thrown, signal) };
  }
}

/** One series that fails is a line of the report; the command being stopped is not. */
function failed(thrown: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  const error = commandFailure(thrown);
  if (error.code === 'internal.unexpected') throw thrown;
  return sentenceOf(error);
}
