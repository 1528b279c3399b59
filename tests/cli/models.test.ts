import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { models } from '../../cli/models.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { linearNetwork, node, onnxModel, valueInfo, writeModelFolder } from '../support/onnx-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

describe('hub models', () => {
  const temporary = temporaryFolder();
  const folder = (name: string) => join(temporary.path, name);

  it('says that a model can be used, by which digests, and what perhaps was not meant', async () => {
    writeModelFolder(folder('good'), linearNetwork([1], [0]));
    const terminal = captureTerminal();

    expect(await models(['check', folder('good')], terminal)).to.equal(0);
    expect(terminal.lines.slice(0, 2)).to.deep.equal([
      'note: contrasts are not named: series of every contrast are given to it',
      `${folder('good')} can be used: tried 1, operator set 17, Bright`,
    ]);
    expect(terminal.lines.slice(2).join('\n')).to.match(/^ {2}network {3}[0-9a-f]{64}\n {2}manifest {2}[0-9a-f]{64}$/);
  });

  it('says all that is wrong with one, each with its place', async () => {
    writeModelFolder(folder('bad'), linearNetwork([1], [0]), (manifest) => ({
      ...manifest,
      name: 'No',
      task: 'magic',
    }));
    const terminal = captureTerminal();

    expect(await models(['check', folder('bad')], terminal)).to.equal(1);
    expect(terminal.lines.map((line) => line.split(':')[0])).to.deep.equal([
      'model.json /name',
      'model.json /task',
      `${folder('bad')} cannot be used`,
    ]);
  });

  it('checks with what an administrator means to allow, and only that', async () => {
    const onnx = onnxModel(
      {
        nodes: [node('Gelu', ['image'], ['brain'], [], 'com.microsoft')],
        inputs: [valueInfo('image', [1, 1, 'X', 'Y', 'Z'])],
        outputs: [valueInfo('brain', [1, 1, 'X', 'Y', 'Z'])],
      },
      { domains: ['com.microsoft'] },
    );
    writeModelFolder(folder('gelu'), onnx);
    const isUsable = async (...more: readonly string[]) => {
      const terminal = captureTerminal();
      await models(['check', folder('gelu'), '--json', ...more], terminal);
      return (JSON.parse(terminal.lines.join('\n')) as { isUsable: boolean }).isUsable;
    };

    expect(await isUsable()).to.equal(false);
    expect(await isUsable('--allow', 'com.microsoft')).to.equal(true);
    expect((await thrownBy(models(['check', folder('gelu'), '--allow', 'everything']))).code).to.equal('command.usage');
  });

  it('lists those of the hub and those of the configuration, and which of them cannot be used', async () => {
    writeModelFolder(folder('mine'), linearNetwork([1], [0]));
    writeFileSync(
      folder('hub.yaml'),
      `hub: { name: x, data: ${folder('data')} }\nmodels: [{ name: mine, path: ${folder('mine')} }]\n`,
    );
    const terminal = captureTerminal();

    expect(await models(['list', '--config', folder('hub.yaml')], terminal)).to.equal(0);
    expect(terminal.lines.join('\n')).to.match(/rodent-brain +\S+ +the hub +mouse, rat; /);
    expect(terminal.lines.join('\n')).to.match(/mine +1 +the configuration +mouse, rat; any contrast +Bright/);

    writeFileSync(join(folder('mine'), 'model.onnx'), 'another');
    const again = captureTerminal();
    expect(await models(['list', '--config', folder('hub.yaml')], again)).to.equal(1);
    expect(again.lines.join('\n')).to.match(/mine .*NOT USABLE: model\.onnx: it is/);
  });

  it('refuses other words', async () => {
    for (const argv of [[], ['check'], ['list', 'x'], ['train', 'x']])
      expect((await thrownBy(models(argv))).code).to.equal('command.usage');
  });
});
