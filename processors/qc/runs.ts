/**
 * Masks as runs: stretches of a row that are all alike. A head is a few runs a row, so whoever walks along them touches no
 * voxel for nothing.
 */

/** Columns, rows, slices. */
export type Dims = readonly [number, number, number];

/** In the order of the voxels; none goes on into the next row. */
export interface Runs {
  readonly count: number;
  /** First voxel of each. */
  readonly from: Int32Array;
  /** Behind its last. */
  readonly to: Int32Array;
  /** First run of each row of the grid, and one more: behind the last. */
  readonly ofRow: Int32Array;
}

/** @param value - what a run is made of */
export function runsOf(mask: Uint8Array, [nx, ny, nz]: Dims, value: 0 | 1 = 1): Runs {
  const rows = ny * nz;
  const ofRow = new Int32Array(rows + 1);
  let [from, to] = [new Int32Array(rows), new Int32Array(rows)];
  let count = 0;
  for (let row = 0; row < rows; row++) {
    ofRow[row] = count;
    const end = (row + 1) * nx;
    for (let voxel = row * nx; voxel < end;) {
      while (voxel < end && mask[voxel] !== value) voxel++;
      if (voxel === end) break;
      if (count === from.length) [from, to] = [longer(from), longer(to)];
      from[count] = voxel;
      while (voxel < end && mask[voxel] === value) voxel++;
      to[count++] = voxel;
    }
  }
  ofRow[rows] = count;
  return { count, from, to, ofRow };
}

function longer(values: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * values.length);
  more.set(values);
  return more;
}

/** The first run of the piece that each run belongs to. Neighbours share a face; `isFlat`: each slice is a grid of its own. */
export function piecesOf({ count, from, to, ofRow }: Runs, [nx, ny, nz]: Dims, isFlat: boolean): Int32Array {
  const parent = Int32Array.from({ length: count }, (_, run) => run);
  const find = (run: number): number => {
    let at = run;
    for (;;) {
      const above = parent[at] ?? at;
      if (above === at) return at;
      const next = parent[above] ?? above;
      parent[at] = next;
      at = next;
    }
  };
  // Runs of two rows that lie beside each other belong together where they overlap.
  const join = (row: number, other: number): void => {
    const by = (row - other) * nx;
    let a = ofRow[row] ?? 0;
    let b = ofRow[other] ?? 0;
    const [endA, endB] = [ofRow[row + 1] ?? 0, ofRow[other + 1] ?? 0];
    while (a < endA && b < endB) {
      const [toA, toB] = [to[a] ?? 0, (to[b] ?? 0) + by];
      if ((from[a] ?? 0) < toB && (from[b] ?? 0) + by < toA) {
        const [one, two] = [find(a), find(b)];
        if (one < two) parent[two] = one;
        else parent[one] = two;
      }
      if (toA < toB) a++;
      else b++;
    }
  };
  for (let k = 0, row = 0; k < nz; k++)
    for (let j = 0; j < ny; j++, row++) {
      if (ofRow[row] === ofRow[row + 1]) continue;
      if (j > 0) join(row, row - 1);
      if (k > 0 && !isFlat) join(row, row - ny);
    }
  for (let run = 0; run < count; run++) parent[run] = find(run);
  return parent;
}
