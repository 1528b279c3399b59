/**
 * Whether `2dseq` is written in the order of bytes that its parameters say. After a copy between machines, or a change by hand,
 * it may not be: what would come of it looks like a scan of noise, and no number of it is true.
 */
import { HubError } from '../core/errors.ts';
import type { ByteSource } from '../core/store.ts';
import type { Reconstruction } from './reconstruction.ts';
import { readWords, type WordType } from './word-type.ts';

/** Planes looked at, spread over all. */
const MOST_PLANES = 6;
/** How much smoother the other order must be: noise looks the same in both, pictures differ two- to tenfold. */
const MUCH_SMOOTHER = 0.6;
/** Below it a difference is chance. */
const FEWEST_WORDS = 64;
/** Of floating point: numbers no scanner writes, and how many of them are too many. */
const LARGEST = 1e30;
const SMALLEST = 1e-30;
const TOO_MANY_ABSURD = 0.02;
/** VisuCoreDataMax is rounded. */
const ABOVE_MAXIMUM = 1.02;

/**
 * @param images - `2dseq`
 * @throws {HubError} `paravision.mismatch` when the bytes are surely in the other order
 */
export async function requireByteOrder(
  reconstruction: Reconstruction,
  images: ByteSource,
  signal: AbortSignal,
): Promise<void> {
  const { wordType, isLittleEndian, planes, parameters } = reconstruction;
  if (wordType.bytes === 1) return;
  const said = new Seen(wordType);
  const other = new Seen(wordType);
  const step = Math.max(1, Math.floor(planes / MOST_PLANES));
  for (let index = Math.floor(step / 2); index < planes; index += step) {
    signal.throwIfAborted();
    const bytes = await reconstruction.readPlane(images, index);
    said.add(bytes, isLittleEndian);
    other.add(bytes, !isLittleEndian);
  }
  const maximum = Math.max(...(parameters.numbers('VisuCoreDataMax') ?? [Infinity]));
  if (!isOther(said, other, maximum)) return;
  const [is, name] = isLittleEndian
    ? (['bigEndian', 'littleEndian'] as const)
    : (['littleEndian', 'bigEndian'] as const);
  throw new HubError('paravision.mismatch', {
    reason:
      `2dseq is written in ${is}, VisuCoreByteOrder (without visu_pars: RECO_byte_order) says ${name}: ` +
      'put right what is wrong in the parameter file',
  });
}

function isOther(said: Seen, other: Seen, maximum: number): boolean {
  if (said.words < FEWEST_WORDS) return false;
  if (said.absurd > TOO_MANY_ABSURD * said.words) return other.absurd * 4 < said.absurd;
  if (other.absurd > TOO_MANY_ABSURD * other.words) return false;
  if (said.roughness > 0 && other.roughness < MUCH_SMOOTHER * said.roughness) return true;
  // Where a picture is all noise its greatest value tells: ParaVision wrote down what it was.
  const limit = maximum > 0 ? maximum * ABOVE_MAXIMUM + 1 : Infinity;
  return said.roughness <= other.roughness * (1 / MUCH_SMOOTHER) && said.max > limit && other.max <= limit;
}

/** What planes look like in one order. */
class Seen {
  words = 0;
  absurd = 0;
  max = 0;
  /** Of neighbours, and from each plane's own mean. */
  #steps = 0;
  #spread = 0;
  readonly #type: WordType;

  constructor(type: WordType) {
    this.#type = type;
  }

  /** How far neighbours differ, by how far any two do: small where there is a picture, over 1 for noise. */
  get roughness(): number {
    return this.#spread === 0 ? 0 : this.#steps / this.#spread;
  }

  add(bytes: Uint8Array, isLittleEndian: boolean): void {
    const values = new Float64Array(Math.floor(bytes.length / this.#type.bytes));
    let filled = 0;
    let sum = 0;
    readWords(bytes, this.#type, isLittleEndian, (value) => {
      const size = Math.abs(value);
      this.words += 1;
      if (!(size < LARGEST) || (size !== 0 && size < SMALLEST)) {
        this.absurd += 1;
        return;
      }
      values[filled++] = value;
      sum += value;
      if (size > this.max) this.max = size;
    });
    if (filled < 2) return;
    const mean = sum / filled;
    // Planes count alike, however bright.
    let steps = 0;
    let spread = 0;
    for (let index = 1; index < filled; index++) {
      steps += Math.abs((values[index] ?? 0) - (values[index - 1] ?? 0));
      spread += Math.abs((values[index] ?? 0) - mean);
    }
    if (spread === 0) return;
    this.#steps += steps / spread;
    this.#spread += 1;
  }
}
