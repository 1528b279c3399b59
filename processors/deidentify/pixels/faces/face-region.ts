/**
 * The face of a head as what lies in front of and below the brain, with a margin around it, seen from the side: nose,
 * mouth and eyes, up to the brow. The brain is never in it, whatever its shape. In patient coordinates, so that one region
 * holds for every scan of a frame of reference.
 */
import type { Triple, Volume } from '../../../volumes/volume.ts';
import { brainSurface, type BrainSurface } from './brain-surface.ts';
import { GRID_MM, headGrid, type HeadGrid } from './head-grid.ts';
import { headMask, vaultOf, type HeadMask, type Vault } from './head-mask.ts';

/**
 * In millimetres along the patient's axes, forwards and upwards; the same for every place from left to right. In front of
 * `backMm`, what lies below the ceiling is face; the ceiling rises in steps of 1 mm and ends at the brow.
 */
export interface FaceRegion {
  readonly backMm: number;
  readonly browMm: number;
  /** For each step in front of `backMm`. */
  readonly ceilingMm: Float64Array;
}

export type FoundRegion =
  | { readonly outcome: 'found'; readonly region: FaceRegion; readonly brain: BrainSurface }
  | { readonly outcome: 'unsure'; readonly reason: string };

/** Around the brain: more than the outline is wrong by, and than a head moves between scans. */
const MARGIN_MM = 8;
/** Brains of infants and of adults, with what the outline takes along of the fluid around them. */
const BRAIN_ML = { least: 700, most: 2_500 } as const;
/** Of a head as a circle: from an infant's to a large adult's. */
const VAULT_RADIUS_MM = { least: 50, most: 115 } as const;
const MIN_SKULL_SHARE = 0.7;
/** Share of the outline within the field of view: a brain that is cut has no outline where it is cut. */
const MIN_COVERED = 0.97;
/** The field of view may begin a little below the vertex. */
const MAX_CUT_SHARE = 0.35;
/** Nose, mouth and eyes weigh more; a scan that has less of them shows no face, or not where it is looked for. */
const MIN_FACE_ML = 60;
/** The lowest part of the outline is the brain stem; what lies behind its front is neck, and stays. */
const STEM_MM = 12;
/** Behind the frontal pole, the underside of the frontal lobe stands on the roofs of the orbits. */
const POLE_MM = 15;
/** Brows stand this far above the roofs of the orbits; in front of the brain the face ends there. */
const BROW_MM = 10;
const STEP_MM = 1;

/** @param volume - of one contrast, of a human head */
export function findFaceRegion(volume: Volume): FoundRegion {
  const unsure = (reason: string): FoundRegion => ({ outcome: 'unsure', reason });
  const grid = headGrid(volume);
  if (grid === undefined) return unsure('its field of view is no head’s');
  const head = headMask(grid);
  const vault = head === undefined ? undefined : vaultOf(grid, head);
  if (head === undefined || vault === undefined) return unsure('head and air cannot be told apart');
  const doubt = doubtOfVault(vault);
  if (doubt !== undefined) return unsure(doubt);
  const brain = brainSurface(grid, head, vault);
  const brainDoubt = doubtOfBrain(brain, grid);
  if (brainDoubt !== undefined) return unsure(brainDoubt);
  const region = regionBefore(brain.vertices);
  if (faceMl(grid, head, region) < MIN_FACE_ML) return unsure('no face is found where it should be');
  return { outcome: 'found', region, brain };
}

function doubtOfVault({ radiusMm, cutShare }: Vault): string | undefined {
  if (radiusMm < VAULT_RADIUS_MM.least || radiusMm > VAULT_RADIUS_MM.most) return 'it has not the size of a human head';
  return cutShare > MAX_CUT_SHARE ? 'the top of the head is not covered' : undefined;
}

function doubtOfBrain({ volumeMl, skullShare, vertices }: BrainSurface, grid: HeadGrid): string | undefined {
  if (volumeMl < BRAIN_ML.least || volumeMl > BRAIN_ML.most) return 'what looks like a brain has not the size of one';
  if (skullShare < MIN_SKULL_SHARE) return 'brain and skull cannot be told apart';
  const covered = vertices.filter((point) =>
    ([0, 1, 2] as const).every((axis) => {
      const cell = (point[axis] - grid.originMm[axis]) / GRID_MM;
      return cell >= -0.5 && cell <= grid.dims[axis] - 0.5;
    }),
  ).length;
  return covered < MIN_COVERED * vertices.length ? 'the brain is not covered whole' : undefined;
}

/** Seen from the side, what the brain leaves in front of and below itself. */
function regionBefore(vertices: readonly Triple[]): FaceRegion {
  // Forwards and upwards, as a profile is drawn.
  const profile = vertices.map(([, y, z]) => ({ forward: -y, up: z }));
  const pole = Math.max(...profile.map(({ forward }) => forward));
  const bottom = Math.min(...profile.map(({ up }) => up));
  const stem = profile.filter(({ up }) => up < bottom + STEM_MM);
  const backMm = Math.max(...stem.map(({ forward }) => forward)) + MARGIN_MM;
  const undersideMm = Math.min(...profile.filter(({ forward }) => forward > pole - POLE_MM).map(({ up }) => up));
  const brow = undersideMm + BROW_MM;
  const steps = Math.max(1, Math.ceil((pole + MARGIN_MM - backMm) / STEP_MM));
  const ceilingMm = Float64Array.from({ length: steps }, (_, step) => {
    const from = backMm + step * STEP_MM - MARGIN_MM;
    const ahead = profile.filter(({ forward }) => forward >= from);
    return Math.min(brow, ...ahead.map(({ up }) => up - MARGIN_MM));
  });
  return { backMm, browMm: brow, ceilingMm };
}

/** @param point - in millimetres, axes of PS3.3 Section C.7.6.2.1.1 */
export function isFace({ backMm, browMm, ceilingMm }: FaceRegion, y: number, z: number): boolean {
  const ahead = -y - backMm;
  if (ahead <= 0) return false;
  return z < (ceilingMm[Math.floor(ahead / STEP_MM)] ?? browMm);
}

function faceMl({ dims, originMm, data }: HeadGrid, { inside, threshold }: HeadMask, region: FaceRegion): number {
  const [nx, ny, nz] = dims;
  let cells = 0;
  for (let k = 0, at = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++, at++)
        if (inside[at] === 1 && (data[at] ?? 0) > threshold)
          cells += isFace(region, originMm[1] + j * GRID_MM, originMm[2] + k * GRID_MM) ? 1 : 0;
  return (cells * GRID_MM ** 3) / 1000;
}
