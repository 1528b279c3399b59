import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { configJsonSchema } from '../../config/json-schema.ts';
import { loadConfig } from '../../config/loader.ts';
import { mistakeLine } from '../../config/mistakes.ts';
import { parseYaml } from '../../config/yaml.ts';
import { configShapes } from '../../wiring/shapes.ts';

const FOLDER = new URL('../../config/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');
const MANUAL = read('default.yaml');
/** Whole configurations; the policies beside them are entries of one. */
const EXAMPLES = readdirSync(new URL('examples/', FOLDER)).filter((name) => name.endsWith('.yaml'));

function load(name: string, text: string) {
  return loadConfig({ file: name, text, env: {}, shapes: configShapes() });
}

/** The manual with its entries: the `#|` marks gone, and with them the empty list or mapping each stands in for. */
function unmarked(text: string): string {
  const lines = text.split('\n');
  return lines
    .filter((line, index) => !(/: (\[\]|\{\})$/.test(line) && /^\s*#\| \w+:/.test(lines[index + 1] ?? '')))
    .map((line) => line.replace(/^(\s*)#\| /, '$1'))
    .join('\n');
}

describe('config/default.yaml', () => {
  it('is exactly what a hub without a file runs on', () => {
    const { config, mistakes } = load('default.yaml', MANUAL);

    expect((mistakes ?? []).map(mistakeLine)).to.deep.equal([]);
    expect(config).to.deep.equal(load('none', '').config);
  });

  it('is valid with all its entries taken in', () => {
    const { mistakes } = load('default.yaml', unmarked(MANUAL));

    expect((mistakes ?? []).map(mistakeLine)).to.deep.equal([]);
  });

  it('shows every key there is', () => {
    const shown = parseYaml(unmarked(MANUAL)).value;
    const keys = documentedKeys(configJsonSchema(configShapes()));

    expect(keys).to.include.members([
      'gateway.dimse.port',
      'routes.perSeries',
      'destinations(stow-rs).batch.size',
      'policies.privateAllow.vr',
    ]);
    expect(keys.filter((key) => !isShown(shown, key))).to.deep.equal([]);
  });

  it('names every key that is refused for now', () => {
    for (const key of ['pulls', 'kafka', 'postgres', 'sftp']) {
      expect(MANUAL).to.contain(key);
    }
  });

  it('says something about every key, above it or in a line for its section', () => {
    const lines = unmarked(MANUAL).split('\n');
    const bare = lines.filter((line, index) => {
      const isKey = /^\s*(- )?[a-zA-Z]+:/.test(line);
      return isKey && !isExplained(lines, index);
    });

    // Plain words that need none, or that were explained at the entry before.
    const PLAIN =
      /^\s*(- )?(hub|log|gateway|dimse|http|completion|disk|spool|timeouts|processors|kind|name|type|aeTitle|host|port|path|url|partner|concurrency|priority|order|verify|bandwidth|sendWindow|retry|breaker|batch|instances|size|connect|secret|source|Modality|StudyDescription|not|bearer|quiet|force):/;
    expect(bare.filter((line) => !PLAIN.test(line))).to.deep.equal([]);
  });
});

describe('config/examples', () => {
  it('hold more than one', () => {
    expect(EXAMPLES).to.include('smallest.yaml').and.to.have.length.greaterThan(2);
  });

  for (const name of EXAMPLES) {
    it(`${name} is valid`, () => {
      expect((load(name, read(`examples/${name}`)).mistakes ?? []).map(mistakeLine)).to.deep.equal([]);
    });
  }
});

describe('config/hub.schema.json', () => {
  it('has patterns that every reader of JSON Schema understands', () => {
    const patterns = [...read('hub.schema.json').matchAll(/"pattern": ("(?:[^"\\\\]|\\\\.)*")/g)].map(([, text]) =>
      String(JSON.parse(text ?? '')),
    );

    expect(patterns).to.have.length.above(100);
    expect(patterns.filter((pattern) => /\\p\{|\\u\{|\(\?<[=!]/.test(pattern))).to.deep.equal([]);
    for (const pattern of patterns) expect(() => new RegExp(pattern), pattern).not.to.throw();
  });

  it('is what hub check --schema prints', () => {
    expect(JSON.parse(read('hub.schema.json'))).to.deep.equal(
      JSON.parse(JSON.stringify(configJsonSchema(configShapes()))),
    );
  });
});

function isExplained(lines: readonly string[], index: number): boolean {
  const above = lines[index - 1] ?? '';
  return /^\s*(- )?#/.test(above) || (lines[index] ?? '').includes(' # ');
}

interface Json {
  readonly properties?: Readonly<Record<string, Json>>;
  readonly items?: Json;
  readonly oneOf?: readonly Json[];
  readonly anyOf?: readonly Json[];
  readonly not?: unknown;
  readonly const?: unknown;
}

/** Keys the schema knows, as `a.b.c`; entries of lists have no index, alternatives by type are `list(type)`. */
function documentedKeys(schema: Json, path = ''): readonly string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const here = path === '' ? key : `${path}.${key}`;
    // Refused for now.
    if (inner.not !== undefined) return [];
    // Rules and secrets are languages of their own, described in words.
    if (key === 'when' || key === 'requiredSeries' || key === 'process' || isSecret(inner)) return [here];
    return [here, ...documentedKeys(inner, here)];
  });
  const alternatives = (schema.oneOf ?? []).flatMap((each) =>
    documentedKeys(each, `${path}(${String(each.properties?.['type']?.const)})`),
  );
  // A list of names or of mappings: what a mapping has.
  const entries = [schema.items, ...(schema.items?.anyOf ?? [])].flatMap((each) =>
    each === undefined ? [] : documentedKeys(each, path),
  );
  return [...own, ...alternatives, ...entries];
}

function isSecret(schema: Json): boolean {
  return schema.anyOf?.some((each) => each.properties?.['env'] !== undefined) ?? false;
}

function isShown(value: unknown, key: string): boolean {
  let here: readonly unknown[] = [value];
  for (const step of key.split('.')) {
    const [, name = '', type] = /^(\w+)(?:\(([\w-]+)\))?$/.exec(step) ?? [];
    here = here.flatMap((each) => {
      const inner: unknown = typeof each === 'object' && each !== null ? Reflect.get(each, name) : undefined;
      const entries: readonly unknown[] = Array.isArray(inner) ? inner : inner === undefined ? [] : [inner];
      return type === undefined
        ? entries
        : entries.filter((entry) => typeof entry === 'object' && entry !== null && Reflect.get(entry, 'type') === type);
    });
    if (here.length === 0) return false;
  }
  return true;
}
