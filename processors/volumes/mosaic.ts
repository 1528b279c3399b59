/** Siemens mosaics: all slices of one repetition as tiles of one picture, with the geometry in private elements. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Frame, FramesOrFinding, LoadedInstance } from './frame.ts';
import { add, cross, dot, scale } from './vector.ts';
import type { Triple } from './volume.ts';

const MR_HEADER = 'SIEMENS MR HEADER';
const CSA_HEADER = 'SIEMENS CSA HEADER';

/** @param mosaic - the whole picture as if it were one slice */
export function unfoldMosaic(mosaic: Frame | undefined, instance: LoadedInstance): FramesOrFinding {
  const dataSet = instance.header.dataSet;
  const tiles = numberOfTiles(dataSet);
  if (tiles === undefined) return { code: 'mosaic-unknown', detail: 'the number of its slices is missing' };
  if (mosaic === undefined) return { code: 'geometry-missing' };
  const perSide = Math.ceil(Math.sqrt(tiles));
  const rows = Math.floor(mosaic.rows / perSide);
  const columns = Math.floor(mosaic.columns / perSide);
  if (tiles < 1 || rows < 1 || columns < 1 || rows * perSide !== mosaic.rows || columns * perSide !== mosaic.columns)
    return { code: 'mosaic-unknown', detail: `${tiles} slices do not fit into its rows and columns` };

  const { geometry } = mosaic;
  const { rowDirection, columnDirection, pixelSpacingMm } = geometry;
  const normal = sliceNormal(dataSet, cross(rowDirection, columnDirection));
  // The position is that of a picture as large as the mosaic around the same centre.
  const first = add(
    geometry.position,
    add(
      scale(rowDirection, (pixelSpacingMm[0] * (mosaic.columns - columns)) / 2),
      scale(columnDirection, (pixelSpacingMm[1] * (mosaic.rows - rows)) / 2),
    ),
  );
  return Array.from({ length: tiles }, (_, slice) => ({
    ...mosaic,
    rows,
    columns,
    tile: { x: (slice % perSide) * columns, y: Math.floor(slice / perSide) * rows },
    geometry: { ...geometry, position: add(first, scale(normal, slice * geometry.thicknessMm)) },
  }));
}

function numberOfTiles(dataSet: DataSet): number | undefined {
  const element = dataSet.privateElement(MR_HEADER, 0x0019, 0x0a);
  if (element !== undefined && element.value.length >= 2) {
    const view = new DataView(element.value.buffer, element.value.byteOffset, element.value.byteLength);
    return view.getUint16(0, !dataSet.item.encoding.bigEndian);
  }
  return Number(csaValues(dataSet, 'NumberOfImagesInMosaic')?.[0] ?? Number.NaN) || undefined;
}

/** Slices may be stacked against the direction that rows and columns give. */
function sliceNormal(dataSet: DataSet, normal: Triple): Triple {
  const [x, y, z] = csaValues(dataSet, 'SliceNormalVector')?.map(Number) ?? [];
  if (x === undefined || y === undefined || z === undefined) return normal;
  return dot([x, y, z], normal) < 0 ? scale(normal, -1) : normal;
}

/** Values of one entry of the CSA image header, version 2 ("SV10"); `undefined` when it has none or is another version. */
function csaValues(dataSet: DataSet, name: string): readonly string[] | undefined {
  const bytes = dataSet.privateElement(CSA_HEADER, 0x0029, 0x10)?.value;
  if (bytes === undefined || latin1(bytes, 0, 4) !== 'SV10') return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const int32 = (offset: number) => (offset + 4 <= bytes.length ? view.getInt32(offset, true) : 0);
  let offset = 16;
  for (let entry = int32(8); entry > 0 && offset + 84 <= bytes.length; entry--) {
    const isWanted = latin1(bytes, offset, 64) === name;
    const items = int32(offset + 76);
    offset += 84;
    const values: string[] = [];
    for (let item = 0; item < items && offset + 16 <= bytes.length; item++) {
      const length = Math.max(0, int32(offset + 4));
      if (length > 0) values.push(latin1(bytes, offset + 16, length).trim());
      offset += 16 + Math.ceil(length / 4) * 4;
    }
    if (isWanted) return values;
  }
  return undefined;
}

/** Up to the first NUL. */
function latin1(bytes: Uint8Array, start: number, length: number): string {
  const text = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
