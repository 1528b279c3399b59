import { fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../temporary-folder.ts';
import { waitFor } from '../wait-for.ts';
import { runInLanes } from './lanes.ts';

describe('tests in several processes', () => {
  const folder = temporaryFolder();

  const file = async (name: string, body: string) => {
    const path = join(folder.path, `${name}.test.ts`);
    await writeFile(
      path,
      `import { existsSync, writeFileSync } from 'node:fs'; describe('${name}', () => { ${body} });`,
    );
    return path;
  };

  it('counts every file once, names those that failed, and goes on when a process dies', async () => {
    const files = [
      await file('dies', `it('is cut off', () => { process.kill(process.pid, 'SIGKILL'); });`),
      await file('fails', `it('is wrong', () => { throw new Error('as planned'); });`),
      await file('passes', `it('is right', () => {});`),
      await file('leaks', `it('leaves a rejection', () => { void Promise.reject(new Error('late')); });`),
    ];

    const lines: string[] = [];
    const counts = await runInLanes(files, 2, { color: false }, (line) => lines.push(line));

    expect(counts).to.deep.equal({ passed: 2, failed: 3, skipped: 0 });
    const text = lines.join('\n');
    expect(text).to.include('as planned').and.to.include('the process that ran it died').and.to.include('late');
    const failedIn = text.slice(text.indexOf('failed in:'));
    expect(failedIn).to.include('dies.test.ts').and.to.include('fails.test.ts').and.to.include('after its tests');
    expect(failedIn).not.to.include('passes.test.ts');
  });

  it('runs a file again, alone, that failed beside others, and says so', async () => {
    const marker = JSON.stringify(join(folder.path, 'was-here'));
    const files = [
      await file(
        'busy',
        `it('is late once', () => { if (existsSync(${marker})) return; writeFileSync(${marker}, ''); throw new Error('late'); });`,
      ),
      await file('wrong', `it('is wrong', () => { throw new Error('as planned'); });`),
    ];

    const lines: string[] = [];
    const counts = await runInLanes(files, 2, { color: false }, (line) => lines.push(line));

    expect(counts).to.deep.equal({ passed: 1, failed: 1, skipped: 0 });
    const text = lines.join('\n');
    const onlyAlone = text.slice(text.indexOf('passed only alone'), text.indexOf('failed in:'));
    expect(onlyAlone).to.include('busy.test.ts').and.not.to.include('wrong.test.ts');
    expect(text.slice(text.indexOf('failed in:')))
      .to.include('wrong.test.ts')
      .and.not.to.include('busy.test.ts');
  });

  it('ends when whoever ran it is killed', async () => {
    const pidFile = join(folder.path, 'pid');
    const path = await file(
      'hangs',
      `it('waits', function () { writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); return new Promise(() => {}); });`,
    );
    const runner = join(folder.path, 'runner.ts');
    const lanes = JSON.stringify(join(import.meta.dirname, 'lanes.ts'));
    await writeFile(
      runner,
      `import { runInLanes } from ${lanes}; await runInLanes([${JSON.stringify(path)}], 1, { color: false }, () => {});`,
    );
    const run = fork(runner);
    const pid = await waitFor('the test to run', () =>
      existsSync(pidFile) ? Number(readFileSync(pidFile)) : undefined,
    );

    run.kill('SIGKILL');

    await waitFor('its process to end', () => !isRunning(pid));
  });

  it('does not run again what failed in many files', async () => {
    const names = ['one', 'two', 'three', 'four'];
    const once = (name: string) => JSON.stringify(join(folder.path, name));
    const files = await Promise.all(
      names.map((name) =>
        file(
          name,
          `it('is late once', () => { if (existsSync(${once(name)})) return; writeFileSync(${once(name)}, ''); throw new Error('late'); });`,
        ),
      ),
    );

    const counts = await runInLanes(files, 2, { color: false }, () => undefined);

    expect(counts).to.deep.equal({ passed: 0, failed: 4, skipped: 0 });
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // Nobody has that number any more.
    return false;
  }
}
