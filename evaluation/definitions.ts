/** What every figure of a report means, in the words the report itself uses. */
import { AFFINE_TOLERANCE } from '../pixels/voxel-grid.ts';
import { DRAWS, MIN_SUBJECTS, SEED } from './statistics.ts';

export interface Definition {
  readonly term: string;
  readonly text: string;
}

export const DEFINITION_TEXTS: readonly Definition[] = [
  {
    term: 'Dice',
    text: 'Twice the voxels both masks have, divided by the voxels of each: 1 is the same mask, 0 no overlap.',
  },
  {
    term: 'Surface',
    text: 'Voxels of a mask with at least one of their 6 neighbours outside of it; what lies beyond the border of the scan is outside. Distances go from the centre of a surface voxel to that of the nearest surface voxel of the other mask, exactly, in millimetres.',
  },
  {
    term: 'NSD at τ',
    text: 'Share of the surface voxels of both masks that lie within τ of the other surface. τ is one voxel within the slice: the middle one of the three voxel sides.',
  },
  {
    term: 'HD95',
    text: 'The 95th percentile of the distances from reference to prediction, and from prediction to reference, each with linear interpolation; the larger of the two.',
  },
  { term: 'ASSD', text: 'Mean of all distances of both directions, pooled.' },
  {
    term: 'Volume difference',
    text: 'Predicted less reference, in mm³ and in percent of the reference; +100 % when the reference is empty and the prediction is not.',
  },
  {
    term: 'Empty masks',
    text: 'Both empty: Dice 1, NSD 1, distances 0. One empty: Dice 0, NSD 0, and the diagonal of the scan as distance.',
  },
  {
    term: 'Failures',
    text: 'A model that breaks off, takes too long or too much memory, or answers what it may not, gets Dice 0, NSD 0 and the diagonal as distance for that case. It has no volume: volume differences and Bland–Altman are of the other cases.',
  },
  {
    term: 'Left out',
    text: `Cases that say nothing of the model: without a reference, with one on another grid (nothing is resampled; axes may be exchanged or turned round, but the affines must agree within ${String(AFFINE_TOLERANCE)} and the outermost voxels to a tenth of a voxel), not readable, or not what its manifest says it is for.`,
  },
  {
    term: 'Median, quartiles',
    text: 'Over cases, linear interpolation between neighbours.',
  },
  {
    term: 'Intervals',
    text: `95 % percentile bootstrap, ${DRAWS.toLocaleString('en')} draws, seed ${String(SEED)}. Subjects are drawn, each with all its cases. With fewer than ${String(MIN_SUBJECTS)} subjects no interval is claimed.`,
  },
  {
    term: 'Bland–Altman',
    text: 'Mean of the volume differences (bias) and that ± 1.96 standard deviations (n − 1); the slope is that of the difference on the mean of both volumes, by least squares.',
  },
  {
    term: 'Comparison',
    text: 'Difference of Dice case by case; Wilcoxon’s signed-rank test, two-sided, on each subject’s mean difference, differences of 0 left away, exact up to 50 subjects, ties as they are.',
  },
];
