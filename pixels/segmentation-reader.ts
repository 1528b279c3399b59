/** Reads a DICOM Segmentation (PS3.3 Section A.51, BINARY) onto the grid of the scan it was drawn on. */
import type { DataSet } from '../core/dicom/data-set.ts';
import { readHeader } from '../core/dicom/part10.ts';
import { HubError } from '../core/errors.ts';
import type { ByteSource } from '../core/store.ts';
import { decodeFrame } from './decode.ts';
import { describePixels } from './description.ts';
import { framePlaces, readFrameBytes } from './frame-places.ts';
import { type Grid, inOrderOf, type Triple } from './voxel-grid.ts';

export const SEGMENTATION_STORAGE = '1.2.840.10008.5.1.4.1.1.66.4';
const MAX_SEGMENTS = 255;
/** Of the distance between slices: how far a frame may lie from one. */
const ON_SLICE = 0.01;

/** What a segment is of. */
export interface SegmentName {
  readonly number: number;
  readonly name: string;
  readonly type: { readonly scheme: string; readonly code: string } | undefined;
}

export interface Segment extends SegmentName {
  /** 0 and 1 on the grid, x fastest. */
  readonly mask: Uint8Array;
}

/**
 * Each segment on the grid; slices without a frame are empty.
 *
 * @param grid - in the patient system of PS3.3 Section C.7.6.2.1.1 (LPS)
 * @throws {HubError} `dataset.unreadable` when it is not BINARY, or a frame lies on no slice of the grid
 */
export async function readSegmentation(source: ByteSource, grid: Grid): Promise<readonly Segment[]> {
  const header = await readHeader(source);
  const { dataSet } = header;
  if (dataSet.string('SegmentationType') !== 'BINARY')
    throw unreadable('it has to be a BINARY Segmentation, not one of probabilities');
  const segments = dataSet.items('SegmentSequence').slice(0, MAX_SEGMENTS).map(segmentOf(grid));
  const description = describePixels(dataSet, header.pixelData?.tag ?? 0);
  const { rows, columns } = description;
  const places = await framePlaces(source, header, description);
  const [shared] = dataSet.items('SharedFunctionalGroupsSequence');
  const frames = dataSet.items('PerFrameFunctionalGroupsSequence');
  if (frames.length !== description.numberOfFrames) throw unreadable('its frames are not all described');
  for (const [index, frame] of frames.entries()) {
    const number = groupOf('SegmentIdentificationSequence', frame, shared)?.number('ReferencedSegmentNumber');
    const segment = segments.find((each) => each.number === number);
    if (segment === undefined) throw unreadable('a frame is of no segment');
    const bytes = await readFrameBytes(source, header, description, places, index);
    const { samples } = await decodeFrame(bytes, header.transferSyntaxUid, description);
    const values = Float32Array.from({ length: rows * columns }, (_, n) =>
      // PS3.5 Section 8.1.1: the first pixel is the lowest bit.
      description.bitsAllocated === 1 ? ((samples[n >> 3] ?? 0) >> (n & 7)) & 1 : (samples[n] ?? 0) > 0 ? 1 : 0,
    );
    putFrame(segment.mask, grid, values, frameGrid(frame, shared, [columns, rows, 1], grid));
  }
  return segments;
}

/** @param item - of the Segment Sequence */
export function segmentName(item: DataSet): SegmentName {
  const [type] = item.items('SegmentedPropertyTypeCodeSequence');
  const [scheme, code] = [type?.string('CodingSchemeDesignator'), type?.string('CodeValue')];
  return {
    number: item.number('SegmentNumber') ?? 0,
    name: item.string('SegmentLabel') ?? '',
    type: scheme === undefined || code === undefined ? undefined : { scheme, code },
  };
}

function segmentOf({ dims }: Grid): (item: DataSet) => Segment {
  return (item) => ({ ...segmentName(item), mask: new Uint8Array(dims[0] * dims[1] * dims[2]) });
}

/** Where one frame lies: PS3.3 Sections C.7.6.16.2.1, .3 and .4. */
function frameGrid(frame: DataSet, shared: DataSet | undefined, dims: Triple, like: Grid): Grid {
  const position = groupOf('PlanePositionSequence', frame, shared)?.numbers('ImagePositionPatient') ?? [];
  const cosines = groupOf('PlaneOrientationSequence', frame, shared)?.numbers('ImageOrientationPatient') ?? [];
  const [rowSpacing, columnSpacing] = groupOf('PixelMeasuresSequence', frame, shared)?.numbers('PixelSpacing') ?? [];
  if (position.length !== 3 || cosines.length !== 6 || rowSpacing === undefined || columnSpacing === undefined)
    throw unreadable('position, orientation or spacing of a frame is missing');
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = cosines;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  // Slices are as thick as those of the scan: the frame says only where it lies.
  const thickness = like.spacingMm[2];
  const rows = [0, 1, 2].flatMap((axis) => [
    (cosines[axis] ?? 0) * columnSpacing,
    (cosines[axis + 3] ?? 0) * rowSpacing,
    (normal[axis] ?? 0) * thickness,
    position[axis] ?? 0,
  ]);
  return { dims, spacingMm: [columnSpacing, rowSpacing, thickness], affine: [...rows, 0, 0, 0, 1] };
}

/** Adds a frame to the slice of the grid it lies on. */
function putFrame(mask: Uint8Array, grid: Grid, values: Float32Array, frame: Grid): void {
  const [nx, ny, nz] = grid.dims;
  const at = (m: readonly number[], column: number): readonly number[] =>
    [0, 1, 2].map((row) => m[4 * row + column] ?? 0);
  const step = at(grid.affine, 2);
  const away = at(frame.affine, 3).map((value, axis) => value - (at(grid.affine, 3)[axis] ?? 0));
  // The frame may begin at another corner of the slice: only the way along the normal tells the slice.
  const [u, v] = [at(grid.affine, 0), at(grid.affine, 1)];
  const normal = cross(u, v);
  const slice = dot(away, normal) / dot(step, normal);
  const z = Math.round(slice);
  if (!(Math.abs(slice - z) <= ON_SLICE) || z < 0 || z >= nz) throw elsewhere();
  const one: Grid = {
    ...grid,
    dims: [nx, ny, 1],
    affine: grid.affine.map((value, n) => (n % 4 === 3 && n < 12 ? value + z * (step[Math.floor(n / 4)] ?? 0) : value)),
  };
  // One slice has no direction of its own: it is turned the way the scan's is.
  const turned = {
    ...frame,
    affine: frame.affine.map((value, n) => (n % 4 === 2 && n < 12 ? (step[Math.floor(n / 4)] ?? 0) : value)),
  };
  const placed = inOrderOf(one, turned, values);
  if (placed === undefined) throw elsewhere();
  for (let n = 0; n < nx * ny; n += 1) if (placed[n] === 1) mask[z * nx * ny + n] = 1;
}

function groupOf(keyword: string, frame: DataSet, shared: DataSet | undefined): DataSet | undefined {
  return frame.items(keyword)[0] ?? shared?.items(keyword)[0];
}

function cross(u: readonly number[], v: readonly number[]): readonly number[] {
  const [a = 0, b = 0, c = 0] = u;
  const [d = 0, e = 0, f = 0] = v;
  return [b * f - c * e, c * d - a * f, a * e - b * d];
}

function dot(u: readonly number[], v: readonly number[]): number {
  return u.reduce((sum, value, n) => sum + value * (v[n] ?? 0), 0);
}

const elsewhere = (): HubError => unreadable('it lies on another grid than the scan');
const unreadable = (reason: string): HubError => new HubError('dataset.unreadable', { reason });
