/** Frames of enhanced multi-frame instances, each described by its own functional groups and the shared ones. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { componentOf, contrastOf, statedComponent } from './contrast.ts';
import { macroWeighting } from './diffusion.ts';
import type { Frame, FramesOrFinding, LoadedInstance } from './frame.ts';
import { geometryOf } from './geometry.ts';
import { rescaleOf } from './rescale.ts';
import { dateTimeMs } from './times.ts';

/** The private part of Philips' functional groups, one sequence deeper. */
const PHILIPS_FRAME = { creator: 'Philips MR Imaging DD 005', group: 0x2005, element: 0x0f } as const;
/** A corrupt header must not make millions of frames of nothing. */
const MAX_FRAMES = 1_000_000;

/** PS3.3 Section C.7.6.16: a macro stands per frame, else it is shared by all. */
function macroOf(own: DataSet | undefined, shared: DataSet | undefined, sequence: string): DataSet | undefined {
  return own?.items(sequence)[0] ?? shared?.items(sequence)[0];
}

export function enhancedFrames(
  instance: LoadedInstance,
  dataSet: DataSet,
  perFrame: readonly DataSet[],
): FramesOrFinding {
  const shared = dataSet.items('SharedFunctionalGroupsSequence')[0];
  const numberOfFrames = dataSet.number('NumberOfFrames') ?? 1;
  if (numberOfFrames > MAX_FRAMES) return { code: 'volume-too-large', detail: `${numberOfFrames} frames` };
  const frames: Frame[] = [];
  for (let frameIndex = 0; frameIndex < numberOfFrames; frameIndex++) {
    const frame = enhancedFrame(instance, dataSet, shared, perFrame[frameIndex], frameIndex);
    if ('code' in frame)
      return { ...frame, detail: `${frame.detail === undefined ? '' : `${frame.detail}, `}frame ${frameIndex + 1}` };
    frames.push(frame);
  }
  return frames;
}

function enhancedFrame(
  instance: LoadedInstance,
  dataSet: DataSet,
  shared: DataSet | undefined,
  own: DataSet | undefined,
  frameIndex: number,
): Frame | Extract<FramesOrFinding, { readonly code: unknown }> {
  const macro = (sequence: string) => macroOf(own, shared, sequence);
  const measures = macro('PixelMeasuresSequence');
  const geometry = geometryOf(
    macro('PlanePositionSequence')?.numbers('ImagePositionPatient') ?? [],
    macro('PlaneOrientationSequence')?.numbers('ImageOrientationPatient') ?? [],
    measures?.numbers('PixelSpacing') ?? [],
    [measures?.number('SpacingBetweenSlices'), measures?.number('SliceThickness')],
  );
  if ('code' in geometry) return geometry;
  const content = macro('FrameContentSequence');
  const type = macro('MRImageFrameTypeSequence') ?? macro('CTImageFrameTypeSequence');
  const frameType = type?.strings('FrameType') ?? [];
  const component = statedComponent(type?.string('ComplexImageComponent')) ?? componentOf(frameType);
  const diffusion = macro('MRDiffusionSequence');
  const weighting = diffusion === undefined ? undefined : macroWeighting(diffusion);
  const echoTimeMs = macro('MREchoSequence')?.number('EffectiveEchoTime');
  const repetitionTimeMs = macro('MRTimingAndRelatedParametersSequence')?.number('RepetitionTime');
  const acquiredMs = dateTimeMs(content?.string('FrameAcquisitionDateTime'));
  const philips = own?.privateElement(PHILIPS_FRAME.creator, PHILIPS_FRAME.group, PHILIPS_FRAME.element)?.items?.[0];
  const { slope, intercept, isDamaged } = rescaleOf(macro('PixelValueTransformationSequence'), philips);
  const temporal = content?.number('TemporalPositionIndex');
  return {
    instance,
    frameIndex,
    rows: instance.format.rows,
    columns: instance.format.columns,
    geometry,
    slope,
    intercept,
    isRescaleDamaged: isDamaged,
    component,
    contrast: contrastOf(echoTimeMs, component, frameType),
    order: [
      temporal ?? 0,
      // Several instances of one series are often one repetition each.
      dataSet.number('TemporalPositionIdentifier') ?? instance.number,
      ...(content?.numbers('DimensionIndexValues') ?? []),
      frameIndex,
    ],
    repetitionMarks: [temporal ?? Number.NaN, content?.number('FrameAcquisitionNumber') ?? Number.NaN],
    ...(weighting === undefined ? {} : { weighting }),
    ...(echoTimeMs === undefined ? {} : { echoTimeMs }),
    ...(repetitionTimeMs === undefined ? {} : { repetitionTimeMs }),
    ...(acquiredMs === undefined ? {} : { acquiredMs }),
  };
}
