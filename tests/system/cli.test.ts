import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runHub } from '../support/hub-process.ts';
import { SMALLEST } from '../support/smallest-configuration.ts';
import { writeStudy } from './planted-study.ts';

describe('the hub command', function () {
  this.timeout(30_000);
  let dir = '';
  const file = (name: string) => join(dir, name);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hub-cli-'));
    await writeFile(file('smallest.yaml'), SMALLEST);
  });
  after(async () => rm(dir, { recursive: true, force: true }));

  it('shows help and ends with 2 when no command is named', async () => {
    const { code, stdout } = await runHub([]);

    expect(code).to.equal(2);
    for (const command of ['start', 'check', 'demo', 'send', 'routes', 'dead-letters', 'quarantine', 'token']) {
      expect(stdout).to.match(new RegExp(`^ +${command} `, 'm'));
    }
  });

  it('shows help and ends with 0 when help is asked for', async () => {
    const whole = await runHub(['--help']);
    const one = await runHub(['send', '--help']);

    expect(whole.code).to.equal(0);
    expect(one.code).to.equal(0);
    expect(one.stdout).to.include('--to AET@HOST:PORT');
  });

  it('names a command that does not exist and ends with 2', async () => {
    const { code, stderr } = await runHub(['strat']);

    expect(code).to.equal(2);
    expect(stderr).to.include('"strat"');
  });

  for (const args of [
    ['check', '--no-such-option'],
    ['start', 'unexpected'],
    ['start', '--stages', 'gatway'],
    ['routes'],
    ['routes', 'explain'],
    ['studies', 'frobnicate'],
    ['dead-letters', 'replay'],
    ['token', 'create', '--role', 'king'],
    ['send', 'somewhere', '--to', 'not-an-address'],
  ]) {
    it(`ends \`hub ${args.join(' ')}\` with 2 and says how it is used`, async () => {
      const { code, stderr } = await runHub(args, { cwd: dir });

      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(/usage: hub /);
      expect(stderr).not.to.include('    at ');
    });
  }

  it('accepts the smallest useful configuration as it stands', async () => {
    const { code, stdout, stderr } = await runHub(['check', '--config', 'smallest.yaml'], { cwd: dir });

    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('rat-brain');
    expect(stdout).to.include('kct-pacs');
  });

  it('lists all mistakes of a configuration at once, each with line and pointer, and ends with 78', async () => {
    const broken = SMALLEST.replace('port: 11112', 'port: 111120')
      .replace('aeTitle: PV7T', 'aeTitle: "A\\\\B"')
      .replace('quiet: 60s', 'quiet: 60')
      .replace('Modality: MR', 'Modalty: MR')
      .replace("'http://127.0.0.1:8042/dicom-web'", '"127.0.0.1:8042"')
      .replace('{ segment: rodent-brain }', 'sgment')
      .replace('deliver: [kct-archive, kct-pacs]', 'deliver: [kct-archive, kct-pax]')
      .concat('frobnicate: true\n');
    await writeFile(file('broken.yaml'), broken);

    const check = await runHub(['check', '--config', 'broken.yaml'], { cwd: dir });
    const start = await runHub(['start', '--config', 'broken.yaml'], { cwd: dir });
    const json = await runHub(['check', '--config', 'broken.yaml', '--json'], { cwd: dir });

    const mistakes = [
      ['broken.yaml:4', '/gateway/dimse/port'],
      ['broken.yaml:6', '/gateway/dimse/sources/0/aeTitle'],
      ['broken.yaml:8', '/gateway/completion/quiet'],
      ['broken.yaml:13', '/destinations/1/url'],
      ['broken.yaml:16', '/routes/0/when/Modalty'],
      ['broken.yaml:17', '/routes/0/process/2'],
      ['broken.yaml:19', '/frobnicate'],
    ];
    for (const [place = '', pointer = ''] of mistakes) {
      expect(check.stderr).to.include(`${place} ${pointer}: `);
      expect(start.stderr).to.include(`${place} ${pointer}: `);
    }
    expect([check.code, start.code, json.code]).to.deep.equal([78, 78, 78]);
    const parsed = JSON.parse(json.stdout) as { valid: boolean; mistakes: { pointer: string; line: number }[] };
    expect(parsed.valid).to.equal(false);
    expect(parsed.mistakes.map(({ pointer }) => pointer)).to.include.members(mistakes.map(([, pointer]) => pointer));
  });

  it('finds what only shows across entries', async () => {
    const across = SMALLEST.replace('path: ./out, partner: kct', 'path: ./out, partner: kcx')
      .replace('{ deidentify: kct }', '{ deidentify: kst }')
      .replace('kct-pacs]', 'kct-pax]');
    await writeFile(file('across.yaml'), across);

    const { code, stderr } = await runHub(['check', '--config', 'across.yaml'], { cwd: dir });

    expect(code).to.equal(78);
    expect(stderr).to.match(/across\.yaml:12 \/destinations\/0\/partner: .*kcx/);
    expect(stderr).to.match(/across\.yaml:17 \/routes\/0\/process\/0\S*: .*kst/);
    expect(stderr).to.match(/across\.yaml:18 \/routes\/0\/deliver\/1: .*kct-pax.*kct-pacs/);
  });

  it('warns of a source that nobody is, and accepts the configuration', async () => {
    await writeFile(file('nobody.yaml'), SMALLEST.replace('source: pv-7t,', 'source: pv-9t,'));

    const { code, stderr } = await runHub(['check', '--config', 'nobody.yaml'], { cwd: dir });

    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^warning: nobody\.yaml:16 \/routes\/0\/when\S*: .*pv-9t/m);
  });

  it('refuses a route that would send a partner what was not de-identified for it', async () => {
    await writeFile(file('leaky.yaml'), SMALLEST.replace('{ deidentify: kct }, ', ''));

    const { code, stderr } = await runHub(['check', '--config', 'leaky.yaml'], { cwd: dir });

    expect(code).to.equal(78);
    expect(stderr).to.match(/leaky\.yaml:1[78] \/routes\/0\S*: .*kct/);
  });

  it('ends with 78 for a file that is not there, and for one that is not YAML', async () => {
    await writeFile(file('torn.yaml'), 'hub: { name: savilahti\nroutes: ]');

    const absent = await runHub(['check', '--config', 'nowhere.yaml'], { cwd: dir });
    const torn = await runHub(['check', '--config', 'torn.yaml'], { cwd: dir });

    expect(absent.code, absent.stderr).to.equal(78);
    expect(absent.stderr).to.include('nowhere.yaml');
    expect(torn.code, torn.stderr).to.equal(78);
    expect(torn.stderr).to.match(/torn\.yaml:\d+/);
  });

  it('explains which routes a folder of files would take, and why', async () => {
    await writeStudy(file('brain'), { studyDescription: 'rat brain T2' });
    await writeStudy(file('liver'), { studyDescription: 'rat liver' });

    const brain = await runHub(['routes', 'explain', 'brain', '--config', 'smallest.yaml', '--json'], { cwd: dir });
    const liver = await runHub(['routes', 'explain', 'liver', '--config', 'smallest.yaml'], { cwd: dir });

    expect(brain.code, brain.stderr).to.equal(0);
    const { studies } = JSON.parse(brain.stdout) as { studies: { matched: string[]; instances: number }[] };
    expect(studies.map(({ matched, instances }) => ({ matched, instances }))).to.deep.equal([
      { matched: ['rat-brain'], instances: 12 },
    ]);
    expect(liver.code, liver.stderr).to.equal(0);
    expect(liver.stdout).to.match(/route rat-brain does not match/);
    expect(liver.stdout).to.match(/yes Modality .*is "MR"/);
    expect(liver.stdout).to.match(/no {2}StudyDescription .*is "rat liver"/);
  });

  it('ends with 1 when there is nothing to explain, to send, or nobody to send to', async () => {
    await writeFile(file('note.txt'), 'not DICOM');

    const nothing = await runHub(['routes', 'explain', 'note.txt', '--config', 'smallest.yaml'], { cwd: dir });
    const nobody = await runHub(['send', 'brain', '--to', 'HUB@127.0.0.1:9'], { cwd: dir });

    expect(nothing.code).to.equal(1);
    expect(nothing.stderr).to.include('no DICOM file');
    expect(nobody.code, nobody.stderr).to.equal(1);
  });
});
