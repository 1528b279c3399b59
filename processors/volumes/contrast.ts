/** What makes two pictures of the same place different pictures, not two repetitions. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { privateNumber } from './private-values.ts';
import type { Component } from './volume.ts';

const GE_COMPONENT = { creator: 'GEMS_PARM_01', group: 0x0043, element: 0x2f, vr: 'SS' } as const;
const GE_COMPONENTS: readonly Component[] = ['magnitude', 'phase', 'real', 'imaginary'];
const NAMES: Readonly<Record<string, Component>> = {
  M: 'magnitude',
  P: 'phase',
  R: 'real',
  I: 'imaginary',
  MAGNITUDE: 'magnitude',
  PHASE: 'phase',
  'PHASE MAP': 'phase',
  REAL: 'real',
  IMAGINARY: 'imaginary',
};
/** Values of Image Type and Frame Type (PS3.3 Section C.8.13.3.1.1, Siemens) of what was computed from a scan and may stand in its series. */
const COMPUTED: ReadonlySet<string> = new Set([
  ...['ADC', 'FA', 'TRACEW', 'TENSOR', 'TENSOR_B0', 'B0', 'EXP', 'TTEST', 'MEAN', 'MIP', 'MPR', 'SUBTRACTION'],
  ...['T1 MAP', 'T2 MAP', 'T2_STAR_MAP', 'T1_MAP', 'T2_MAP', 'RELCBF', 'CBF', 'RCBF', 'CBV', 'MTT'],
]);

/** PS3.3 Section C.8.13.3.1.1 and what makers write into Image Type; a picture is of magnitude unless it says otherwise. */
export function componentOf(imageType: readonly string[], dataSet?: DataSet): Component {
  const ge = dataSet === undefined ? undefined : privateNumber(dataSet, GE_COMPONENT);
  const byGe = ge === undefined ? undefined : GE_COMPONENTS[ge];
  if (byGe !== undefined) return byGe;
  for (const value of imageType.slice(2)) {
    const component = NAMES[value.toUpperCase()];
    if (component !== undefined) return component;
  }
  return 'magnitude';
}

/** Component by the words of Complex Image Component (0008,9208); undefined for MIXED and what is absent. */
export function statedComponent(value: string | undefined): Component | undefined {
  return value === undefined || value.length === 1 ? undefined : NAMES[value.toUpperCase()];
}

export function contrastOf(echoTimeMs: number | undefined, component: Component, imageType: readonly string[]): string {
  const computed = imageType.slice(2).filter((value) => COMPUTED.has(value.toUpperCase()));
  return `${echoTimeMs ?? ''}|${component}|${computed.join(',')}`;
}
