/**
 * Exact Euclidean distance to the nearest marked voxel, in millimetres, of voxels that are no cubes: one axis after the
 * other, along two of them the lower envelope of parabolas (Felzenszwalb and Huttenlocher, doi 10.4086/toc.2012.v008a019).
 */
import type { Triple } from '../pixels/voxel-grid.ts';

/** @returns squared distances; infinite throughout when nothing is marked */
export function squaredDistances(marked: Uint8Array, [nx, ny, nz]: Triple, [sx, sy, sz]: Triple): Float64Array {
  const distances = new Float64Array(marked.length);
  for (let line = 0; line < ny * nz; line += 1) alongFirst(marked, distances, line * nx, nx, sx);
  const envelope = new Envelope(Math.max(ny, nz));
  for (let z = 0; z < nz; z += 1) for (let x = 0; x < nx; x += 1) envelope.pass(distances, z * nx * ny + x, nx, ny, sy);
  for (let line = 0; line < nx * ny; line += 1) envelope.pass(distances, line, nx * ny, nz, sz);
  return distances;
}

/** There and back: how far the last mark lies behind. */
function alongFirst(marked: Uint8Array, out: Float64Array, start: number, count: number, spacing: number): void {
  let since = Infinity;
  for (let n = start; n < start + count; n += 1) {
    since = marked[n] === 1 ? 0 : since + 1;
    out[n] = since;
  }
  since = Infinity;
  for (let n = start + count - 1; n >= start; n -= 1) {
    since = marked[n] === 1 ? 0 : since + 1;
    const nearest = Math.min(since, out[n] ?? Infinity) * spacing;
    out[n] = nearest * nearest;
  }
}

/** Room for one line, used again for the next. */
class Envelope {
  /** Where the parabolas of the envelope have their lowest points, in voxels. */
  readonly #vertices: Int32Array;
  /** Where each takes over from the one before, in millimetres. */
  readonly #from: Float64Array;
  readonly #line: Float64Array;

  constructor(longest: number) {
    this.#vertices = new Int32Array(longest);
    this.#from = new Float64Array(longest);
    this.#line = new Float64Array(longest);
  }

  /** The least of (x − v)² + values[v] over all v, in place. */
  pass(values: Float64Array, start: number, stride: number, count: number, spacing: number): void {
    const [vertices, from, line] = [this.#vertices, this.#from, this.#line];
    let last = -1;
    for (let q = 0; q < count; q += 1) {
      const height = values[start + q * stride] ?? Infinity;
      line[q] = height;
      if (height === Infinity) continue;
      const x = q * spacing;
      let takesOver = -Infinity;
      while (last >= 0) {
        const v = vertices[last] ?? 0;
        const xv = v * spacing;
        takesOver = (height + x * x - ((line[v] ?? 0) + xv * xv)) / (2 * (x - xv));
        if (takesOver > (from[last] ?? 0)) break;
        last -= 1;
        takesOver = -Infinity;
      }
      last += 1;
      vertices[last] = q;
      from[last] = takesOver;
    }
    if (last < 0) return;
    let k = 0;
    for (let q = 0; q < count; q += 1) {
      while (k < last && (from[k + 1] ?? Infinity) < q * spacing) k += 1;
      const v = vertices[k] ?? 0;
      const away = (q - v) * spacing;
      values[start + q * stride] = away * away + (line[v] ?? 0);
    }
  }
}
