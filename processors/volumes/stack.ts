/** Which frames stand in one grid, and in which order: by what makes them comparable, then by where they are. */
import type { Frame } from './frame.ts';
import { cross, dot } from './vector.ts';
import { type Finding, finding } from './volume.ts';

const ORIENTATION_TOLERANCE = 1e-4;
/** Steps between slices that differ by more than this share are a finding. */
const STEP_TOLERANCE = 0.01;

/** Frames that may stand in one grid: same size, spacing, direction, echo and component. */
export function groupFrames(frames: readonly Frame[]): readonly (readonly Frame[])[] {
  const groups: Frame[][] = [];
  for (const frame of frames) {
    const group = groups.find(([first]) => first !== undefined && isSameGrid(first, frame));
    if (group === undefined) groups.push([frame]);
    else group.push(frame);
  }
  return groups;
}

function isSameGrid(a: Frame, b: Frame): boolean {
  const isClose = (one: readonly number[], other: readonly number[]) =>
    one.every((value, index) => Math.abs(value - (other[index] ?? Number.NaN)) <= ORIENTATION_TOLERANCE);
  return (
    a.rows === b.rows &&
    a.columns === b.columns &&
    a.contrast === b.contrast &&
    isClose(a.geometry.rowDirection, b.geometry.rowDirection) &&
    isClose(a.geometry.columnDirection, b.geometry.columnDirection) &&
    isClose(a.geometry.pixelSpacingMm, b.geometry.pixelSpacingMm)
  );
}

interface Stack {
  /** By repetition, then slice. */
  readonly frames: readonly (readonly Frame[])[];
  /** Middle of the distances between neighbouring slices. */
  readonly stepMm: number;
  readonly isRegular: boolean;
}

/** Sorted by place along the normal, never by Instance Number: vendors number as they like. */
export function stackOf(group: readonly Frame[], findings: Finding[]): Stack | undefined {
  const first = group[0];
  if (first === undefined) return undefined;
  const seriesInstanceUid = first.instance.item.seriesInstanceUid;
  const { geometry } = first;
  const normal = cross(geometry.rowDirection, geometry.columnDirection);
  const tolerance = Math.min(0.01, geometry.thicknessMm * STEP_TOLERANCE);
  const places: { readonly at: number; readonly frames: Frame[] }[] = [];
  const placed = group.map((frame) => ({ frame, at: dot(frame.geometry.position, normal) }));
  for (const { frame, at } of placed.toSorted((a, b) => a.at - b.at)) {
    const last = places.at(-1);
    if (last !== undefined && at - last.at <= tolerance) last.frames.push(frame);
    else places.push({ at, frames: [frame] });
  }
  for (const place of places) place.frames.sort((a, b) => compareOrders(a.order, b.order));

  const steps = places.slice(1).map((place, index) => place.at - (places[index]?.at ?? 0));
  const stepMm = steps.length === 0 ? geometry.thicknessMm : (steps.toSorted((a, b) => a - b)[steps.length >> 1] ?? 0);
  const uneven = steps.filter((step) => Math.abs(step - stepMm) > stepMm * STEP_TOLERANCE);
  if (uneven.length > 0) {
    const missing = uneven.map((step) => Math.round(step / stepMm) - 1);
    const areGaps = uneven.every(
      (step, i) => (missing[i] ?? 0) > 0 && Math.abs(step / stepMm - (missing[i] ?? 0) - 1) < 0.02,
    );
    findings.push(
      areGaps
        ? finding(
            'slices-missing',
            seriesInstanceUid,
            `${missing.reduce((a, b) => a + b, 0)} of ${places.length + missing.reduce((a, b) => a + b, 0)}`,
          )
        : finding('slices-irregular', seriesInstanceUid, `${uneven.length} of ${steps.length} steps differ`),
    );
  }
  const counts = places.map((place) => place.frames.length);
  const repetitions = Math.min(...counts);
  if (Math.max(...counts) !== repetitions)
    findings.push(
      finding('repetitions-incomplete', seriesInstanceUid, `${repetitions} of ${Math.max(...counts)} are whole`),
    );
  return {
    frames: Array.from({ length: repetitions }, (_, t) =>
      places.flatMap((place) => {
        const frame = place.frames[t];
        return frame === undefined ? [] : [frame];
      }),
    ),
    stepMm,
    isRegular: uneven.length === 0,
  };
}

function compareOrders(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
