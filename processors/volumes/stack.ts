/** Which frames stand in one grid, and in which order: by what makes them comparable, then by where they are. */
import type { Frame } from './frame.ts';
import { normalOf } from './geometry.ts';
import { repetitionsOf, type Place } from './repetitions.ts';
import { dot, length, subtract } from './vector.ts';
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

/** How many directions the slices of a series have between them. */
export function countOrientations(groups: readonly (readonly Frame[])[]): number {
  const different: Frame[] = [];
  for (const [first] of groups)
    if (first !== undefined && !different.some((one) => isSameDirection(one, first))) different.push(first);
  return different.length;
}

/** Whether pictures that lie alike differ in how many pixels they have, or how large those are. */
export function hasSeveralGrids(groups: readonly (readonly Frame[])[]): boolean {
  const firsts = groups.flatMap(([first]) => first ?? []);
  return firsts.some((one) =>
    firsts.some(
      (other) =>
        isSameDirection(one, other) &&
        (one.rows !== other.rows ||
          one.columns !== other.columns ||
          !isClose(one.geometry.pixelSpacingMm, other.geometry.pixelSpacingMm)),
    ),
  );
}

function isSameGrid(a: Frame, b: Frame): boolean {
  return (
    a.rows === b.rows &&
    a.columns === b.columns &&
    a.contrast === b.contrast &&
    isSameDirection(a, b) &&
    isClose(a.geometry.pixelSpacingMm, b.geometry.pixelSpacingMm)
  );
}

function isSameDirection({ geometry: a }: Frame, { geometry: b }: Frame): boolean {
  return isClose(a.rowDirection, b.rowDirection) && isClose(a.columnDirection, b.columnDirection);
}

function isClose(one: readonly number[], other: readonly number[]): boolean {
  return one.every((value, index) => Math.abs(value - (other[index] ?? Number.NaN)) <= ORIENTATION_TOLERANCE);
}

export interface Stack {
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
  const { seriesInstanceUid } = first.instance.item;
  const add = (code: Finding['code'], detail?: string) => findings.push(finding(code, seriesInstanceUid, detail));
  const { geometry } = first;
  const places = placesOf(group);

  const steps = places.slice(1).map((place, index) => place.at - (places[index]?.at ?? 0));
  const stepMm = steps.length === 0 ? geometry.thicknessMm : (steps.toSorted((a, b) => a - b)[steps.length >> 1] ?? 0);
  const uneven = steps.filter((step) => Math.abs(step - stepMm) > stepMm * STEP_TOLERANCE);
  if (uneven.length > 0) {
    const missing = uneven.map((step) => Math.round(step / stepMm) - 1);
    const areGaps = uneven.every(
      (step, i) => (missing[i] ?? 0) > 0 && Math.abs(step / stepMm - (missing[i] ?? 0) - 1) < 0.02,
    );
    const lost = missing.reduce((a, b) => a + b, 0);
    if (areGaps) add('slices-missing', `${lost} of ${places.length + lost}`);
    else add('slices-irregular', `${uneven.length} of ${steps.length} steps differ`);
  }
  if (steps.length === 0) {
    add('slice-single');
    if (!geometry.isThicknessKnown) add('spacing-missing', 'a thickness of 1 mm is assumed');
  }
  const beside = places.reduce((count, place) => count + countBeside(place, first), 0);
  if (beside > 0) add('slices-irregular', `${beside} of ${group.length} stand beside others in one plane`);
  const { frames, isMixed, whole, begun } = repetitionsOf(places);
  if (whole < begun) add('repetitions-incomplete', `${whole} of ${begun} are whole`);
  if (isMixed) add('repetitions-mixed');
  if (group.some(({ isRescaleDamaged }) => isRescaleDamaged)) add('scale-damaged');
  return { frames, stepMm, isRegular: uneven.length === 0 && beside === 0 };
}

/**
 * Frames that are in the plane of the place's first one, but more than a pixel away: no repetition of it, or one that was
 * taken after the subject had moved.
 */
function countBeside({ frames }: Place, { geometry }: Frame): number {
  const pixel = Math.max(...geometry.pixelSpacingMm);
  const origin = frames[0]?.geometry.position ?? geometry.position;
  return frames.filter((frame) => length(subtract(frame.geometry.position, origin)) > pixel).length;
}

function placesOf(group: readonly Frame[]): readonly Place[] {
  const geometry = group[0]?.geometry;
  if (geometry === undefined) return [];
  const normal = normalOf(geometry);
  const tolerance = Math.min(0.01, geometry.thicknessMm * STEP_TOLERANCE);
  const places: { readonly at: number; readonly frames: Frame[] }[] = [];
  const placed = group.map((frame) => ({ frame, at: dot(frame.geometry.position, normal) }));
  for (const { frame, at } of placed.toSorted((a, b) => a.at - b.at)) {
    const last = places.at(-1);
    if (last !== undefined && at - last.at <= tolerance) last.frames.push(frame);
    else places.push({ at, frames: [frame] });
  }
  return places;
}

/** The same slice more than once: a study that was sent again under new UIDs, or an instance that came twice. */
export function withoutDuplicates(frames: readonly Frame[], findings: Finding[]): readonly Frame[] {
  const kept = new Map<string, Frame>();
  for (const frame of frames) {
    const key = identityOf(frame);
    if (!kept.has(key)) kept.set(key, frame);
  }
  const item = frames[0]?.instance.item;
  if (item !== undefined && kept.size < frames.length)
    findings.push(
      finding('slices-duplicate', item.seriesInstanceUid, `${frames.length - kept.size} of ${frames.length}`),
    );
  return [...kept.values()];
}

/** Equal for two frames that differ in nothing by which a repetition could be told from another. */
function identityOf({
  instance,
  geometry,
  contrast,
  order,
  weighting,
  acquiredMs,
  tile,
  rows,
  columns,
}: Frame): string {
  const { position, rowDirection, columnDirection } = geometry;
  return JSON.stringify([
    ...[position, rowDirection, columnDirection, tile, rows, columns],
    ...[contrast, order, instance.number, weighting, acquiredMs],
  ]);
}
