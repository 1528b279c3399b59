import { expect } from 'chai';
import { closed, dilated, eroded, filledBySlice, largestPiece } from '../../../processors/qc/morphology.ts';
import type { Dims } from '../../../processors/qc/runs.ts';
import { seeded } from '../../support/seeded.ts';

/** Sizes around a word of 32, a single row and a single slice. */
const SIZES: readonly Dims[] = [
  [1, 1, 1],
  [31, 4, 3],
  [32, 5, 2],
  [33, 3, 4],
  [70, 9, 1],
  [5, 1, 6],
];

describe('binary volumes, against the definitions voxel by voxel', () => {
  for (const dims of SIZES)
    for (const share of [0.2, 0.6, 0.95]) {
      const mask = noise(dims, share);
      it(`grow and shrink: ${dims.join(' × ')}, ${String(share)} of it inside`, () => {
        const grown = step(mask, dims, 1);
        const shrunk = step(mask, dims, 0);

        expect(dilated(mask, dims)).to.deep.equal(grown);
        expect(eroded(mask, dims)).to.deep.equal(shrunk);
        expect(dilated(mask, dims, 3)).to.deep.equal(step(step(grown, dims, 1), dims, 1));
        expect(closed(mask, dims)).to.deep.equal(step(grown, dims, 0));
      });

      it(`have a largest piece, and slices with holes to fill: ${dims.join(' × ')}, ${String(share)} of it inside`, () => {
        expect(largestPiece(mask, dims)).to.deep.equal(largest(mask, dims));
        expect(filledBySlice(mask, dims)).to.deep.equal(filled(mask, dims));
      });
    }
});

function noise([nx, ny, nz]: Dims, share: number): Uint8Array {
  const random = seeded(nx + ny + nz);
  return Uint8Array.from({ length: nx * ny * nz }, () => Number(random() < share));
}

function neighboursOf(voxel: number, [nx, ny, nz]: Dims): readonly number[] {
  const [i, j, k] = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
  return [
    ...(i > 0 ? [voxel - 1] : []),
    ...(i < nx - 1 ? [voxel + 1] : []),
    ...(j > 0 ? [voxel - nx] : []),
    ...(j < ny - 1 ? [voxel + nx] : []),
    ...(k > 0 ? [voxel - nx * ny] : []),
    ...(k < nz - 1 ? [voxel + nx * ny] : []),
  ];
}

function step(mask: Uint8Array, dims: Dims, value: 0 | 1): Uint8Array {
  return mask.map((one, voxel) =>
    one === value || neighboursOf(voxel, dims).some((each) => mask[each] === value) ? value : 1 - value,
  );
}

/** All voxels of the same value that hang together with one. */
function pieceOf(start: number, mask: Uint8Array, dims: Dims): ReadonlySet<number> {
  const piece = new Set([start]);
  for (const voxel of piece)
    for (const each of neighboursOf(voxel, dims)) if (mask[each] === mask[start]) piece.add(each);
  return piece;
}

function largest(mask: Uint8Array, dims: Dims): Uint8Array {
  let most: ReadonlySet<number> = new Set();
  const seen = new Set<number>();
  mask.forEach((one, voxel) => {
    if (one === 0 || seen.has(voxel)) return;
    const piece = pieceOf(voxel, mask, dims);
    piece.forEach((each) => seen.add(each));
    if (piece.size > most.size) most = piece;
  });
  return mask.map((_, voxel) => Number(most.has(voxel)));
}

function filled(mask: Uint8Array, [nx, ny, nz]: Dims): Uint8Array {
  const result = new Uint8Array(mask.length).fill(1);
  const plane = nx * ny;
  for (let k = 0; k < nz; k++) {
    const slice = mask.subarray(k * plane, (k + 1) * plane);
    for (let at = 0; at < plane; at++) {
      const [i, j] = [at % nx, Math.floor(at / nx)];
      const isOnEdge = i === 0 || i === nx - 1 || j === 0 || j === ny - 1;
      if (slice[at] === 1 || !isOnEdge) continue;
      pieceOf(at, slice, [nx, ny, 1]).forEach((each) => (result[k * plane + each] = 0));
    }
  }
  return result;
}
