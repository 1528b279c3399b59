/** No engine for containers runs here: the steps of the Dockerfile are done by hand, and what comes of them runs as it would. */
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import { freePort, run, type RunningServer, startServer } from '../support/child-process.ts';
import { imageContents, readDockerfile, wordsOf } from '../support/dockerfile.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NOBODY = 65_534;
const BUILD_TIMEOUT_MS = 300_000;

describe('what the Dockerfile builds', function () {
  this.timeout(BUILD_TIMEOUT_MS * 2);
  const [build = [], image = []] = readDockerfile();
  const isRoot = process.getuid?.() === 0;
  let folder: string;
  let app: string;
  let entry: readonly string[];
  let hub: RunningServer | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hub-image-'));
    app = join(folder, 'app');
    await mkdir(app);
    for (const { name, rest } of build.slice(1)) {
      if (name === 'COPY') await copy(rest);
      else if (name === 'RUN') await step(rest);
      else expect(name).to.equal('WORKDIR');
    }
    entry = wordsOf(image, 'ENTRYPOINT').map((word) => word.replace(/^\/app/, app));
    for (const part of ['data', 'tmp']) {
      await mkdir(join(folder, part), { recursive: true });
      if (isRoot) await chown(join(folder, part), NOBODY, NOBODY);
    }
    await chmod(folder, 0o755);
    await step('chmod -R a-w,a+rX .');
  });

  afterEach(async () => {
    await hub?.stop();
    hub = undefined;
  });

  after(async () => {
    await step('chmod -R u+w .');
    await rm(folder, { recursive: true, force: true });
  });

  it('starts as nobody on a tree that nobody may write to, answers the probes, and ends when it is told', async () => {
    const [dimse, http] = [await freePort(), await freePort()];
    const file = join(folder, 'hub.yaml');
    const gateway = {
      dimse: { host: '127.0.0.1', port: dimse },
      http: { port: http },
      disk: { minFree: '50MB', maxUsedPercent: 100 },
    };
    await writeFile(file, JSON.stringify({ gateway }));
    const before = await names();

    hub = await start(['start', '--config', file], async () => {
      const live = await fetch(`http://127.0.0.1:${String(http)}/health/live`).catch(() => undefined);
      return live?.ok === true;
    });
    const ready = await fetch(`http://127.0.0.1:${String(http)}/health/ready`);
    const said = hub.log();
    await hub.stop();

    expect(ready.status, said).to.equal(200);
    expect(said).not.to.match(/EACCES|EROFS|EPERM/);
    expect(hub.log()).to.contain('"message":"hub stopped"');
    expect(await names(), 'nothing was written beside the sources').to.deep.equal(before);
  });

  it('takes a study all the way, with inference, as nobody', async () => {
    const [program = '', ...args] = asNobody(['demo', '--exit', '--data', join(folder, 'data', 'demo')]);

    const { code, stdout, stderr } = await run({ path: program, env: surroundings(false) }, args, {
      timeoutMs: 120_000,
      cwd: join(folder, 'data'),
    });

    expect(code, stdout + stderr).to.equal(0);
  });

  async function copy(rest: string): Promise<void> {
    const words = rest.split(' ');
    const { kept, dropped } = imageContents();
    for (const name of words[0] === '.' ? kept : words.slice(0, -1)) {
      await cp(join(ROOT, name), join(app, name), { recursive: true });
    }
    for (const name of dropped) await rm(join(app, name), { recursive: true, force: true });
  }

  async function step(line: string): Promise<void> {
    const here = line.replaceAll(' /data', ` ${join(folder, 'data')}`);
    // npm of the machine, and a Node that is not ours: as in the image that builds.
    const { code, stderr } = await run({ path: 'sh', env: {} }, ['-c', here], {
      cwd: app,
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    if (code !== 0) throw new Error(`${line} ended with ${String(code)}: ${stderr}`);
  }

  function asNobody(args: readonly string[]): readonly string[] {
    const user = isRoot
      ? ['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups', '--no-new-privs']
      : [];
    return [...user, ...entry, ...args];
  }

  /** What the image sets; nothing of the tests' own. */
  function surroundings(withData = true): Record<string, string> {
    const data = withData ? { HUB_HUB_DATA: join(folder, 'data') } : {};
    return {
      TMPDIR: join(folder, 'tmp'),
      HOME: '/nonexistent',
      NODE_ENV: 'production',
      NODE_COMPILE_CACHE: '',
      ...data,
    };
  }

  async function start(args: readonly string[], isReady: () => Promise<boolean>): Promise<RunningServer> {
    const [program = '', ...rest] = asNobody(args);
    return await startServer({ path: program, env: surroundings() }, rest, isReady, { deadlineMs: 60_000 });
  }

  async function names(): Promise<readonly string[]> {
    const all = await readdir(dirname(join(app, 'main.ts')), { recursive: true });
    return all.toSorted();
  }
});
