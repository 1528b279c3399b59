/** Looking into the file as it was written: what is not there, or is something else, is simply not found. */
import { isAbsolute, relative } from 'node:path';

/** One mapping of a list. */
export interface Entry {
  readonly index: number;
  readonly name: string | undefined;
  readonly value: Readonly<Record<string, unknown>>;
}

export type Report = (path: readonly PropertyKey[], message: string) => void;

export function entriesAt(raw: unknown, path: readonly string[]): readonly Entry[] {
  return listOf(valueAt(raw, path)).flatMap((value, index) => {
    if (!isMapping(value)) return [];
    const name = value['name'];
    return [{ index, name: typeof name === 'string' ? name : undefined, value }];
  });
}

export function valueAt(raw: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isMapping(value) ? value[key] : undefined), raw);
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function names(entries: readonly Entry[]): readonly string[] {
  return entries.flatMap(({ name }) => (name === undefined ? [] : [name]));
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The same folder counts. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
