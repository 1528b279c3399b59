/** Affine maps as volumes have them: row-major 4 × 4, the last row 0 0 0 1. */

/** @returns undefined where the map flattens space, so that nothing leads back */
export function inverseOf(affine: readonly number[]): readonly number[] | undefined {
  const at = (row: number, column: number) => affine[4 * row + column] ?? 0;
  /** Of the 3 × 3 part. */
  const cofactor = (row: number, column: number): number => {
    const [r1, r2, c1, c2] = [(row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3];
    return at(r1, c1) * at(r2, c2) - at(r1, c2) * at(r2, c1);
  };
  const determinant = [0, 1, 2].reduce((sum, column) => sum + at(0, column) * cofactor(0, column), 0);
  if (!Number.isFinite(determinant) || determinant === 0) return undefined;
  const inverse = [0, 1, 2].flatMap((row) => {
    const line = [0, 1, 2].map((column) => cofactor(column, row) / determinant);
    return [...line, -line.reduce((sum, value, column) => sum + value * at(column, 3), 0)];
  });
  return [...inverse, 0, 0, 0, 1];
}
