/** How long GE's echo-planar readout takes, which the header tells in private elements. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { privateNumber } from './private-values.ts';

const PARAMETERS = { creator: 'GEMS_PARM_01', group: 0x0043 };
const MICROSECONDS = 1e-6;

/**
 * Effective echo spacing in seconds: so many lines are read out as the matrix has, fewer by the factor of parallel imaging,
 * and always a multiple of two, of four with partial Fourier; spread over the lines of the matrix (as dcm2niix computes it).
 *
 * @param lines - of the acquired matrix, in the direction of phase encoding
 */
export function geEchoSpacingSeconds(header: DataSet, lines: number | undefined): number | undefined {
  const spacing = privateNumber(header, { ...PARAMETERS, element: 0x2c, vr: 'SS' });
  if (spacing === undefined || !(spacing > 0) || lines === undefined || lines < 2) return undefined;
  if (!header.strings('ScanningSequence').includes('EP')) return undefined;
  // Asset R factors: 0.5 where every second line is left out.
  const share = privateNumber(header, { ...PARAMETERS, element: 0x83, vr: 'DS' }) ?? 1;
  const acquired = lines * (share > 0 && share < 1 ? share : 1);
  const multiple = header.string('PartialFourier') === 'YES' ? 4 : 2;
  const echoes = Math.ceil(acquired / multiple) * multiple;
  return ((echoes - 1) * spacing * MICROSECONDS) / (lines - 1);
}
