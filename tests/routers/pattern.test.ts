import { expect } from 'chai';
import { compilePattern } from '../../routers/pattern.ts';
import { PatternError } from '../../routers/pattern-syntax.ts';

describe('pattern', () => {
  const VALUES = [
    '',
    'a',
    'b',
    'ab',
    'ba',
    'aab',
    'abab',
    'brain',
    'Rat Brain T2',
    'a\nb',
    'T2_TSE',
    'ä',
    'Ä',
    '😀x',
    '-',
    '3.5',
    'x'.repeat(40),
    ' a ',
  ];
  const SOURCES = [
    'brain',
    '^a+b*$',
    '(a|b)*',
    '(ab)+$',
    '^(a|ab)(b|bab)?$',
    'a{2}',
    'a{1,2}b',
    '^x{30,}$',
    'a??b',
    '[a-c]+[^a-c]',
    '[^]',
    '[\\]a]',
    '[\\d.]+',
    '\\bT2',
    '\\Bb',
    '\\d\\.\\d',
    '^.$',
    '.*Brain.*T\\d',
    '^(?:a|(?<letter>b))$',
    '\\u{1F600}',
    '\\ud83d\\ude00',
    '\\u00e4',
    '\\x61',
    '\\cJ',
    '\\p{Lu}',
    '\\P{L}$',
    '\\s',
    '$^',
    '',
    'a|',
    '(|a)+$',
    '(a*)*b',
    '(^a)*b',
    '\\t|\\/|\\-'.replace('\\-', '-'),
  ];

  for (const source of SOURCES) {
    it(`means the same as JavaScript's /${source}/u, with and without case`, () => {
      for (const ignoreCase of [false, true]) {
        const ours = compilePattern(source, ignoreCase);
        const theirs = new RegExp(source, ignoreCase ? 'ui' : 'u');
        for (const value of VALUES) {
          expect(ours.test(value), JSON.stringify({ value, ignoreCase })).to.equal(theirs.test(value));
        }
      }
    });
  }

  it("means the same as JavaScript's on expressions made at random", () => {
    const random = randomNumbers(20_261_122);
    for (let round = 0; round < 2000; round += 1) {
      const source = expression(random, 3);
      const pattern = compilePattern(source);
      const theirs = new RegExp(source, 'u');
      for (let each = 0; each < 8; each += 1) {
        const value = Array.from({ length: Math.floor(random() * 7) }, () => (random() < 0.5 ? 'a' : 'b')).join('');
        expect(pattern.test(value), `/${source}/ on ${JSON.stringify(value)}`).to.equal(theirs.test(value));
      }
    }
  });

  for (const source of ['(a+)+$', '(a|a)*$', '(a|aa)+$', '(a?){30}a{30}$', '(.*a){12}$', 'a*a*a*a*a*a*b']) {
    it(`answers at once where backtracking takes for ever: ${source}`, () => {
      const pattern = compilePattern(source);
      const startedAt = performance.now();

      pattern.test(`${'a'.repeat(255)}!`);

      expect(performance.now() - startedAt).to.be.lessThan(1000);
    });
  }

  for (const [source, message] of [
    ['(a', 'not a regular expression'],
    ['a{2,1}', 'not a regular expression'],
    ['[b-a]', 'not a regular expression'],
    ['\\', 'not a regular expression'],
    ['(?i)brain', 'ignoreCase: true'],
    ['(?i:brain)', 'ignoreCase: true'],
    ['(?=a)', 'look-ahead'],
    ['(?!a)', 'look-ahead'],
    ['(?<=a)b', 'look-behind'],
    ['(?<!a)b', 'look-behind'],
    ['(a)\\1', 'back-references'],
    ['(?<x>a)\\k<x>', 'back-references'],
    ['(a{100}){100}', 'too large'],
  ] as const) {
    it(`refuses ${source} and says why: ${message}`, () => {
      expect(() => compilePattern(source)).to.throw(PatternError, message);
    });
  }
});

function expression(random: () => number, depth: number): string {
  const kind = Math.floor(random() * (depth === 0 ? 4 : 9));
  const inner = () => expression(random, depth - 1);
  const kinds: readonly (() => string)[] = [
    () => 'a',
    () => 'b',
    () => '.',
    () => '[^a]',
    () => inner() + inner(),
    () => `(?:${inner()}|${inner()})`,
    () => `(${inner()})*`,
    () => `(?:${inner()}){0,2}`,
    () => (random() < 0.5 ? `^${inner()}` : `${inner()}$`),
  ];
  return (kinds[kind] ?? inner)();
}

/** Park and Miller's generator: the same expressions on every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
