/** The data dictionary (PS3.6): what a tag is called, and its VR and VM. Edition and source stand in dictionary.json. */
import dictionary from './dictionary.json' with { type: 'json' };

/** One attribute. `vr` is one of those that PS3.6 allows: see `vrOf`. */
export interface DictionaryEntry {
  readonly tag: number;
  readonly vr: string;
  readonly vm: string;
}

interface Row extends DictionaryEntry {
  readonly keyword: string;
  /** All VRs PS3.6 allows, `US|SS`; equal to `vr` for nearly all. */
  readonly vrs: string;
}

const byTag = new Map<number, Row>();
const byKeyword = new Map<string, Row>();
for (const text of dictionary.rows) {
  const [hex = '', vrs = '', vm = '', keyword = ''] = text.split(' ');
  const row = { tag: Number.parseInt(hex, 16), vr: firstVr(vrs), vrs, vm, keyword };
  byTag.set(row.tag, row);
  byKeyword.set(keyword, row);
}

/** The attribute of a keyword; that of a repeating group (overlays) with its first group. */
export function lookup(keyword: string): DictionaryEntry | undefined {
  return byKeyword.get(keyword);
}

/** The keyword of a tag; overlays and curves answer for every group of theirs. `undefined` for what PS3.6 does not list. */
export function keywordOf(tag: number): string | undefined {
  return rowOf(tag)?.keyword;
}

/** All standard tags of the dictionary, in no order. */
export function allTags(): readonly number[] {
  return [...byTag.keys()];
}

/**
 * The VR of a tag, `undefined` when not known. A private creator is LO, a group length UL; where PS3.6 leaves a choice
 * the answer is US for `US or SS` (see `isPixelDependent`) and OW for `OB or OW`, as implicit VR demands
 * (PS3.5 Section A.1).
 */
export function vrOf(tag: number): string | undefined {
  const element = tag & 0xffff;
  if (element === 0) return 'UL';
  if (isPrivate(tag)) return element >= 0x0010 && element <= 0x00ff ? 'LO' : undefined;
  return rowOf(tag)?.vr;
}

/** True when the VR is US or SS by Pixel Representation (PS3.5 Section A.1). */
export function isPixelDependent(tag: number): boolean {
  return rowOf(tag)?.vrs.startsWith('US|SS') ?? false;
}

/** True for a private tag: odd group (PS3.5 Section 7.8). */
export function isPrivate(tag: number): boolean {
  return ((tag >>> 16) & 1) === 1;
}

function rowOf(tag: number): Row | undefined {
  const row = byTag.get(tag);
  if (row !== undefined) return row;
  // PS3.5 Section 7.6: 50xx and 60xx are even groups that repeat.
  const family = tag >>> 24;
  if ((family === 0x50 || family === 0x60) && !isPrivate(tag))
    return byTag.get(((family << 24) | (tag & 0xffff)) >>> 0);
  return undefined;
}

function firstVr(vrs: string): string {
  if (vrs.startsWith('OB|OW')) return 'OW';
  if (vrs.endsWith('OW') && vrs.includes('|')) return vrs.startsWith('US|SS') ? 'US' : 'OW';
  return vrs.split('|', 1)[0] ?? vrs;
}
