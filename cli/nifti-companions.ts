/** What lies beside a NIfTI file and belongs to it: a mask of the brain, gradients, and what its name says it is. */
import { access, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { maskOfNifti } from '../processors/qc/brain-masks.ts';
import { fitMask, type FittedMask } from '../processors/qc/mask-fit.ts';
import { finding, type Triple, type Volume, type VolumeKind } from '../processors/volumes/volume.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { stemOf } from './nifti-files.ts';

/** A mask or a parcellation is an answer, not a scan: it is not measured. */
const DERIVED = /_(?:mask|label|labels|dseg|dparc|probseg)\.nii(\.gz)?$/i;
/** BIDS suffixes, and what people call such files where they do not follow it. */
const KINDS: readonly (readonly [RegExp, VolumeKind])[] = [
  [/(?:^|[_-])(?:bold|fmri|func)(?:[_.-]|$)/i, 'functional'],
  [/(?:^|[_-])(?:dwi|dti)(?:[_.-]|$)/i, 'diffusion'],
  [/(?:^|[_-])(?:mese|megre|irt1|asl)(?:[_.-]|$)/i, 'mapping'],
  [/phantom/i, 'phantom'],
];

export function isDerived(file: string): boolean {
  return DERIVED.test(file);
}

/** The volume with what its name and the files beside it add. */
export async function withCompanions(file: string, volume: Volume): Promise<Volume> {
  const diffusion = await diffusionBeside(file, volume);
  const kind = diffusion === undefined ? KINDS.find(([pattern]) => pattern.test(basename(file)))?.[1] : 'diffusion';
  return { ...volume, kind: kind ?? volume.kind, ...(diffusion === undefined ? {} : { diffusion }) };
}

/** `sub-1_mask.nii.gz` beside `sub-1_T2w.nii.gz`. */
export async function maskBeside(file: string, volume: Volume): Promise<FittedMask | undefined> {
  const stem = stemOf(file);
  const candidates = [stem, stem.replace(/_[^_/]*$/, '')].flatMap((start) => [
    `${start}_mask.nii.gz`,
    `${start}_mask.nii`,
    `${start}_desc-brain_mask.nii.gz`,
  ]);
  for (const candidate of candidates)
    if (await isThere(candidate))
      try {
        return fitMask(maskOfNifti(await readFile(candidate)), volume);
      } catch (error) {
        const why = `${basename(candidate)}: ${sentenceOf(commandFailure(error))}; it is not used`;
        return { finding: finding('mask-unfit', volume.seriesInstanceUid, why) };
      }
  return undefined;
}

/** FSL's `.bval` and `.bvec`: directions along the axes of the file, the first one turned round where that is right-handed. */
async function diffusionBeside(file: string, { affine, dims }: Volume): Promise<Volume['diffusion']> {
  const stem = stemOf(file);
  if (!(await isThere(`${stem}.bval`))) return undefined;
  const rows = async (path: string) =>
    (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
  const [bValues = []] = await rows(`${stem}.bval`);
  const [xs = [], ys = [], zs = []] = (await isThere(`${stem}.bvec`)) ? await rows(`${stem}.bvec`) : [];
  if (bValues.length !== dims[3] || bValues.some((b) => !Number.isFinite(b))) return undefined;
  const column = (axis: number): Triple => {
    const along: Triple = [affine[axis] ?? 0, affine[4 + axis] ?? 0, affine[8 + axis] ?? 0];
    const length = Math.hypot(...along) || 1;
    return [along[0] / length, along[1] / length, along[2] / length];
  };
  const [a, b, c] = [column(0), column(1), column(2)];
  const handedness =
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  // LPS turns two axes of RAS: a right-handed file is right-handed in both.
  const sign = handedness > 0 ? -1 : 1;
  const directions = bValues.map((_, t): Triple | undefined => {
    const [x, y, z] = [sign * (xs[t] ?? 0), ys[t] ?? 0, zs[t] ?? 0];
    if (Math.hypot(x, y, z) < 1e-6) return undefined;
    return [x * a[0] + y * b[0] + z * c[0], x * a[1] + y * b[1] + z * c[1], x * a[2] + y * b[2] + z * c[2]];
  });
  return { bValues, directions };
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
