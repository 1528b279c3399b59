/** What of a grid is head and what is air, and where the vault of the skull is. */
import type { Triple } from '../../../volumes/volume.ts';
import { GRID_MM, type HeadGrid } from './head-grid.ts';

export interface HeadMask {
  /** 1 inside the head, its cavities filled slice by slice. */
  readonly inside: Uint8Array;
  /** Robust darkest and brightest values, and what separates head from air. */
  readonly dark: number;
  readonly bright: number;
  readonly threshold: number;
}

/** Where a brain would be, by the shape of the head alone. */
export interface Vault {
  readonly centreMm: Triple;
  /** Of a circle as large as the largest section across the vault. */
  readonly radiusMm: number;
  readonly vertexMm: number;
  /** Area of the uppermost slice of the field of view that is head, as a share of the largest one. */
  readonly cutShare: number;
}

const THRESHOLD_SHARE = 0.1;

/** @returns `undefined` when there is nothing to tell head from air by */
export function headMask({ dims, data }: HeadGrid): HeadMask | undefined {
  const sorted = data.filter((value) => Number.isFinite(value)).toSorted();
  const dark = sorted[Math.floor(sorted.length * 0.02)] ?? 0;
  const bright = sorted[Math.floor(sorted.length * 0.98)] ?? 0;
  if (!(bright > dark)) return undefined;
  const threshold = dark + THRESHOLD_SHARE * (bright - dark);
  const tissue = Uint8Array.from(data, (value) => (value > threshold ? 1 : 0));
  const inside = filled(largestComponent(tissue, dims), dims);
  return { inside, dark, bright, threshold };
}

/** The vault is what a head has above its eyes: the 7 cm below its highest point. */
export function vaultOf({ dims, originMm }: HeadGrid, { inside }: HeadMask): Vault | undefined {
  const [nx, ny, nz] = dims;
  const areas = Array.from({ length: nz }, (_, k) => {
    let count = 0;
    for (let at = k * nx * ny; at < (k + 1) * nx * ny; at++) count += inside[at] ?? 0;
    return count;
  });
  const cell = GRID_MM * GRID_MM;
  const top = areas.findLastIndex((count) => count * cell > MIN_SECTION_MM2);
  if (top < 0) return undefined;
  const depth = (mm: number) => Math.max(0, top - Math.round(mm / GRID_MM));
  const largest = Math.max(...areas.slice(depth(VAULT_MM), top + 1));
  const radiusMm = Math.sqrt((largest * cell) / Math.PI);
  let [sumX, sumY, count] = [0, 0, 0];
  for (let k = depth(VAULT_MM); k <= depth(VAULT_MM / 3); k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++)
        if (inside[(k * ny + j) * nx + i] === 1) {
          sumX += i;
          sumY += j;
          count += 1;
        }
  if (count === 0) return undefined;
  const vertexMm = originMm[2] + top * GRID_MM;
  return {
    centreMm: [
      originMm[0] + (sumX / count) * GRID_MM,
      originMm[1] + (sumY / count) * GRID_MM,
      // Half of a head's height above its ears is a little less than half of its width and length.
      vertexMm - 0.88 * radiusMm,
    ],
    radiusMm,
    vertexMm,
    cutShare: (areas[nz - 1] ?? 0) / largest,
  };
}

const MIN_SECTION_MM2 = 1_000;
const VAULT_MM = 70;

/** The grid with the outermost of the head made dark: scalp is brighter than brain, and the skull under it thinner than a cell. */
export function peeled({ dims, originMm, data }: HeadGrid, { inside, dark }: HeadMask, cells: number): HeadGrid {
  const [nx, ny, nz] = dims;
  let kept = inside;
  for (let n = 0; n < cells; n++) {
    const before = kept;
    const isKept = (i: number, j: number, k: number) =>
      // Where the field of view ends inside the head there is no scalp.
      i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz ? 1 : (before[(k * ny + j) * nx + i] ?? 0);
    kept = before.map((value, at) => {
      if (value === 0) return 0;
      const i = at % nx;
      const j = Math.floor(at / nx) % ny;
      const k = Math.floor(at / (nx * ny));
      const sides = isKept(i - 1, j, k) + isKept(i + 1, j, k) + isKept(i, j - 1, k) + isKept(i, j + 1, k);
      return sides + isKept(i, j, k - 1) + isKept(i, j, k + 1) === 6 ? 1 : 0;
    });
  }
  return { dims, originMm, data: data.map((value, at) => (kept[at] === 1 ? value : dark)) };
}

function largestComponent(mask: Uint8Array, [nx, ny, nz]: Triple): Uint8Array {
  const labels = new Int32Array(mask.length);
  const stack = new Int32Array(mask.length);
  let best = 0;
  let bestSize = 0;
  let label = 0;
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] === 0 || labels[start] !== 0) continue;
    label += 1;
    let size = 0;
    let depth = 0;
    const visit = (at: number) => {
      if (mask[at] === 0 || labels[at] !== 0) return;
      labels[at] = label;
      stack[depth++] = at;
    };
    visit(start);
    while (depth > 0) {
      const at = stack[--depth] ?? 0;
      size += 1;
      const i = at % nx;
      const j = Math.floor(at / nx) % ny;
      const k = Math.floor(at / (nx * ny));
      if (i > 0) visit(at - 1);
      if (i + 1 < nx) visit(at + 1);
      if (j > 0) visit(at - nx);
      if (j + 1 < ny) visit(at + nx);
      if (k > 0) visit(at - nx * ny);
      if (k + 1 < nz) visit(at + nx * ny);
    }
    if (size > bestSize) [best, bestSize] = [label, size];
  }
  return Uint8Array.from(labels, (one) => (one === best && best !== 0 ? 1 : 0));
}

/** In each slice across, what air from the edge cannot reach. */
function filled(mask: Uint8Array, [nx, ny, nz]: Triple): Uint8Array {
  const inside = new Uint8Array(mask.length).fill(1);
  const stack = new Int32Array(nx * ny);
  for (let k = 0; k < nz; k++) {
    const base = k * nx * ny;
    let depth = 0;
    const visit = (i: number, j: number) => {
      const at = base + j * nx + i;
      if (i < 0 || j < 0 || i >= nx || j >= ny || mask[at] === 1 || inside[at] === 0) return;
      inside[at] = 0;
      stack[depth++] = j * nx + i;
    };
    for (let i = 0; i < nx; i++) {
      visit(i, 0);
      visit(i, ny - 1);
    }
    for (let j = 0; j < ny; j++) {
      visit(0, j);
      visit(nx - 1, j);
    }
    while (depth > 0) {
      const at = stack[--depth] ?? 0;
      const i = at % nx;
      const j = Math.floor(at / nx);
      visit(i - 1, j);
      visit(i + 1, j);
      visit(i, j - 1);
      visit(i, j + 1);
    }
  }
  return inside;
}
