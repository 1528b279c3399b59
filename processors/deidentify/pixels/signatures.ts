/** Which device an image is from, and where that device writes. */
import type { DataSet } from '../../../core/dicom/data-set.ts';
import type { DeviceSignature, Region } from './cleaning.ts';

/** The first signature whose every condition holds. */
export function signatureOf(dataSet: DataSet, signatures: readonly DeviceSignature[]): DeviceSignature | undefined {
  const imageType = dataSet.strings('ImageType').map((value) => value.toUpperCase());
  return signatures.find(({ when }) => {
    const { manufacturer, model, modality, sopClassUid, rows, columns } = when;
    return (
      holds(dataSet.string('Manufacturer'), manufacturer) &&
      holds(dataSet.string('ManufacturerModelName'), model) &&
      (modality === undefined || dataSet.string('Modality') === modality) &&
      (sopClassUid === undefined || dataSet.string('SOPClassUID') === sopClassUid) &&
      (when.imageType ?? []).every((value) => imageType.includes(value.toUpperCase())) &&
      (rows === undefined || dataSet.number('Rows') === rows) &&
      (columns === undefined || dataSet.number('Columns') === columns)
    );
  });
}

function holds(text: string | undefined, part: string | undefined): boolean {
  return part === undefined || (text ?? '').toUpperCase().includes(part.toUpperCase());
}

/** From any corner to the upper left one, cut to the frame; what lies outside is left out. */
export function regionsWithin(regions: readonly Region[], rows: number, columns: number): readonly Region[] {
  return regions.flatMap(({ x, y, width, height }) => {
    const left = x < 0 ? columns + x : x;
    const top = y < 0 ? rows + y : y;
    const from = { x: Math.max(0, left), y: Math.max(0, top) };
    const to = { x: Math.min(columns, left + width), y: Math.min(rows, top + height) };
    return to.x > from.x && to.y > from.y ? [{ ...from, width: to.x - from.x, height: to.y - from.y }] : [];
  });
}
