/**
 * The order of the frames of a reconstruction: VisuFGOrderDesc says how many slices, echoes, repetitions … there are, the
 * first group running fastest, and VisuGroupDepVals which parameters have a value for each of a group's elements.
 */
import { HubError } from '../core/errors.ts';
import type { JcampValue } from './jcamp.ts';
import type { Parameters } from './parameters.ts';

export interface FrameGroup {
  /** `FG_SLICE`, `FG_ECHO` … */
  readonly id: string;
  readonly comment: string;
  readonly length: number;
  /** Parameters with an element for each of the group's, and where in the parameter they begin. */
  readonly dependents: ReadonlyMap<string, number>;
}

/** More than any scan: what is beyond is a damaged file. */
const MAX_FRAMES = 4_000_000;

export class FrameOrder {
  readonly groups: readonly FrameGroup[];
  readonly frames: number;
  readonly #parameters: Parameters;
  /** Frames that parameters have values for. */
  readonly #described: number;

  /**
   * @param isDoubled - behind all real parts stand all imaginary ones, and no group says so
   * @throws {HubError} `paravision.mismatch` when the groups do not make up the frames
   */
  constructor(parameters: Parameters, isDoubled = false) {
    this.#parameters = parameters;
    const frames = parameters.number('VisuCoreFrameCount') ?? 1;
    if (!Number.isInteger(frames) || frames < 1 || frames > MAX_FRAMES)
      throw parameters.wrong('VisuCoreFrameCount', 'VisuCoreFrameCount is not a number of frames');
    this.frames = isDoubled ? 2 * frames : frames;
    this.#described = frames;
    const described = groupsOf(parameters, frames);
    this.groups = isDoubled
      ? [...described, { id: 'FG_COMPLEX', comment: '', length: 2, dependents: new Map() }]
      : described;
    const product = described.reduce((count, { length }) => count * length, 1);
    if (product !== frames)
      throw new HubError('paravision.mismatch', {
        reason: `its frame groups make ${String(product)} frames, it has ${String(frames)}`,
      });
  }

  /** Where a frame stands in each group, from 0. */
  indicesOf(frame: number): readonly number[] {
    let rest = frame;
    return this.groups.map(({ length }) => {
      const index = rest % length;
      rest = Math.floor(rest / length);
      return index;
    });
  }

  /** Which element of a parameter a frame has, if any. @param count - of its elements */
  find(name: string, count: number, frame: number): number | undefined {
    if (count === 1) return 0;
    const indices = this.indicesOf(frame);
    let element: number | undefined;
    let stride = 1;
    this.groups.forEach(({ length, dependents }, group) => {
      const start = dependents.get(name);
      if (start === undefined) return;
      element = (element ?? start) + (indices[group] ?? 0) * stride;
      stride *= length;
    });
    element ??= this.#withoutGroup(count, frame, indices);
    return element !== undefined && element < count ? element : undefined;
  }

  /** As `find`. @throws {HubError} `paravision.parameters-unreadable` when there is none for the frame */
  elementOf(name: string, count: number, frame: number): number {
    const element = this.find(name, count, frame);
    if (element !== undefined) return element;
    throw this.#parameters.wrong(name, `${name} has no value for frame ${String(frame + 1)}`);
  }

  /** One for each frame, or (ParaVision 5, which names no dependents of a single slice) one a slice. */
  #withoutGroup(count: number, frame: number, indices: readonly number[]): number | undefined {
    if (count === this.#described) return frame % this.#described;
    const slices = this.groups.findIndex(({ id, length }) => id === 'FG_SLICE' && length === count);
    return slices < 0 ? undefined : indices[slices];
  }
}

function groupsOf(parameters: Parameters, frames: number): readonly FrameGroup[] {
  const descriptions = parameters.structs('VisuFGOrderDesc') ?? [];
  // Frames without an order are a list of frames.
  if (descriptions.length === 0 && frames > 1)
    return [{ id: 'FG_FRAME', comment: '', length: frames, dependents: new Map() }];
  const dependents = parameters.structs('VisuGroupDepVals') ?? [];
  return descriptions.map(([length, id, comment, start, count]) => {
    if (!isCount(length) || !isCount(start) || !isCount(count) || length === 0)
      throw parameters.wrong('VisuFGOrderDesc', 'a frame group without a length');
    const own = dependents.slice(start, start + count).map(([name, first]: readonly JcampValue[]) => {
      if (typeof name !== 'string' || !isCount(first))
        throw parameters.wrong('VisuGroupDepVals', 'a dependent parameter without a name or place');
      return [name, first] as const;
    });
    return { id: String(id), comment: String(comment), length, dependents: new Map(own) };
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
