/** One reconstruction: what its parameters say its `2dseq` holds, and the planes in it. */
import { HubError } from '../core/errors.ts';
import type { ByteSource } from '../core/store.ts';
import { FrameOrder } from './frame-groups.ts';
import { Geometry, type Grid, gridOf } from './geometry.ts';
import type { Parameters } from './parameters.ts';
import { byteOrderOf, type WordType, wordTypeOf } from './word-type.ts';

/** Of a scale: what is beyond would be no number once it is multiplied. */
const LARGEST = 1e100;

export type Component = 'MAGNITUDE' | 'PHASE' | 'REAL' | 'IMAGINARY';

export class Reconstruction {
  readonly parameters: Parameters;
  readonly grid: Grid;
  readonly order: FrameOrder;
  readonly geometry: Geometry;
  readonly wordType: WordType;
  readonly isLittleEndian: boolean;
  readonly #isReversed: boolean;
  readonly #transpositions: readonly number[];
  readonly #slopes: readonly number[];
  readonly #offsets: readonly number[];

  /**
   * @param parameters - `visu_pars` first
   * @param sizeBytes - of `2dseq`
   * @throws {HubError} `paravision.*` when the parameters are incomplete, contradict themselves or the size
   */
  constructor(parameters: Parameters, sizeBytes: number) {
    this.parameters = parameters;
    this.grid = gridOf(parameters);
    this.wordType = wordTypeOf(parameters.text('VisuCoreWordType') ?? '');
    this.isLittleEndian = byteOrderOf(parameters) === 'littleEndian';
    const single = this.planeBytes * this.grid.planes * (parameters.number('VisuCoreFrameCount') ?? 1);
    const isComplex = parameters.texts('VisuCoreFrameType').includes('COMPLEX_IMAGE');
    this.order = new FrameOrder(parameters, isComplex && sizeBytes === 2 * single);
    const expected = this.planeBytes * this.grid.planes * this.order.frames;
    if (sizeBytes !== expected)
      throw new HubError('paravision.mismatch', {
        reason: `2dseq has ${String(sizeBytes)} bytes, its parameters say ${String(expected)}`,
      });
    this.geometry = new Geometry(parameters, this.order, this.grid);
    // Only 3D frames know an order of their slices: each 2D frame says itself where it stands.
    this.#isReversed = this.grid.planes > 1 && parameters.text('VisuCoreDiskSliceOrder') === 'disk_reverse_slice_order';
    this.#transpositions = parameters.numbers('VisuCoreTransposition') ?? [];
    this.#slopes = parameters.numbers('VisuCoreDataSlope') ?? [1];
    this.#offsets = parameters.numbers('VisuCoreDataOffs') ?? [0];
  }

  get planeBytes(): number {
    return this.grid.columns * this.grid.rows * this.wordType.bytes;
  }

  /** Planes of all frames: each becomes a frame of DICOM. */
  get planes(): number {
    return this.order.frames * this.grid.planes;
  }

  /** What a stored value stands for: `stored × slope + offset`. */
  scaleOf(frame: number): { readonly slope: number; readonly offset: number } {
    const slope = this.#slopes[this.order.elementOf('VisuCoreDataSlope', this.#slopes.length, frame)] ?? 1;
    const offset = this.#offsets[this.order.elementOf('VisuCoreDataOffs', this.#offsets.length, frame)] ?? 0;
    if (!(Math.abs(slope) < LARGEST) || slope === 0 || !(Math.abs(offset) < LARGEST))
      throw this.parameters.wrong('VisuCoreDataSlope', `frame ${String(frame + 1)} has no scale`);
    return { slope, offset };
  }

  /** Which part of the signal a frame shows. */
  componentOf(frame: number): Component {
    const types = this.parameters.texts('VisuCoreFrameType');
    const type = types[this.elementOr('VisuCoreFrameType', types.length, frame)] ?? '';
    if (type === 'PHASE_IMAGE') return 'PHASE';
    if (type === 'REAL_IMAGE') return 'REAL';
    if (type === 'IMAGINARY_IMAGE') return 'IMAGINARY';
    const complex = this.order.groups.findIndex(({ id }) => id === 'FG_COMPLEX');
    if (complex < 0) return 'MAGNITUDE';
    return this.order.indicesOf(frame)[complex] === 0 ? 'REAL' : 'IMAGINARY';
  }

  /** A parameter's number for a frame; its first one where nothing says which is the frame's. */
  numberOf(names: readonly string[], frame: number): number | undefined {
    for (const name of names) {
      const numbers = this.parameters.numbers(name);
      const number = numbers?.[this.elementOr(name, numbers.length, frame)];
      if (number !== undefined && Number.isFinite(number)) return number;
    }
    return undefined;
  }

  /** As `FrameOrder.find`, and the first element where that finds none. */
  elementOr(name: string, count: number, frame: number): number {
    return this.order.find(name, count, frame) ?? 0;
  }

  /** The stored values of one plane, in their own word type. @param source - `2dseq` */
  async readPlane(source: ByteSource, index: number): Promise<Uint8Array> {
    const { planes, columns, rows } = this.grid;
    const frame = Math.floor(index / planes);
    const plane = index % planes;
    const stored = frame * planes + (this.#isReversed ? planes - 1 - plane : plane);
    const bytes = await source.read(stored * this.planeBytes, this.planeBytes);
    if (!this.#isTransposed(frame)) return bytes;
    return transposed(bytes, rows, columns, this.wordType.bytes);
  }

  /**
   * A frame with VisuCoreTransposition stands in the file with rows and columns exchanged against VisuCoreSize when those
   * differ; of square frames orientation and position have it in them already.
   */
  #isTransposed(frame: number): boolean {
    const { columns, rows, planes } = this.grid;
    if (planes > 1 || columns === rows || this.#transpositions.length === 0) return false;
    const element = this.elementOr('VisuCoreTransposition', this.#transpositions.length, frame);
    return (this.#transpositions[element] ?? 0) !== 0;
  }
}

/** @param columns - of the picture as it is stored; it comes back with so many rows */
function transposed(bytes: Uint8Array, columns: number, rows: number, wordBytes: number): Uint8Array {
  const turned = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const from = (row * columns + column) * wordBytes;
      const to = (column * rows + row) * wordBytes;
      for (let byte = 0; byte < wordBytes; byte++) turned[to + byte] = bytes[from + byte] ?? 0;
    }
  return turned;
}
