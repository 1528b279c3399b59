import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../temporary-folder.ts';
import { runInLanes } from './lanes.ts';

describe('tests in several processes', () => {
  const folder = temporaryFolder();

  it('counts every file once, names those that failed, and goes on when a process dies', async () => {
    const file = async (name: string, body: string) => {
      const path = join(folder.path, `${name}.test.ts`);
      await writeFile(path, `describe('${name}', () => { ${body} });`);
      return path;
    };
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
    expect(failedIn).to.include('dies.test.ts').and.to.include('fails.test.ts').and.to.include('after the tests');
    expect(failedIn).not.to.include('passes.test.ts');
  });
});
