/** What a reference says of each label of a model: by value in a label map, by code or name in a DICOM Segmentation. */
import type { Segment } from '../pixels/segmentation-reader.ts';

/** As a model's manifest describes it. */
export interface EvaluatedLabel {
  /** Its value in a label map. */
  readonly index: number;
  readonly name: string;
  readonly type: { readonly scheme: string; readonly code: string };
  readonly rgb: readonly [number, number, number];
}

export interface ReferenceMasks {
  /** In the order of the labels: 0 and 1, x fastest. A label the reference does not hold is empty. */
  readonly masks: readonly Uint8Array[];
  /** What a reader of the report should know; never a patient value. */
  readonly notes: readonly string[];
}

/** How far a stored value may lie from a whole number. */
const WHOLE = 1e-3;
/** Values named before they are only counted. */
const MOST_NAMED = 5;

/**
 * For a model of one label whatever is not 0 is that label; for one of several the values are their indices.
 *
 * @param values - on the case's grid
 * @returns undefined when there are values that are no whole numbers: then it is no mask
 */
export function masksOfLabelMap(values: Float32Array, labels: readonly EvaluatedLabel[]): ReferenceMasks | undefined {
  if (!values.every((value) => Math.abs(value - Math.round(value)) <= WHOLE && value > -WHOLE)) return undefined;
  const [only, ...others] = labels;
  if (only !== undefined && others.length === 0)
    return { masks: [Uint8Array.from(values, (value) => (Math.round(value) > 0 ? 1 : 0))], notes: [] };
  const found = new Set<number>();
  for (const value of values) found.add(Math.round(value));
  const known = new Set([0, ...labels.map(({ index }) => index)]);
  const strange = [...found].filter((value) => !known.has(value)).toSorted((a, b) => a - b);
  return {
    masks: labels.map(({ index }) => Uint8Array.from(values, (value) => (Math.round(value) === index ? 1 : 0))),
    notes: strange.length === 0 ? [] : [`the reference holds ${listed(strange)}, which no label of the model has`],
  };
}

/** Segments by the code of their type, else by their name; a single segment is a single label. */
export function masksOfSegments(
  segments: readonly Segment[],
  labels: readonly EvaluatedLabel[],
  voxels: number,
): ReferenceMasks {
  const isOnly = segments.length === 1 && labels.length === 1;
  const belongs = (segment: Segment, label: EvaluatedLabel): boolean =>
    isOnly || isSameLabel({ name: segment.name, type: segment.type }, label);
  const masks = labels.map((label) => {
    const mask = new Uint8Array(voxels);
    for (const segment of segments)
      if (belongs(segment, label)) for (let n = 0; n < voxels; n += 1) if (segment.mask[n] === 1) mask[n] = 1;
    return mask;
  });
  const strange = segments.filter((segment) => !labels.some((label) => belongs(segment, label)));
  const numbers = strange.map(({ number }) => number);
  return {
    masks,
    notes: strange.length === 0 ? [] : [`segments ${listed(numbers)} of the reference are no label of the model`],
  };
}

/** Whether two models, or a model and a person, mean the same. */
export function isSameLabel(
  one: { readonly name: string; readonly type: EvaluatedLabel['type'] | undefined },
  other: Pick<EvaluatedLabel, 'name' | 'type'>,
): boolean {
  const isSameType = one.type?.code === other.type.code && one.type.scheme === other.type.scheme;
  return isSameType || one.name.trim().toLowerCase() === other.name.trim().toLowerCase();
}

function listed(values: readonly number[]): string {
  const shown = values.slice(0, MOST_NAMED).join(', ');
  return values.length > MOST_NAMED ? `${shown} and ${String(values.length - MOST_NAMED)} more` : shown;
}
