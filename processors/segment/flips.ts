/**
 * A network that was trained on heads turned every way round is asked about the same grid again with its axes turned
 * round: where its answers differ it guesses, and their mean guesses less.
 */
import type { Axis } from './layout.ts';

type Triple = readonly [number, number, number];

/** Every combination of the axes, the empty one first: two for one axis, eight for three. */
export function combinationsOf(axes: readonly ('x' | 'y' | 'z')[]): readonly (readonly Axis[])[] {
  return axes.reduce<readonly (readonly Axis[])[]>(
    (all, axis) => [...all, ...all.map((chosen) => [...chosen, AXIS[axis]])],
    [[]],
  );
}

const AXIS = { x: 0, y: 1, z: 2 } as const;

/** The field, x fastest, with the axes turned round; the same array where there is none. */
export function flipped(values: Float32Array, [nx, ny, nz]: Triple, axes: readonly Axis[]): Float32Array {
  if (axes.length === 0) return values;
  const out = new Float32Array(values.length);
  const [isX, isY, isZ] = [axes.includes(0), axes.includes(1), axes.includes(2)];
  for (let z = 0, n = 0; z < nz; z += 1)
    for (let y = 0; y < ny; y += 1) {
      const row = ((isZ ? nz - 1 - z : z) * ny + (isY ? ny - 1 - y : y)) * nx;
      if (isX) for (let x = nx - 1; x >= 0; x -= 1, n += 1) out[n] = values[row + x] ?? 0;
      else for (let x = 0; x < nx; x += 1, n += 1) out[n] = values[row + x] ?? 0;
    }
  return out;
}
