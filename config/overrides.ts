/** `HUB_*` variables: each overrides one key of the file. HUB_GATEWAY_DIMSE_AE_TITLE is gateway.dimse.aeTitle. */
import { suggest } from '../core/suggestion.ts';
import type { Environment } from './environment.ts';
import type { Leaf } from './schema-walk.ts';

/** A value from outside the file. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** How to name it in a mistake: a variable, or an option of the command line. */
  readonly from: string;
}

export interface EnvironmentOverrides {
  readonly overrides: readonly Override[];
  readonly mistakes: readonly { readonly from: string; readonly message: string }[];
}

const PREFIX = 'HUB_';

/**
 * Overrides that the environment holds. A variable that begins like a section but names no key is a mistake: a
 * misspelt override that silently does nothing is found only when it is missed.
 *
 * @param leaves - the single keys there are
 * @param sections - all top-level keys, also those of lists
 */
export function overridesIn(
  env: Environment,
  leaves: readonly Leaf[],
  sections: readonly string[],
): EnvironmentOverrides {
  const names = new Map(leaves.map((leaf) => [variableName(leaf.path), leaf]));
  const prefixes = sections.map((section) => `${variableName([section])}_`);
  const overrides: Override[] = [];
  const mistakes: { from: string; message: string }[] = [];
  for (const [from, text] of Object.entries(env).toSorted(([a], [b]) => a.localeCompare(b))) {
    if (text === undefined || !from.startsWith(PREFIX)) continue;
    const leaf = names.get(from);
    if (leaf !== undefined) overrides.push({ path: leaf.path, value: valueOf(leaf, text), from });
    else if (prefixes.some((prefix) => from.startsWith(prefix)) && !isServiceLink(from, text)) {
      mistakes.push({ from, message: `names no key of the configuration${suggest(from, names.keys())}` });
    }
  }
  return { overrides, mistakes };
}

/** `['gateway', 'dimse', 'aeTitle']` → `HUB_GATEWAY_DIMSE_AE_TITLE`. */
export function variableName(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_');
}

/** The file's value with the overrides in place; the value itself stays as it is. */
export function withOverrides(value: unknown, overrides: readonly Override[]): unknown {
  return overrides.reduce((result, override) => withValueAt(result, override.path, override.value), value);
}

function withValueAt(value: unknown, path: readonly string[], replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  // Something else than a mapping stands there: that is the file's mistake to report, not ours to paper over.
  if (value !== undefined && value !== null && !isMapping(value)) return value;
  return { ...value, [key]: withValueAt(value?.[key], rest, replacement) };
}

/** Text that is no number stays text, so that the schema can say what is wrong with it. */
function valueOf(leaf: Leaf, text: string): unknown {
  switch (leaf.type) {
    case 'text':
      return text;
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text.includes(',') ? text.split(',').map((item) => item.trim()) : text;
    default:
      return leaf.type satisfies never;
  }
}

/** Kubernetes tells each pod of every service: one named `hub-gateway` brings HUB_GATEWAY_PORT=tcp://10.0.0.7:11112. */
function isServiceLink(name: string, text: string): boolean {
  return (
    /_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/.test(name) ||
    (name.endsWith('_PORT') && text.includes('://'))
  );
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
