/** What the values of a map are measured in: VisuCoreDataUnits, in the codes of UCUM. */
import type { Attributes } from '../core/dicom/encode.ts';
import type { FrameScaling, PixelFormat } from './pixel-values.ts';
import type { Reconstruction } from './reconstruction.ts';

/** As ParaVision spells them, and what of them is no unit. */
const UCUM: Readonly<Record<string, string>> = {
  ms: 'ms',
  s: 's',
  hz: 'Hz',
  'mm^2/s': 'mm2/s',
  'mm2/s': 'mm2/s',
  's/mm^2': 's/mm2',
  'um^2/ms': 'um2/ms',
  'cm/s': 'cm/s',
  'mm/s': 'mm/s',
  rad: 'rad',
  deg: 'deg',
  ppm: '[ppm]',
  '%': '%',
  'ml/100g/min': 'mL/(100.g.min)',
  'ml/min/100g': 'mL/(100.g.min)',
  '1/s': '/s',
  '1/ms': '/ms',
};

/** The UCUM code of a frame's values; undefined when ParaVision names none, or none that is known. */
export function unitOf(reconstruction: Reconstruction, frame: number): string | undefined {
  const units = reconstruction.parameters.texts('VisuCoreDataUnits');
  const unit = units[reconstruction.elementOr('VisuCoreDataUnits', units.length, frame)];
  return unit === undefined
    ? undefined
    : UCUM[
        unit
          .trim()
          .replaceAll(/[<>[\]]/g, '')
          .toLowerCase()
      ];
}

/** The item of the Real World Value Mapping Sequence (PS3.3 Section C.7.6.16.2.11); `1` where a frame has no unit. */
export function realWorldItem(unit: string, { bits, isSigned }: PixelFormat, scaling: FrameScaling): Attributes {
  const code = unit === '' ? '1' : unit;
  const range = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  const vr = isSigned ? 'SS' : 'US';
  return {
    RealWorldValueFirstValueMapped: { vr, value: range[0] ?? 0 },
    RealWorldValueLastValueMapped: { vr, value: range[1] ?? 0 },
    RealWorldValueIntercept: scaling.intercept,
    RealWorldValueSlope: scaling.slope,
    LUTExplanation: 'ParaVision data slope and offset',
    LUTLabel: 'ParaVision',
    MeasurementUnitsCodeSequence: [
      { CodeValue: code, CodingSchemeDesignator: 'UCUM', CodeMeaning: unit === '' ? 'no units' : code },
    ],
  };
}
