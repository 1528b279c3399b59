/**
 * Files a second that are de-identified, per core: the hub with its proof on, gdcmanon, dicognito and Orthanc, on the
 * same study, interleaved. Processor time is what counts: it means the same on a busy machine. Each contestant's own
 * start is measured on one file and taken off, so that the figure is that of a long run.
 *
 *   npm run bench -- deidentify [--files 1000] [--rounds 3] [--profile FILE]
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Command, run } from '../tests/support/child-process.ts';
import { startOrthanc } from '../tests/support/peer-servers.ts';
import { dicognito, gdcm, openssl } from '../tests/support/peers.ts';
import { writeSeries } from './mr-series.ts';
import { cpuSeconds } from './process-cost.ts';
import { interleaved, median, reportRatios, spreadText } from './rounds.ts';

const ROOT = resolve(import.meta.dirname, '..');
const TIMEOUT_MS = 600_000;
const TARGET_PER_CORE = 500;
const TARGET_RATIO = 2;

interface Contestant {
  readonly name: string;
  /** De-identifies a folder into another that does not exist yet. @returns seconds of processor time it took */
  deidentify(input: string, output: string): Promise<number>;
}

export async function benchDeidentify(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '3' },
      profile: { type: 'string' },
    },
  });
  const files = Number(values.files);
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const orthanc = await startOrthanc({ dicomWeb: false, config: { OverwriteInstances: true } });
  try {
    const [many, one] = [join(folder, 'many'), join(folder, 'one')];
    const sizeBytes = await writeSeries(many, files);
    await writeSeries(one, 1);
    if (values.profile !== undefined) {
      const profile = resolve(values.profile);
      await hub(folder, [
        '--cpu-prof',
        `--cpu-prof-dir=${dirname(profile)}`,
        `--cpu-prof-name=${basename(profile)}`,
      ]).deidentify(many, join(folder, 'p'));
      return;
    }
    const contestants = [hub(folder), await gdcmanon(folder), await dicognitoPeer(), orthancPeer(orthanc)];
    let output = 0;
    const figures = await interleaved(
      contestants,
      Number(values.rounds),
      async () => {},
      async (contestant) => {
        const place = () => join(folder, `out-${String((output += 1))}`);
        const start = await contestant.deidentify(one, place());
        const all = await contestant.deidentify(many, place());
        await rm(join(folder, `out-${String(output)}`), { recursive: true, force: true });
        return (files - 1) / (all - start);
      },
    );
    report(figures, files, sizeBytes);
  } finally {
    await orthanc.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function report(figures: ReadonlyMap<string, readonly number[]>, files: number, sizeBytes: number): void {
  console.log(
    `${String(files)} MR files of ${(sizeBytes / 1000).toFixed(0)} kB; ${cpus()[0]?.model ?? 'unknown processor'}`,
  );
  console.log('files a second of one core, median [least–most]');
  for (const [name, values] of figures) console.log(`  ${name.padEnd(10)} ${spreadText(values, 0)}`);
  reportRatios('how many times as fast', figures, ['gdcmanon', 'dicognito', 'Orthanc']);
  const own = figures.get('hub') ?? [];
  const ratios = own.map((value, round) => value / (figures.get('gdcmanon')?.[round] ?? Number.NaN));
  const verdict = (isMet: boolean) => (isMet ? 'met   ' : 'MISSED');
  console.log(`\n${verdict(median(own) >= TARGET_PER_CORE)}  ${String(TARGET_PER_CORE)} files a second of one core`);
  console.log(`${verdict(median(ratios) >= TARGET_RATIO)}  ${String(TARGET_RATIO)} × gdcmanon, which proves nothing`);
}

/** The command as users have it: reads, rewrites, proves, reads its output again, compares pixels. */
function hub(folder: string, nodeArgs: readonly string[] = []): Contestant {
  const program = { path: process.execPath, env: {} };
  const main = [...nodeArgs, join(ROOT, 'main.ts'), 'deidentify'];
  return {
    name: 'hub',
    deidentify: async (input, output) =>
      timed(program, [...main, input, output, '--data', join(folder, 'data')], () => countBelow(output, input)),
  };
}

/** With its attributes encrypted as PS3.15 asks, all files in one process, which keeps its UIDs consistent. */
async function gdcmanon(folder: string): Promise<Contestant> {
  const program = (await gdcm()).command('gdcmanon');
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=bench', '-days', '2'];
  await run((await openssl()).command('openssl'), [...request, '-keyout', key, '-out', certificate]);
  return {
    name: 'gdcmanon',
    deidentify: async (input, output) => {
      await mkdir(output);
      const args = [
        '-e',
        '-r',
        '-c',
        certificate,
        '--root-uid',
        '1.2.826.0.1.3680043.9.7777',
        '-i',
        input,
        '-o',
        output,
      ];
      return timed(program, args, () => countBelow(output, input));
    },
  };
}

async function dicognitoPeer(): Promise<Contestant> {
  const program = await dicognito();
  return {
    name: 'dicognito',
    deidentify: async (input, output) => {
      await mkdir(output);
      const args = ['-m', 'dicognito', '--quiet', '--seed', 'bench', '-o', output, input];
      return timed(program, args, () => countBelow(output, input));
    },
  };
}

/** Storing the study is not measured; anonymizing it is reading it from Orthanc's storage and storing another. */
function orthancPeer(peer: Awaited<ReturnType<typeof startOrthanc>>): Contestant {
  const { url } = peer;
  const post = async (path: string, body: Uint8Array<ArrayBuffer> | string) => {
    const response = await fetch(`${url}${path}`, { method: 'POST', body });
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
    return (await response.json()) as Readonly<Record<string, string>>;
  };
  return {
    name: 'Orthanc',
    deidentify: async (input) => {
      let study = '';
      for (const name of await readdir(input)) {
        const stored = await post('/instances', new Uint8Array(await readFile(join(input, name))));
        study = stored['ParentStudy'] ?? '';
      }
      const before = cpuSeconds(peer.pid);
      const made = await post(`/studies/${study}/anonymize`, JSON.stringify({ Synchronous: true }));
      const seconds = cpuSeconds(peer.pid) - before;
      for (const id of [study, made['ID'] ?? '']) await fetch(`${url}/studies/${id}`, { method: 'DELETE' });
      return seconds;
    },
  };
}

/** User and system time of a program and its children, as its shell measures it; wall time says nothing here. */
async function timed(program: Command, args: readonly string[], isDone: () => Promise<boolean>): Promise<number> {
  const script = 'TIMEFORMAT="cpu %3U %3S"; time "$@" >/dev/null';
  const { code, stderr } = await run(
    { path: 'bash', env: program.env },
    ['-c', script, 'bash', program.path, ...args],
    {
      timeoutMs: TIMEOUT_MS,
    },
  );
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  if (code !== 0 || user === undefined || system === undefined || !(await isDone()))
    throw new Error(`${program.path} ended with ${String(code)}: ${stderr.slice(-500)}`);
  return Number(user) + Number(system);
}

/** Who drops files is fast. */
async function countBelow(output: string, input: string): Promise<boolean> {
  const made = (await readdir(output, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return made.length === (await readdir(input)).length;
}
