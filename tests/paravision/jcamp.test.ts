import { globSync, readFileSync } from 'node:fs';
import { basename, relative, resolve } from 'node:path';
import { expect } from 'chai';
import { HubError } from '../../core/errors.ts';
import { parseJcamp } from '../../paravision/jcamp.ts';
import { Parameters } from '../../paravision/parameters.ts';
import { jcamp, list, text } from '../support/paravision-study.ts';
import { integer, pick, type Random, seeded } from '../support/seeded.ts';

const RODENT = resolve(import.meta.dirname, '../../../shared/mri/rodent');
const FILES = [
  'visu_pars',
  'acqp',
  'method',
  'reco',
  'subject',
  'configscan',
  'd3proc',
  'id',
  'procs',
  'AdjStatePerScan',
];

const body = (...lines: readonly string[]) => ['##TITLE=Parameter List', ...lines, '##END=', ''].join('\n');
const valuesOf = (...lines: readonly string[]) => parseJcamp(body(...lines), 'visu_pars').parameters.get('X')?.values;

describe('JCAMP-DX of ParaVision', () => {
  for (const [what, lines, expected] of [
    ['a number', ['##$X=-1.5e-3'], [-0.0015]],
    ['a word', ['##$X=Head_Supine'], ['Head_Supine']],
    ['a word that begins with a digit', ['##$X=1H'], ['1H']],
    ['what C++ prints for no number', ['##$X=( 3 )', 'nan -inf inf'], [Number.NaN, -Infinity, Infinity]],
    ['an array over several lines', ['##$X=( 2, 2 )', '1 2 ', '3', '4'], [1, 2, 3, 4]],
    ['a run', ['##$X=( 6 )', '@4*(2.28) 0 1'], [2.28, 2.28, 2.28, 2.28, 0, 1]],
    ['a run of several values', ['##$X=( 4 )', '@2*(1 2)'], [1, 2, 1, 2]],
    ['a run inside a struct', ['##$X=(<a>, @2*(3), b)'], [['a', [3, 3], 'b']]],
    ['a text with structure in it', ['##$X=( 65 )', '<T2: y=A+C*exp(-t/T2), z>'], ['T2: y=A+C*exp(-t/T2), z']],
    ['texts', ['##$X=( 2, 65 )', '<mm> <mm>'], ['mm', 'mm']],
    ['an empty text', ['##$X=( 65 )', '<>'], ['']],
    ['a text broken by the end of a line', ['##$X=( 65 )', '<abc', 'def>'], ['abcdef']],
    ['a text with a line of its own', ['##$X=( 65 )', '<abc\\', 'def>'], ['abc\ndef']],
    ['a text with the brackets in it', ['##$X=( 65 )', '<a\\<b\\>c\\\\d>'], ['a<b>c\\d']],
    [
      'structs',
      ['##$X=( 2 )', '(5, <FG_SLICE>, <>, 0, 2) (9, <FG_ECHO>, <>, 2, 1)'],
      [
        [5, 'FG_SLICE', '', 0, 2],
        [9, 'FG_ECHO', '', 2, 1],
      ],
    ],
    ['a struct without a size', ['##$X=(1447171505, 763, 60)'], [[1447171505, 763, 60]]],
    ['a struct of lists and nothing', ['##$X=(1 2, , (3, 4))'], [[[1, 2], '', [3, 4]]]],
    ['a struct broken anywhere', ['##$X=( 1 )', '(<', 'a>,', '3)'], [['a', 3]]],
    ['comments between', ['##$X=( 2 )', '1', '$$ @vis= X', '2', '$$ more'], [1, 2]],
  ] as const)
    it(`has ${what}`, () => {
      expect(valuesOf(...lines)).to.deep.equal(expected);
    });

  it('has a size apart from the values, and the line of each parameter', () => {
    const { parameters } = parseJcamp(body('$$ who', '##$A=( 2, 65 )', '<a> <b>', '##$B=1'), 'acqp');

    expect(parameters.get('A')).to.deep.equal({ line: 3, size: [2, 65], values: ['a', 'b'] });
    expect(parameters.get('B')).to.deep.equal({ line: 5, values: [1] });
  });

  it('is read alike with the line ends of another system', () => {
    const unix = parseJcamp(body('##$A=( 2 )', '1 2', '##$B=( 9 )', '<a\\', 'b>'), 'acqp');
    const windows = parseJcamp(body('##$A=( 2 )', '1 2', '##$B=( 9 )', '<a\\', 'b>').replaceAll('\n', '\r\n'), 'acqp');

    expect(windows).to.deep.equal(unix);
  });

  for (const [what, written, at, reason] of [
    ['an open text', body('##$A=1', '##$X=( 65 )', '<never', '##$B=1'), 'visu_pars:4', /not closed/],
    ['an open struct', body('##$X=(1, 2', '##$B=1'), 'visu_pars:2', /not closed/],
    ['a run without an end', body('##$X=( 2 )', '@2*(1'), 'visu_pars:3', /not closed/],
    ['a run of far too many', body('##$X=( 2 )', '@999999999*(1)'), 'visu_pars:3', /too many/],
    [
      'runs that are many together',
      body('##$X=@1000000*(1)', '##$Y=@2500000*(1)', '##$Z=@1000000*(1)'),
      'visu_pars:4',
      /too many values/,
    ],
    ['a label without a value', body('##$X'), 'visu_pars:2', /without "="/],
    ['no end', '##TITLE=x\n##$X=1\n', 'visu_pars:3', /ends before/],
    ['nothing at all', '', 'visu_pars:1', /no JCAMP/],
    ['something else', 'DICM nothing here', 'visu_pars:1', /no JCAMP/],
    ['structs in structs in structs', body(`##$X=${'('.repeat(40)}1${')'.repeat(40)}`), 'visu_pars:2', /without end/],
    ['a comma where nothing is separated', body('##$X=( 2 )', '1, 2'), 'visu_pars:3', /value is expected/],
  ] as const)
    it(`is refused with file and line: ${what}`, () => {
      const error = refusal(() => parseJcamp(written, 'visu_pars'));

      expect(error.code).to.equal('paravision.parameters-unreadable');
      expect(error.fields['at']).to.equal(at);
      expect(error.fields['reason']).to.match(reason);
    });

  it('names the parameter it could not read, and no label that is none', () => {
    const refused = (text: string) => {
      try {
        parseJcamp(text, 'visu_pars');
      } catch (error) {
        return error instanceof HubError ? error.fields : expect.fail(String(error));
      }
      return expect.fail('nothing was refused');
    };

    expect(refused('##TITLE=x\n##$VisuCoreSize=( 2 \n1 2\n##END=')).to.deep.include({
      ...{ at: 'visu_pars:2', parameter: 'VisuCoreSize' },
    });
    expect(refused('##TITLE=x\n##$Doe, John=<a\n##END=')).not.to.have.property('parameter');
  });

  it('says of a parameter that is not what it must be where it stands, and never what stands there', () => {
    const file = parseJcamp(body('##$N=( 3 )', '1 2', '##$S=( 65 )', '<Miller^Anna>'), '4/pdata/1/visu_pars');
    const parameters = new Parameters([file]);

    const short = refusal(() => parameters.numbers('N'));
    const texts = refusal(() => parameters.numbers('S'));

    expect(short.fields).to.deep.include({ at: '4/pdata/1/visu_pars:2', reason: 'N says 3 values and has 2' });
    expect(texts.fields).to.deep.include({ at: '4/pdata/1/visu_pars:4', reason: 'S is not a list of numbers' });
    expect(texts.message).not.to.contain('Miller');
  });

  it('of real scanners is read to the end, file by file', () => {
    const paths = globSync(`${RODENT}/bruker_*/**/*`).filter((path) => FILES.includes(basename(path)));
    expect(paths.length).to.be.greaterThan(40);

    for (const path of paths) {
      const written = readFileSync(path, 'utf8');
      const { parameters } = parseJcamp(written, relative(RODENT, path));

      const names = [...written.matchAll(/^##\$([^=]+)=/gm)].map(([, name]) => name);
      expect([...parameters.keys()], path).to.deep.equal(names);
      for (const [name, { size, values }] of parameters) {
        if (size === undefined || values.some((value) => typeof value !== 'number')) continue;
        expect(values.length, `${path} ${name}`).to.equal(size.reduce((product, length) => product * length, 1));
      }
    }
  });

  it('has a word that begins like a number without end, read once', () => {
    const before = process.cpuUsage();

    expect(valuesOf(`##$X=${'1'.repeat(200_000)}x`)?.[0]).to.have.length(200_001);

    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).to.be.below(1000);
  });

  it('has runs of nothing, however many, without counting them', () => {
    const before = process.cpuUsage();

    expect(valuesOf('##$X=( 1 )', `${'@999999999*() '.repeat(20)} 7`)).to.deep.equal([7]);

    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).to.be.below(1000);
  });

  for (const [what, line] of [
    ['a struct of a hundred thousand fields, three million times', `@3000000*((${'1,'.repeat(99_999)}1))`],
    ['structs of runs of structs', `${'@1000*(('.repeat(6)}1${'))'.repeat(6)}`],
  ] as const)
    it(`is refused at once, whatever its few bytes would become: ${what}`, () => {
      const before = process.cpuUsage();

      expect(() => valuesOf('##$X=( 1 )', line)).to.throw(HubError);

      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000).to.be.below(1000);
    });

  it('that was damaged at random is read or refused, quickly, and nothing else happens', () => {
    const whole = jcamp('360.3.6', {
      VisuCoreSize: list([12, 10]),
      VisuCoreDataSlope: { size: [40], values: Array.from({ length: 40 }, () => 2.28), runs: true },
      VisuFGOrderDesc: list([[5, '<FG_SLICE>', '<>', 0, 2]]),
      VisuSubjectName: text('Miller^Anna', 65),
      VisuCoreUnits: list(['<mm>', '<mm>'], 2, 65),
    });
    const outcomes = { read: 0, refused: 0 };
    for (let seed = 1; seed <= 3000; seed++) {
      const damaged = damage(whole, seeded(seed));
      try {
        parseJcamp(damaged, 'visu_pars');
        outcomes.read += 1;
      } catch (error) {
        const known = error instanceof HubError && error.code === 'paravision.parameters-unreadable';
        expect(known, `seed ${seed}: ${String(error)}`).to.equal(true);
        expect(String(error), `seed ${seed}`).not.to.contain('Miller');
        outcomes.refused += 1;
      }
    }
    expect(outcomes.read).to.be.greaterThan(300);
    expect(outcomes.refused).to.be.greaterThan(300);
  });
});

/** Some characters lost, doubled, replaced by those that mean something, or the rest cut off. */
function damage(whole: string, random: Random): string {
  let damaged = whole;
  for (let times = 1 + integer(random, 4); times > 0; times--) {
    const at = integer(random, damaged.length);
    const length = integer(random, 12);
    const kind = pick(random, ['lose', 'double', 'replace', 'cut'] as const);
    const rest = damaged.slice(at + (kind === 'double' ? 0 : length));
    const put = pick(random, [
      '<',
      '>',
      '(',
      ')',
      '@',
      '@99*(',
      '##',
      '##$',
      '$$',
      '\n',
      '\\',
      ',',
      '\0',
      '=',
      '9e999',
    ]);
    if (kind === 'cut') damaged = damaged.slice(0, at);
    else damaged = damaged.slice(0, at) + (kind === 'replace' ? put : '') + rest;
  }
  return damaged;
}

function refusal(act: () => unknown): HubError {
  try {
    act();
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
