/**
 * What tells the frames of a reconstruction apart, as a Multi-frame Dimension Module says it (PS3.3 Section C.7.6.17): one
 * dimension for each kind of frame group. Slices and repetitions are two, never one: readers that find only a list of
 * frames take a time series for one tall volume.
 */
import type { Attributes } from '../core/dicom/encode.ts';
import { lookup } from '../core/dicom/dictionary.ts';
import { distanceMm, isParallel, type Plane } from './geometry.ts';
import type { Reconstruction } from './reconstruction.ts';
import { shortText } from './subject.ts';

/** Nearer to each other, two slices lie in one plane. */
const SAME_PLANE_MM = 1e-6;
const REPEATED = new Set(['FG_CYCLE', 'FG_MOVIE', 'FG_CARDIAC_MOVIE', 'FG_FRAME']);

/** Where one frame of DICOM stands in all of them. */
export interface FrameKey {
  /** In ParaVision's order. */
  readonly frame: number;
  readonly plane: Plane;
  /** From 1. */
  readonly stack: number;
  readonly inStack: number;
  readonly spacingMm: number | undefined;
  /** From 1. */
  readonly repetition: number;
  readonly label: string | undefined;
  readonly values: readonly number[];
}

interface Dimension {
  readonly attribute: string;
  readonly sequence: string;
  readonly label: string;
  /** From 1. */
  readonly indexOf: (frame: number, index: number) => number;
}

export class Dimensions {
  readonly repetitions: number;
  readonly #reconstruction: Reconstruction;
  readonly #dimensions: readonly Dimension[];
  readonly #stacks: readonly Slice[];
  readonly #repeated: readonly number[];
  readonly #labelled: readonly number[];

  /** @param hasDiffusion - each element of the diffusion group has a b-value */
  constructor(reconstruction: Reconstruction, hasDiffusion: boolean) {
    const { groups } = reconstruction.order;
    const places = groups.map((group, index) => ({ group, index }));
    const of = (wanted: ReturnType<typeof kindOf>) =>
      places.filter(({ group }) => kindOf(group.id, hasDiffusion) === wanted).map(({ index }) => index);
    this.#reconstruction = reconstruction;
    this.#repeated = of('repeated');
    this.#labelled = of('labelled');
    this.repetitions = product(this.#repeated.map((index) => groups[index]?.length ?? 1));
    this.#stacks = slicesOf(reconstruction);
    const position = (wanted: readonly number[]) => (frame: number) => this.#indexIn(wanted, frame) + 1;
    const dimension = (wanted: readonly number[], attribute: string, sequence: string, label: string) =>
      wanted.length === 0 ? [] : [{ attribute, sequence, label, indexOf: position(wanted) }];
    this.#dimensions = [
      ...dimension(this.#labelled, 'FrameLabel', 'FrameContentSequence', 'Frame label'),
      ...dimension(of('complex'), 'ComplexImageComponent', 'MRImageFrameTypeSequence', 'Complex component'),
      ...dimension(of('diffusion'), 'DiffusionBValue', 'MRDiffusionSequence', 'Diffusion encoding'),
      ...dimension(of('echo'), 'EffectiveEchoTime', 'MREchoSequence', 'Echo time'),
      ...dimension(this.#repeated, 'TemporalPositionIndex', 'FrameContentSequence', 'Repetition'),
      {
        attribute: 'StackID',
        sequence: 'FrameContentSequence',
        label: 'Stack',
        indexOf: (_, index) => this.#sliceOf(index).stack,
      },
      {
        attribute: 'InStackPositionNumber',
        sequence: 'FrameContentSequence',
        label: 'Slice',
        indexOf: (_, index) => this.#sliceOf(index).inStack,
      },
    ];
  }

  get stacks(): number {
    return Math.max(...this.#stacks.map(({ stack }) => stack));
  }

  /** @param index - of the frame of DICOM, from 0 */
  keyOf(index: number): FrameKey {
    const { grid, geometry } = this.#reconstruction;
    const frame = Math.floor(index / grid.planes);
    const { stack, inStack, spacingMm } = this.#sliceOf(index);
    return {
      frame,
      plane: geometry.planeAt(frame, index % grid.planes),
      stack,
      inStack,
      spacingMm,
      repetition: this.#indexIn(this.#repeated, frame) + 1,
      label: this.#labelled.length === 0 ? undefined : this.#labelOf(frame),
      values: this.#dimensions.map(({ indexOf }) => indexOf(frame, index)),
    };
  }

  attributes(uid: string): Attributes {
    return {
      DimensionOrganizationSequence: [{ DimensionOrganizationUID: uid }],
      DimensionIndexSequence: this.#dimensions.map(({ attribute, sequence, label }) => ({
        DimensionOrganizationUID: uid,
        DimensionIndexPointer: tagOf(attribute),
        FunctionalGroupPointer: tagOf(sequence),
        DimensionDescriptionLabel: label,
      })),
    };
  }

  #indexIn(groups: readonly number[], frame: number): number {
    const indices = this.#reconstruction.order.indicesOf(frame);
    let stride = 1;
    let at = 0;
    for (const group of groups) {
      at += (indices[group] ?? 0) * stride;
      stride *= this.#reconstruction.order.groups[group]?.length ?? 1;
    }
    return at;
  }

  #sliceOf(index: number): Slice {
    const { grid, order } = this.#reconstruction;
    const slices = order.groups.findIndex(({ id }) => id === 'FG_SLICE');
    const frame = Math.floor(index / grid.planes);
    const slice = slices < 0 ? 0 : (order.indicesOf(frame)[slices] ?? 0);
    return this.#stacks[slice * grid.planes + (index % grid.planes)] ?? { stack: 1, inStack: 1, spacingMm: undefined };
  }

  /** VisuFGElemComment says what an element of a group is: a map's name, a coil. */
  #labelOf(frame: number): string {
    const { parameters, order } = this.#reconstruction;
    const comments = parameters.texts('VisuFGElemComment');
    const indices = order.indicesOf(frame);
    const labels = this.#labelled.map((index) => {
      const group = order.groups[index];
      const start = group?.dependents.get('VisuFGElemComment');
      const comment = start === undefined ? undefined : comments[start + (indices[index] ?? 0)];
      return comment === undefined || comment === ''
        ? `${group?.id.replace(/^FG_/, '') ?? ''} ${String((indices[index] ?? 0) + 1)}`
        : comment;
    });
    return shortText(labels.join(', '), 64);
  }
}

interface Slice {
  readonly stack: number;
  readonly inStack: number;
  /** To the next slice of the stack, where there is one. */
  readonly spacingMm: number | undefined;
}

/** Slices of one direction make a stack; a new package that goes on in the same direction but elsewhere makes one too. */
function slicesOf(reconstruction: Reconstruction): readonly Slice[] {
  const { grid, geometry, order, parameters } = reconstruction;
  const group = order.groups.findIndex(({ id }) => id === 'FG_SLICE');
  const stride = product(order.groups.slice(0, Math.max(0, group)).map(({ length }) => length));
  const count = order.groups[group]?.length ?? 1;
  const starts = packageStarts(parameters.structs('VisuCoreSlicePacksSlices') ?? []);
  const planes = Array.from({ length: count * grid.planes }, (_, n) =>
    geometry.planeAt(Math.floor(n / grid.planes) * stride, n % grid.planes),
  );
  const stacks: Plane[][] = [];
  const places = planes.map((plane, n) => {
    const first = stacks.at(-1)?.[0];
    const isNew =
      first === undefined ||
      !isParallel(first, plane) ||
      // Several 3D slabs, or a package of its own.
      (n % grid.planes === 0 && (grid.planes > 1 || starts.has(n)));
    if (isNew) stacks.push([plane]);
    else stacks.at(-1)?.push(plane);
    return { stack: stacks.length, inStack: stacks.at(-1)?.length ?? 1 };
  });
  const spacings = stacks.map(([first, second]) => {
    const distance = first === undefined || second === undefined ? 0 : Math.abs(distanceMm(first, second));
    // Slices that lie beside each other have no distance that PS3.3 Section C.7.6.16.2.1 could mean.
    return distance > SAME_PLANE_MM ? distance : undefined;
  });
  return places.map((place) => ({ ...place, spacingMm: spacings[place.stack - 1] }));
}

function packageStarts(packages: readonly (readonly unknown[])[]): ReadonlySet<number> {
  return new Set(packages.map(([first]) => first).filter((first): first is number => typeof first === 'number'));
}

function kindOf(id: string, hasDiffusion: boolean) {
  if (id === 'FG_SLICE') return 'slice';
  if (id === 'FG_ECHO') return 'echo';
  if (id === 'FG_COMPLEX') return 'complex';
  if (id === 'FG_DIFFUSION' || id === 'FG_DTI') return hasDiffusion ? 'diffusion' : 'labelled';
  return REPEATED.has(id) ? 'repeated' : 'labelled';
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all * one, 1);
}

function tagOf(keyword: string): number {
  const entry = lookup(keyword);
  if (entry === undefined) throw new TypeError(`not a keyword of PS3.6: ${keyword}`);
  return entry.tag;
}
