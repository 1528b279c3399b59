/** Writes what csa-header.ts and ge-header.ts have read where current software or the standard has it, unless it is there already. */
import type { Item } from '../../core/dicom/element.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { csaValues } from './csa-header.ts';
import type { CsaTarget, CsaValue } from './csa-header.ts';
import { geAttributes, geValues } from './ge-header.ts';
import type { AttributeChange } from './pixels/cleaning.ts';
import { keptPrivate } from './private-elements.ts';

/** @returns elements of the top level, in ascending order; none unless the policy asks for them */
export function makerNumbers({ dataSet }: Part10Header, plan: CompiledPlan): readonly AttributeChange[] {
  if (!plan.plan.readsBlocks) return [];
  const { item } = dataSet;
  const wanted = [...csaValues(item), ...geValues(dataSet)].filter(
    ({ target, element }) => plan.privateRule(target.creator, target.group, element) !== undefined,
  );
  const kept = new Set([...keptPrivate(item, plan).elements.keys()].map(({ tag }) => tag));
  const changes = new Map<number, AttributeChange>(geAttributes(dataSet, plan).map((one) => [one.tag, one]));
  for (const value of wanted) {
    const { creator, group } = value.target;
    const block = blockOf(item, value.target);
    const tag = ((group << 16) | (block << 8) | value.element) >>> 0;
    if (kept.has(tag)) continue;
    const creatorTag = ((group << 16) | block) >>> 0;
    if (!kept.has(creatorTag)) changes.set(creatorTag, { tag: creatorTag, vr: 'LO', value: creator });
    changes.set(tag, { tag, vr: value.vr, value: encoded(value, item.encoding.bigEndian) });
  }
  return [...changes.values()].toSorted((one, other) => one.tag - other.tag);
}

/** The block that is reserved for it, or the first that nobody has. */
function blockOf({ elements }: Item, { creator, group, preferredBlock }: CsaTarget): number {
  const reserved = new Map<number, string>();
  for (const { tag, value } of elements) {
    const low = tag & 0xffff;
    if (tag >>> 16 === group && low >= 0x10 && low <= 0xff)
      reserved.set(low, Buffer.from(value).toString('latin1').replaceAll('\0', ' ').trim());
  }
  for (const [low, name] of reserved) if (name === creator) return low;
  let free = preferredBlock;
  while (reserved.has(free)) free += 1;
  return free;
}

function encoded({ vr, values }: CsaValue, bigEndian: boolean): string | Uint8Array {
  if (vr === 'IS' || vr === 'CS') return values.join('\\');
  const size = vr === 'FD' ? 8 : 2;
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    if (vr === 'FD') view.setFloat64(index * size, Number(value), !bigEndian);
    else view.setUint16(index * size, Number(value), !bigEndian);
  });
  return bytes;
}
