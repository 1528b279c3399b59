import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/on-pinned-node.mjs');

describe('the launcher on the pinned Node', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hub-launcher-'));
  });
  after(async () => rm(dir, { recursive: true, force: true }));

  it('runs TypeScript on Node 24.21 or later with the arguments and a wide enough thread pool', async () => {
    const script = await scriptOf(
      'const seen: unknown = [process.versions.node, process.argv.slice(2), process.env.UV_THREADPOOL_SIZE];',
      'console.log(JSON.stringify(seen));',
    );

    const { output, code } = await launch(script, { UV_THREADPOOL_SIZE: undefined }, 'a', '--b');

    const [version, args, threads] = JSON.parse(output) as [string, string[], string];
    expect(code).to.equal(0);
    expect(version).to.match(/^24\.(2[1-9]|[3-9]\d)\./);
    expect(args).to.deep.equal(['a', '--b']);
    expect(Number(threads)).to.be.at.least(8);
  });

  it('keeps a thread pool that was asked for', async () => {
    const script = await scriptOf('console.log(process.env.UV_THREADPOOL_SIZE);');

    const { output } = await launch(script, { UV_THREADPOOL_SIZE: '3' });

    expect(output.trim()).to.equal('3');
  });

  it('ends with the exit code of what it ran', async () => {
    const script = await scriptOf('process.exit(78);');

    expect((await launch(script)).code).to.equal(78);
  });

  it('dies of the signal that killed what it ran', async () => {
    const script = await scriptOf("process.kill(process.pid, 'SIGKILL');", 'setInterval(() => {}, 1000);');

    expect((await launch(script)).signal).to.equal('SIGKILL');
  });

  it('passes a signal on and waits for an orderly end', async () => {
    const script = await scriptOf(
      "process.on('SIGTERM', () => { console.log('closing'); process.exit(7); });",
      "console.log('ready'); setInterval(() => {}, 1000);",
    );
    const child = start(script, {});
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output === 'ready\n') child.kill('SIGTERM');
    });

    const [code] = (await once(child, 'close')) as [number | null];

    expect(code).to.equal(7);
    expect(output).to.equal('ready\nclosing\n');
  });

  async function scriptOf(...lines: readonly string[]): Promise<string> {
    const path = join(dir, `script-${Math.random().toString(36).slice(2)}.mts`);
    await writeFile(path, lines.join('\n'));
    return path;
  }
});

function start(script: string, env: Record<string, string | undefined>, ...args: readonly string[]) {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  return spawn(process.execPath, [LAUNCHER, script, ...args], { env: { ...process.env, ...env }, stdio: [...stdio] });
}

async function launch(script: string, env: Record<string, string | undefined> = {}, ...args: readonly string[]) {
  const child = start(script, env, ...args);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, output };
}
