/**
 * Where faces are in a study: found in the volume of each frame of reference that shows a head best, and then known for
 * every other scan of it, localizers and thick slices included.
 */
import { HubError } from '../../../../core/errors.ts';
import type { DataSet } from '../../../../core/dicom/data-set.ts';
import { readHeader, type Part10Header } from '../../../../core/dicom/part10.ts';
import { formatBlobRef, type ByteSource, type InstanceItem, type ObjectStore } from '../../../../core/store.ts';
import { assembleVolumes } from '../../../volumes/assemble.ts';
import type { Frame } from '../../../volumes/frame.ts';
import { framesOf } from '../../../volumes/frames.ts';
import { headVerdict } from '../human-head.ts';
import { findFaceRegion, isFace, type FaceRegion } from './face-region.ts';

export type FaceFinding =
  | { readonly outcome: 'held'; readonly reason: string }
  | {
      readonly outcome: 'defaced';
      /** One byte a pixel, not 0 goes; `undefined` where a frame has nothing of a face. @param frame - from 0 */
      maskOf(frame: number): Uint8Array | undefined;
    };

export interface FaceSurvey {
  read(study: readonly { readonly open: () => Promise<ByteSource> }[], signal: AbortSignal): Promise<void>;
  /** `undefined` for what is no human head. */
  findingOf(header: Part10Header): FaceFinding | undefined;
}

type Opener = () => Promise<ByteSource>;

/** Of one series: it is a candidate while it may be a volume of a head. */
interface Candidate {
  readonly frameOfReferenceUid: string;
  readonly items: { readonly item: InstanceItem; readonly open: Opener }[];
  voxels: number;
  voxelMm3: number;
}

/** 160 MB as numbers: a head at half a millimetre. */
const MAX_VOXELS = 40_000_000;
/** Fewer slices than this show no head whole. */
const MIN_SLICES = 20;
/** Of one frame of reference; a study has two or three volumes of the whole head. */
const MAX_TRIES = 6;
const MR = 'MR';
/** Pixels of these are no places: what is in front of the brain is painted over it. */
const PROJECTION = /PROJECTION|^MIP$|^MINIP$|RENDER|^VRT$|^SSD$|3D_?VIEW|SURFACE/;

export function createFaceSurvey(): FaceSurvey {
  /** By Frame of Reference UID; a text says why there is none. */
  const regions = new Map<string, FaceRegion | string>();
  return {
    read: async (study, signal) => {
      const candidates = await candidatesAmong(study, signal);
      for (const [uid, series] of Map.groupBy(candidates, ({ frameOfReferenceUid }) => frameOfReferenceUid))
        regions.set(uid, await bestRegion(series, signal));
    },
    findingOf: (header) => findingOf(header, regions),
  };
}

function findingOf(header: Part10Header, regions: ReadonlyMap<string, FaceRegion | string>): FaceFinding | undefined {
  const { dataSet } = header;
  const held = (reason: string): FaceFinding => ({ outcome: 'held', reason: `a human head: ${reason}` });
  if (header.pixelData === undefined || headVerdict(dataSet) === 'no-human-head') return undefined;
  if (dataSet.string('Modality') !== MR) return held('only magnetic resonance is defaced');
  if (imageTypes(dataSet).some((value) => PROJECTION.test(value))) return held('a projection cannot be defaced');
  const region = regions.get(dataSet.string('FrameOfReferenceUID') ?? '');
  if (region === undefined) return held('no volume with its frame of reference shows it whole');
  if (typeof region === 'string') return held(region);
  const frames = framesOf(placeholder(0, dataSet, 0), header);
  if ('code' in frames) return held('its slices have no known place');
  const byIndex = Map.groupBy(frames, ({ frameIndex }) => frameIndex);
  const rows = dataSet.number('Rows') ?? 0;
  const columns = dataSet.number('Columns') ?? 0;
  return { outcome: 'defaced', maskOf: (frame) => maskOf(byIndex.get(frame) ?? [], region, rows, columns) };
}

/** All slices of one stored frame: one, or the tiles of a mosaic. */
function maskOf(slices: readonly Frame[], region: FaceRegion, rows: number, columns: number): Uint8Array | undefined {
  const mask = new Uint8Array(rows * columns);
  let count = 0;
  for (const { geometry, tile, rows: height, columns: width } of slices) {
    const { position, rowDirection, columnDirection, pixelSpacingMm } = geometry;
    const [left, top] = [tile?.x ?? 0, tile?.y ?? 0];
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const place = (axis: 1 | 2) =>
          position[axis] +
          column * pixelSpacingMm[0] * rowDirection[axis] +
          row * pixelSpacingMm[1] * columnDirection[axis];
        if (!isFace(region, place(1), place(2))) continue;
        mask[(top + row) * columns + left + column] = 1;
        count += 1;
      }
  }
  return count === 0 ? undefined : mask;
}

async function candidatesAmong(
  study: readonly { readonly open: Opener }[],
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const bySeries = new Map<string, Candidate>();
  for (const [index, { open }] of study.entries()) {
    signal.throwIfAborted();
    const source = await open();
    try {
      const header = await readHeader(source);
      const { dataSet } = header;
      if (!mayBeVolume(header)) continue;
      const frameOfReferenceUid = dataSet.string('FrameOfReferenceUID') ?? '';
      const key = `${dataSet.string('SeriesInstanceUID') ?? ''}/${frameOfReferenceUid}`;
      const candidate = bySeries.get(key) ?? { frameOfReferenceUid, items: [], voxels: 0, voxelMm3: Infinity };
      bySeries.set(key, candidate);
      const item = placeholder(index, dataSet, source.sizeBytes, header.transferSyntaxUid);
      const frames = framesOf(item, header);
      if ('code' in frames) continue;
      candidate.items.push({ item, open });
      for (const { rows, columns, geometry } of frames) {
        candidate.voxels += rows * columns;
        const [across, down] = geometry.pixelSpacingMm;
        candidate.voxelMm3 = Math.min(candidate.voxelMm3, across * down * geometry.thicknessMm);
      }
    } catch (error) {
      // What cannot be read is held for that when its turn comes.
      if (!(error instanceof HubError) || !error.code.startsWith('dataset.')) throw error;
    } finally {
      await source.close();
    }
  }
  return [...bySeries.values()];
}

function mayBeVolume({ dataSet, pixelData }: Part10Header): boolean {
  return (
    pixelData !== undefined &&
    dataSet.string('Modality') === MR &&
    headVerdict(dataSet) === 'human-head' &&
    !imageTypes(dataSet).some((value) => PROJECTION.test(value) || value === 'MOSAIC')
  );
}

/** The finest volume is asked first; every series that is none leaves the reason of the last one that was. */
async function bestRegion(series: readonly Candidate[], signal: AbortSignal): Promise<FaceRegion | string> {
  let reason = 'no volume with its frame of reference shows it whole';
  const fitting = series.filter(({ voxels, items }) => voxels <= MAX_VOXELS && items.length > 0);
  for (const { items } of fitting.toSorted((a, b) => a.voxelMm3 - b.voxelMm3).slice(0, MAX_TRIES)) {
    const { volumes } = await assembleVolumes(
      items.map(({ item }) => item),
      storeOver(items),
      signal,
    );
    for (const volume of volumes) {
      if (!volume.isRegular || volume.dims[2] < MIN_SLICES || volume.dims[3] !== 1) continue;
      const found = findFaceRegion(volume);
      if (found.outcome === 'found') return found.region;
      reason = found.reason;
    }
  }
  return reason;
}

/** Named by its place in the study: nobody else sees it. */
function placeholder(index: number, dataSet: DataSet, sizeBytes: number, transferSyntaxUid = ''): InstanceItem {
  const text = (keyword: string) => dataSet.string(keyword) ?? '';
  return {
    kind: 'instance',
    blob: formatBlobRef(`study/${String(index)}`, 0, sizeBytes),
    sizeBytes,
    sha256: '',
    studyInstanceUid: text('StudyInstanceUID'),
    seriesInstanceUid: text('SeriesInstanceUID'),
    sopInstanceUid: text('SOPInstanceUID'),
    sopClassUid: text('SOPClassUID'),
    transferSyntaxUid,
  };
}

function storeOver(items: Candidate['items']): ObjectStore {
  const openers = new Map(items.map(({ item, open }) => [item.blob, open]));
  return {
    open: (ref) => {
      const open = openers.get(ref);
      return open === undefined ? Promise.reject(new HubError('store.missing', { ref })) : open();
    },
    createPack: () => Promise.reject(new HubError('store.failed', { detail: 'a survey writes nothing' })),
  };
}

function imageTypes(dataSet: DataSet): readonly string[] {
  return dataSet.strings('ImageType').map((value) => value.toUpperCase());
}
