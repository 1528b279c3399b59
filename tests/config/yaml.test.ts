import { expect } from 'chai';
import { parseYaml } from '../../config/yaml.ts';

function messages(text: string): readonly string[] {
  return parseYaml(text).mistakes.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

describe('parseYaml', () => {
  it('knows where everything stands', () => {
    const { value, positionOf } = parseYaml('a:\n  b: 1\n  c:\n    - x\n    - { d: 2 }\n');

    expect(value).to.deep.equal({ a: { b: 1, c: ['x', { d: 2 }] } });
    for (const [path, line, column] of [
      [[], 1, 1],
      [['a'], 1, 1],
      [['a', 'b'], 2, 6],
      [['a', 'c'], 3, 3],
      [['a', 'c', 0], 4, 7],
      [['a', 'c', 1], 5, 7],
      [['a', 'c', 1, 'd'], 5, 12],
      // What is not there stands where its parent does.
      [['a', 'c', 1, 'e'], 5, 7],
      [['a', 'c', 7], 3, 3],
      [['z', 'y'], 1, 1],
    ] as const) {
      expect(positionOf(path), path.join('/')).to.deep.equal({ line, column });
    }
    expect(positionOf(['a', 'b'], true)).to.deep.equal({ line: 2, column: 3 });
  });

  it('finds what an alias stands for', () => {
    const { value, positionOf } = parseYaml('a: &x { b: 1 }\nc: *x\n');

    expect(value).to.deep.equal({ a: { b: 1 }, c: { b: 1 } });
    expect(positionOf(['c', 'b'])).to.deep.equal({ line: 1, column: 12 });
  });

  it('has no value for an empty file, which is no mistake', () => {
    for (const text of ['', '# nothing\n', '---\n']) {
      const parsed = parseYaml(text);
      expect(parsed.value ?? undefined).to.equal(undefined);
      expect(parsed.mistakes).to.deep.equal([]);
      expect(parsed.positionOf(['a']).line).to.equal(1);
    }
  });

  for (const [title, text, start] of [
    ['a key that comes twice', 'a: 1\nb: 2\na: 3\n', '3:1 not YAML: map keys must be unique'],
    ['a bracket left open', 'a: [1, 2\n', '2:1 not YAML: flow sequence in block collection must be'],
    ['a tab for indentation', 'a:\n\tb: 1\n', '2:1 not YAML: tabs are not allowed'],
    ['a second document', 'a: 1\n---\nb: 2\n', '2:1 a second document begins here; there must be one'],
    ['a tag nobody knows', 'a: !secret x\n', '1:4 not YAML: unresolved tag: !secret'],
    ['an alias without anchor', 'a: *x\n', '1:1 not YAML: unresolved alias'],
    ['brackets a hundred thousand deep', '['.repeat(100_000), '1:1 nested too deeply'],
    ['a file of a megabyte and more', `# ${'x'.repeat(1_000_000)}`, '1:1 larger than 1000000 characters'],
  ] as const) {
    it(`refuses ${title}`, () => {
      const [first, ...others] = messages(text);

      expect(first).to.satisfy(
        (message: string) => message.startsWith(start),
        `${first ?? 'nothing'}; ${String(others.length)} more`,
      );
    });
  }

  it('refuses aliases that multiply', () => {
    const levels = Array.from({ length: 12 }, (_, level) =>
      level === 0 ? 'l0: &l0 [x, x, x]' : `l${level}: &l${level} [${`*l${level - 1}, `.repeat(9)}*l${level - 1}]`,
    );

    expect(messages(levels.join('\n'))).to.deep.equal([
      '1:1 not YAML: excessive alias count indicates a resource exhaustion attack',
    ]);
  });

  it('keeps a key that names a prototype a key', () => {
    const { value } = parseYaml('__proto__: { polluted: true }\n');

    expect(Object.keys(value as object)).to.deep.equal(['__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined);
  });
});
