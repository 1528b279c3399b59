/**
 * How a frame was weighted. VisuAcqDiffusionBMatrix (since ParaVision 6) holds the effective b-matrix in the system of the
 * subject, imaging gradients included; its strongest axis is the direction, its trace the b-value. What it cannot say is
 * the sign, which is taken from the gradients the method asked for. ParaVision 5 has only those, along read, phase and slice.
 */
import type { Attributes } from '../core/dicom/encode.ts';
import type { Reconstruction } from './reconstruction.ts';
import { versionOf } from './study.ts';
import { along, dot, lengthOf, unit, type Vector, vectorAt } from './vectors.ts';

/** In s/mm²; below it a scan that does not say which images are unweighted is taken for one of them. */
const UNWEIGHTED_BELOW = 50;
const GROUPS = new Set(['FG_DIFFUSION', 'FG_DTI']);

export class Diffusion {
  readonly #reconstruction: Reconstruction;
  /** Of the frame group. */
  readonly #group: number;
  readonly #count: number;
  readonly #matrices: readonly number[] | undefined;
  readonly #asked: readonly Vector[] | undefined;
  readonly #bValues: readonly number[] | undefined;
  readonly #unweighted: number | undefined;

  private constructor(reconstruction: Reconstruction, group: number, count: number) {
    const { parameters } = reconstruction;
    const ofEach = (name: string, values: number) => {
      const numbers = parameters.numbers(name);
      return numbers?.length === values * count && numbers.every(Number.isFinite) ? numbers : undefined;
    };
    this.#reconstruction = reconstruction;
    this.#group = group;
    this.#count = count;
    this.#matrices = ofEach('VisuAcqDiffusionBMatrix', 9);
    this.#bValues = ofEach('PVM_DwEffBval', 1);
    this.#unweighted = parameters.number('PVM_DwAoImages');
    this.#asked = askedDirections(reconstruction, ofEach('PVM_DwGradVec', 3) ?? ofEach('PVM_DwDir', 3));
  }

  /** Undefined for a reconstruction without diffusion, or one that says nothing of it (maps of tensors). */
  static of(reconstruction: Reconstruction): Diffusion | undefined {
    const group = reconstruction.order.groups.findIndex(({ id }) => GROUPS.has(id));
    const count = reconstruction.order.groups[group]?.length;
    if (count === undefined) return undefined;
    const diffusion = new Diffusion(reconstruction, group, count);
    return diffusion.#matrices === undefined && diffusion.#bValues === undefined ? undefined : diffusion;
  }

  get count(): number {
    return this.#count;
  }

  elementOf(frame: number): number {
    return this.#reconstruction.order.indicesOf(frame)[this.#group] ?? 0;
  }

  /** The item of the MR Diffusion Sequence (PS3.3 Section C.8.13.5.9). */
  attributesOf(element: number): Attributes {
    const matrix = this.#matrices?.slice(element * 9, element * 9 + 9);
    const bValue = this.#bValues?.[element] ?? (matrix === undefined ? 0 : trace(matrix));
    const isUnweighted = this.#unweighted === undefined ? bValue < UNWEIGHTED_BELOW : element < this.#unweighted;
    const asked = this.#asked?.[element];
    const direction = isUnweighted ? undefined : matrix === undefined ? asked : strongestAxis(matrix, asked);
    return {
      DiffusionBValue: Math.max(0, bValue),
      DiffusionDirectionality: direction === undefined ? 'NONE' : matrix === undefined ? 'DIRECTIONAL' : 'BMATRIX',
      ...(direction === undefined
        ? {}
        : { DiffusionGradientDirectionSequence: [{ DiffusionGradientOrientation: [...direction] }] }),
      ...(direction === undefined || matrix === undefined ? {} : { DiffusionBMatrixSequence: [bMatrix(matrix)] }),
    };
  }
}

function bMatrix(matrix: readonly number[]): Attributes {
  const [xx = 0, xy = 0, xz = 0, , yy = 0, yz = 0, , , zz = 0] = matrix;
  return {
    DiffusionBValueXX: xx,
    DiffusionBValueXY: xy,
    DiffusionBValueXZ: xz,
    DiffusionBValueYY: yy,
    DiffusionBValueYZ: yz,
    DiffusionBValueZZ: zz,
  };
}

function trace(matrix: readonly number[]): number {
  return (matrix[0] ?? 0) + (matrix[4] ?? 0) + (matrix[8] ?? 0);
}

/**
 * From read, phase and slice into the system of the patient. Up to ParaVision 7 the gradient matrix is written in axes of
 * the console (L→R, P→A, F→H); 360 writes it in those of the magnet, where only the two usual positions are known.
 */
function askedDirections({ parameters }: Reconstruction, vectors: readonly number[] | undefined) {
  const matrix = parameters.numbers('PVM_SPackArrGradOrient');
  if (vectors === undefined || matrix === undefined || matrix.length < 9 || !matrix.every(Number.isFinite))
    return undefined;
  const signs = axisSigns(versionOf(parameters), parameters.text('VisuSubjectPosition') ?? '');
  if (signs === undefined) return undefined;
  return Array.from({ length: vectors.length / 3 }, (_, n): Vector => {
    const [read, phase, slice] = vectorAt(vectors, n * 3);
    const inConsole = along(
      along(along([0, 0, 0], vectorAt(matrix, 0), read), vectorAt(matrix, 3), phase),
      vectorAt(matrix, 6),
      slice,
    );
    const turned: Vector = [inConsole[0] * signs[0], inConsole[1] * signs[1], inConsole[2] * signs[2]];
    return unit(turned) ?? [0, 0, 0];
  });
}

function axisSigns(version: string, position: string): Vector | undefined {
  if (!version.startsWith('360')) return [-1, -1, 1];
  if (position === 'Head_Prone') return [-1, 1, -1];
  return position === 'Head_Supine' ? [1, -1, -1] : undefined;
}

/** The eigenvector of the largest eigenvalue, by power iteration; the sign by `asked` where it is known. */
function strongestAxis(matrix: readonly number[], asked: Vector | undefined): Vector | undefined {
  const rows = [0, 3, 6].map((row) => vectorAt(matrix, row));
  let axis = rows.toSorted((one, other) => lengthOf(other) - lengthOf(one))[0] ?? [0, 0, 0];
  for (let turn = 0; turn < 100; turn++) {
    const next = unit(axis);
    if (next === undefined) return undefined;
    axis = [dot(rows[0] ?? next, next), dot(rows[1] ?? next, next), dot(rows[2] ?? next, next)];
  }
  const direction = unit(axis);
  if (direction === undefined) return undefined;
  const [largest = 0] = direction.toSorted((one, other) => Math.abs(other) - Math.abs(one));
  const isTurned = asked !== undefined && lengthOf(asked) > 0 ? dot(direction, asked) < 0 : largest < 0;
  return isTurned ? [-direction[0], -direction[1], -direction[2]] : direction;
}
