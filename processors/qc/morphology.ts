/** Binary volumes: grown, shrunk, filled, cut into pieces. 1 is inside; neighbours share a face. */
import { type Dims, piecesOf, runsOf } from './runs.ts';

/** A mask of the same grid, shrunk `times`; the edge of the grid counts as inside. */
export function eroded(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  return unpacked(spread(packed(mask, dims, 0), dims, times), dims, 0);
}

export function dilated(mask: Uint8Array, dims: Dims, times = 1): Uint8Array {
  return unpacked(spread(packed(mask, dims, 1), dims, times), dims, 1);
}

/** Thirty-two voxels of a row in a word: a step of all of them is a few operations. */
type Packed = Int32Array<ArrayBuffer>;

const WORD = 32;
const wordsOf = (nx: number): number => Math.ceil(nx / WORD);

/** Bits are set where the mask is `value`, and nowhere beyond the end of a row. */
function packed(mask: Uint8Array, [nx, ny, nz]: Dims, value: 0 | 1): Packed {
  const turn = 1 - value;
  const bits = new Int32Array(wordsOf(nx) * ny * nz);
  for (let row = 0, word = 0; row < ny * nz; row++)
    for (let from = 0; from < nx; from += WORD) {
      const start = row * nx + from;
      const size = Math.min(WORD, nx - from);
      let some = 0;
      for (let bit = 0; bit < size; bit++) some |= ((mask[start + bit] ?? 0) ^ turn) << bit;
      bits[word++] = some;
    }
  return bits;
}

function unpacked(bits: Packed, [nx, ny, nz]: Dims, value: 0 | 1): Uint8Array {
  const turn = 1 - value;
  const mask = new Uint8Array(nx * ny * nz);
  for (let row = 0, word = 0; row < ny * nz; row++)
    for (let from = 0; from < nx; from += WORD) {
      const start = row * nx + from;
      const size = Math.min(WORD, nx - from);
      const some = bits[word++] ?? 0;
      for (let bit = 0; bit < size; bit++) mask[start + bit] = ((some >>> bit) & 1) ^ turn;
    }
  return mask;
}

/** So many steps: a bit is set where it or a neighbour was. Beyond the grid none is. */
function spread(bits: Packed, [nx, ny, nz]: Dims, times: number): Packed {
  const words = wordsOf(nx);
  const plane = words * ny;
  // Of the last word of a row, the bits that are voxels.
  const tail = nx % WORD === 0 ? -1 : (1 << (nx % WORD)) - 1;
  let current = bits;
  for (let time = 0; time < times; time++) {
    const next = new Int32Array(current.length);
    for (let k = 0, word = 0; k < nz; k++)
      for (let j = 0; j < ny; j++) {
        // A row has itself for a neighbour where it has none.
        const above = j > 0 ? -words : 0;
        const below = j < ny - 1 ? words : 0;
        const before = k > 0 ? -plane : 0;
        const behind = k < nz - 1 ? plane : 0;
        for (let i = 0; i < words; i++, word++) {
          const here = current[word] ?? 0;
          const left = i > 0 ? (current[word - 1] ?? 0) >>> (WORD - 1) : 0;
          const right = i < words - 1 ? (current[word + 1] ?? 0) << (WORD - 1) : 0;
          const some =
            here |
            (here << 1) |
            (here >>> 1) |
            left |
            right |
            (current[word + above] ?? 0) |
            (current[word + below] ?? 0) |
            (current[word + before] ?? 0) |
            (current[word + behind] ?? 0);
          next[word] = i === words - 1 ? some & tail : some;
        }
      }
    current = next;
  }
  return current;
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

/** The largest piece of a mask; of several as large the first. */
export function largestPiece(mask: Uint8Array, dims: Dims): Uint8Array {
  const runs = runsOf(mask, dims);
  const pieces = piecesOf(runs, dims, false);
  const sizes = new Float64Array(runs.count);
  pieces.forEach((piece, run) => (sizes[piece] = (sizes[piece] ?? 0) + (runs.to[run] ?? 0) - (runs.from[run] ?? 0)));
  let largest = 0;
  for (let piece = 1; piece < runs.count; piece++) if ((sizes[piece] ?? 0) > (sizes[largest] ?? 0)) largest = piece;
  const result = new Uint8Array(mask.length);
  pieces.forEach((piece, run) => {
    if (piece === largest) result.fill(1, runs.from[run], runs.to[run]);
  });
  return result;
}

/** What a slice encloses belongs to it: nostrils, ears and dark ventricles are not air around the head. */
export function filledBySlice(mask: Uint8Array, dims: Dims): Uint8Array {
  const [nx, ny] = dims;
  const runs = runsOf(mask, dims, 0);
  const pieces = piecesOf(runs, dims, true);
  const isOpen = new Uint8Array(runs.count);
  pieces.forEach((piece, run) => {
    const [from, to] = [runs.from[run] ?? 0, runs.to[run] ?? 0];
    const row = Math.floor(from / nx) % ny;
    if (row === 0 || row === ny - 1 || from % nx === 0 || to % nx === 0) isOpen[piece] = 1;
  });
  const result = new Uint8Array(mask.length).fill(1);
  pieces.forEach((piece, run) => {
    if (isOpen[piece] === 1) result.fill(0, runs.from[run], runs.to[run]);
  });
  return result;
}

export function countOf(mask: Uint8Array): number {
  let count = 0;
  for (let voxel = 0; voxel < mask.length; voxel++) count += mask[voxel] ?? 0;
  return count;
}
