/**
 * The outline of a brain as a closed surface that grows from the middle of the skull until its edge stops it: the
 * deformable model of Smith, "Fast robust automated brain extraction", Human Brain Mapping 17 (2002), on a coarse grid.
 * Names of the forces are those of the paper.
 */
import type { Triple } from '../../../volumes/volume.ts';
import { GRID_MM, type HeadGrid } from './head-grid.ts';
import { peeled, type HeadMask, type Vault } from './head-mask.ts';
import { icosphere, type Sphere } from './icosphere.ts';

const SUBDIVISIONS = 4;
const ITERATIONS = 800;
/** Scalp and skull together are thicker than this wherever there is brain under them. */
const PEELED_CELLS = 2;
/** How far inwards the surface looks for the darkest and the brightest value. */
const LOOK_DARK_MM = 20;
const LOOK_BRIGHT_MM = 10;
const STEP_MM = 1.5;
/** Fractional threshold between dark and bright: the paper's default. */
const BETWEEN = 0.5;
/** Radii of curvature between which smoothing sets in. */
const SHARPEST_MM = 3.33;
const FLATTEST_MM = 10;

export interface BrainSurface {
  readonly vertices: readonly Triple[];
  readonly volumeMl: number;
  /** Of the vertices of the upper half: the share with a dark shell, the skull, right outside of them. */
  readonly skullShare: number;
  readonly centreMm: Triple;
}

export function brainSurface(grid: HeadGrid, head: HeadMask, vault: Vault): BrainSurface {
  const sphere = icosphere(SUBDIVISIONS);
  const inner = peeled(grid, head, PEELED_CELLS);
  const typical = medianWithin(grid, vault, head);
  const vertices = Float64Array.from(
    sphere.points,
    (value, at) => (vault.centreMm[at % 3] ?? 0) + value * vault.radiusMm * 0.5,
  );
  const normals = new Float64Array(vertices.length);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    fillNormals(normals, vertices, sphere);
    moveOnce(vertices, normals, sphere, (at) => intensityForce(inner, head, typical, vertices, normals, at));
  }
  fillNormals(normals, vertices, sphere);
  return measured(grid, vertices, normals, sphere, typical);
}

const CURVATURE = (1 / SHARPEST_MM + 1 / FLATTEST_MM) / 2;
const STEEPNESS = 6 / (1 / SHARPEST_MM - 1 / FLATTEST_MM);

/** All vertices by what they were before: u = 0.5 sₜ + f₂ sₙ + 0.05 f₃ l n. */
function moveOnce(
  vertices: Float64Array,
  normals: Float64Array,
  { neighbours }: Sphere,
  force: (at: number) => number,
): void {
  const moved = new Float64Array(vertices.length);
  const edge = meanEdge(vertices, neighbours);
  neighbours.forEach((around, index) => {
    const at = index * 3;
    const s = [0, 0, 0];
    for (const other of around)
      for (let axis = 0; axis < 3; axis++) s[axis] = (s[axis] ?? 0) + (vertices[other * 3 + axis] ?? 0) / around.length;
    let outwards = 0;
    for (let axis = 0; axis < 3; axis++) {
      s[axis] = (s[axis] ?? 0) - (vertices[at + axis] ?? 0);
      outwards += (s[axis] ?? 0) * (normals[at + axis] ?? 0);
    }
    const inverseRadius = (2 * Math.abs(outwards)) / (edge * edge);
    const f2 = (1 + Math.tanh(STEEPNESS * (inverseRadius - CURVATURE))) / 2;
    const f3 = force(at);
    for (let axis = 0; axis < 3; axis++) {
      const normal = normals[at + axis] ?? 0;
      const sn = outwards * normal;
      const st = (s[axis] ?? 0) - sn;
      moved[at + axis] = (vertices[at + axis] ?? 0) + 0.5 * st + f2 * sn + 0.05 * f3 * edge * normal;
    }
  });
  vertices.set(moved);
}

/** Outwards while what lies inwards is brain, inwards where it is darker than that. */
function intensityForce(
  grid: HeadGrid,
  { dark, threshold }: HeadMask,
  typical: number,
  vertices: Float64Array,
  normals: Float64Array,
  at: number,
): number {
  let darkest = typical;
  let brightest = threshold;
  for (let mm = 0; mm <= LOOK_DARK_MM; mm += STEP_MM) {
    const value = valueAlong(grid, vertices, normals, at, -mm);
    if (value < darkest) darkest = value;
    if (mm <= LOOK_BRIGHT_MM && value > brightest) brightest = value;
  }
  darkest = Math.max(dark, darkest);
  brightest = Math.min(typical, brightest);
  const local = (brightest - dark) * BETWEEN + dark;
  return brightest > dark ? (2 * (darkest - local)) / (brightest - dark) : -1;
}

function valueAlong(grid: HeadGrid, vertices: Float64Array, normals: Float64Array, at: number, mm: number): number {
  const along = (axis: number) => (vertices[at + axis] ?? 0) + mm * (normals[at + axis] ?? 0);
  return valueAt(grid, along(0), along(1), along(2));
}

/** Nearest cell; outside of the field of view there is air. */
function valueAt({ dims, originMm, data }: HeadGrid, x: number, y: number, z: number): number {
  const i = Math.round((x - originMm[0]) / GRID_MM);
  const j = Math.round((y - originMm[1]) / GRID_MM);
  const k = Math.round((z - originMm[2]) / GRID_MM);
  if (i < 0 || j < 0 || k < 0 || i >= dims[0] || j >= dims[1] || k >= dims[2]) return 0;
  const value = data[(k * dims[1] + j) * dims[0] + i] ?? 0;
  return Number.isNaN(value) ? 0 : value;
}

function medianWithin(grid: HeadGrid, { centreMm: [cx, cy, cz], radiusMm }: Vault, head: HeadMask): number {
  const values: number[] = [];
  const reach = radiusMm * 0.6;
  for (let x = -reach; x <= reach; x += GRID_MM)
    for (let y = -reach; y <= reach; y += GRID_MM)
      for (let z = -reach; z <= reach; z += GRID_MM) {
        if (Math.hypot(x, y, z) > reach) continue;
        const value = valueAt(grid, cx + x, cy + y, cz + z);
        if (value > head.dark && value < head.bright) values.push(value);
      }
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? head.threshold;
}

/** How far out the skull may be: cerebrospinal fluid is bright in some contrasts and belongs to neither. */
const SHELL_MM = [2, 4, 6, 8, 10] as const;
const INSIDE_MM = [4, 8, 12] as const;
const SKULL_TO_BRAIN = 0.6;

function measured(
  grid: HeadGrid,
  vertices: Float64Array,
  normals: Float64Array,
  { faces, neighbours }: Sphere,
  typical: number,
): BrainSurface {
  const points = neighbours.map((_, index): Triple => pointAt(vertices, index));
  const mean = (axis: 0 | 1 | 2) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const centreMm: Triple = [mean(0), mean(1), mean(2)];
  let [upper, dark] = [0, 0];
  points.forEach((point, index) => {
    if (point[2] < centreMm[2]) return;
    const along = (mm: number) => valueAlong(grid, vertices, normals, index * 3, mm);
    const outside = Math.min(...SHELL_MM.map((mm) => along(mm)));
    const inside = INSIDE_MM.reduce((sum, mm) => sum + along(-mm), 0) / INSIDE_MM.length;
    upper += 1;
    if (inside > 0.4 * typical && outside < SKULL_TO_BRAIN * inside) dark += 1;
  });
  let six = 0;
  for (let at = 0; at < faces.length; at += 3) {
    const [p, q, r] = [0, 1, 2].map((n) => pointAt(vertices, faces[at + n] ?? 0));
    if (p === undefined || q === undefined || r === undefined) continue;
    six += p[0] * (q[1] * r[2] - q[2] * r[1]) + p[1] * (q[2] * r[0] - q[0] * r[2]) + p[2] * (q[0] * r[1] - q[1] * r[0]);
  }
  return { vertices: points, volumeMl: Math.abs(six) / 6000, skullShare: upper === 0 ? 0 : dark / upper, centreMm };
}

function pointAt(vertices: Float64Array, index: number): Triple {
  return [vertices[index * 3] ?? 0, vertices[index * 3 + 1] ?? 0, vertices[index * 3 + 2] ?? 0];
}

function fillNormals(normals: Float64Array, vertices: Float64Array, { faces }: Sphere): void {
  normals.fill(0);
  for (let at = 0; at < faces.length; at += 3) {
    const [a, b, c] = [(faces[at] ?? 0) * 3, (faces[at + 1] ?? 0) * 3, (faces[at + 2] ?? 0) * 3];
    const side = (from: number, to: number, axis: number) => (vertices[to + axis] ?? 0) - (vertices[from + axis] ?? 0);
    const [ux, uy, uz] = [side(a, b, 0), side(a, b, 1), side(a, b, 2)];
    const [vx, vy, vz] = [side(a, c, 0), side(a, c, 1), side(a, c, 2)];
    for (const corner of [a, b, c]) {
      normals[corner] = (normals[corner] ?? 0) + uy * vz - uz * vy;
      normals[corner + 1] = (normals[corner + 1] ?? 0) + uz * vx - ux * vz;
      normals[corner + 2] = (normals[corner + 2] ?? 0) + ux * vy - uy * vx;
    }
  }
  for (let at = 0; at < normals.length; at += 3) {
    const size = Math.max(1e-9, Math.hypot(normals[at] ?? 0, normals[at + 1] ?? 0, normals[at + 2] ?? 0));
    for (let axis = 0; axis < 3; axis++) normals[at + axis] = (normals[at + axis] ?? 0) / size;
  }
}

function meanEdge(vertices: Float64Array, neighbours: Sphere['neighbours']): number {
  let [sum, count] = [0, 0];
  neighbours.forEach((around, index) => {
    for (const other of around) {
      const side = (axis: number) => (vertices[other * 3 + axis] ?? 0) - (vertices[index * 3 + axis] ?? 0);
      sum += Math.hypot(side(0), side(1), side(2));
      count += 1;
    }
  });
  return sum / Math.max(1, count);
}
