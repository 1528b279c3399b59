/** Finds the frames of an instance: one, many with functional groups, or the tiles of a mosaic. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import type { InstanceItem } from '../../core/store.ts';
import type { Frame, FrameGeometry, FramesOrFinding, LoadedInstance } from './frame.ts';
import { unfoldMosaic } from './mosaic.ts';
import { tripleAt } from './vector.ts';

/** The frames of an instance, or why there are none. */
export function framesOf(item: InstanceItem, header: Part10Header): FramesOrFinding {
  const dataSet = header.dataSet;
  if ((dataSet.number('SamplesPerPixel') ?? 1) !== 1) return { code: 'pixels-colour' };
  const bitsAllocated = dataSet.number('BitsAllocated') ?? 16;
  const bitsStored = dataSet.number('BitsStored') ?? bitsAllocated;
  const instance: LoadedInstance = {
    item,
    header,
    numberOfFrames: dataSet.number('NumberOfFrames') ?? 1,
    format: {
      rows: dataSet.number('Rows') ?? 0,
      columns: dataSet.number('Columns') ?? 0,
      bitsAllocated,
      bitsStored,
      highBit: dataSet.number('HighBit') ?? bitsStored - 1,
      isSigned: dataSet.number('PixelRepresentation') === 1,
    },
  };
  const perFrame = dataSet.items('PerFrameFunctionalGroupsSequence');
  if (perFrame.length > 0) return enhancedFrames(instance, perFrame);
  if (dataSet.strings('ImageType').includes('MOSAIC')) return unfoldMosaic(classicFrame(instance), instance);
  const frame = classicFrame(instance);
  if (frame === undefined) return { code: 'geometry-missing' };
  return [frame];
}

function classicFrame(instance: LoadedInstance): Frame | undefined {
  const dataSet = instance.header.dataSet;
  const geometry = geometryOf(
    dataSet.numbers('ImagePositionPatient'),
    dataSet.numbers('ImageOrientationPatient'),
    dataSet.numbers('PixelSpacing'),
    dataSet.number('SpacingBetweenSlices') ?? dataSet.number('SliceThickness'),
  );
  if (geometry === undefined) return undefined;
  return {
    instance,
    frameIndex: 0,
    rows: instance.format.rows,
    columns: instance.format.columns,
    geometry,
    slope: dataSet.number('RescaleSlope') ?? 1,
    intercept: dataSet.number('RescaleIntercept') ?? 0,
    contrast: `${dataSet.number('EchoTime') ?? ''}|${componentOf(dataSet.strings('ImageType'))}`,
    order: [
      dataSet.number('TemporalPositionIdentifier') ?? 0,
      dataSet.number('AcquisitionNumber') ?? 0,
      dataSet.number('DiffusionBValue') ?? 0,
      dataSet.number('TriggerTime') ?? 0,
      // Only between repetitions of the same place; the place itself never comes from here.
      dataSet.number('InstanceNumber') ?? 0,
    ],
  };
}

/** PS3.3 Section C.7.6.16: a macro stands per frame, else it is shared by all. */
function enhancedFrames(instance: LoadedInstance, perFrame: readonly DataSet[]): FramesOrFinding {
  const dataSet = instance.header.dataSet;
  const shared = dataSet.items('SharedFunctionalGroupsSequence')[0];
  const frames: Frame[] = [];
  for (let frameIndex = 0; frameIndex < instance.numberOfFrames; frameIndex++) {
    const own = perFrame[frameIndex];
    const macro = (sequence: string): DataSet | undefined => own?.items(sequence)[0] ?? shared?.items(sequence)[0];
    const measures = macro('PixelMeasuresSequence');
    const geometry = geometryOf(
      macro('PlanePositionSequence')?.numbers('ImagePositionPatient') ?? [],
      macro('PlaneOrientationSequence')?.numbers('ImageOrientationPatient') ?? [],
      measures?.numbers('PixelSpacing') ?? [],
      measures?.number('SliceThickness'),
    );
    if (geometry === undefined) return { code: 'geometry-missing', detail: `frame ${frameIndex + 1}` };
    const content = macro('FrameContentSequence');
    const transformation = macro('PixelValueTransformationSequence');
    const type = macro('MRImageFrameTypeSequence');
    const component = type?.string('ComplexImageComponent') ?? componentOf(type?.strings('FrameType') ?? []);
    frames.push({
      instance,
      frameIndex,
      rows: instance.format.rows,
      columns: instance.format.columns,
      geometry,
      slope: transformation?.number('RescaleSlope') ?? 1,
      intercept: transformation?.number('RescaleIntercept') ?? 0,
      contrast: `${macro('MREchoSequence')?.number('EffectiveEchoTime') ?? ''}|${component}`,
      order: [
        content?.number('TemporalPositionIndex') ?? 0,
        // Several instances of one series are often one repetition each.
        dataSet.number('TemporalPositionIdentifier') ?? dataSet.number('InstanceNumber') ?? 0,
        ...(content?.numbers('DimensionIndexValues') ?? []),
        frameIndex,
      ],
    });
  }
  return frames;
}

/** Magnitude and phase, real and imaginary are different pictures of the same place. */
function componentOf(imageType: readonly string[]): string {
  const short = { M: 'MAGNITUDE', P: 'PHASE', R: 'REAL', I: 'IMAGINARY' } as const;
  for (const value of imageType.slice(2)) {
    if (value === 'M' || value === 'P' || value === 'R' || value === 'I') return short[value];
    if (value === 'MAGNITUDE' || value === 'PHASE' || value === 'REAL' || value === 'IMAGINARY') return value;
  }
  return '';
}

function geometryOf(
  position: readonly number[],
  orientation: readonly number[],
  pixelSpacing: readonly number[],
  thicknessMm: number | undefined,
): FrameGeometry | undefined {
  const origin = tripleAt(position);
  const rowDirection = tripleAt(orientation);
  const columnDirection = tripleAt(orientation, 3);
  const [betweenRows, betweenColumns] = pixelSpacing;
  if (origin === undefined || rowDirection === undefined || columnDirection === undefined) return undefined;
  if (betweenRows === undefined || betweenColumns === undefined) return undefined;
  if (!(betweenRows > 0) || !(betweenColumns > 0)) return undefined;
  return {
    position: origin,
    rowDirection,
    columnDirection,
    pixelSpacingMm: [betweenColumns, betweenRows],
    thicknessMm: thicknessMm !== undefined && thicknessMm > 0 ? thicknessMm : 1,
  };
}
