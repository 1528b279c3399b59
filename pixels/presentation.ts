/**
 * How a header wants a frame to be shown: Modality LUT, VOI LUT or windows, palette, padding (PS3.3 Sections C.11.1,
 * C.11.2, C.7.6.3, C.7.5.1.1.2), from the data set or from the functional groups of the frame (C.7.6.16). Plain values:
 * it crosses to the thread that renders.
 */
import { numbersOf, type DataSet } from '../core/dicom/data-set.ts';
import { lookup } from '../core/dicom/dictionary.ts';
import { HubError } from '../core/errors.ts';

export type WindowFunction = 'linear' | 'linear-exact' | 'sigmoid';

export interface Window {
  readonly center: number;
  readonly width: number;
  readonly function: WindowFunction;
}

export interface LookupTable {
  /** The input value of the first entry; smaller ones take the first, larger ones the last. */
  readonly first: number;
  readonly entries: Uint16Array;
  readonly maximum: number;
}

export interface Presentation {
  readonly slope: number;
  readonly intercept: number;
  readonly modalityLut: LookupTable | undefined;
  readonly window: Window | undefined;
  readonly voiLut: LookupTable | undefined;
  readonly palette: readonly [LookupTable, LookupTable, LookupTable] | undefined;
  /** Low values white: MONOCHROME1, or Presentation LUT Shape INVERSE. */
  readonly isInverse: boolean;
  /** Stored values that are no picture, both included. */
  readonly padding: readonly [number, number] | undefined;
}

const FUNCTIONS: Readonly<Record<string, WindowFunction>> = {
  LINEAR: 'linear',
  LINEAR_EXACT: 'linear-exact',
  SIGMOID: 'sigmoid',
};

/** @param frame - from 0 @throws {HubError} `pixels.unsupported` for a palette that is segmented or missing */
export function presentationOf(dataSet: DataSet, frame: number): Presentation {
  const macro = (sequence: string): DataSet | undefined => {
    const own = dataSet.items('PerFrameFunctionalGroupsSequence')[frame]?.items(sequence)[0];
    return own ?? dataSet.items('SharedFunctionalGroupsSequence')[0]?.items(sequence)[0];
  };
  const modality = macro('PixelValueTransformationSequence') ?? dataSet;
  const voi = macro('FrameVOILUTSequence') ?? dataSet;
  const photometric = dataSet.string('PhotometricInterpretation') ?? 'MONOCHROME2';
  const isSigned = dataSet.number('PixelRepresentation') === 1;
  return {
    slope: modality.number('RescaleSlope') ?? 1,
    intercept: modality.number('RescaleIntercept') ?? 0,
    modalityLut: lutOf(dataSet.items('ModalityLUTSequence')[0], isSigned),
    window: windowOf(voi),
    voiLut: lutOf(voi.items('VOILUTSequence')[0], true),
    palette: photometric === 'PALETTE COLOR' ? paletteOf(dataSet) : undefined,
    isInverse: photometric === 'MONOCHROME1' || dataSet.string('PresentationLUTShape') === 'INVERSE',
    padding: paddingOf(dataSet),
  };
}

/** The first window: a viewer offers the others. */
function windowOf(dataSet: DataSet): Window | undefined {
  const center = dataSet.number('WindowCenter');
  const width = dataSet.number('WindowWidth');
  if (center === undefined || width === undefined) return undefined;
  const shape = FUNCTIONS[dataSet.string('VOILUTFunction') ?? 'LINEAR'] ?? 'linear';
  // PS3.3 Section C.11.2.1.2.1: a width below 1 means nothing to the linear function.
  return width >= (shape === 'linear' ? 1 : Number.MIN_VALUE) ? { center, width, function: shape } : undefined;
}

/** PS3.3 Section C.11.1.1: entries (0 means 65536), first input value, bits an entry. */
function lutOf(item: DataSet | undefined, firstIsSigned: boolean): LookupTable | undefined {
  if (item === undefined) return undefined;
  return tableOf(item, 'LUTDescriptor', 'LUTData', firstIsSigned);
}

function paletteOf(dataSet: DataSet): readonly [LookupTable, LookupTable, LookupTable] {
  const isSigned = dataSet.number('PixelRepresentation') === 1;
  const channel = (colour: 'Red' | 'Green' | 'Blue'): LookupTable => {
    const table = tableOf(
      dataSet,
      `${colour}PaletteColorLookupTableDescriptor`,
      `${colour}PaletteColorLookupTableData`,
      isSigned,
    );
    if (table !== undefined) return table;
    const isSegmented = dataSet.has(`Segmented${colour}PaletteColorLookupTableData`);
    throw new HubError('pixels.unsupported', { detail: isSegmented ? 'a segmented palette' : 'no palette' });
  };
  return [channel('Red'), channel('Green'), channel('Blue')];
}

function tableOf(
  dataSet: DataSet,
  descriptorKeyword: string,
  dataKeyword: string,
  firstIsSigned: boolean,
): LookupTable | undefined {
  const [count = 0, first = 0, bits = 16] = dataSet.numbers(descriptorKeyword);
  const tag = lookup(dataKeyword)?.tag ?? 0;
  const data = dataSet.element(tag);
  if (data === undefined || data.value.length === 0) return undefined;
  const entries = (count & 0xffff) === 0 ? 65_536 : count & 0xffff;
  // A table of 8 bit entries may be packed in bytes: what is there decides, as descriptors are often wrong.
  const packed = data.value.length < entries * 2;
  // No more than the descriptor asks for: there may be a file's worth of it.
  const value = data.value.subarray(0, entries * 2);
  const values = packed ? Array.from(value) : numbersOf({ vr: 'US', value }, dataSet.item.encoding.bigEndian);
  // Written as US where the values are signed, and the other way: only 16 bits of it are sure.
  const low = first & 0xffff;
  return {
    first: firstIsSigned && low > 0x7fff ? low - 0x10000 : low,
    entries: Uint16Array.from(values.slice(0, entries)),
    maximum: packed || bits <= 8 ? Math.max(255, ...values.slice(0, 256)) : 2 ** Math.min(16, bits) - 1,
  };
}

/** PS3.3 Sections C.7.5.1.1.2 and C.7.6.3.1.1 (Pixel Padding Range Limit). */
function paddingOf(dataSet: DataSet): readonly [number, number] | undefined {
  const value = dataSet.number('PixelPaddingValue');
  if (value === undefined) return undefined;
  const limit = dataSet.number('PixelPaddingRangeLimit') ?? value;
  return [Math.min(value, limit), Math.max(value, limit)];
}
