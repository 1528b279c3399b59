/** Directions and places in three dimensions, in millimetres of the patient system. */
export type Vector = readonly [number, number, number];

export function vectorAt(numbers: readonly number[], offset = 0): Vector {
  return [numbers[offset] ?? 0, numbers[offset + 1] ?? 0, numbers[offset + 2] ?? 0];
}

/** `a + b × factor` */
export function along(a: Vector, b: Vector, factor: number): Vector {
  return [a[0] + b[0] * factor, a[1] + b[1] * factor, a[2] + b[2] * factor];
}

export function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

export function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function lengthOf(a: Vector): number {
  return Math.sqrt(dot(a, a));
}

/** Undefined for what has no direction. */
export function unit(a: Vector): Vector | undefined {
  const length = lengthOf(a);
  return length > 1e-12 && Number.isFinite(length) ? [a[0] / length, a[1] / length, a[2] / length] : undefined;
}
