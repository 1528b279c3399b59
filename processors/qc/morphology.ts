/** Binary volumes: grown, shrunk, filled, cut into pieces. 1 is inside; neighbours share a face. */
export type Dims = readonly [number, number, number];

/** A mask of the same grid, shrunk `times`; the edge of the grid counts as inside. */
export function eroded(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  let current = mask;
  for (let i = 0; i < times; i++) current = passed(current, dims, 0);
  return current;
}

export function dilated(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  let current = mask;
  for (let i = 0; i < times; i++) current = passed(current, dims, 1);
  return current;
}

/** One step: a voxel becomes `value` when it or a neighbour has it. Beyond the grid nothing has it. */
function passed(mask: Uint8Array, [nx, ny, nz]: Dims, value: 0 | 1): Uint8Array {
  const result = new Uint8Array(mask.length);
  const plane = nx * ny;
  // As if 1 were what spreads: 0 spreads where all is turned round.
  const turn = 1 - value;
  for (let k = 0; k < nz; k++)
    for (let j = 0; j < ny; j++) {
      const from = nx * (j + ny * k);
      const to = from + nx;
      // A row has itself for a neighbour where it has none.
      const above = j > 0 ? -nx : 0;
      const below = j < ny - 1 ? nx : 0;
      const before = k > 0 ? -plane : 0;
      const behind = k < nz - 1 ? plane : 0;
      for (let voxel = from; voxel < to; voxel++) {
        const left = voxel > from ? voxel - 1 : voxel;
        const right = voxel < to - 1 ? voxel + 1 : voxel;
        result[voxel] =
          (((mask[voxel] ?? 0) ^ turn) |
            ((mask[left] ?? 0) ^ turn) |
            ((mask[right] ?? 0) ^ turn) |
            ((mask[voxel + above] ?? 0) ^ turn) |
            ((mask[voxel + below] ?? 0) ^ turn) |
            ((mask[voxel + before] ?? 0) ^ turn) |
            ((mask[voxel + behind] ?? 0) ^ turn)) ^
          turn;
      }
    }
  return result;
}

/**
 * Voxels that are left of a mask shrunk and grown by one, the edge of the grid outside. Its voxels are few, and only
 * they are looked at.
 *
 * @param places - where the mask is 1
 */
export function countOpened(places: readonly number[], [nx, ny, nz]: Dims): number {
  if (places.length === 0) return 0;
  const plane = nx * ny;
  const mask = new Uint8Array(plane * nz);
  for (const voxel of places) mask[voxel] = 1;
  const left = new Uint8Array(mask.length);
  let count = 0;
  const leave = (voxel: number): void => {
    if (left[voxel] === 1) return;
    left[voxel] = 1;
    count++;
  };
  for (const voxel of places) {
    const i = voxel % nx;
    const j = Math.floor(voxel / nx) % ny;
    const isInner = i > 0 && i < nx - 1 && j > 0 && j < ny - 1;
    if (!isInner || mask[voxel - 1] !== 1 || mask[voxel + 1] !== 1 || mask[voxel - nx] !== 1 || mask[voxel + nx] !== 1)
      continue;
    // A single slice has no neighbours above and below, and must not vanish for it.
    if (nz > 1 && (mask[voxel - plane] !== 1 || mask[voxel + plane] !== 1)) continue;
    leave(voxel);
    for (const step of nz > 1 ? [1, nx, plane] : [1, nx]) {
      leave(voxel - step);
      leave(voxel + step);
    }
  }
  return count;
}

export function closed(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  return eroded(dilated(mask, dims, times), dims, times);
}

/** The largest piece of a mask. */
export function largestPiece(mask: Uint8Array, [nx, ny, nz]: Dims): Uint8Array {
  const piece = new Int32Array(mask.length);
  // Each voxel stands in it once.
  const stack = new Int32Array(countOf(mask));
  let height = 0;
  let pieces = 0;
  let largest = 0;
  let most = 0;
  const plane = nx * ny;
  const last = plane * (nz - 1);
  const steps = [-1, 1, -nx, nx, -plane, plane];
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] !== 1 || piece[start] !== 0) continue;
    pieces++;
    let size = 0;
    piece[start] = pieces;
    stack[height++] = start;
    while (height > 0) {
      const voxel = stack[--height] ?? 0;
      size++;
      const i = voxel % nx;
      const j = Math.floor(voxel / nx) % ny;
      for (let side = 0; side < 6; side++) {
        const isThere =
          side === 0
            ? i > 0
            : side === 1
              ? i < nx - 1
              : side === 2
                ? j > 0
                : side === 3
                  ? j < ny - 1
                  : side === 4
                    ? voxel >= plane
                    : voxel < last;
        const neighbour = voxel + (steps[side] ?? 0);
        if (!isThere || mask[neighbour] !== 1 || piece[neighbour] !== 0) continue;
        piece[neighbour] = pieces;
        stack[height++] = neighbour;
      }
    }
    if (size > most) {
      most = size;
      largest = pieces;
    }
  }
  const result = new Uint8Array(mask.length);
  for (let voxel = 0; voxel < mask.length; voxel++) if (largest !== 0 && piece[voxel] === largest) result[voxel] = 1;
  return result;
}

/** What a slice encloses belongs to it: nostrils, ears and dark ventricles are not air around the head. */
export function filledBySlice(mask: Uint8Array, [nx, ny, nz]: Dims): Uint8Array {
  const result = new Uint8Array(mask.length).fill(1);
  const stack = new Int32Array(nx * ny);
  for (let k = 0; k < nz; k++) {
    const first = k * nx * ny;
    const end = first + nx * ny;
    let height = 0;
    const visit = (voxel: number): void => {
      if (mask[voxel] === 1 || result[voxel] === 0) return;
      result[voxel] = 0;
      stack[height++] = voxel;
    };
    for (let i = 0; i < nx; i++) {
      visit(first + i);
      visit(end - nx + i);
    }
    for (let j = first; j < end; j += nx) {
      visit(j);
      visit(j + nx - 1);
    }
    while (height > 0) {
      const voxel = stack[--height] ?? 0;
      const i = (voxel - first) % nx;
      if (i > 0) visit(voxel - 1);
      if (i < nx - 1) visit(voxel + 1);
      if (voxel - nx >= first) visit(voxel - nx);
      if (voxel + nx < end) visit(voxel + nx);
    }
  }
  return result;
}

export function countOf(mask: Uint8Array): number {
  let count = 0;
  for (let voxel = 0; voxel < mask.length; voxel++) count += mask[voxel] ?? 0;
  return count;
}
