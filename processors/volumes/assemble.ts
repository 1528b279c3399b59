/** Instances become volumes in memory: planned from their headers, then read slice by slice into place. */
import type { InstanceItem, ObjectStore } from '../../core/store.ts';
import type { Frame } from './frame.ts';
import { isAcrPhantom } from './acr-phantom.ts';
import { clearPadding, paddingOf } from './padding.ts';
import { statedPhantom } from './kind.ts';
import { frameReader, type FrameReader } from './frame-reader.ts';
import { type Numbers, readFrame } from './pixels.ts';
import { planSeries, type VolumePlan } from './series.ts';
import { type Finding, finding, type Volume } from './volume.ts';

/** MR, CT and their enhanced forms: what is measured and segmented. Everything else passes by in silence. */
const IMAGE_SOP_CLASSES: ReadonlySet<string> = new Set([
  '1.2.840.10008.5.1.4.1.1.4',
  '1.2.840.10008.5.1.4.1.1.4.1',
  '1.2.840.10008.5.1.4.1.1.4.4',
  '1.2.840.10008.5.1.4.1.1.2',
  '1.2.840.10008.5.1.4.1.1.2.1',
  '1.2.840.10008.5.1.4.1.1.2.2',
]);
/** 1 GiB of float32: more than that a worker does not hold, in one volume or in all that one call gives back. */
export const MAX_VOXELS = 256 * 1024 * 1024;

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
  // By study too: a damaged export may use one UID for the series of two.
  const bySeries = Map.groupBy(
    items.filter(isImage),
    ({ seriesInstanceUid, studyInstanceUid }) => `${seriesInstanceUid} ${studyInstanceUid}`,
  );
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
  let room = MAX_VOXELS;
  for (const series of imagesBySeries(items)) {
    const planned = await planSeries(series, store, signal);
    findings.push(...planned.findings);
    for (const plan of planned.plans) {
      const { dims, seriesInstanceUid } = plan.head;
      const voxels = dims[0] * dims[1] * dims[2] * dims[3];
      if (voxels > room) {
        // Refused before a pixel is read: what was read so far stays usable.
        findings.push(finding('volume-too-large', seriesInstanceUid, dims.join(' × ')));
        continue;
      }
      const volume = await fillVolume(plan, store, findings, signal);
      if (volume === undefined) continue;
      volumes.push(volume);
      room -= voxels;
    }
  }
  return { volumes, findings: distinctFindings(findings) };
}

async function fillVolume(
  { head, frames }: VolumePlan,
  store: ObjectStore,
  findings: Finding[],
  signal: AbortSignal,
): Promise<Volume | undefined> {
  const [nx, ny, nz, nt] = head.dims;
  const data = new Float32Array(nx * ny * nz * nt);
  const reader = frameReader(store);
  const [format] = frames.map(({ instance }) => instance.format);
  const padding = format === undefined ? undefined : paddingOf(head.header, format);
  let padded = 0;
  try {
    // Instance by instance, each opened once.
    const places = new Map(frames.map((frame, index) => [frame, index]));
    for (const [, ofInstance] of Map.groupBy(frames, ({ instance }) => instance)) {
      signal.throwIfAborted();
      for (const frame of ofInstance) {
        const start = (places.get(frame) ?? 0) * nx * ny;
        const target = data.subarray(start, start + nx * ny);
        if (!(await readSlice(reader, frame, frame, target))) {
          findings.push(finding('pixels-unreadable', head.seriesInstanceUid));
          return undefined;
        }
        if (padding !== undefined) padded += clearPadding(target, padding, frame);
      }
    }
  } finally {
    await reader.close();
  }
  if (padded > 0) findings.push(finding('values-padding', head.seriesInstanceUid, `${padded} of ${data.length}`));
  const isFloat = frames.some(({ instance }) => instance.format.isFloat);
  if (!isFloat) return withShape({ ...head, data });
  findings.push(finding('pixels-float', head.seriesInstanceUid));
  const zeroed = zeroWhatIsNoNumber(data);
  if (zeroed === 0) return withShape({ ...head, data });
  findings.push(finding('values-not-finite', head.seriesInstanceUid, `${zeroed} of ${data.length}`));
  return withShape({ ...head, data, zeroed });
}

/** Where nothing in the header tells a phantom, de-identified as it may be, its shape does. */
function withShape(volume: Volume): Volume {
  const mayBe = volume.kind === 'anatomical' && statedPhantom(volume.header) === undefined;
  return mayBe && isAcrPhantom(volume) ? { ...volume, kind: 'phantom' } : volume;
}

/**
 * Reads one slice as stored × slope + intercept; of a mosaic, its tile.
 *
 * @returns false: its pixel data is damaged, cut off or in no format we read
 */
export async function readSlice(
  reader: FrameReader,
  frame: Frame,
  { slope, intercept }: { readonly slope: number; readonly intercept: number },
  target: Numbers,
): Promise<boolean> {
  const samples = await reader.samplesOf(frame);
  if (samples === undefined) return false;
  const { format } = frame.instance;
  if (frame.tile === undefined) {
    readFrame(samples, format, slope, intercept, target);
    return true;
  }
  const { x, y } = frame.tile;
  const bytes = format.bitsAllocated / 8;
  for (let row = 0; row < frame.rows; row++) {
    const start = ((y + row) * format.columns + x) * bytes;
    const line = target.subarray(row * frame.columns, (row + 1) * frame.columns);
    readFrame(samples.subarray(start, start + line.length * bytes), format, slope, intercept, line);
  }
  return true;
}

/** @returns how many there were */
export function zeroWhatIsNoNumber(data: Numbers): number {
  let wrong = 0;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    data[i] = 0;
    wrong += 1;
  }
  return wrong;
}

/** The same sentence about the same series once, however many instances say it. */
export function distinctFindings(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((one) => [`${one.seriesInstanceUid} ${one.message}`, one])).values()];
}
