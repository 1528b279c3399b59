/** Masks, label maps and probabilities as NIfTI-1 on the scan's own grid, the first format of a preclinical lab. */
import { gzipSync } from 'node:zlib';
import type { Volume } from '../volumes/volume.ts';
import type { SegmentedVolume } from './segment-volume.ts';

const HEADER_BYTES = 348;
const VOXEL_OFFSET = 352;
const DT_UINT8 = 2;
const DT_FLOAT32 = 16;
/** xyzt_units: millimetres. */
const UNITS_MM = 2;
/** sform_code 1: scanner coordinates. */
const SCANNER = 1;

/**
 * @param values - one for each voxel of the volume's first three axes, x fastest
 * @returns `.nii.gz`: uint8 or float32, the volume's geometry as sform with LPS turned into the format's RAS
 */
export function maskNifti(volume: Volume, values: Uint8Array | Float32Array): Uint8Array {
  const [nx, ny, nz] = volume.dims;
  const type = values instanceof Uint8Array ? DT_UINT8 : DT_FLOAT32;
  const bytes = new Uint8Array(VOXEL_OFFSET + values.byteLength);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, HEADER_BYTES, true);
  [3, nx, ny, nz, 1, 1, 1, 1].forEach((value, index) => {
    view.setInt16(40 + 2 * index, value, true);
  });
  view.setInt16(70, type, true);
  view.setInt16(72, 8 * values.BYTES_PER_ELEMENT, true);
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
  // Every machine Node runs on is little endian, as the header says.
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), VOXEL_OFFSET);
  return gzipSync(bytes);
}

/** Each voxel's label by its index; where labels overlap, the later one of the manifest. */
export function labelMap({ labels, mask }: SegmentedVolume): Uint8Array {
  const map = new Uint8Array(mask.length);
  for (const { label, mask: of } of labels)
    for (let n = 0; n < map.length; n += 1) if (of[n] === 1) map[n] = label.index;
  return map;
}
