/** The diffusion tensor of a voxel, for what it says about the scan: by least squares on the logarithm, without weights. */
import type { Diffusion, Triple } from '../volumes/volume.ts';
import { solve } from './statistics.ts';

export interface TensorFit {
  /** NaN where the fit has no numbers, above 1 where an eigenvalue is negative. */
  readonly fractionalAnisotropy: number;
  /** Unit vector of the largest eigenvalue. */
  readonly direction: Triple;
  /** Root mean square of what the tensor leaves unexplained, over the mean signal. */
  readonly residual: number;
  readonly hasNegative: boolean;
}

/** @returns `undefined` with fewer than six directions and a b = 0 */
export function tensorFitter({ bValues, directions }: Diffusion): ((signal: Float64Array) => TensorFit) | undefined {
  const rows = bValues.map((b, t): readonly number[] => {
    const [x, y, z] = directions[t] ?? [0, 0, 0];
    // In units of 1000 s/mm², so that all terms are of one size.
    const k = directions[t] === undefined ? 0 : -b / 1_000;
    return [k * x * x, 2 * k * x * y, k * y * y, 2 * k * x * z, 2 * k * y * z, k * z * z, 1];
  });
  const matrix = Array.from({ length: 7 }, (_, a) =>
    Array.from({ length: 7 }, (_, b) => rows.reduce((sum, row) => sum + (row[a] ?? 0) * (row[b] ?? 0), 0)),
  );
  const inverse = Array.from({ length: 7 }, (_, a) =>
    solve(
      matrix,
      Array.from({ length: 7 }, (_, b) => (a === b ? 1 : 0)),
    ),
  );
  if (inverse.some((column) => column === undefined)) return undefined;
  const projection = rows.map((row) =>
    inverse.map((column) => row.reduce((sum, value, b) => sum + value * (column?.[b] ?? 0), 0)),
  );
  return (signal) => {
    const weights = Array.from({ length: 7 }, () => 0);
    signal.forEach((value, t) => {
      const logarithm = Math.log(value);
      projection[t]?.forEach((share, a) => (weights[a] = (weights[a] ?? 0) + share * logarithm));
    });
    const { values, first } = eigenOf(weights);
    const average = (values[0] + values[1] + values[2]) / 3;
    const spread = values.reduce((sum, value) => sum + (value - average) ** 2, 0);
    const squares = values.reduce((sum, value) => sum + value * value, 0);
    let rest = 0;
    let total = 0;
    rows.forEach((row, t) => {
      const fitted = Math.exp(row.reduce((sum, value, a) => sum + value * (weights[a] ?? 0), 0));
      rest += ((signal[t] ?? 0) - fitted) ** 2;
      total += signal[t] ?? 0;
    });
    return {
      fractionalAnisotropy: Math.sqrt((1.5 * spread) / squares),
      direction: first,
      residual: Math.sqrt(rest / signal.length) / (total / signal.length),
      hasNegative: values.some((value) => value < 0),
    };
  };
}

/** Of [xx, xy, yy, xz, yz, zz], by Jacobi's rotations; the largest eigenvalue first. */
function eigenOf([xx = 0, xy = 0, yy = 0, xz = 0, yz = 0, zz = 0]: readonly number[]): {
  readonly values: Triple;
  readonly first: Triple;
} {
  const a = [
    [xx, xy, xz],
    [xy, yy, yz],
    [xz, yz, zz],
  ];
  const v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  const get = (m: readonly (readonly number[])[], i: number, j: number) => m[i]?.[j] ?? 0;
  const set = (m: number[][], i: number, j: number, value: number): void => {
    const row = m[i];
    if (row !== undefined) row[j] = value;
  };
  for (let sweep = 0; sweep < 12; sweep++) {
    if (Math.abs(get(a, 0, 1)) + Math.abs(get(a, 0, 2)) + Math.abs(get(a, 1, 2)) < 1e-14) break;
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const off = get(a, p, q);
      if (Math.abs(off) < 1e-18) continue;
      const theta = (get(a, q, q) - get(a, p, p)) / (2 * off);
      const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
      const c = 1 / Math.hypot(t, 1);
      const s = t * c;
      for (let k = 0; k < 3; k++) {
        const [kp, kq] = [get(a, k, p), get(a, k, q)];
        set(a, k, p, c * kp - s * kq);
        set(a, k, q, s * kp + c * kq);
      }
      for (let k = 0; k < 3; k++) {
        const [pk, qk] = [get(a, p, k), get(a, q, k)];
        set(a, p, k, c * pk - s * qk);
        set(a, q, k, s * pk + c * qk);
        const [vp, vq] = [get(v, k, p), get(v, k, q)];
        set(v, k, p, c * vp - s * vq);
        set(v, k, q, s * vp + c * vq);
      }
    }
  }
  const order = [0, 1, 2].toSorted((i, j) => get(a, j, j) - get(a, i, i));
  const [i = 0, j = 1, k = 2] = order;
  return {
    values: [get(a, i, i), get(a, j, j), get(a, k, k)],
    first: [get(v, 0, i), get(v, 1, i), get(v, 2, i)],
  };
}
