import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { STAGES } from '../../wiring/shapes.ts';
import { run, type Command } from '../support/child-process.ts';
import { PeerUnavailable } from '../support/peer-unavailable.ts';
import { composeSpec, prometheus } from '../support/peers.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');

const service = z.looseObject({
  image: z.string(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  networks: z.array(z.string()),
  ports: z.array(z.string()).default([]),
  depends_on: z.unknown().optional(),
});
const composition = z.looseObject({
  services: z.record(z.string(), service),
  networks: z.record(z.string(), z.unknown()),
  volumes: z.record(z.string(), z.unknown()),
});

describe('compose.yaml', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const { services, networks, volumes } = composition.parse(parse(read('compose.yaml'), { merge: true }));
  const stages = Object.entries(services).filter(([, { image }]) => image.startsWith('imaging-hub:'));
  let python: Command;
  let promtool: Command;

  before(async function () {
    try {
      python = await composeSpec();
      promtool = (await prometheus()).command('promtool');
    } catch (error) {
      if (PeerUnavailable.isAccepted(error)) skip(this, error.message);
      throw error;
    }
  });

  it('is what the Compose specification calls right', async () => {
    const check = async (file: string) => await run(python, [join(import.meta.dirname, 'compose-check.py'), file]);
    const wrong = join(folder.path, 'compose.yaml');
    await writeFile(wrong, read('compose.yaml').replace('service_healthy', 'service_helthy'));

    expect((await check(join(ROOT, 'compose.yaml'))).stderr).to.equal('');
    expect((await check(wrong)).stderr).to.contain('service_helthy');
  });

  it('runs each stage once, each under a name of its own', () => {
    const [run, nodes] = [
      stages.map(([, { command }]) => command.at(-1)),
      stages.map(([, { environment }]) => environment['HUB_HUB_NODE']),
    ];

    expect(run.toSorted()).to.deep.equal([...STAGES].toSorted());
    expect(nodes).to.deep.equal(stages.map(([name]) => name));
  });

  it('has a configuration that hub check takes, with the variables its services get', async () => {
    const values = exampleVariables();
    for (const [name, { environment }] of stages) {
      const given = Object.fromEntries(
        Object.entries(environment).map(([key, value]) => [
          key,
          value.replace(/^\$\{(\w+).*\}$/, (_, asked: string) => values[asked] ?? ''),
        ]),
      );

      const { code, stdout, stderr } = await run({ path: process.execPath, env: given }, [
        join(ROOT, 'main.ts'),
        'check',
        '--config',
        join(ROOT, 'compose/hub.yaml'),
      ]);

      expect(code, name + stdout + stderr).to.equal(0);
      expect(stderr, name).to.equal('');
    }
  });

  it('names services, networks, volumes, files and variables that are there', () => {
    const hub = read('compose/hub.yaml');
    const asked = new Set([...read('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name));

    expect(asked).to.deep.equal(new Set(Object.keys(exampleVariables())));
    for (const [name, each] of Object.entries(services)) {
      expect(Object.keys(networks), name).to.include.members(each.networks);
      for (const [source = ''] of each.volumes.map((volume) => volume.split(':'))) {
        if (source.startsWith('./')) expect(read(source), source).not.to.equal('');
        else expect(volumes, name).to.have.property(source);
      }
      const needed = Array.isArray(each.depends_on) ? each.depends_on : Object.keys(each.depends_on ?? {});
      expect(Object.keys(services), name).to.include.members(needed);
    }
    for (const [, host = ''] of hub.matchAll(/(?:host: |http:\/\/|\[')([a-z]+)(?::\d+|$)/gm)) {
      expect(services, host).to.have.property(host);
      expect(services[host]?.networks, host).to.include('inside');
    }
  });

  it('opens its ports on this machine only, and gives processors no way out', () => {
    const ports = Object.values(services).flatMap((each) => each.ports);

    expect(ports).to.have.length(3);
    expect(ports.every((port) => port.startsWith('127.0.0.1:'))).to.equal(true);
    expect(services['processors']?.networks).to.deep.equal(['inside']);
    expect(networks['inside']).to.deep.equal({ internal: true });
  });

  it('has a Prometheus that takes its configuration and looks at each stage', async () => {
    const config = join(folder.path, 'prometheus.yaml');
    await writeFile(config, read('compose/prometheus.yaml'));
    await writeFile(join(folder.path, 'rules.yaml'), read('monitoring/rules.yaml'));

    const { code, stdout, stderr } = await run(promtool, ['check', 'config', config]);

    expect(code, stdout + stderr).to.equal(0);
    const targets = [...read('compose/prometheus.yaml').matchAll(/([a-z]+):8080/g)].map(([, name]) => name);
    expect(targets.toSorted()).to.deep.equal(stages.map(([name]) => name).toSorted());
  });
});

/** With a value in each variable that the example names. */
function exampleVariables(): Readonly<Record<string, string>> {
  const names = [...read('compose/env.example').matchAll(/^(\w+)=$/gm)].map(([, name = '']) => name);
  return Object.fromEntries(names.map((name) => [name, 'ab'.repeat(32)]));
}
