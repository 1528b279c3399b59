import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { COMMANDS } from '../../cli/commands.ts';
import { phantomStudy, type StudyOptions } from '../../demo/phantom/study.ts';
import { runHub } from '../support/hub-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAIN = resolve(import.meta.dirname, '../../main.ts');

describe('hub at the terminal', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  for (const name of Object.keys(COMMANDS)) {
    it(`lists what ${name} takes`, async () => {
      const { code, stdout, stderr } = await runHub([name, '--help']);

      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout)
        .to.match(new RegExp(`^hub ${name} `))
        .and.to.match(/^ {2}--help +this page$/m);
    });
  }

  it('knows what was meant', async () => {
    const { code, stderr } = await runHub(['quarantin']);

    expect(code).to.equal(2);
    expect(stderr).to.include('did you mean quarantine?').and.to.include('hub --help');
  });

  it('says of a file that cannot be written where it is and why, and takes it for no defect', async () => {
    const input = await study('phantom', { slices: 8, columns: 24, rows: 20 });

    const { code, stderr } = await runHub(['qc', input, '--json', '/nowhere/qc.json']);

    expect(code).to.equal(1);
    expect(stderr).to.include('/nowhere/qc.json: no such file or directory').and.not.to.include('defect');
  });

  it('ends quietly when nobody reads any more', async () => {
    const child = spawn(process.execPath, [MAIN, 'check', '--schema'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const errors: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));

    const [code] = (await once(child, 'close')) as [number | null];

    expect([code, errors.join('')]).to.deep.equal([1, '']);
  });

  describe('demo', () => {
    it('ends with 1 where there is no DICOM file, and leaves nothing behind', async () => {
      const [empty, tmp] = [join(folder.path, 'empty'), join(folder.path, 'tmp')];
      for (const each of [empty, tmp]) await mkdir(each);

      const { code, stdout, stderr } = await runHub(['demo', empty, '--exit'], { env: { TMPDIR: tmp } });

      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.include(`there is no DICOM file in ${empty}`);
      expect(await readdir(tmp)).to.deep.equal([]);
    });

    it('says what did not arrive, why, and how to look further', async () => {
      const root = join(folder.path, 'trouble');
      const small = { slices: 8, columns: 24, rows: 20 };
      await study('trouble/good', small);
      await study('trouble/burned', { ...small, studyDescription: 'b', attributes: { BurnedInAnnotation: 'YES' } });
      await writeFile(join(root, 'cut.dcm'), phantomStudy(small)[0]?.bytes.subarray(0, 900) ?? '');
      const data = join(folder.path, 'kept');

      const { code, stdout, stderr } = await runHub(['demo', root, '--exit', '--data', data], { timeoutMs: 50_000 });

      expect(code, stderr).to.equal(1);
      expect(stderr).to.include('cannot be taken: cut.dcm: ');
      expect(stdout).to.match(/delivered +study \d: partner-folder has/);
      const [, summary = ''] = stdout.split('Not everything arrived\n');
      expect(summary)
        .to.match(/not sent +1 file/)
        .and.to.match(/held +policy\.unsafe: .*burned-in annotation/);
      const [, id = ''] = /hub quarantine show (\S+) --data /.exec(summary) ?? [];
      expect((await runHub(['quarantine', 'show', id, '--data', join(data, 'data')])).code).to.equal(0);
      await access(join(data, 'hub.log'));
      expect(summary).to.include(join(data, 'hub.log'));
    });

    it('stops in good order at Ctrl-C, and says where everything is', async () => {
      const data = join(folder.path, 'stopped');
      const child = spawn(process.execPath, [MAIN, 'demo', '--data', data], { stdio: ['ignore', 'pipe', 'inherit'] });
      let printed = '';
      child.stdout.on('data', (chunk: Buffer) => {
        if (!printed.includes('received ') && (printed += chunk.toString()).includes('received ')) child.kill('SIGINT');
        else printed += chunk.toString();
      });

      const [code] = (await once(child, 'close')) as [number | null];

      expect(code).to.equal(1);
      expect(printed)
        .to.match(/stopped +before everything had arrived/)
        .and.to.include(join(data, 'hub.log'));
    });
  });

  async function study(name: string, options: StudyOptions): Promise<string> {
    const path = join(folder.path, name);
    await mkdir(path, { recursive: true });
    for (const instance of phantomStudy(options)) await writeFile(join(path, instance.name), instance.bytes);
    return path;
  }
});
