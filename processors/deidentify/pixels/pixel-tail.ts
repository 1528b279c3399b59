/** Native pixel data may be longer than its frames: what stands behind the last one no viewer shows, and anybody can read. */
import type { DataSet } from '../../../core/dicom/data-set.ts';
import type { Part10Header } from '../../../core/dicom/part10.ts';
import type { ByteSource } from '../../../core/store.ts';

/** Longer rests are no padding to an even block. */
const LONGEST_REST_BYTES = 64 * 1024;

/**
 * Padding of one and the same byte is nobody's text; anything else may be.
 *
 * @returns fixed words, or `undefined` when nothing stands there, or the header does not say where the frames end
 */
export async function textBehindFrames(source: ByteSource, header: Part10Header): Promise<string | undefined> {
  const { pixelData, dataSet, inflated } = header;
  if (pixelData?.length === undefined) return undefined;
  const framesBytes = sizeOfFrames(dataSet);
  const restBytes = pixelData.length - (framesBytes ?? pixelData.length);
  if (framesBytes === undefined || restBytes <= 1) return undefined;
  if (restBytes > LONGEST_REST_BYTES) return 'more pixel data than its frames have';
  const start = pixelData.offset + framesBytes;
  const rest = inflated?.subarray(start, start + restBytes) ?? (await source.read(start, restBytes));
  return rest.every((byte) => byte === rest[0]) ? undefined : 'bytes behind the last frame';
}

/** PS3.3 Section C.7.6.3; `undefined` where an attribute is missing. */
function sizeOfFrames(dataSet: DataSet): number | undefined {
  const number = (keyword: string) => dataSet.numbers(keyword)[0];
  const [rows, columns, bits] = ['Rows', 'Columns', 'BitsAllocated'].map(number);
  if (rows === undefined || columns === undefined || bits === undefined) return undefined;
  const isSubsampled = /_422$/.test(dataSet.string('PhotometricInterpretation') ?? '');
  const samples = isSubsampled ? 2 : (number('SamplesPerPixel') ?? 1);
  const size = (rows * columns * samples * (number('NumberOfFrames') ?? 1) * bits) / 8;
  return size > 0 ? Math.ceil(size) : undefined;
}
