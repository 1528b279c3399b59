/**
 * Clean Graphics (PS3.15 Section E.3.3). Of overlays the regions of interest stay: those are areas; what is called
 * graphics may be letters. Of curves the points stay. Texts of both, labels and descriptions, go. Without the option, and
 * in items, all of it goes (Table E.1-1, rows 50xx and 60xx), whole groups, so that no half module stays.
 */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Item } from '../../core/dicom/element.ts';
import { withoutPadding } from '../../core/padding.ts';

/** Overlay Plane and Multi-frame Overlay (PS3.3 Sections C.9.2 and C.9.3), element numbers of what is no text. */
const OVERLAY_ELEMENTS = new Set([
  ...[0x0010, 0x0011, 0x0015, 0x0040, 0x0050, 0x0051, 0x0100, 0x0102], // rows, columns, frames, type, origin, bits
  ...[0x1301, 0x1302, 0x1303, 0x3000], // area, mean, standard deviation, data
]);
/** Curve (PS3.3-2004 Section C.10.2, retired). */
const CURVE_ELEMENTS = new Set([
  ...[0x0005, 0x0010, 0x0020, 0x0103, 0x0104, 0x0105, 0x0110, 0x0112, 0x0114, 0x3000], // points and how they are written
]);
const OVERLAY_TYPE = 0x0040;
const TYPE_OF_DATA = 0x0020;
const DATA = 0x3000;

export function isCurveOrOverlay(tag: number): boolean {
  const family = tag >>> 24;
  return family === 0x50 || family === 0x60;
}

/** Tags of the curves and overlays of a data set that may stay. */
export function keptGraphics(item: Item): ReadonlySet<number> {
  const kept = new Set<number>();
  for (const { tag, value } of item.elements) {
    if (!isCurveOrOverlay(tag) || isPrivate(tag) || (tag & 0xffff) !== DATA || value.length === 0) continue;
    const group = (tag & 0xffff0000) >>> 0;
    const isOverlay = tag >>> 24 === 0x60;
    const typeTag = group + (isOverlay ? OVERLAY_TYPE : TYPE_OF_DATA);
    const type = item.elements.find((one) => one.tag === typeTag);
    const code = type === undefined ? '' : withoutPadding(latin1(type.value));
    if (isOverlay ? code !== 'R' : !/^[A-Z]{2,16}$/.test(code)) continue;
    const elements = isOverlay ? OVERLAY_ELEMENTS : CURVE_ELEMENTS;
    for (const one of item.elements)
      if ((one.tag & 0xffff0000) >>> 0 === group && elements.has(one.tag & 0xffff)) kept.add(one.tag);
  }
  return kept;
}
