/** Binary volumes: grown, shrunk, filled, cut into pieces. 1 is inside; neighbours share a face. */
export type Dims = readonly [number, number, number];

/** A mask of the same grid, shrunk `times`; the edge of the grid counts as outside only where `isEdgeOutside`. */
export function eroded(mask: Uint8Array, dims: Dims, times = 1, isEdgeOutside = false): Uint8Array {
  let current = mask;
  for (let i = 0; i < times; i++) current = passed(current, dims, 0, isEdgeOutside ? 0 : 1);
  return current;
}

export function dilated(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  let current = mask;
  for (let i = 0; i < times; i++) current = passed(current, dims, 1, 0);
  return current;
}

/** One step: a voxel becomes `value` when it or a neighbour has it. `beyond` stands outside of the grid. */
function passed(mask: Uint8Array, [nx, ny, nz]: Dims, value: 0 | 1, beyond: 0 | 1): Uint8Array {
  const result = Uint8Array.from(mask);
  const plane = nx * ny;
  const isAtEdge = beyond === value;
  for (let k = 0, voxel = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++, voxel++) {
        if (mask[voxel] === value) continue;
        if (
          (i > 0 ? mask[voxel - 1] === value : isAtEdge) ||
          (i < nx - 1 ? mask[voxel + 1] === value : isAtEdge) ||
          (j > 0 ? mask[voxel - nx] === value : isAtEdge) ||
          (j < ny - 1 ? mask[voxel + nx] === value : isAtEdge) ||
          // A single slice has no neighbours above and below, and must not vanish for it.
          (nz > 1 &&
            ((k > 0 ? mask[voxel - plane] === value : isAtEdge) ||
              (k < nz - 1 ? mask[voxel + plane] === value : isAtEdge)))
        )
          result[voxel] = value;
      }
  return result;
}

export function closed(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  return eroded(dilated(mask, dims, times), dims, times);
}

/** The largest piece of a mask. */
export function largestPiece(mask: Uint8Array, [nx, ny, nz]: Dims): Uint8Array {
  const piece = new Int32Array(mask.length);
  const stack: number[] = [];
  let pieces = 0;
  let largest = 0;
  let most = 0;
  const plane = nx * ny;
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] !== 1 || piece[start] !== 0) continue;
    pieces++;
    let size = 0;
    piece[start] = pieces;
    stack.push(start);
    for (let voxel = stack.pop(); voxel !== undefined; voxel = stack.pop()) {
      size++;
      const i = voxel % nx;
      const j = Math.floor(voxel / nx) % ny;
      const k = Math.floor(voxel / plane);
      const visit = (isThere: boolean, neighbour: number): void => {
        if (!isThere || mask[neighbour] !== 1 || piece[neighbour] !== 0) return;
        piece[neighbour] = pieces;
        stack.push(neighbour);
      };
      visit(i > 0, voxel - 1);
      visit(i < nx - 1, voxel + 1);
      visit(j > 0, voxel - nx);
      visit(j < ny - 1, voxel + nx);
      visit(k > 0, voxel - plane);
      visit(k < nz - 1, voxel + plane);
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
  const stack: number[] = [];
  for (let k = 0; k < nz; k++) {
    const offset = k * nx * ny;
    const visit = (i: number, j: number): void => {
      const voxel = offset + j * nx + i;
      if (i < 0 || j < 0 || i >= nx || j >= ny || mask[voxel] === 1 || result[voxel] === 0) return;
      result[voxel] = 0;
      stack.push(voxel);
    };
    for (let i = 0; i < nx; i++) {
      visit(i, 0);
      visit(i, ny - 1);
    }
    for (let j = 0; j < ny; j++) {
      visit(0, j);
      visit(nx - 1, j);
    }
    for (let voxel = stack.pop(); voxel !== undefined; voxel = stack.pop()) {
      const i = voxel % nx;
      const j = Math.floor(voxel / nx) % ny;
      visit(i - 1, j);
      visit(i + 1, j);
      visit(i, j - 1);
      visit(i, j + 1);
    }
  }
  return result;
}

export function countOf(mask: Uint8Array): number {
  let count = 0;
  for (let voxel = 0; voxel < mask.length; voxel++) count += mask[voxel] ?? 0;
  return count;
}
