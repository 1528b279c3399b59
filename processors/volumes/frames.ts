/** Finds the frames of an instance: one, many with functional groups, or the tiles of a mosaic. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import type { InstanceItem } from '../../core/store.ts';
import { contrastOf, componentOf } from './contrast.ts';
import { weightingOf } from './diffusion.ts';
import { enhancedFrames } from './enhanced.ts';
import type { Frame, FramesOrFinding, LoadedInstance } from './frame.ts';
import { geometryOf } from './geometry.ts';
import { unfoldMosaic } from './mosaic.ts';
import { rescaleOf } from './rescale.ts';
import { dateTimeMs, timeMs } from './times.ts';
import { privateNumber } from './private-values.ts';

/** United Imaging's own mosaics: many slices in one picture. */
const UIH_SLICES = { creator: 'Image Private Header', group: 0x0065, element: 0x50, vr: 'DS' } as const;

/** The frames of an instance, or why there are none. Nothing of the header is kept. */
export function framesOf(item: InstanceItem, header: Part10Header): FramesOrFinding {
  const dataSet = header.dataSet;
  if ((dataSet.number('SamplesPerPixel') ?? 1) !== 1) return { code: 'pixels-colour' };
  const instance = loadedInstance(item, header);
  const perFrame = dataSet.items('PerFrameFunctionalGroupsSequence');
  if (perFrame.length > 0) return enhancedFrames(instance, dataSet, perFrame);
  const frame = classicFrame(instance, dataSet);
  if ('code' in frame) return frame;
  if (dataSet.strings('ImageType').includes('MOSAIC')) return unfoldMosaic(frame, dataSet);
  if ((privateNumber(dataSet, UIH_SLICES) ?? 1) > 1) return { code: 'mosaic-unknown', detail: 'it is not of Siemens' };
  if (instance.isMultiFrame && (dataSet.number('NumberOfFrames') ?? 1) > 1)
    return { code: 'geometry-missing', detail: 'its frames have one position between them' };
  return [frame];
}

function loadedInstance(item: InstanceItem, { dataSet, pixelData }: Part10Header): LoadedInstance {
  const isFloat = pixelData !== undefined && pixelData.tag !== TAG.PixelData;
  const bitsAllocated = dataSet.number('BitsAllocated') ?? (pixelData?.tag === TAG.DoubleFloatPixelData ? 64 : 16);
  const bitsStored = isFloat ? bitsAllocated : (dataSet.number('BitsStored') ?? bitsAllocated);
  return {
    item,
    isMultiFrame: dataSet.has('NumberOfFrames'),
    number: dataSet.number('InstanceNumber') ?? 0,
    format: {
      rows: dataSet.number('Rows') ?? 0,
      columns: dataSet.number('Columns') ?? 0,
      bitsAllocated,
      bitsStored,
      highBit: isFloat ? bitsAllocated - 1 : (dataSet.number('HighBit') ?? bitsStored - 1),
      isSigned: dataSet.number('PixelRepresentation') === 1,
      isFloat,
    },
  };
}

function classicFrame(
  instance: LoadedInstance,
  dataSet: DataSet,
): Frame | Extract<FramesOrFinding, { readonly code: unknown }> {
  const geometry = geometryOf(
    dataSet.numbers('ImagePositionPatient'),
    dataSet.numbers('ImageOrientationPatient'),
    dataSet.numbers('PixelSpacing'),
    [dataSet.number('SpacingBetweenSlices'), dataSet.number('SliceThickness')],
  );
  if ('code' in geometry) return geometry;
  const imageType = dataSet.strings('ImageType');
  const component = componentOf(imageType, dataSet);
  const weighting = weightingOf(dataSet, geometry);
  const echoTimeMs = dataSet.number('EchoTime');
  const repetitionTimeMs = dataSet.number('RepetitionTime');
  const acquiredMs = acquisitionMs(dataSet);
  const number = (keyword: string) => dataSet.number(keyword) ?? Number.NaN;
  const { slope, intercept, isDamaged } = rescaleOf(dataSet, dataSet);
  return {
    instance,
    frameIndex: 0,
    rows: instance.format.rows,
    columns: instance.format.columns,
    geometry,
    slope,
    intercept,
    isRescaleDamaged: isDamaged,
    component,
    contrast: contrastOf(echoTimeMs, component, imageType),
    order: [
      dataSet.number('TemporalPositionIdentifier') ?? 0,
      dataSet.number('AcquisitionNumber') ?? 0,
      dataSet.number('TriggerTime') ?? 0,
      // Only between repetitions of the same place; the place itself never comes from here.
      instance.number,
    ],
    repetitionMarks: [number('TemporalPositionIdentifier'), number('AcquisitionNumber')],
    ...(weighting === undefined ? {} : { weighting }),
    ...(echoTimeMs === undefined ? {} : { echoTimeMs }),
    ...(repetitionTimeMs === undefined ? {} : { repetitionTimeMs }),
    ...(acquiredMs === undefined ? {} : { acquiredMs }),
  };
}

function acquisitionMs(dataSet: DataSet): number | undefined {
  const whole = dateTimeMs(dataSet.string('AcquisitionDateTime'));
  if (whole !== undefined) return whole;
  const time = timeMs(dataSet.string('AcquisitionTime'));
  // A scan over midnight goes on counting where it has a date.
  const date = dateTimeMs(`${dataSet.string('AcquisitionDate') ?? ''}000000`);
  return time === undefined ? undefined : time + (date ?? 0);
}
