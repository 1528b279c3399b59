/** Which frames at each place belong to the same repetition, also when some of them are lost. */
import type { Frame } from './frame.ts';
import { dot } from './vector.ts';

/** All frames that stand at one place. */
export interface Place {
  /** Along the normal, in millimetres. */
  readonly at: number;
  readonly frames: readonly Frame[];
}

export interface Repetitions {
  /** By repetition, then place; whole ones only. */
  readonly frames: readonly (readonly Frame[])[];
  readonly whole: number;
  /** How many there are with at least one slice. */
  readonly begun: number;
  /** True: frames of one repetition are weighted differently, and no order of them is right. */
  readonly isMixed: boolean;
}

export function repetitionsOf(places: readonly Place[]): Repetitions {
  const sorted = places.map(({ frames }) => frames.toSorted((a, b) => compareOrders(a.order, b.order)));
  const counts = sorted.map((frames) => frames.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const aligned = least === most ? byPosition(sorted, least) : byMark(sorted, most);
  if (aligned !== undefined && isAlike(aligned))
    return { frames: aligned, whole: aligned.length, begun: most, isMixed: false };
  // Slices that were not acquired in the same order of weightings: the weighting itself is the order.
  const byWeighting = byPosition(
    sorted.map((frames) => frames.toSorted((a, b) => compareOrders(weightingOrder(a), weightingOrder(b)))),
    least,
  );
  if (least === most && isAlike(byWeighting)) return { frames: byWeighting, whole: least, begun: most, isMixed: false };
  // Lost slices and nothing that says of which repetition: what is at the end is taken for incomplete.
  const frames = byPosition(sorted, least);
  return { frames, whole: least, begun: most, isMixed: !isAlike(frames) };
}

function byPosition(sorted: readonly (readonly Frame[])[], count: number): readonly (readonly Frame[])[] {
  return Array.from({ length: count }, (_, t) =>
    sorted.flatMap((frames) => {
      const frame = frames[t];
      return frame === undefined ? [] : [frame];
    }),
  );
}

/** By the first number of the header that tells the repetitions of every whole place apart and is known to all. */
function byMark(sorted: readonly (readonly Frame[])[], most: number): readonly (readonly Frame[])[] | undefined {
  const numbers = sorted.flat().map(({ instance }) => instance.number);
  const firstNumber = numbers.reduce((a, b) => Math.min(a, b), Infinity);
  const kinds = sorted[0]?.[0]?.repetitionMarks.length ?? 0;
  const marks: readonly ((frame: Frame) => number)[] = [
    ...Array.from({ length: kinds }, (_, kind) => (frame: Frame) => frame.repetitionMarks[kind] ?? Number.NaN),
    // Numbered volume by volume.
    ({ instance }) => Math.floor((instance.number - firstNumber) / sorted.length),
    // Numbered place by place.
    ({ instance }) => (instance.number - firstNumber) % most,
  ];
  for (const mark of marks) {
    const known = [...new Set(sorted.flat().map(mark))].toSorted((a, b) => a - b);
    if (known.length !== most || known.some(Number.isNaN)) continue;
    if (!sorted.every((frames) => new Set(frames.map(mark)).size === frames.length)) continue;
    const byKey = sorted.map((frames) => new Map(frames.map((frame) => [mark(frame), frame])));
    return known.flatMap((key) => {
      const slices = byKey.flatMap((frames) => frames.get(key) ?? []);
      return slices.length === sorted.length ? [slices] : [];
    });
  }
  return undefined;
}

/** Whether each repetition was weighted in one way. */
function isAlike(repetitions: readonly (readonly Frame[])[]): boolean {
  return repetitions.every(([first, ...others]) => others.every((other) => isWeightedAlike(first, other)));
}

/** But for rounding: some makers write what the gradients of each slice really were. */
function isWeightedAlike(a: Frame | undefined, b: Frame): boolean {
  const [one, other] = [a?.weighting, b.weighting];
  if (one === undefined || other === undefined) return one === other;
  if (Math.abs(one.bValue - other.bValue) > 10 + 0.01 * one.bValue) return false;
  if (one.direction === undefined || other.direction === undefined) return one.direction === other.direction;
  return dot(one.direction, other.direction) > 0.99;
}

function weightingOrder({ weighting, order }: Frame): readonly number[] {
  return [weighting?.bValue ?? 0, ...(weighting?.direction ?? [0, 0, 0]), ...order];
}

function compareOrders(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
