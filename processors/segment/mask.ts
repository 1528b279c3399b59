/** Clean-up of a binary mask on the scan's own grid: one organ is one piece without holes. */

export type Dims = readonly [number, number, number];

/** Keeps the largest 6-connected piece. An empty mask stays empty. */
export function largestComponent(mask: Uint8Array, dims: Dims): Uint8Array {
  const { pieces, sizes } = piecesOf(mask, dims);
  // Noise can have hundreds of thousands of pieces: more than a call takes arguments.
  const best = sizes.indexOf(sizes.reduce((a, b) => Math.max(a, b), 0));
  return mask.map((_, n) => (pieces[n] !== 0 && pieces[n] === best + 1 ? 1 : 0));
}

/** Keeps the 6-connected pieces of at least so many voxels. */
export function removeSmall(mask: Uint8Array, dims: Dims, minVoxels: number): Uint8Array {
  const { pieces, sizes } = piecesOf(mask, dims);
  return mask.map((_, n) => ((sizes[(pieces[n] ?? 0) - 1] ?? 0) >= minVoxels && pieces[n] !== 0 ? 1 : 0));
}

/** Each voxel's piece, from 1; 0 outside the mask. */
function piecesOf(mask: Uint8Array, dims: Dims): { readonly pieces: Int32Array; readonly sizes: readonly number[] } {
  const pieces = new Int32Array(mask.length);
  const sizes: number[] = [];
  const queue = new Int32Array(mask.length);
  for (let start = 0; start < mask.length; start += 1) {
    if (mask[start] !== 1 || pieces[start] !== 0) continue;
    const piece = sizes.length + 1;
    const size = flood(start, dims, queue, (n) => {
      if (mask[n] !== 1 || pieces[n] !== 0) return false;
      pieces[n] = piece;
      return true;
    });
    sizes.push(size);
  }
  return { pieces, sizes };
}

/** Fills what the background cannot reach from the border, slice by slice (scans have thick slices: holes are seen in-plane). */
export function fillHoles(mask: Uint8Array, dims: Dims): Uint8Array {
  const [nx, ny, nz] = dims;
  const out = new Uint8Array(mask.length);
  const plane = nx * ny;
  const queue = new Int32Array(plane);
  for (let z = 0; z < nz; z += 1) {
    const slice = mask.subarray(z * plane, (z + 1) * plane);
    const outside = new Uint8Array(plane);
    const open = (n: number): boolean => {
      if (slice[n] === 1 || outside[n] === 1) return false;
      outside[n] = 1;
      return true;
    };
    for (let x = 0; x < nx; x += 1) for (const y of [0, ny - 1]) flood(y * nx + x, [nx, ny, 1], queue, open);
    for (let y = 0; y < ny; y += 1) for (const x of [0, nx - 1]) flood(y * nx + x, [nx, ny, 1], queue, open);
    for (let n = 0; n < plane; n += 1) out[z * plane + n] = outside[n] === 1 ? 0 : 1;
  }
  return out;
}

export function countVoxels(mask: Uint8Array): number {
  let count = 0;
  for (const value of mask) count += value;
  return count;
}

/** Breadth-first over 6 neighbours; `enter` marks a voxel and says whether it belongs. Returns how many did. */
function flood(start: number, [nx, ny, nz]: Dims, queue: Int32Array, enter: (n: number) => boolean): number {
  if (!enter(start)) return 0;
  queue[0] = start;
  let head = 0;
  let tail = 1;
  const visit = (n: number): void => {
    if (enter(n)) {
      queue[tail] = n;
      tail += 1;
    }
  };
  while (head < tail) {
    const n = queue[head] ?? 0;
    head += 1;
    const x = n % nx;
    const y = Math.floor(n / nx) % ny;
    const z = Math.floor(n / (nx * ny));
    if (x > 0) visit(n - 1);
    if (x < nx - 1) visit(n + 1);
    if (y > 0) visit(n - nx);
    if (y < ny - 1) visit(n + nx);
    if (z > 0) visit(n - nx * ny);
    if (z < nz - 1) visit(n + nx * ny);
  }
  return tail;
}
