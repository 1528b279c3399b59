/**
 * What volumes a series makes, before a pixel is read: frames are grouped by what makes them comparable and sorted by
 * where they are. What does not fit is said in a finding and never silently left out.
 */
import { readHeader } from '../../core/dicom/part10.ts';
import type { DataSet } from '../../core/dicom/data-set.ts';
import { transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import { toHubError } from '../../core/errors.ts';
import type { InstanceItem, ObjectStore } from '../../core/store.ts';
import { codecOf } from '../../pixels/decodable.ts';
import type { Frame } from './frame.ts';
import { framesOf } from './frames.ts';
import { normalOf } from './geometry.ts';
import { kindOf } from './kind.ts';
import { integersFor } from './pixels.ts';
import { sliceTimesOf } from './slice-timing.ts';
import { countOrientations, groupFrames, hasSeveralGrids, stackOf, withoutDuplicates, type Stack } from './stack.ts';
import { scale, subtract } from './vector.ts';
import { type Diffusion, type Finding, finding, type StoredAs, type Triple, type Volume } from './volume.ts';

/** A volume without its values, and where those come from. */
export interface VolumePlan {
  readonly head: Omit<Volume, 'data'>;
  /** By repetition, then slice. */
  readonly frames: readonly Frame[];
}

export interface PlannedSeries {
  readonly plans: readonly VolumePlan[];
  readonly findings: readonly Finding[];
}

/** The measured time from one repetition to the next is taken where the header is further off than this share of it. */
const REPETITION_TIME_TOLERANCE = 0.1;
/** So many repetitions make a measured time worth more than a stated one. */
const MEASURABLE_REPETITIONS = 3;

/** @param items - images of one series */
export async function planSeries(
  items: readonly InstanceItem[],
  store: ObjectStore,
  signal: AbortSignal,
): Promise<PlannedSeries> {
  const findings: Finding[] = [];
  const frames: Frame[] = [];
  for (const item of items) {
    signal.throwIfAborted();
    const read = await readFrames(item, store);
    if ('code' in read) findings.push(read);
    else for (const frame of read) frames.push(frame);
  }
  const groups = groupFrames(withoutDuplicates(frames, findings));
  const orientations = countOrientations(groups);
  const seriesInstanceUid = items[0]?.seriesInstanceUid ?? '';
  if (orientations > 1) findings.push(finding('orientations-mixed', seriesInstanceUid, `${orientations}`));
  if (hasSeveralGrids(groups)) findings.push(finding('grids-mixed', seriesInstanceUid));
  const plans: VolumePlan[] = [];
  for (const group of groups) {
    signal.throwIfAborted();
    const stack = stackOf(group, findings);
    const first = stack?.frames[0]?.[0];
    if (stack === undefined || first === undefined) continue;
    plans.push({ head: headOf(stack, first, await headerOf(first, store)), frames: stack.frames.flat() });
  }
  return { plans, findings };
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

/** Read a second time: to keep the headers of all instances would cost more than the pixels of some series. */
async function headerOf({ instance }: Frame, store: ObjectStore): Promise<DataSet> {
  const source = await store.open(instance.item.blob);
  try {
    return (await readHeader(source)).dataSet;
  } finally {
    await source.close();
  }
}

function headOf({ frames, stepMm, isRegular }: Stack, first: Frame, header: DataSet): VolumePlan['head'] {
  const slices = frames[0] ?? [];
  const all = frames.flat();
  const { item, isMultiFrame } = first.instance;
  const diffusion = diffusionOf(frames);
  const echoTimeMs = common(all.map((frame) => frame.echoTimeMs));
  const repetitionTimeMs = repetitionTimeOf(frames, header);
  const sliceTimesMs = sliceTimesOf(frames, header, repetitionTimeMs);
  const storedAs = storedAsOf(all);
  return {
    studyInstanceUid: item.studyInstanceUid,
    seriesInstanceUid: item.seriesInstanceUid,
    dims: [first.columns, first.rows, slices.length, frames.length],
    spacingMm: [first.geometry.pixelSpacingMm[0], first.geometry.pixelSpacingMm[1], stepMm],
    affine: affineOf(first, slices.at(-1) ?? first, slices.length, stepMm),
    isRegular,
    slices: all.map(({ instance, frameIndex }) => ({
      sopInstanceUid: instance.item.sopInstanceUid,
      sopClassUid: instance.item.sopClassUid,
      ...(isMultiFrame ? { frameNumber: frameIndex + 1 } : {}),
    })),
    header,
    kind: kindOf(header, frames.length, slices.length, diffusion !== undefined),
    component: first.component,
    ...(diffusion === undefined ? {} : { diffusion }),
    ...(echoTimeMs === undefined ? {} : { echoTimeMs }),
    ...(repetitionTimeMs === undefined ? {} : { repetitionTimeMs }),
    ...(sliceTimesMs === undefined ? {} : { sliceTimesMs }),
    ...(storedAs === undefined ? {} : { storedAs }),
  };
}

function affineOf(first: Frame, last: Frame, slices: number, stepMm: number): readonly number[] {
  const { rowDirection, columnDirection, pixelSpacingMm, position } = first.geometry;
  const x = scale(rowDirection, pixelSpacingMm[0]);
  const y = scale(columnDirection, pixelSpacingMm[1]);
  // Between the outermost slices: true for a tilted gantry too, where the step is not along the normal.
  const z: Triple =
    slices > 1
      ? scale(subtract(last.geometry.position, position), 1 / (slices - 1))
      : scale(normalOf(first.geometry), stepMm);
  return [x[0], y[0], z[0], position[0], x[1], y[1], z[1], position[1], x[2], y[2], z[2], position[2], 0, 0, 0, 1];
}

function diffusionOf(repetitions: readonly (readonly Frame[])[]): Diffusion | undefined {
  const weightings = repetitions.map(([frame]) => frame?.weighting);
  // Some makers write b = 0 into every scan.
  if (!weightings.some((weighting) => (weighting?.bValue ?? 0) > 0)) return undefined;
  return {
    bValues: weightings.map((weighting) => weighting?.bValue ?? 0),
    directions: weightings.map((weighting) => weighting?.direction),
  };
}

/** From one repetition to the next as measured by the clock, where the header's Repetition Time is that of an excitation. */
function repetitionTimeOf(repetitions: readonly (readonly Frame[])[], header: DataSet): number | undefined {
  const stated = repetitions[0]?.[0]?.repetitionTimeMs ?? header.number('RepetitionTime');
  const begins = repetitions.map((frames) => frames[0]?.acquiredMs);
  const [begin, end] = [begins[0], begins.at(-1)];
  if (repetitions.length < MEASURABLE_REPETITIONS || begin === undefined || end === undefined) return stated;
  const measured = (end - begin) / (repetitions.length - 1);
  const steps = begins.slice(1).map((one, index) => (one ?? Number.NaN) - (begins[index] ?? Number.NaN));
  const isEven = steps.every((step) => Math.abs(step - measured) < measured * REPETITION_TIME_TOLERANCE);
  if (!(measured > 0) || !isEven) return stated;
  return stated !== undefined && Math.abs(measured - stated) < stated * REPETITION_TIME_TOLERANCE ? stated : measured;
}

function storedAsOf(frames: readonly Frame[]): StoredAs | undefined {
  const [first] = frames;
  if (first === undefined || first.instance.format.isFloat) return undefined;
  const type = integersFor(first.instance.format);
  const { slope, intercept } = first;
  const isSame = frames.every(
    (frame) => frame.slope === slope && frame.intercept === intercept && integersFor(frame.instance.format) === type,
  );
  return isSame ? { type, slope, intercept } : undefined;
}

/** The value that all have; undefined when they differ. */
function common(values: readonly (number | undefined)[]): number | undefined {
  const [first] = values;
  return values.every((value) => value === first) ? first : undefined;
}
