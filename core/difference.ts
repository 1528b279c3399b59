/** How one plain document differs from another, in the words of whoever wrote them: entries of lists go by their names. */
import { isDeepStrictEqual } from 'node:util';

export interface Difference {
  /** `/routes/brain/deliver`: where a list's entries have names, those stand instead of numbers. */
  readonly pointer: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before?: unknown;
  readonly after?: unknown;
}

/** In the order of the newer one; what is only in the older one comes last. Credentials in URLs are left out. */
export function differences(before: unknown, after: unknown): readonly Difference[] {
  return [...walk(before, after, '')];
}

/** The document without credentials in URLs; everything else that is secret is a reference in it. */
export function withoutCredentials(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/(?<=:\/\/)[^/@\s]*@/g, '…@');
  if (Array.isArray(value)) return value.map(withoutCredentials);
  if (!isMapping(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutCredentials(inner)]));
}

function* walk(before: unknown, after: unknown, pointer: string): Generator<Difference> {
  if (isDeepStrictEqual(before, after)) return;
  const [old, now] = [entriesOf(before), entriesOf(after)];
  if (before === undefined || after === undefined || old === undefined || now === undefined) {
    yield differenceAt(pointer, before, after);
    return;
  }
  const unpaired = yield* inner(old, now, pointer);
  if (unpaired > 0) return;
  // The same entries in another order: routes are tried in theirs.
  const [was, is] = [[...old.keys()], [...now.keys()]];
  if (Array.isArray(after) && !isDeepStrictEqual(was, is)) yield { pointer, change: 'changed', before: was, after: is };
}

/** @returns how many are in one of the two only */
function* inner(
  old: ReadonlyMap<string, unknown>,
  now: ReadonlyMap<string, unknown>,
  pointer: string,
): Generator<Difference, number> {
  let unpaired = 0;
  for (const [key, value] of now) {
    if (!old.has(key)) unpaired += 1;
    yield* walk(old.get(key), value, `${pointer}/${escaped(key)}`);
  }
  for (const [key, value] of old) {
    if (now.has(key)) continue;
    unpaired += 1;
    yield* walk(value, undefined, `${pointer}/${escaped(key)}`);
  }
  return unpaired;
}

function differenceAt(pointer: string, before: unknown, after: unknown): Difference {
  return {
    pointer,
    change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    ...(before === undefined ? {} : { before: withoutCredentials(before) }),
    ...(after === undefined ? {} : { after: withoutCredentials(after) }),
  };
}

/** Undefined: it is to be compared as a whole. */
function entriesOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (isMapping(value)) return new Map(Object.entries(value));
  if (!Array.isArray(value)) return undefined;
  const names = value.map((each: unknown) => (isMapping(each) ? each['name'] : undefined));
  const isNamed = names.every((name) => typeof name === 'string') && new Set(names).size === names.length;
  return isNamed ? new Map(value.map((each, index) => [String(names[index]), each])) : undefined;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 6901 */
function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
