/** What a study folder becomes, read back from the Part 10 bytes by the hub's own reader. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { type Part10Header, readHeader } from '../../core/dicom/part10.ts';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { itemsOf, recognise, type StudyItem } from '../../paravision/study-folder.ts';
import { framesOf, placeOf, storedAt, type SyntheticScan } from './paravision-study.ts';

export interface ConvertedScan {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly header: Part10Header;
  readonly dataSet: DataSet;
}

/** All items of the folder. */
export async function itemsIn(folder: string): Promise<readonly StudyItem[]> {
  const study = await recognise(folder);
  if (study === undefined) throw new Error('not a study folder');
  return await gathered(itemsOf(study));
}

/** All reconstructions of the folder. @throws what is wrong with the first that is none */
export async function convertedIn(folder: string): Promise<readonly ConvertedScan[]> {
  const converted: ConvertedScan[] = [];
  for (const item of await itemsIn(folder)) {
    if (item.kind === 'broken') throw item.error;
    if (item.kind === 'no-image') continue;
    const { source } = await item.open(new AbortController().signal);
    const bytes = Buffer.concat(await gathered(source.stream()));
    await source.close();
    const header = await readHeader(bytesAsSource(bytes));
    converted.push({ name: item.name, bytes, header, dataSet: header.dataSet });
  }
  return converted;
}

/** All of what comes one by one. */
export async function gathered<Each>(each: AsyncIterable<Each>): Promise<readonly Each[]> {
  const all: Each[] = [];
  for await (const one of each) all.push(one);
  return all;
}

export interface ReadFrame {
  readonly index: readonly number[];
  readonly position: readonly number[];
  readonly orientation: readonly number[];
  readonly spacing: readonly number[];
  /** The item of a sequence, of the frame's own or of all frames. */
  readonly macro: (sequence: string) => DataSet | undefined;
  /** Rescaled. */
  readonly valueAt: (x: number, y: number) => number;
  readonly slope: number;
}

export function readFrames({ bytes, header, dataSet }: ConvertedScan): readonly ReadFrame[] {
  const shared = dataSet.items('SharedFunctionalGroupsSequence')[0];
  const [rows, columns, bits] = ['Rows', 'Columns', 'BitsAllocated'].map((name) => dataSet.number(name) ?? 0);
  const isSigned = dataSet.number('PixelRepresentation') === 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset + (header.pixelData?.offset ?? 0));
  return dataSet.items('PerFrameFunctionalGroupsSequence').map((own, frame) => {
    const macro = (sequence: string) => own.items(sequence)[0] ?? shared?.items(sequence)[0];
    const transformation = macro('PixelValueTransformationSequence');
    const slope = transformation?.number('RescaleSlope') ?? Number.NaN;
    const intercept = transformation?.number('RescaleIntercept') ?? Number.NaN;
    const pixelAt = (x: number, y: number) => {
      const at = (frame * (rows ?? 0) + y) * (columns ?? 0) + x;
      if (bits === 8) return view.getUint8(at);
      return isSigned ? view.getInt16(at * 2, true) : view.getUint16(at * 2, true);
    };
    return {
      index: macro('FrameContentSequence')?.numbers('DimensionIndexValues') ?? [],
      position: macro('PlanePositionSequence')?.numbers('ImagePositionPatient') ?? [],
      orientation: macro('PlaneOrientationSequence')?.numbers('ImageOrientationPatient') ?? [],
      spacing: macro('PixelMeasuresSequence')?.numbers('PixelSpacing') ?? [],
      macro,
      valueAt: (x, y) => pixelAt(x, y) * slope + intercept,
      slope,
    };
  });
}

/** How far off, at most, values and places are from what the scan was made of, over all voxels. */
export function errorsOf(
  scan: SyntheticScan,
  converted: ConvertedScan,
): { readonly value: number; readonly mm: number } {
  const [columns, rows, planes = 1] = scan.size;
  const frames = readFrames(converted);
  const slices = scan.groups.findIndex(({ id }) => id === 'FG_SLICE');
  const stride = scan.groups.slice(0, Math.max(0, slices)).reduce((product, { length }) => product * length, 1);
  const errors = { value: 0, mm: 0 };
  const isReversed = scan.visu?.['VisuCoreDiskSliceOrder'] === 'disk_reverse_slice_order';
  for (let frame = 0; frame < framesOf(scan); frame++)
    for (let z = 0; z < planes; z++) {
      const read = frames[frame * planes + z];
      if (read === undefined) return { value: Infinity, mm: Infinity };
      const slice = slices < 0 ? 0 : Math.floor(frame / stride) % (scan.groups[slices]?.length ?? 1);
      const slope = scan.slopes?.(frame) ?? 1;
      const offset = scan.offsets?.(frame) ?? 0;
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++) {
          const stored = storedAt(scan, frame, x, y, isReversed ? planes - 1 - z : z);
          errors.value = Math.max(errors.value, Math.abs(read.valueAt(x, y) - (stored * slope + offset)));
          const place = placeOf(scan, slice, x, y, z);
          place.forEach((mm, axis) => {
            errors.mm = Math.max(errors.mm, Math.abs(mm - coordinate(read, x, y, axis)));
          });
        }
    }
  return errors;
}

/** PS3.3 Equation C.7.6.2.1-1. */
function coordinate({ position, orientation, spacing }: ReadFrame, x: number, y: number, axis: number): number {
  const [betweenRows = 0, betweenColumns = 0] = spacing;
  return (
    (position[axis] ?? Number.NaN) +
    x * betweenColumns * (orientation[axis] ?? 0) +
    y * betweenRows * (orientation[3 + axis] ?? 0)
  );
}
