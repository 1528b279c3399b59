/** The words that name the patient, the people and the places of one instance: no description keeps them. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { tokensOf } from './safe-words.ts';

/** Names of places and institutions beside the names of people. */
const OWN = new Set([
  'InstitutionName',
  'InstitutionAddress',
  'InstitutionalDepartmentName',
  'PatientAddress',
  'StationName',
]);

/** Words of the instance's own identifiers, wherever they stand: no description keeps them. */
export function ownTokensOf(dataSet: DataSet, plan: CompiledPlan): ReadonlySet<string> {
  if (!plan.plan.actions.some(({ action }) => action === 'descriptor' || action === 'graphics' || action === 'content'))
    return new Set();
  const tokens = new Set<string>();
  const visit = (item: DataSet) => {
    for (const element of item.elements) {
      for (const inner of element.items ?? []) visit(inner);
      const row = plan.action(element.tag);
      const isOwn = element.vr === 'PN' || (row !== undefined && (row.role === 'identifier' || OWN.has(row.keyword)));
      if (isOwn && element.value.length < 1024)
        for (const token of tokensOf(item.textValues(element).join(' '))) tokens.add(token);
    }
  };
  visit(dataSet);
  return tokens;
}
