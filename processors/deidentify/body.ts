/** The bytes of a released instance: its rewritten header, and its pixel data copied or cleaned. */
import { createHash, type Hash } from 'node:crypto';
import { deflateDataSet, inflateDataSet } from '../../core/dicom/inflate.ts';
import type { PixelsCleaned, PixelsUntouched, StoredImage } from './pixels/cleaning.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface BodyParts {
  readonly meta: Uint8Array;
  /** Rewritten, up to the pixel data. */
  readonly dataSet: Uint8Array;
  /** Of the source: what stands behind the pixel data is left out. */
  readonly pixelDataEnd: number;
  readonly cleaned: PixelsUntouched | PixelsCleaned;
}

export interface Body {
  /** Once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Once `chunks` was read: whether what stands behind the header is what it has to be. */
  readonly isPixelDataEqual: () => Promise<boolean>;
}

export function bodyOf(image: StoredImage, parts: BodyParts): Body {
  const { cleaned, meta, dataSet } = parts;
  const isDeflated = image.header.inflated !== undefined;
  if (cleaned.outcome === 'untouched') return isDeflated ? deflatedCopy(image, parts) : copy(image, parts);
  const { pixelData } = cleaned;
  const isPixelDataEqual = () => cleaned.isFaithful();
  if (isDeflated) return { chunks: deflatedAnew(meta, dataSet, pixelData), isPixelDataEqual };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([meta, dataSet]);
    yield* pixelData;
  }
  return { chunks: chunks(), isPixelDataEqual };
}

function copy({ source, header }: StoredImage, { meta, dataSet, pixelDataEnd }: BodyParts): Body {
  const start = header.pixelData?.elementOffset ?? pixelDataEnd;
  const length = pixelDataEnd - start;
  const written = new Compared(length);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([meta, dataSet]);
    if (length > 0)
      for await (const chunk of source.stream(start, length)) {
        written.add(chunk);
        yield chunk;
      }
    written.end();
  }
  const isPixelDataEqual = async () => {
    const again = new Compared(length);
    // Read again, by position: a source that ended early or moved shows here.
    for (let at = start; at < pixelDataEnd; at += CHUNK_BYTES)
      again.add(await source.read(at, Math.min(CHUNK_BYTES, pixelDataEnd - at)));
    again.end();
    return written.equals(again);
  };
  return { chunks: chunks(), isPixelDataEqual };
}

/** What is to be compared: few bytes are kept, which is cheaper than a digest; of more there is one. */
class Compared {
  readonly #kept: Uint8Array[] | undefined;
  readonly #hash: Hash | undefined;
  #whole: Uint8Array | undefined;

  constructor(sizeBytes: number) {
    if (sizeBytes <= CHUNK_BYTES) this.#kept = [];
    else this.#hash = createHash('sha256');
  }

  add(chunk: Uint8Array): void {
    this.#hash?.update(chunk);
    this.#kept?.push(chunk);
  }

  end(): void {
    this.#whole = this.#hash?.digest() ?? joined(this.#kept ?? []);
  }

  equals(other: Compared): boolean {
    const [one, two] = [this.#whole, other.#whole];
    return one !== undefined && two !== undefined && Buffer.compare(one, two) === 0;
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
}

function deflatedCopy({ header }: StoredImage, { meta, dataSet, pixelDataEnd }: BodyParts): Body {
  const start = header.pixelData?.elementOffset ?? pixelDataEnd;
  const pixels = header.inflated?.subarray(start, pixelDataEnd) ?? new Uint8Array(0);
  const deflated = deflateDataSet(Buffer.concat([dataSet, pixels]));
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield meta;
    yield deflated;
  }
  const isPixelDataEqual = async () => Buffer.compare(inflateDataSet(deflated).subarray(dataSet.length), pixels) === 0;
  return { chunks: chunks(), isPixelDataEqual };
}

/** A deflated object was read into memory whole, which bounds what is gathered here. */
async function* deflatedAnew(
  meta: Uint8Array,
  dataSet: Uint8Array,
  pixelData: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const parts = [dataSet];
  for await (const chunk of pixelData) parts.push(chunk);
  yield meta;
  yield deflateDataSet(Buffer.concat(parts));
}
