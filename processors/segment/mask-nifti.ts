/** A mask as NIfTI-1 on the scan's own grid, the first format of a preclinical lab. */
import { gzipSync } from 'node:zlib';
import type { Volume } from '../volumes/volume.ts';

const HEADER_BYTES = 348;
const VOXEL_OFFSET = 352;
const DT_UINT8 = 2;
/** xyzt_units: millimetres. */
const UNITS_MM = 2;
/** sform_code 1: scanner coordinates. */
const SCANNER = 1;

/** @returns `.nii.gz`: uint8, the volume's first three axes, its geometry as sform with LPS turned into the format's RAS */
export function maskNifti(volume: Volume, mask: Uint8Array): Uint8Array {
  const [nx, ny, nz] = volume.dims;
  const bytes = new Uint8Array(VOXEL_OFFSET + mask.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, HEADER_BYTES, true);
  [3, nx, ny, nz, 1, 1, 1, 1].forEach((value, index) => {
    view.setInt16(40 + 2 * index, value, true);
  });
  view.setInt16(70, DT_UINT8, true);
  view.setInt16(72, 8, true);
  [1, ...volume.spacingMm, 1, 1, 1, 1].forEach((value, index) => {
    view.setFloat32(76 + 4 * index, value, true);
  });
  view.setFloat32(108, VOXEL_OFFSET, true);
  view.setFloat32(112, 1, true);
  view.setUint8(123, UNITS_MM);
  view.setInt16(254, SCANNER, true);
  for (let row = 0; row < 3; row += 1) {
    const sign = row < 2 ? -1 : 1;
    for (let column = 0; column < 4; column += 1) {
      view.setFloat32(280 + 16 * row + 4 * column, sign * (volume.affine[4 * row + column] ?? 0), true);
    }
  }
  bytes.set(new TextEncoder().encode('n+1\0'), 344);
  bytes.set(mask, VOXEL_OFFSET);
  return gzipSync(bytes);
}
