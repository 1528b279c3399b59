/** `.bval` and `.bvec` as FSL reads them: one column a repetition, directions in the axes of the NIfTI file. */
import { dot, length, scale } from './vector.ts';
import type { Diffusion, Triple, Volume } from './volume.ts';

export interface GradientFiles {
  readonly bval: string;
  readonly bvec: string;
}

/**
 * FSL's vectors are along the voxel axes of an image that is stored left-handed, as all of ours from DICOM are: columns,
 * rows from the bottom up, slices.
 */
export function gradientFiles({ affine }: Pick<Volume, 'affine'>, { bValues, directions }: Diffusion): GradientFiles {
  const axis = (column: number): Triple => {
    const along: Triple = [affine[column] ?? 0, affine[4 + column] ?? 0, affine[8 + column] ?? 0];
    return scale(along, 1 / length(along));
  };
  const axes = [axis(0), scale(axis(1), -1), axis(2)];
  const along = axes.map((one) => directions.map((direction) => (direction === undefined ? 0 : dot(direction, one))));
  return {
    bval: `${bValues.map(text).join(' ')}\n`,
    bvec: along.map((values) => `${values.map(text).join(' ')}\n`).join(''),
  };
}

/** Six digits, as the scanner's own gradients are not known better; no minus before a zero. */
function text(value: number): string {
  return String(Number(value.toPrecision(6)) + 0);
}
