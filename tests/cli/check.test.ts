import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkWith } from '../../cli/check.ts';
import { HubError } from '../../core/errors.ts';
import { testShapes } from '../config/shapes.ts';

const EXAMPLE = new URL('../../config/examples/smallest.yaml', import.meta.url).pathname;

describe('hub check', () => {
  let folder: string;
  const out: string[] = [];
  const err: string[] = [];
  const run = (...argv: string[]) => {
    out.length = 0;
    err.length = 0;
    return checkWith(argv, testShapes, { out: (line) => out.push(line), err: (line) => err.push(line) });
  };
  const written = async (text: string) => {
    const file = join(folder, 'hub.yaml');
    await writeFile(file, text);
    return file;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hub-check-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('answers 0 and sums up doors, routes and destinations of a valid file', async () => {
    expect(await run('--config', EXAMPLE)).to.equal(0);

    expect(err).to.deep.equal([]);
    expect(out[0]).to.match(/smallest\.yaml is valid, version [0-9a-f]{12}$/);
    expect(out.slice(1)).to.deep.equal([
      'door         dimse        0.0.0.0:11112 as HUB, from pv-7t',
      'door         http         127.0.0.1:8080',
      'route        rat-brain    deidentify → qc → segment → kct-archive, kct-pacs',
      'destination  kct-archive  folder, only what was released for kct',
      'destination  kct-pacs     stow-rs, only what was released for kct',
    ]);
  });

  it('takes the file without --config too', async () => {
    expect(await run(EXAMPLE)).to.equal(0);
  });

  it('says what a file without sources and routes amounts to, and that a disabled route is none', async () => {
    const file = await written(
      'gateway: { http: { anonymousLoopback: true } }\nroutes: [{ name: off, enabled: false, when: {}, process: [qc] }]\n',
    );

    expect(await run('--config', file)).to.equal(0);

    expect(out.slice(1)).to.deep.equal([
      'door   dimse  0.0.0.0:11112 as HUB, from loopback only',
      'door   http   127.0.0.1:8080, DICOMweb from loopback without token',
      'route  off    qc (not enabled)',
    ]);
    expect(err).to.deep.equal([`warning: ${file}:2 /routes/0: the route off is not enabled`]);
  });

  it('answers 78 and lists every mistake with its place', async () => {
    const file = await written('hub: { name: X }\nbus: { kind: kafka }\n');

    expect(await run('--config', file)).to.equal(78);

    expect(out).to.deep.equal([]);
    expect(err).to.deep.equal([
      `${file}:1 /hub/name: a name has lower-case letters, digits and hyphens, at most 64, and begins with no hyphen`,
      `${file}:2 /bus/brokers: missing: the brokers`,
      `${file}: 2 mistakes`,
    ]);
  });

  it('answers 78 for a file that is not there', async () => {
    expect(await run('--config', join(folder, 'none.yaml'))).to.equal(78);
    expect(err).to.deep.equal([
      `${join(folder, 'none.yaml')}: there is no such file`,
      `${join(folder, 'none.yaml')}: 1 mistake`,
    ]);
  });

  it('prints the same for machines', async () => {
    expect(await run('--json', '--config', EXAMPLE)).to.equal(0);
    expect(JSON.parse(out.join('\n'))).to.deep.include({ valid: true, warnings: [] });

    expect(await run('--json', '--config', await written('hub: 1\n'))).to.equal(78);
    const printed = JSON.parse(out.join('\n')) as { mistakes: unknown };
    expect(printed.mistakes).to.deep.equal([
      {
        file: join(folder, 'hub.yaml'),
        line: 1,
        column: 6,
        pointer: '/hub',
        message: 'not a mapping of keys to values',
      },
    ]);
  });

  it('prints the schema for editors', async () => {
    expect(await run('--schema')).to.equal(0);
    expect(JSON.parse(out.join('\n'))).to.have.nested.property(
      'properties.gateway.properties.dimse.properties.port.default',
      11_112,
    );
  });

  for (const argv of [['--nonsense'], ['a.yaml', 'b.yaml'], ['a.yaml', '--config', 'b.yaml']]) {
    it(`refuses the usage ${argv.join(' ')}`, async () => {
      const error = await run(...argv).catch((thrown: unknown) => thrown);

      expect(error).to.be.instanceOf(HubError);
      expect((error as HubError).code).to.equal('command.usage');
    });
  }
});
