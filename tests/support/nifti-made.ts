import { readFile } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceItem, ObjectStore } from '../../core/store.ts';
import { imagesBySeries } from '../../processors/volumes/assemble.ts';
import type { GradientFiles } from '../../processors/volumes/gradient-files.ts';
import { planSeries } from '../../processors/volumes/series.ts';
import type { Sidecar } from '../../processors/volumes/sidecar.ts';
import { planToNifti } from '../../processors/volumes/to-nifti.ts';
import { run, type Command } from './child-process.ts';
import { parseNifti, type NiftiFile } from './nifti-file.ts';

/** One volume as files say it. */
export interface MadeNifti {
  readonly nifti: NiftiFile;
  readonly sidecar: Sidecar;
  readonly gradients?: GradientFiles;
}

/** What the hub makes of instances, and what it says about them. */
export async function ourNifti(items: readonly InstanceItem[], store: ObjectStore) {
  const { signal } = new AbortController();
  const made: MadeNifti[] = [];
  const findings: string[] = [];
  for (const series of imagesBySeries(items)) {
    const planned = await planSeries(series, store, signal);
    findings.push(...planned.findings.map(({ code }) => code));
    for (const plan of planned.plans) {
      const { bytes, sidecar, gradients } = planToNifti(plan, store, { name: 'test', version: '1' }, signal, () => {});
      const chunks: Uint8Array[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      const nifti = parseNifti(Buffer.concat(chunks));
      made.push({ nifti, sidecar, ...(gradients === undefined ? {} : { gradients }) });
    }
  }
  return { made, findings };
}

/** What dcm2niix makes of a folder. @param out - an empty folder */
export async function theirNifti(dcm2niix: Command, folder: string, out: string): Promise<readonly MadeNifti[]> {
  const args = ['-m', 'dcm2niix', '-b', 'y', '-z', 'n', '-f', '%s_%e', '-o', out, folder];
  const { code, stdout } = await run(dcm2niix, args);
  if (code !== 0) throw new Error(`dcm2niix ended with ${String(code)}: ${stdout.slice(-500)}`);
  const made: MadeNifti[] = [];
  for (const file of globSync(join(out, '*.nii')).toSorted()) {
    const text = (ending: string) => readFile(file.replace(/nii$/, ending), 'utf8');
    const bval = await text('bval').catch(() => undefined);
    made.push({
      nifti: parseNifti(await readFile(file)),
      sidecar: JSON.parse(await text('json')) as Sidecar,
      ...(bval === undefined ? {} : { gradients: { bval, bvec: await text('bvec') } }),
    });
  }
  return made;
}
