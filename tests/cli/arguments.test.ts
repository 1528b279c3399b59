import { expect } from 'chai';
import { HelpAsked, onlyPath, readArguments } from '../../cli/arguments.ts';
import { thrownBy } from '../support/thrown.ts';

const OPTIONS = {
  config: { type: 'string', value: 'FILE', about: 'the file' },
  exit: { type: 'boolean', about: 'end then' },
} as const;

describe("a command's arguments", () => {
  it('are options and the rest, and behind -- only the rest', () => {
    const { values, positionals } = readArguments(['a', '--exit', '--config=x', '--', '--help'], OPTIONS);

    expect({ ...values }).to.deep.equal({ exit: true, config: 'x' });
    expect(positionals).to.deep.equal(['a', '--help']);
  });

  for (const [argv, detail] of [
    [['--confg', 'x'], 'there is no option --confg; did you mean config?'],
    [['-x'], 'there is no option --x'],
    [['--config'], '--config needs a value: FILE'],
    [['--config', '--exit'], '--config needs a value: FILE'],
    [['--exit=yes'], '--exit takes no value'],
  ] as const) {
    it(`that are wrong are named: ${argv.join(' ')}`, async () => {
      const error = await thrownBy(Promise.resolve().then(() => readArguments(argv, OPTIONS)));

      expect([error.code, error.fields['detail']]).to.deep.equal(['command.usage', detail]);
    });
  }

  for (const word of ['--help', '-h']) {
    it(`give way to the list of all options at ${word}, whatever else is wrong`, () => {
      expect(() => readArguments(['--nonsense', word], OPTIONS))
        .to.throw(HelpAsked)
        .with.property('lines')
        .that.deep.equals(['--config FILE  the file', '--exit         end then', '--help         this page']);
    });
  }

  it('name one path', async () => {
    expect(onlyPath(['a'])).to.equal('a');
    for (const wrong of [[], ['a', 'b']]) {
      expect((await thrownBy(Promise.resolve().then(() => onlyPath(wrong)))).code).to.equal('command.usage');
    }
  });
});
