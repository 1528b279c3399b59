/**
 * The simulated animal: where each tissue is and how bright it is in a T2-weighted scan. Drawn from a few ellipsoids,
 * curves and smooth noise; nothing of it is taken from a real subject or atlas.
 *
 * Coordinates are millimetres of an adult mouse: x to the right, y to the front, z upwards (dorsal), the origin in
 * the middle of the cerebrum. A rat is the same animal, larger.
 */
import { smoothNoise } from './random.ts';

/** What one point of the head is made of. */
export interface Tissue {
  /** Relative signal, cerebrospinal fluid = 1. */
  readonly signal: number;
  readonly isBrain: boolean;
}

type Point = readonly [number, number, number];

/** Relative T2-weighted signals at 7 T (long TE: water bright, bone and air dark). */
const SIGNAL = {
  air: 0,
  bone: 0.05,
  csf: 1,
  cortex: 0.6,
  hippocampus: 0.72,
  hippocampalLayer: 0.52,
  whiteMatter: 0.36,
  striatum: 0.52,
  thalamus: 0.47,
  stem: 0.43,
  cerebellum: 0.6,
  bulb: 0.66,
  muscle: 0.26,
  fat: 0.72,
  skin: 0.48,
  vitreous: 1.08,
  lens: 0.1,
  mucosa: 0.85,
} as const;

/** The tissue at each point of one animal; animals of different seeds differ a little in shape. */
export function animal(seed: number): (x: number, y: number, z: number) => Tissue {
  const shape = smoothNoise(seed ^ 0x51ed270b);
  const texture = smoothNoise(seed ^ 0x2545f491);
  const outside = (signal: number): Tissue => ({ signal, isBrain: false });

  return (x, y, z) => {
    const skin = headSurface(x, y, z) + 0.25 * shape(x / 4, y / 4, z / 4 + 50);
    if (skin > 0) return outside(SIGNAL.air);
    const bend = 0.16 * shape(x / 2.2, y / 2.2, z / 2.2);
    const brain = brainSurface(Math.abs(x), y, z) + bend;
    const grain = texture(x / 0.5, y / 0.7, z / 0.5);
    if (brain <= 0) return { signal: brainSignal(x, y, z, bend, grain), isBrain: true };
    return outside(headSignal(x, y, z, { skin, brain, grain, shape }));
  };
}

/** Signed distances below are approximations: exact enough near the surface, negative inside. */
function ellipsoid(x: number, y: number, z: number, centre: Point, radii: Point): number {
  const dx = (x - centre[0]) / radii[0];
  const dy = (y - centre[1]) / radii[1];
  const dz = (z - centre[2]) / radii[2];
  return (Math.sqrt(dx * dx + dy * dy + dz * dz) - 1) * Math.min(...radii);
}

/** Union with a rounded seam of `k` mm. */
function join(a: number, b: number, k: number): number {
  const h = Math.max(k - Math.abs(a - b), 0) / k;
  return Math.min(a, b) - (h * h * k) / 4;
}

/** Distance from a curve through the points, less its radius. */
function tube(x: number, y: number, z: number, points: readonly Point[], radius: number): number {
  let nearest = Infinity;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1];
    const b = points[i];
    if (a === undefined || b === undefined) break;
    const ux = b[0] - a[0];
    const uy = b[1] - a[1];
    const uz = b[2] - a[2];
    const along = ((x - a[0]) * ux + (y - a[1]) * uy + (z - a[2]) * uz) / (ux * ux + uy * uy + uz * uz);
    const t = Math.min(1, Math.max(0, along));
    nearest = Math.min(nearest, Math.hypot(x - a[0] - t * ux, y - a[1] - t * uy, z - a[2] - t * uz));
  }
  return nearest - radius;
}

/** Both sides are alike: `x` is the distance from the midline. */
function cerebrumSurface(x: number, y: number, z: number): number {
  // Widest behind the middle, narrowing towards the bulbs.
  const narrowing = 1 + 0.045 * Math.max(0, y);
  const hemisphere = ellipsoid(x * narrowing, y, z, [1.5, -0.1, 0.3], [3.65, 4.7, 2.95]);
  // The fissure between the hemispheres is only open at the top.
  return hemisphere + 0.2 * Math.exp(-((x / 0.25) ** 2)) * Math.max(0, Math.min(1, z - 1.8));
}
const bulbSurface = (x: number, y: number, z: number) => ellipsoid(x, y, z, [0.85, 5.4, 0.1], [1.05, 2, 1.35]);
const cerebellumSurface = (x: number, y: number, z: number) =>
  join(ellipsoid(x, y, z, [0, -5.1, 0.7], [3.3, 1.9, 2.2]), ellipsoid(x, y, z, [3.9, -4.5, -0.6], [0.8, 1, 0.9]), 0.3);
const stemSurface = (x: number, y: number, z: number) =>
  ellipsoid(x, y, z + 0.06 * (y + 3), [0, -3.6, -1.9], [2.3, 4.6, 1.45]);
const hypothalamusSurface = (x: number, y: number, z: number) => ellipsoid(x, y, z, [0, 0.3, -2.1], [2.1, 2.9, 1.1]);

function brainSurface(x: number, y: number, z: number): number {
  let surface = join(cerebrumSurface(x, y, z), bulbSurface(x, y, z), 0.5);
  surface = join(surface, cerebellumSurface(x, y, z), 0.35);
  surface = join(surface, stemSurface(x, y, z), 0.6);
  return join(surface, hypothalamusSurface(x, y, z), 0.6);
}

const HIPPOCAMPUS: readonly Point[] = [
  [0.55, -0.7, 1.25],
  [1.5, -1.5, 1.35],
  [2.6, -2.3, 0.7],
  [3.3, -2.7, -0.5],
  [3.1, -2.3, -1.5],
];
const LATERAL_VENTRICLE: readonly Point[] = [
  [0.55, 2.6, 0.4],
  [0.7, 1, 1],
  [1.1, 0, 1.25],
  [2.6, -1.1, 0.9],
  [3.5, -2, -0.4],
];
const AQUEDUCT: readonly Point[] = [
  [0, -0.9, -0.9],
  [0, -2.4, -0.3],
  [0, -4.2, -0.8],
];

/** Signal inside the brain. `bend` moves the inner borders with the surface. */
function brainSignal(signedX: number, y: number, z: number, bend: number, grain: number): number {
  const x = Math.abs(signedX);
  const wobble = bend * 0.8;
  const at = (tissue: keyof typeof SIGNAL, depth = 0.03) => SIGNAL[tissue] * (1 + depth * grain);

  if (tube(x, y, (z - 0.1) * 0.75 + 0.1, LATERAL_VENTRICLE, 0.2) + wobble * 0.3 < 0) return at('csf', 0.01);
  if (x < 0.11 && y > -1.6 && y < 1.4 && z < 0.1 && z > -2.6) return at('csf', 0.01);
  if (tube(x, y, z, AQUEDUCT, 0.16) < 0) return at('csf', 0.01);
  if (ellipsoid(x, y, z, [0, -5.2, -0.85], [1.25, 0.8, 0.24]) < 0) return at('csf', 0.01);

  const cerebellum = cerebellumSurface(x, y, z) + bend;
  const cerebrum = cerebrumSurface(x, y, z) + bend;
  if (cerebellum < 0 && cerebellum < cerebrum && z > -1.1) return cerebellarSignal(y, z, cerebellum, grain);
  if (bulbSurface(x, y, z) + bend < -0.05 && y > 3.9) {
    const core = bulbSurface(x, y, z);
    return core > -0.35 ? at('bulb') : core > -0.55 ? at('hippocampalLayer') : at('bulb', 0.05);
  }

  const hippocampus = tube(x, y, z, HIPPOCAMPUS, 0.66) + wobble * 0.5;
  if (hippocampus < 0) {
    const isLayer = Math.abs(hippocampus + 0.24) < 0.07 || hippocampus < -0.52;
    return isLayer ? at('hippocampalLayer') : at('hippocampus');
  }
  if (cerebrum < 0) {
    const isDorsal = z > -0.9 - 0.12 * y;
    const thickness = 1.15 + 0.1 * grain;
    if (cerebrum > -thickness && (isDorsal || cerebrum > -0.7)) {
      // A little darker towards the white matter, as the myelin of the deep layers makes it.
      return at('cortex') * (1.03 + 0.06 * cerebrum);
    }
    if (isDorsal && cerebrum > -thickness - 0.32 && y > -3.8 && y < 3.6) return at('whiteMatter');
  }
  if (ellipsoid(x, y, z, [2.05, 1.5, -0.1], [1.35, 2, 1.6]) + wobble < 0) {
    // Fibre bundles stripe the striatum.
    return SIGNAL.striatum * (1 + 0.07 * Math.sin(7 * x + 2 * y) * Math.sin(6 * z + 1.5 * y) + 0.02 * grain);
  }
  if (ellipsoid(x, y, z, [1, -0.9, -0.5], [1.35, 1.6, 1.25]) < 0) return at('thalamus');
  return at('stem', 0.05);
}

/** Folia: cortex around branches of white matter, with fluid in the clefts between them. */
function cerebellarSignal(y: number, z: number, surface: number, grain: number): number {
  const dy = y + 4.9;
  const dz = z + 0.3;
  const branch = Math.sin(9 * Math.atan2(dz, dy) + 0.6 * grain);
  const radius = Math.hypot(dy, dz);
  if (radius < 0.6) return SIGNAL.whiteMatter;
  if (branch > 0.86 && surface < -0.3) return SIGNAL.whiteMatter * 1.06;
  if (branch < -0.93 && surface > -0.75) return SIGNAL.csf * 0.82;
  return SIGNAL.cerebellum * (1 + 0.03 * grain);
}

function headSurface(x: number, y: number, z: number): number {
  // A wedge: the snout is thin and low, the neck thick.
  const front = Math.max(0, y - 2) / 12;
  const width = 7.6 * (1 - 0.62 * front ** 1.3);
  const height = 6.2 * (1 - 0.55 * front ** 1.2);
  const dx = x / Math.max(0.5, width);
  const dz = (z + 1.9 + 0.9 * front) / Math.max(0.5, height);
  const dy = y > 0 ? Math.max(0, y - 9) / 6 : Math.max(0, -y - 9) / 9;
  return (Math.sqrt(dx * dx + dz * dz + dy * dy) - 1) * Math.max(0.5, Math.min(width, height));
}

interface Surroundings {
  readonly skin: number;
  readonly brain: number;
  readonly grain: number;
  readonly shape: (x: number, y: number, z: number) => number;
}

/** Signal outside the brain: the inner rim of fluid, skull, eyes, ears, nose, throat, muscle, fat, skin. */
function headSignal(signedX: number, y: number, z: number, around: Surroundings): number {
  const { skin, brain, grain, shape } = around;
  const x = Math.abs(signedX);
  if (brain < 0.14) return SIGNAL.csf * 0.9;
  const cord = tube(
    x,
    y,
    z,
    [
      [0, -6, -2.4],
      [0, -14, -3.4],
    ],
    1.15,
  );
  if (cord < 0 && y < -6.5) return SIGNAL.stem;
  if (cord < 0.3 && y < -6.5) return SIGNAL.csf * 0.9;
  const skullThickness = 0.4 + 0.08 * Math.max(0, -z) + 0.12 * shape(signedX / 1.5, y / 1.5, z / 1.5);
  if (brain < 0.14 + skullThickness || (cord < 0.75 && y < -6.5)) return SIGNAL.bone;

  const eye = ellipsoid(x, y, z, [5, 6.6, 0.2], [1.5, 1.5, 1.5]);
  if (eye < 0) return ellipsoid(x, y, z, [5.4, 6.8, 0.25], [0.95, 0.95, 0.95]) < 0 ? SIGNAL.lens : SIGNAL.vitreous;
  const bulla = ellipsoid(x, y, z, [3.7, -3.9, -3.6], [1.25, 1.6, 1.2]);
  if (bulla < -0.2) return SIGNAL.air + 0.02;
  if (bulla < 0) return SIGNAL.bone;
  const nose = ellipsoid(x, y, z, [0.75, 10.2, -0.9], [0.9, 3.2, 1.5]);
  if (nose < 0) return Math.sin(8 * z + 3 * x) > 0.1 ? SIGNAL.air + 0.02 : SIGNAL.mucosa;
  if (nose < 0.3) return SIGNAL.bone;
  if (
    tube(
      x,
      y,
      z,
      [
        [0, 6, -4.2],
        [0, 0, -4.9],
        [0, -12, -5.6],
      ],
      0.45,
    ) < 0
  )
    return SIGNAL.air + 0.02;

  if (skin > -0.28) return SIGNAL.skin;
  if (skin > -0.62 + 0.3 * shape(signedX / 3, y / 3, z / 3 + 9)) return SIGNAL.fat;
  // Between the muscles run seams of fat.
  const seam = Math.abs(shape(signedX / 1.9, y / 3.2, z / 1.9 + 30));
  if (seam < 0.045) return SIGNAL.fat * 0.75;
  return SIGNAL.muscle * (1 + 0.12 * grain + 0.15 * shape(signedX / 1.2, y / 2, z / 1.2 + 70));
}
