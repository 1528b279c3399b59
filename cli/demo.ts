/**
 * `hub demo [PATH] [--exit]`: a hub of its own on free ports of this machine, a study pushed through real C-STORE, each
 * step told as it happens, and at the end what the partner received.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { type Hub, STAGES, startHub } from '../app.ts';
import { processEnvironment } from '../config/environment.ts';
import { loadConfig } from '../config/loader.ts';
import { mistakeLine } from '../config/mistakes.ts';
import { type OutgoingInstance, sendInstances } from '../connectors/c-store/send.ts';
import { HubError } from '../core/errors.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../core/dicom/transfer-syntaxes.ts';
import { bytesAsSource } from '../core/bytes-as-source.ts';
import { MR_IMAGE_STORAGE, phantomStudy } from '../demo/phantom/study.ts';
import { count, STORED, STORY_STREAMS, tell } from '../demo/story.ts';
import { createToken } from '../platform/auth/token.ts';
import { createLogger } from '../platform/logger.ts';
import { configShapes } from '../shapes.ts';
import { readArguments, terminal } from './configuration.ts';
import { openLocalFiles } from './local-files.ts';
import { progressBar } from './progress.ts';
import { untilSignal } from './signals.ts';

const PARTNER = 'partner';
const SCANNER = 'SCANNER';
/** A step that takes longer than this without any news is reported as stuck. */
const PATIENCE_MS = 10 * 60_000;
const SEND_TIMEOUTS = { connectMs: 5_000, associationMs: 10_000, responseMs: 60_000 };

export async function demo(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, { exit: { type: 'boolean' }, data: { type: 'string' } });
  const [path, second] = positionals;
  if (second !== undefined)
    throw new HubError('command.usage', { detail: 'one file or folder, or none for a simulated study' });
  const folder = values.data === undefined ? await mkdtemp(join(tmpdir(), 'hub-demo-')) : resolve(values.data);
  await mkdir(folder, { recursive: true });
  const outgoing = path === undefined ? simulated() : await fromDisk(path);
  const hub = await startDemoHub(folder);
  try {
    say('hub', `C-STORE on 127.0.0.1:${String(hub.dimsePort)}, HTTP on 127.0.0.1:${String(hub.httpPort)}`);
    const token = await partnerToken(hub);
    const story = follow(hub);
    const { accepted, refused } = await push(hub, outgoing);
    const settled = await untilSettled(hub, accepted);
    await story.stop();
    await showPartner(hub, folder, token);
    const isWhole =
      refused === 0 && settled.held === 0 && settled.dead === 0 && settled.unrouted === 0 && settled.delivered > 0;
    if (!isWhole)
      say(
        'not all',
        `${count(refused, 'instance')} refused, ${count(settled.held, 'study', 'studies')} held, ${count(settled.unrouted, 'study', 'studies')} unrouted, ${count(settled.dead, 'dead letter')}`,
      );
    if (values.exit === true) return isWhole ? 0 : 1;
    terminal.out(
      `\nThe hub stays up. Look around:\n  curl -H "Authorization: Bearer ${token}" http://127.0.0.1:${String(hub.httpPort)}/partner/v1/events\n  curl http://127.0.0.1:${String(hub.httpPort)}/metrics\n  npx hub studies list --data ${join(folder, 'data')}\nStop it with Ctrl-C.`,
    );
    await untilSignal();
    return 0;
  } finally {
    await hub.stop();
  }
}

function simulated(): readonly OutgoingInstance[] {
  const study = phantomStudy();
  say(
    'scanner',
    `a simulated mouse head, ${count(study.length, 'slice')} of MR, with invented names all over its header`,
  );
  return study.map((instance) => ({
    sopClassUid: MR_IMAGE_STORAGE,
    sopInstanceUid: instance.sopInstanceUid,
    transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
    open: () => Promise.resolve(bytesAsSource(instance.bytes)),
  }));
}

async function fromDisk(path: string): Promise<readonly OutgoingInstance[]> {
  const { items, store, otherFiles } = await openLocalFiles(path);
  say(
    'scanner',
    `${count(items.length, 'instance')} below ${path}${otherFiles.length === 0 ? '' : `; ${count(otherFiles.length, 'file')} left out, such as ${otherFiles[0]?.path ?? ''}: ${otherFiles[0]?.reason ?? ''}`}`,
  );
  if (items.length === 0) throw new HubError('resource.not-found', { detail: `no DICOM file below ${path}` });
  return items.map((item) => ({ ...item, open: () => store.open(item.blob) }));
}

async function startDemoHub(folder: string): Promise<Hub> {
  const text = demoConfig(folder);
  const file = join(folder, 'hub.yaml');
  await writeFile(file, text);
  const loaded = loadConfig({ file, text, env: {}, shapes: configShapes() });
  if (loaded.mistakes !== undefined)
    throw new HubError('config.invalid', { detail: loaded.mistakes.map(mistakeLine).join('\n') });
  const log = createLogger({
    level: 'info',
    format: 'json',
    stream: createWriteStream(join(folder, 'hub.log'), { flags: 'a' }),
  });
  return startHub({
    config: loaded.config,
    env: processEnvironment(),
    log,
    stages: new Set(STAGES),
    onFailure: (error) => {
      terminal.err(`the hub failed: ${error.message}`);
      process.exit(1);
    },
  });
}

/** Strings are quoted as JSON, which YAML reads: a folder may have any name. */
function demoConfig(folder: string): string {
  return `# What the demo runs on. Every key: config/default.yaml
hub: { name: demo, data: ${JSON.stringify(join(folder, 'data'))} }
gateway:
  dimse:
    host: 127.0.0.1
    port: 0
    aeTitle: HUB
    sources: [{ name: scanner, aeTitle: ${SCANNER}, hosts: [127.0.0.1] }]
  http: { port: 0 }
  completion: { quiet: 2s }
policies: [{ name: ${PARTNER}, profile: basic }]
partners: [{ name: ${PARTNER} }]
destinations:
  - { name: partner-folder, type: folder, path: ${JSON.stringify(join(folder, 'partner'))}, partner: ${PARTNER} }
routes:
  - name: everything
    when: {}
    process: [{ deidentify: ${PARTNER} }, qc, { segment: rodent-brain }]
    deliver: [partner-folder]
`;
}

async function partnerToken(hub: Hub): Promise<string> {
  const { tokenId, token, secretSha256 } = createToken();
  await hub.ledger.tokens.create({
    tokenId,
    secretSha256,
    role: 'partner',
    partner: PARTNER,
    createdAt: new Date().toISOString(),
  });
  return token;
}

/** Pushes as a scanner would. @returns how many different instances got a Success, and how many none */
async function push(
  hub: Hub,
  instances: readonly OutgoingInstance[],
): Promise<{ readonly accepted: number; readonly refused: number }> {
  const peer = {
    host: '127.0.0.1',
    port: hub.dimsePort ?? 0,
    calledAeTitle: 'HUB',
    callingAeTitle: SCANNER,
    timeouts: SEND_TIMEOUTS,
  };
  const bar = progressBar('C-STORE', instances.length);
  const startedMs = performance.now();
  let done = 0;
  const accepted = new Set<string>();
  const refusals: string[] = [];
  await sendInstances(peer, instances, new AbortController().signal, ({ instance, outcome, status, detail }) => {
    done += 1;
    bar.update(done);
    if (outcome === 'stored') accepted.add(instance.sopInstanceUid);
    else refusals.push(`status 0x${status.toString(16).padStart(4, '0')}${detail === undefined ? '' : `, ${detail}`}`);
  });
  bar.stop();
  say(
    'received',
    `${count(done - refusals.length, 'instance')} acknowledged in ${((performance.now() - startedMs) / 1000).toFixed(1)} s; each was on the disk before its Success`,
  );
  if (refusals.length > 0) say('refused', `${count(refusals.length, 'instance')}, such as ${refusals[0] ?? ''}`);
  return { accepted: accepted.size, refused: refusals.length };
}

/** Tells the story from the ledger's log while the study travels. */
function follow(hub: Hub): { stop(): Promise<void> } {
  let after = 0;
  let reading: Promise<void> = Promise.resolve();
  const read = async (): Promise<void> => {
    for (;;) {
      const events = await hub.ledger.events.read({ streams: STORY_STREAMS, after, limit: 200 });
      for (const event of events) {
        after = event.position;
        const line = event.type === STORED ? undefined : tell(event);
        if (line !== undefined) say(line.step, line.sentence);
      }
      if (events.length === 0) return;
    }
  };
  const forget = hub.ledger.onCommit(() => {
    reading = reading.then(read);
  });
  return {
    stop: async () => {
      forget();
      await reading.then(read);
    },
  };
}

interface Settled {
  readonly delivered: number;
  readonly held: number;
  readonly dead: number;
  readonly unrouted: number;
}

/** Waits until nothing of what was received is still on its way. */
async function untilSettled(hub: Hub, accepted: number): Promise<Settled> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const result = await look(hub, accepted);
    if (result !== undefined) return result;
    if (Date.now() > deadline)
      throw new HubError('processor.timeout', {
        detail: 'the study is still on its way after ten minutes; see hub.log',
      });
    await new Promise<void>((resume) => {
      const timer = setTimeout(done, 1_000);
      const forget = hub.ledger.onCommit(done);
      function done(): void {
        clearTimeout(timer);
        forget();
        resume();
      }
    });
  }
}

/** Undefined while something is still on its way: in the spool, in a quiet period, in a step, in a delivery. */
async function look({ ledger }: Hub, accepted: number): Promise<Settled | undefined> {
  const studies = await ledger.studies.list({ limit: 1_000 });
  if (studies.reduce((sum, { instances }) => sum + instances, 0) < accepted) return undefined;
  const result = { delivered: 0, held: 0, dead: 0, unrouted: 0 };
  for (const study of studies) {
    if (study.held) {
      result.held += 1;
      continue;
    }
    if (study.state === 'unrouted') {
      result.unrouted += 1;
      continue;
    }
    const runs = await ledger.runs.ofStudy(study.studyInstanceUid);
    if (study.state !== 'routed' || runs.some(({ state }) => state === 'waiting' || state === 'running'))
      return undefined;
    const deliveries = await ledger.deliveries.list({ limit: 1_000, study: study.studyInstanceUid });
    const expected = runs
      .filter(({ state }) => state === 'processed')
      .reduce((sum, run) => sum + run.destinations.length, 0);
    if (deliveries.length < expected || deliveries.some(({ state }) => state === 'pending')) return undefined;
    result.held += runs.some(({ state }) => state === 'quarantined') ? 1 : 0;
    result.delivered += deliveries.filter(({ state }) => state === 'succeeded').length;
    result.dead += deliveries.filter(({ state }) => state === 'dead').length;
  }
  return result;
}

/** What the other side sees: its feed, its files. */
async function showPartner(hub: Hub, folder: string, token: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${String(hub.httpPort)}/partner/v1/events?limit=100`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { events } = (await response.json()) as { events: { type: string; subject: string }[] };
  terminal.out('\nThe partner sees');
  for (const { type, subject } of events) terminal.out(`  event    ${type}  study ${subject}`);
  const root = join(folder, 'partner');
  const files = (await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const pictures = files.filter((file) => file.endsWith('.png')).toSorted();
  terminal.out(
    `  files    ${count(files.filter((file) => file.endsWith('.dcm')).length, 'DICOM instance')} and ${count(files.length, 'file')} in all in ${root}`,
  );
  for (const picture of pictures.slice(0, 12)) terminal.out(`  picture  ${join(root, relative(root, picture))}`);
  if (pictures.length > 12) terminal.out(`  …        ${String(pictures.length - 12)} more pictures`);
}

function say(step: string, sentence: string): void {
  terminal.out(`${new Date().toISOString().slice(11, 19)}  ${step.padEnd(14)}${sentence}`);
}
