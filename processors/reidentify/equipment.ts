/** Who made a returned object and who led it back, as items of Contributing Equipment Sequence (PS3.3 Section C.12.1). */
import { lookup } from '../../core/dicom/dictionary.ts';

export interface EquipmentElement {
  readonly tag: number;
  readonly vr: string;
  readonly value: string | readonly (readonly EquipmentElement[])[];
}

/** PS3.16 CID 7005 */
const PROCESSING = ['109102', 'Processing Equipment'] as const;
const MODIFYING = ['109103', 'Modifying Equipment'] as const;

/** ASCII only: it fits every character set. Without a time, so that leading back again makes the same bytes. */
export function equipmentItems(partner: string, version: string): readonly (readonly EquipmentElement[])[] {
  return [
    item(PROCESSING, {
      Manufacturer: partner,
      InstitutionName: partner,
      ContributionDescription: 'Returned by partner',
    }),
    item(MODIFYING, {
      Manufacturer: 'Imaging hub',
      SoftwareVersions: version,
      ContributionDescription: 'References, patient and study led back to the original',
    }),
  ];
}

function item(
  [code, meaning]: readonly [string, string],
  attributes: Readonly<Record<string, string>>,
): readonly EquipmentElement[] {
  const purpose = [
    element('CodeValue', code),
    element('CodingSchemeDesignator', 'DCM'),
    element('CodeMeaning', meaning),
  ];
  return [
    ...Object.entries(attributes).map(([keyword, value]) => element(keyword, value)),
    element('PurposeOfReferenceCodeSequence', [purpose]),
  ].toSorted((one, other) => one.tag - other.tag);
}

function element(keyword: string, value: EquipmentElement['value']): EquipmentElement {
  const entry = lookup(keyword);
  if (entry === undefined) throw new TypeError(`not a keyword of PS3.6: ${keyword}`);
  return { tag: entry.tag, vr: entry.vr, value };
}
