/** When each slice of a repetition was taken. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Frame } from './frame.ts';
import { geSliceOrder } from './ge-protocol.ts';

/** A slice acquired this long after the repetition's end belongs to no repetition of this length. */
const SLACK = 1.02;

/**
 * After the start of the repetition, by slice; undefined when the header does not say, or says what cannot be.
 *
 * @param repetitions - by repetition, then slice
 * @param header - of one instance of the series
 * @param repetitionTimeMs - from one repetition to the next
 */
export function sliceTimesOf(
  repetitions: readonly (readonly Frame[])[],
  header: DataSet,
  repetitionTimeMs: number | undefined,
): readonly number[] | undefined {
  const frames = repetitions[0] ?? [];
  if (frames.length < 2 || header.string('MRAcquisitionType') === '3D') return undefined;
  const stated = [frames, repetitions[1] ?? []].map((one) => valuesOf(one, ({ sliceTimeMs }) => sliceTimeMs));
  const [first, second] = stated;
  // The clock of a first repetition may have started early: then the second is as the others are.
  if (first !== undefined) return fromZero(isSameRange(first, second) ? first : (second ?? first));
  const clock = valuesOf(frames, ({ acquiredMs }) => acquiredMs);
  if (clock !== undefined && repetitionTimeMs !== undefined) {
    const times = fromZero(clock);
    const last = Math.max(...times);
    if (last > 0 && last < repetitionTimeMs * SLACK) return times;
  }
  return repetitionTimeMs === undefined || !isTimeSeries(repetitions, header)
    ? undefined
    : geSliceTimes(frames, header, repetitionTimeMs);
}

/** @param other - empty when there is but one repetition */
function isSameRange(one: readonly number[], other: readonly number[] | undefined): boolean {
  const range = (times: readonly number[]) => Math.max(...times) - Math.min(...times);
  return other === undefined || other.length === 0 || Math.abs(range(one) - range(other)) < 1;
}

/** Others are interleaved as well, but a slice has as many times as it has shots. */
function isTimeSeries(repetitions: readonly unknown[], header: DataSet): boolean {
  return (
    repetitions.length > 1 ||
    header.string('EchoPlanarPulseSequence') === 'YES' ||
    header.strings('ScanningSequence').includes('EP')
  );
}

/** GE says in its protocol whether it took every second slice first; Instance Numbers follow the prescription. */
function geSliceTimes(
  frames: readonly Frame[],
  header: DataSet,
  repetitionTimeMs: number,
): readonly number[] | undefined {
  const order = geSliceOrder(header);
  if (order === undefined) return undefined;
  const prescribed = frames.toSorted((a, b) => a.instance.number - b.instance.number);
  const acquired =
    order === 'interleaved'
      ? [...prescribed.filter((_, i) => i % 2 === 0), ...prescribed.filter((_, i) => i % 2 === 1)]
      : prescribed;
  const times = new Map(acquired.map((frame, index) => [frame, (index * repetitionTimeMs) / frames.length]));
  return frames.map((frame) => times.get(frame) ?? 0);
}

function valuesOf(
  frames: readonly Frame[],
  valueOf: (frame: Frame) => number | undefined,
): readonly number[] | undefined {
  const values = frames.map(valueOf);
  return values.every((value) => value !== undefined) ? values : undefined;
}

function fromZero(times: readonly number[]): readonly number[] {
  const first = times.reduce((a, b) => Math.min(a, b), Infinity);
  return times.map((time) => time - first);
}
