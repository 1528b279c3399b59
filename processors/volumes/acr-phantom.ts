/**
 * The ACR large phantom, known by its geometry where no name says that it is one: eleven axial slices 10 mm apart of a filled
 * cylinder of 190 mm (ACR Large Phantom Guidance, section 0.3). No head is round to two millimetres and bright alike inside.
 */
import type { Volume } from './volume.ts';

const SLICES = 11;
const STEP_MM = { least: 9.5, most: 10.5 };
const THICKNESS_MM = { least: 4.5, most: 5.5 };
const RADIUS_MM = { least: 92, most: 98 };
/** Of the edge, seen from the middle; without the direction of the bars. */
const RAYS = 72;
const OUT_OF_ROUND_MM = 2.5;
/** Rays that may end elsewhere: bubbles, the bars. */
const MOST_ODD_RAYS = 4;
/** Of the uniform slice, inside this radius: standard deviation by mean. */
const INNER_MM = 75;
const MOST_VARIED = 0.2;
/** The slice without anything in it. */
const UNIFORM_SLICE = 6;

type Gridded = Pick<Volume, 'dims' | 'spacingMm' | 'data' | 'header'>;

export function isAcrPhantom({ dims, spacingMm, data, header }: Gridded): boolean {
  const [columns, rows, slices] = dims;
  const [dx, dy, step] = spacingMm;
  const thickness = header.number('SliceThickness');
  if (slices !== SLICES || !isWithin(step, STEP_MM)) return false;
  if (thickness !== undefined && !isWithin(thickness, THICKNESS_MM)) return false;
  if (columns * dx < 2 * RADIUS_MM.most || rows * dy < 2 * RADIUS_MM.most) return false;
  const plane = data.subarray(UNIFORM_SLICE * columns * rows, (UNIFORM_SLICE + 1) * columns * rows);
  const half = brightOf(plane) / 2;
  const middle = middleOf(plane, columns, half);
  if (!(half > 0) || middle === undefined) return false;
  const at = (x: number, y: number) => {
    const [column, row] = [Math.round(middle.x + x / dx), Math.round(middle.y + y / dy)];
    return column < 0 || row < 0 || column >= columns || row >= rows ? 0 : (plane[row * columns + column] ?? 0);
  };
  const radii = Array.from({ length: RAYS }, (_, ray) => {
    const [ux, uy] = [Math.cos((2 * Math.PI * ray) / RAYS), Math.sin((2 * Math.PI * ray) / RAYS)];
    // From outside: what shines in within is no matter.
    for (let radius = RADIUS_MM.most + 15; radius > 0; radius -= 0.5)
      if (at(radius * ux, radius * uy) > half) return radius;
    return 0;
  });
  const ordered = radii.toSorted((one, other) => one - other);
  const radius = ordered[RAYS >> 1] ?? 0;
  if (!isWithin(radius, RADIUS_MM)) return false;
  if (radii.filter((each) => Math.abs(each - radius) > OUT_OF_ROUND_MM).length > MOST_ODD_RAYS) return false;
  return isUniform(at, Math.min(dx, dy));
}

function isUniform(at: (x: number, y: number) => number, pixelMm: number): boolean {
  let [count, sum, squares] = [0, 0, 0];
  for (let y = -INNER_MM; y <= INNER_MM; y += pixelMm)
    for (let x = -INNER_MM; x <= INNER_MM; x += pixelMm) {
      if (Math.hypot(x, y) > INNER_MM) continue;
      const value = at(x, y);
      count += 1;
      sum += value;
      squares += value * value;
    }
  const mean = sum / count;
  return mean > 0 && Math.sqrt(Math.max(0, squares / count - mean * mean)) < MOST_VARIED * mean;
}

/** The brightness of what is bright: a fifth of a picture that a phantom fills is above. */
function brightOf(plane: Float32Array): number {
  return plane.toSorted()[Math.floor(plane.length * 0.8)] ?? 0;
}

function middleOf(plane: Float32Array, columns: number, above: number): { x: number; y: number } | undefined {
  let [count, x, y] = [0, 0, 0];
  plane.forEach((value, index) => {
    if (!(value > above)) return;
    count += 1;
    x += index % columns;
    y += Math.floor(index / columns);
  });
  return count === 0 ? undefined : { x: x / count, y: y / count };
}

function isWithin(value: number, { least, most }: { readonly least: number; readonly most: number }): boolean {
  return value >= least && value <= most;
}
