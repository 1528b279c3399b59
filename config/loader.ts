/** Reads the configuration: file, variables, options; every mistake at once, each with its place. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { DestinationOptions } from '../core/plugins.ts';
import { crossCheck } from './cross-checks.ts';
import type { Environment } from './environment.ts';
import { type Finding, findingsOf, messageOf, type Mistake, pointerOf } from './mistakes.ts';
import { type Override, overridesIn, withOverrides } from './overrides.ts';
import { type ConfigShapes, hubConfigSchema, type HubConfig, type PolicyEntry } from './schema.ts';
import { keysAt, keysOf, leavesOf } from './schema-walk.ts';
import { secretWarnings } from './secret-checks.ts';
import { warningsOf } from './warnings.ts';
import { parseYaml, type YamlText } from './yaml.ts';

export interface LoadOptions<W, P extends PolicyEntry, D extends DestinationOptions> {
  /** Absent, and `text` too: the defaults. */
  readonly file?: string | undefined;
  /** Instead of the file's content; `file` still names it in mistakes. */
  readonly text?: string | undefined;
  /** Instead of a file and everything laid over it: the `document` of a configuration that was in force. */
  readonly document?: unknown;
  readonly env: Environment;
  readonly shapes: ConfigShapes<W, P, D>;
  /** Stronger than file and environment. */
  readonly overrides?: readonly Override[] | undefined;
}

export type LoadedConfig<W, P extends PolicyEntry, D extends DestinationOptions> =
  | {
      readonly config: HubConfig<W, P, D>;
      /** What was read: the file with variables and options laid over it. Plain data; secrets are references in it. */
      readonly document: unknown;
      readonly warnings: readonly Mistake[];
      /** Of the warnings, those about secrets: where the configuration cannot be taken for want of one, they say why. */
      readonly secrets: readonly Mistake[];
      readonly mistakes?: undefined;
    }
  | { readonly mistakes: readonly Mistake[]; readonly config?: undefined };

/** What a hub looks for when nobody names a file. */
const USUAL_FILE = 'hub.yaml';

/** The file to read: the one that was named, else HUB_CONFIG, else hub.yaml here, else none: the defaults. */
export function configFile(named: string | undefined, env: Environment): string | undefined {
  return named ?? env['HUB_CONFIG'] ?? (existsSync(USUAL_FILE) ? USUAL_FILE : undefined);
}

export function loadConfig<W, P extends PolicyEntry, D extends DestinationOptions>(
  options: LoadOptions<W, P, D>,
): LoadedConfig<W, P, D> {
  if (options.document !== undefined) return check(options.document, [], [], options);
  const text = options.text ?? (options.file === undefined ? '' : readText(options.file));
  if (typeof text !== 'string') return { mistakes: [text] };
  const yaml = parseYaml(text);
  const schema = hubConfigSchema(options.shapes);
  const fromEnvironment = overridesIn(options.env, leavesOf(schema), keysOf(schema));
  const variableMistakes = fromEnvironment.mistakes.map((mistake) => ({ ...mistake, pointer: '' }));
  if (yaml.mistakes.length > 0) {
    return {
      mistakes: [
        ...yaml.mistakes.map((mistake) => ({ ...inFile(options), ...mistake, pointer: '' })),
        ...variableMistakes,
      ],
    };
  }

  const overrides = [...fromEnvironment.overrides, ...(options.overrides ?? [])];
  return check(withOverrides(yaml.value ?? {}, overrides), overrides, variableMistakes, options, yaml);
}

/** @param yaml - for the places of mistakes; absent: there is no text */
function check<W, P extends PolicyEntry, D extends DestinationOptions>(
  raw: unknown,
  overrides: readonly Override[],
  variableMistakes: readonly Mistake[],
  options: LoadOptions<W, P, D>,
  yaml?: YamlText,
): LoadedConfig<W, P, D> {
  const schema = hubConfigSchema(options.shapes);
  const placed = (finding: Finding) => placeOf(finding, options, yaml, overrides);
  const result = schema.safeParse(raw, { error: messageOf });
  const findings = [
    ...(result.success ? [] : findingsOf(result.error.issues, (path) => keysAt(schema, path))),
    ...crossCheck(raw, options.shapes),
  ];
  const mistakes = [...findings.map(placed).toSorted(byPlace), ...variableMistakes];
  if (!result.success || mistakes.length > 0) return { mistakes };
  const config = { ...result.data, version: versionOf(result.data) };
  const secrets = secretWarnings(config, options.shapes, options.env).map(placed).toSorted(byPlace);
  const warnings = [...warningsOf(config, options.shapes).map(placed), ...secrets].toSorted(byPlace);
  return { config, document: raw, warnings, secrets };
}

function readText(file: string): string | Mistake {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
    return { file, pointer: '', message: reason === 'ENOENT' ? 'there is no such file' : `cannot be read (${reason})` };
  }
}

function placeOf(
  finding: Finding,
  options: { readonly file?: string | undefined },
  yaml: YamlText | undefined,
  overrides: readonly Override[],
): Mistake {
  const pointer = pointerOf(finding.path);
  const { message } = finding;
  const from = overrides.findLast(({ path }) => path.every((step, index) => step === finding.path[index]))?.from;
  if (from !== undefined) return { from, pointer, message };
  return { ...inFile(options), ...yaml?.positionOf(finding.path, finding.isKey), pointer, message };
}

function inFile({ file }: { readonly file?: string | undefined }): { readonly file?: string } {
  return file === undefined ? {} : { file };
}

function byPlace(a: Mistake, b: Mistake): number {
  return (a.line ?? Infinity) - (b.line ?? Infinity) || (a.column ?? 0) - (b.column ?? 0) || 0;
}

/**
 * Of the values, not of the text: a comment or another order of keys is the same configuration. Nor is it another one on
 * another node.
 */
function versionOf({ hub, ...rest }: { readonly hub: { readonly node: string } }): string {
  const { node: _, ...shared } = hub;
  return createHash('sha256')
    .update(JSON.stringify(canonical({ ...rest, hub: shared })))
    .digest('hex')
    .slice(0, 12);
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}
