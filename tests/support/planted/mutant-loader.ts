/** Loads the de-identification once more with one rule of its sources weakened, beside the real one, in this process. */
import { registerHooks } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Deidentified from '../deidentified.ts';

/** One way to weaken the code: what stands there once, and what stands there instead. */
export interface Mutant {
  /** Below processors/deidentify/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** The code has changed, and nobody knows whether the rule still binds: the mutant has to be stated anew. */
export class StaleMutant extends Error {}

const FOLDER = '/processors/deidentify/';
/** Evaluated once: they are data, and a mutant of theirs would be refused by its digest. */
const SHARED = new Set(['tables.ts', 'cid7050.json']);
const ENTRY = new URL('../deidentified.ts', import.meta.url).href;

/** Loads `deidentified.ts` and all of the room behind it. @throws {Error} when the mutant's text stands there never or twice */
export async function loadMutant(mutant: Mutant | undefined, number: number): Promise<typeof Deidentified> {
  let places = mutant === undefined ? 1 : 0;
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const isInside = context.parentURL?.includes('?mutant=') ?? false;
      const isOurs =
        resolved.url.includes(FOLDER) && resolved.url.endsWith('.ts') && !SHARED.has(basename(resolved.url));
      return isInside && isOurs ? { ...resolved, url: `${resolved.url}?mutant=${String(number)}` } : resolved;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      if (mutant === undefined || !url.endsWith(`${FOLDER}${mutant.file}?mutant=${String(number)}`)) return loaded;
      const source = textOf(loaded.source);
      places += source.split(mutant.from).length - 1;
      return { ...loaded, source: source.replace(mutant.from, () => mutant.to) };
    },
  });
  try {
    const loaded = (await import(`${ENTRY}?mutant=${String(number)}`)) as typeof Deidentified;
    if (places !== 1)
      throw new StaleMutant(`stands there ${String(places)} times: ${mutant === undefined ? '' : nameOf(mutant)}`);
    return loaded;
  } finally {
    hooks.deregister();
  }
}

function textOf(source: unknown): string {
  if (typeof source === 'string') return source;
  if (source instanceof Uint8Array) return Buffer.from(source).toString('utf8');
  throw new TypeError('a module without a source');
}

/** Of a mutant, for a table of them. */
export function nameOf({ file, from, to }: Mutant): string {
  return `${basename(fileURLToPath(new URL(file, 'file:///')))}: ${from.trim()} → ${to.trim() === '' ? 'nothing' : to.trim()}`;
}
