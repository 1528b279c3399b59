/**
 * Scans to try a brain model on: real heads, and what is done to them, or is no head at all, so that no mask of it can be
 * right. From ../shared/mri; the references are those that came with the data.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readNifti } from '../../processors/volumes/nifti.ts';
import type { Triple, Volume } from '../../processors/volumes/volume.ts';
import { seeded } from './seeded.ts';

const MRI = resolve(import.meta.dirname, '../../../shared/mri');
const RODENT = join(MRI, 'rodent');

export interface RodentCase {
  readonly name: string;
  /**
   * `good`: a brain that can be found. `failure`: a mask of it must not be believed, or not be made. `open`: nobody can
   * say, because the header lies and the brain is there all the same.
   */
  readonly kind: 'good' | 'failure' | 'open';
  readonly volume: Volume;
  /** What belongs to the brain, on the volume's grid, where somebody drew it. */
  readonly reference?: Uint8Array;
}

const read = (file: string): Volume => readNifti(readFileSync(file));
/** What is above 0, on the file's grid. */
export const maskOf = (file: string): Uint8Array => Uint8Array.from(read(file).data, (value) => (value > 0 ? 1 : 0));

/** @throws when ../shared/mri is not there */
export function goodHeads(): readonly RodentCase[] {
  const head = (name: string, image: string, mask?: string, factor = 1): RodentCase => ({
    name,
    kind: 'good',
    volume: scaled(read(join(RODENT, image)), factor),
    ...(mask === undefined ? {} : { reference: maskOf(join(RODENT, mask)) }),
  });
  const t1 = head('mouse T1w', 'mouse_T1w_head/sherm-1_T1w.nii.gz', 'mouse_T1w_head/sherm-1_mask.nii.gz');
  return [
    { ...t1, volume: withAxes(t1.volume) },
    head('mouse template', 'mouse_template_head_300um/anat.nii.gz', 'mouse_template_head_300um/mask.nii.gz'),
    // Its header has sizes ten times too large.
    head(
      'mouse EPI',
      'mouse_EPI_head/emory-mouse1_EPI_forward0.nii.gz',
      'mouse_EPI_head/emory-mouse1_mask.nii.gz',
      0.1,
    ),
    head('mouse EPI reverse', 'mouse_EPI_head/emory-mouse1_EPI_reverse0.nii.gz', undefined, 0.1),
    head('rat T2w', 'rat_T2w_head/nirodents-sub-15_T2w.nii.gz'),
  ];
}

/** The T1w head's stack runs from posterior to anterior, and its rows from dorsal to ventral, although its header says S and A. */
function withAxes(volume: Volume): Volume {
  const [x, y, z] = volume.spacingMm;
  return { ...volume, affine: [-x, 0, 0, 0, 0, 0, -z, 0, 0, -y, 0, 0, 0, 0, 0, 1] };
}

/** Brains without their heads; the tight reference is the label map. */
export function strippedBrains(): readonly RodentCase[] {
  const folder = join(RODENT, 'mouse_invivo_T2w_stripped');
  return readdirSync(folder)
    .filter((file) => file.endsWith('_T2w.nii.gz'))
    .toSorted()
    .map((file) => ({
      name: file.replace('_T2w.nii.gz', ''),
      kind: 'good' as const,
      volume: read(join(folder, file)),
      reference: maskOf(join(folder, file.replace('_T2w', '_label'))),
    }));
}

/** Deliberate failures, made of the heads and of what is no rodent's head. */
export function failures(): readonly RodentCase[] {
  const heads = goodHeads();
  const [t1 = missing(), template = missing(), , , rat = missing()] = heads.map(({ volume }) => volume);
  const failure = (name: string, volume: Volume): RodentCase => ({ name, kind: 'failure', volume });
  return [
    failure('empty', { ...t1, data: new Float32Array(t1.data.length) }),
    failure('noise alone, mouse', noiseLike(t1, 1)),
    failure('noise alone, template grid', noiseLike(template, 2)),
    failure('noise alone, rat', noiseLike(rat, 3)),
    ...[t1, template].flatMap((volume, n) => [
      failure(`half the head, left to right ${n}`, cut(volume, 0, 0.5)),
      failure(`half the head, second axis ${n}`, cut(volume, 1, 0.5)),
      failure(`half the head, third axis ${n}`, cut(volume, 2, 0.5)),
      failure(`sizes doubled ${n}`, scaled(volume, 2)),
      failure(`sizes halved ${n}`, scaled(volume, 0.5)),
    ]),
    failure('half the rat, third axis', cut(rat, 2, 0.5)),
    failure('sizes of the rat doubled', scaled(rat, 2)),
    ...[t1, template, rat].flatMap((volume, n) => [
      failure(`drowned in noise ${n}`, noisy(volume, 1, n)),
      failure(`blurred beyond use ${n}`, { ...volume, data: checker(volume) }),
    ]),
    failure('a tube of water', tube(t1)),
    failure('a ball of water', ball(t1)),
  ];
}

/** What only a header that says the species could settle. */
export function openCases(): readonly RodentCase[] {
  const t1 = read(join(RODENT, 'mouse_T1w_head/sherm-1_T1w.nii.gz'));
  const human = read(join(MRI, 'human/brainchop_t1_crop.nii.gz'));
  const rat = read(join(RODENT, 'rat_T2w_head/nirodents-sub-15_T2w.nii.gz'));
  const open = (name: string, volume: Volume): RodentCase => ({ name, kind: 'open', volume });
  return [
    open('mouse T1w as its header has it, axes exchanged', t1),
    open('a human head at a tenth', scaled(human, 0.1)),
    open('a human head at a twentieth', scaled(human, 0.05)),
    open('a rat at half its size', scaled(rat, 0.5)),
    open('half a rat, of no said species', cut(rat, 0, 0.5)),
  ];
}

function missing(): never {
  throw new TypeError('a head is missing');
}

/** As if the header said another size. */
function scaled(volume: Volume, factor: number): Volume {
  const [x, y, z] = volume.spacingMm;
  return {
    ...volume,
    spacingMm: [x * factor, y * factor, z * factor] satisfies Triple,
    affine: volume.affine.map((value, n) => (n < 12 ? value * factor : value)),
  };
}

/** The first part of an axis is all that was scanned. */
export function cut(volume: Volume, axis: 0 | 1 | 2, share: number): Volume {
  const dims: [number, number, number, number] = [...volume.dims];
  dims[axis] = Math.max(4, Math.round(dims[axis] * share));
  const [nx, ny, nz] = volume.dims;
  const data = new Float32Array(dims[0] * dims[1] * dims[2]);
  let n = 0;
  for (let z = 0; z < Math.min(nz, dims[2]); z += 1)
    for (let y = 0; y < Math.min(ny, dims[1]); y += 1)
      for (let x = 0; x < Math.min(nx, dims[0]); x += 1, n += 1) data[n] = volume.data[(z * ny + y) * nx + x] ?? 0;
  return { ...volume, dims: [dims[0], dims[1], dims[2], 1], data };
}

/** Rician: the magnitude of a signal with noise in both of its channels. @param level - of the brightest hundredth */
export function noisy(volume: Volume, level: number, seed: number): Volume {
  const random = seeded(seed);
  const sorted = Float32Array.from(volume.data).sort();
  const sigma = level * (sorted[Math.floor(sorted.length * 0.99)] ?? 0);
  return { ...volume, data: volume.data.map((v) => Math.hypot(v + sigma * normal(random), sigma * normal(random))) };
}

function noiseLike(volume: Volume, seed: number): Volume {
  const random = seeded(seed);
  return { ...volume, data: volume.data.map(() => Math.hypot(normal(random), normal(random))) };
}

/** Blocks of brightness where the head was. */
function checker({ data, dims: [nx, ny] }: Volume): Float32Array {
  return data.map((_, n) => {
    const [x, y, z] = [n % nx, Math.floor(n / nx) % ny, Math.floor(n / (nx * ny))];
    return (Math.floor(x / 8) + Math.floor(y / 8) + Math.floor(z / 4)) % 2 === 0 ? 100 : 40;
  });
}

function tube(volume: Volume): Volume {
  return shape(volume, (x, y) => Math.hypot(x, y) < 8);
}

function ball(volume: Volume): Volume {
  return shape(volume, (x, y, z) => Math.hypot(x, y, z) < 6);
}

/** Uniform inside, faint noise outside; millimetres from the middle. */
function shape(volume: Volume, isInside: (x: number, y: number, z: number) => boolean): Volume {
  const random = seeded(7);
  const [nx, ny, nz] = volume.dims;
  const [sx, sy, sz] = volume.spacingMm;
  return {
    ...volume,
    data: volume.data.map((_, n) => {
      const x = ((n % nx) - nx / 2) * sx;
      const y = ((Math.floor(n / nx) % ny) - ny / 2) * sy;
      const z = (Math.floor(n / (nx * ny)) - nz / 2) * sz;
      return (isInside(x, y, z) ? 100 : 0) + 2 * Math.abs(normal(random));
    }),
  };
}

/** Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
