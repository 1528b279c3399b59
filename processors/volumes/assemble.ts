/**
 * Instances become volumes: frames are grouped by what makes them comparable, sorted by where they are, and read.
 * What does not fit is said in a finding and never silently left out.
 */
import { readHeader } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import { toHubError } from '../../core/errors.ts';
import type { InstanceItem, ObjectStore } from '../../core/store.ts';
import { codecOf } from '../../pixels/decodable.ts';
import { decodeFrame } from '../../pixels/decode.ts';
import { describePixels } from '../../pixels/description.ts';
import { framePlaces, readFrameBytes } from '../../pixels/frame-places.ts';
import type { Frame, LoadedInstance } from './frame.ts';
import { framesOf } from './frames.ts';
import { groupFrames, stackOf } from './stack.ts';
import { kindOf } from './kind.ts';
import { isReadable, readFrame } from './pixels.ts';
import { cross, length, scale, subtract } from './vector.ts';
import { type Finding, finding, type Triple, type Volume } from './volume.ts';

/** MR, CT and their enhanced forms: what is measured and segmented. Everything else passes by in silence. */
const IMAGE_SOP_CLASSES: ReadonlySet<string> = new Set([
  '1.2.840.10008.5.1.4.1.1.4',
  '1.2.840.10008.5.1.4.1.1.4.1',
  '1.2.840.10008.5.1.4.1.1.4.4',
  '1.2.840.10008.5.1.4.1.1.2',
  '1.2.840.10008.5.1.4.1.1.2.1',
  '1.2.840.10008.5.1.4.1.1.2.2',
]);
/** 1 GiB of float32: more in one volume than a worker may hold. */
const MAX_VOXELS = 256 * 1024 * 1024;

export interface Assembled {
  readonly volumes: readonly Volume[];
  readonly findings: readonly Finding[];
}

/** True for an instance that could become part of a volume. */
function isImage(item: InstanceItem): boolean {
  return IMAGE_SOP_CLASSES.has(item.sopClassUid);
}

/** Images by series, in order of Series Instance UID: one series at a time keeps memory small. */
export function imagesBySeries(items: readonly InstanceItem[]): readonly (readonly InstanceItem[])[] {
  const bySeries = Map.groupBy(items.filter(isImage), (item) => item.seriesInstanceUid);
  return [...bySeries].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, images]) => images);
}

/** Volumes of all series among the items, and what a technician should know about them. */
export async function assembleVolumes(
  items: readonly InstanceItem[],
  store: ObjectStore,
  signal: AbortSignal,
): Promise<Assembled> {
  const volumes: Volume[] = [];
  const findings: Finding[] = [];
  for (const series of imagesBySeries(items)) {
    const frames: Frame[] = [];
    for (const item of series) {
      signal.throwIfAborted();
      const read = await readFrames(item, store);
      if ('code' in read) findings.push(read);
      else frames.push(...read);
    }
    for (const group of groupFrames(frames)) {
      signal.throwIfAborted();
      const volume = await fillVolume(group, store, findings, signal);
      if (volume !== undefined) volumes.push(volume);
    }
  }
  return { volumes, findings: distinct(findings) };
}

async function readFrames(item: InstanceItem, store: ObjectStore): Promise<readonly Frame[] | Finding> {
  const source = await store.open(item.blob);
  try {
    const header = await readHeader(source);
    const syntax = transferSyntax(header.transferSyntaxUid);
    if (syntax !== undefined && codecOf(header.transferSyntaxUid) === undefined)
      return finding('pixels-compressed', item.seriesInstanceUid, syntax.name);
    const frames = framesOf(item, header);
    return 'code' in frames ? finding(frames.code, item.seriesInstanceUid, frames.detail) : frames;
  } catch (error) {
    const failure = toHubError(error);
    // The store failing is not the series' fault: the step is tried again.
    if (!failure.code.startsWith('dataset.')) throw error;
    return finding('header-unreadable', item.seriesInstanceUid, failure.code);
  } finally {
    await source.close();
  }
}

async function fillVolume(
  group: readonly Frame[],
  store: ObjectStore,
  findings: Finding[],
  signal: AbortSignal,
): Promise<Volume | undefined> {
  const stack = stackOf(group, findings);
  const firstRepetition = stack?.frames[0];
  const first = firstRepetition?.[0];
  const last = firstRepetition?.at(-1);
  if (stack === undefined || firstRepetition === undefined || first === undefined || last === undefined)
    return undefined;
  const { item, header } = first.instance;
  const dims = [first.columns, first.rows, firstRepetition.length, stack.frames.length] as const;
  const sliceVoxels = first.columns * first.rows;
  if (sliceVoxels * dims[2] * dims[3] > MAX_VOXELS) {
    findings.push(finding('volume-too-large', item.seriesInstanceUid, dims.join(' × ')));
    return undefined;
  }

  const data = new Float32Array(sliceVoxels * dims[2] * dims[3]);
  const ordered = stack.frames.flat();
  const places = new Map(ordered.map((frame, index) => [frame, index]));
  for (const [instance, frames] of Map.groupBy(ordered, (frame) => frame.instance)) {
    signal.throwIfAborted();
    const isRead = await readPixels(instance, frames, store, (frame) => {
      const start = (places.get(frame) ?? 0) * sliceVoxels;
      return data.subarray(start, start + sliceVoxels);
    });
    if (!isRead) {
      findings.push(finding('pixels-unreadable', item.seriesInstanceUid));
      return undefined;
    }
  }
  return {
    studyInstanceUid: item.studyInstanceUid,
    seriesInstanceUid: item.seriesInstanceUid,
    dims,
    spacingMm: [first.geometry.pixelSpacingMm[0], first.geometry.pixelSpacingMm[1], stack.stepMm],
    data,
    affine: affineOf(first, last, dims[2], stack.stepMm),
    isRegular: stack.isRegular,
    slices: ordered.map((frame) => ({
      sopInstanceUid: frame.instance.item.sopInstanceUid,
      sopClassUid: frame.instance.item.sopClassUid,
      ...(frame.instance.header.dataSet.has('NumberOfFrames') ? { frameNumber: frame.frameIndex + 1 } : {}),
    })),
    header: header.dataSet,
    kind: kindOf(header.dataSet, dims[3], dims[2]),
  };
}

function affineOf(first: Frame, last: Frame, slices: number, stepMm: number): readonly number[] {
  const { rowDirection, columnDirection, pixelSpacingMm, position } = first.geometry;
  const normal = cross(rowDirection, columnDirection);
  const x = scale(rowDirection, pixelSpacingMm[0]);
  const y = scale(columnDirection, pixelSpacingMm[1]);
  // Between the outermost slices: true for a tilted gantry too, where the step is not along the normal.
  const z: Triple =
    slices > 1
      ? scale(subtract(last.geometry.position, position), 1 / (slices - 1))
      : scale(normal, stepMm / Math.max(1e-9, length(normal)));
  return [x[0], y[0], z[0], position[0], x[1], y[1], z[1], position[1], x[2], y[2], z[2], position[2], 0, 0, 0, 1];
}

/** Reads the frames of one instance into place. False: its pixel data is damaged, cut off or in no format we read. */
async function readPixels(
  instance: LoadedInstance,
  frames: readonly Frame[],
  store: ObjectStore,
  targetOf: (frame: Frame) => Float32Array,
): Promise<boolean> {
  const { format, header } = instance;
  if (!isReadable(format) || header.pixelData?.tag !== TAG.PixelData) return false;
  const source = await store.open(instance.item.blob);
  try {
    const description = describePixels(header.dataSet, TAG.PixelData);
    const places = await framePlaces(source, header, description);
    const picture = new Float32Array(format.rows * format.columns);
    let shown = -1;
    for (const frame of frames) {
      // The tiles of a mosaic come from one picture.
      if (frame.tile === undefined || shown !== frame.frameIndex) {
        const stored = await readFrameBytes(source, header, description, places, frame.frameIndex);
        const { samples } = await decodeFrame(stored, header.transferSyntaxUid, description);
        const target = frame.tile === undefined ? targetOf(frame) : picture;
        readFrame(samples, format, frame.slope, frame.intercept, target);
        shown = frame.frameIndex;
      }
      if (frame.tile !== undefined) cutTile(picture, format.columns, frame, targetOf(frame));
    }
    return true;
  } catch (error) {
    const { code } = toHubError(error);
    if (code === 'dataset.unreadable' || code.startsWith('pixels.')) return false;
    throw error;
  } finally {
    await source.close();
  }
}

function cutTile(picture: Float32Array, pictureColumns: number, frame: Frame, target: Float32Array): void {
  const { x, y } = frame.tile ?? { x: 0, y: 0 };
  for (let row = 0; row < frame.rows; row++) {
    const start = (y + row) * pictureColumns + x;
    target.set(picture.subarray(start, start + frame.columns), row * frame.columns);
  }
}

/** The same sentence about the same series once, however many instances say it. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((one) => [`${one.seriesInstanceUid} ${one.message}`, one])).values()];
}
