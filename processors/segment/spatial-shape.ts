/**
 * The sizes a network takes along an axis, in the grammar of MONAI's `spatial_shape`: a number, `"*"`, `"16*n"`,
 * `"2**p"`, `"2**p*n"`. Nothing is evaluated: what is not one of these five forms is refused.
 */
export type SizeRule =
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'multiple'; readonly of: number }
  | { readonly kind: 'power'; readonly of: number };

/** The longest axis that is fed to a network. */
const MAX_SIZE = 1024;
/**
 * The `p` of `"2**p*n"`, which a MONAI bundle leaves open: whatever the network's depth is, a multiple of 2⁵ is one of
 * every smaller power too, and deeper networks than five levels are not fed volumes.
 */
const POWER = 5;

/** @returns undefined when it is none of the five forms, or larger than `MAX_SIZE` */
export function parseSize(value: number | string): SizeRule | undefined {
  if (value === '*') return { kind: 'any' };
  const text = String(value).replaceAll(' ', '');
  const fixed = whole(/^(\d{1,5})$/.exec(text)?.[1]);
  if (fixed !== undefined) return fixed <= MAX_SIZE ? { kind: 'fixed', size: fixed } : undefined;
  const multiple = whole(/^(\d{1,4})\*n$/.exec(text)?.[1]);
  if (multiple !== undefined) return { kind: 'multiple', of: multiple };
  const power = /^(\d)\*\*p(\*n)?$/.exec(text);
  const base = whole(power?.[1]);
  if (base === undefined || base < 2) return undefined;
  if (power?.[2] === undefined) return { kind: 'power', of: base };
  return { kind: 'multiple', of: base ** POWER };
}

/** The smallest size the rule allows that `size` voxels fit into; a fixed size is what it is. */
export function fitSize(rule: SizeRule, size: number): number {
  switch (rule.kind) {
    case 'fixed':
      return rule.size;
    case 'any':
      return size;
    case 'multiple':
      return Math.ceil(size / rule.of) * rule.of;
    case 'power': {
      let power = rule.of;
      while (power < size) power *= rule.of;
      return power;
    }
    default:
      return rule satisfies never;
  }
}

/** A number from 1. */
function whole(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}
