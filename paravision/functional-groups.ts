/** The functional groups of a multi-frame image (PS3.3 Section C.7.6.16): what all frames have alike stands once. */
import type { Attributes } from '../core/dicom/encode.ts';

export interface Macro {
  readonly sequence: string;
  /** The item for a frame of DICOM, from 0. */
  readonly itemOf: (index: number) => Attributes;
  /** Frames of the same key have the same item; without it all have. */
  readonly keyOf?: (index: number) => string | number;
  /** Even when all frames have the same one. */
  readonly isPerFrame?: true;
}

export interface FunctionalGroups {
  readonly SharedFunctionalGroupsSequence: readonly Attributes[];
  readonly PerFrameFunctionalGroupsSequence: readonly Attributes[];
}

export function functionalGroups(macros: readonly Macro[], frames: number): FunctionalGroups {
  const shared: Record<string, readonly Attributes[]> = {};
  const perFrame: Record<string, readonly Attributes[]>[] = Array.from({ length: frames }, () => ({}));
  for (const { sequence, itemOf, keyOf, isPerFrame } of macros) {
    const items = new Map<string | number, readonly Attributes[]>();
    const keys = keyOf === undefined ? undefined : Array.from({ length: frames }, (_, index) => keyOf(index));
    const isShared = isPerFrame !== true && (keys?.every((key) => key === keys[0]) ?? true);
    if (isShared) {
      shared[sequence] = [itemOf(0)];
      continue;
    }
    perFrame.forEach((groups, index) => {
      const key = keys?.[index] ?? index;
      const item = items.get(key) ?? [itemOf(index)];
      items.set(key, item);
      groups[sequence] = item;
    });
  }
  return { SharedFunctionalGroupsSequence: [shared], PerFrameFunctionalGroupsSequence: perFrame };
}
