/** Siemens mosaics: all slices of one repetition as tiles of one picture, with the geometry in private elements. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Frame, FramesOrFinding } from './frame.ts';
import { mosaicTimesMs, numberOfTiles, sliceNormal } from './siemens.ts';
import { add, cross, dot, scale } from './vector.ts';

/** @param mosaic - the whole picture as if it were one slice */
export function unfoldMosaic(mosaic: Frame, dataSet: DataSet): FramesOrFinding {
  const tiles = numberOfTiles(dataSet);
  if (tiles === undefined) return { code: 'mosaic-unknown', detail: 'the number of its slices is missing' };
  const perSide = Math.ceil(Math.sqrt(tiles));
  const rows = Math.floor(mosaic.rows / perSide);
  const columns = Math.floor(mosaic.columns / perSide);
  if (tiles < 1 || rows < 1 || columns < 1 || rows * perSide !== mosaic.rows || columns * perSide !== mosaic.columns)
    return { code: 'mosaic-unknown', detail: `${tiles} slices do not fit into its rows and columns` };

  const { geometry } = mosaic;
  const { rowDirection, columnDirection, pixelSpacingMm } = geometry;
  const natural = cross(rowDirection, columnDirection);
  const stated = sliceNormal(dataSet);
  const normal = stated !== undefined && dot(stated, natural) < 0 ? scale(natural, -1) : natural;
  const timesMs = mosaicTimesMs(dataSet);
  const isTimed = timesMs.length === tiles && timesMs.every(Number.isFinite);
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
    ...(isTimed ? { sliceTimeMs: timesMs[slice] ?? 0 } : {}),
  }));
}
