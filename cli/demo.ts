/**
 * `hub demo [PATH] [--exit]`: a hub of its own on free ports of this machine, a study pushed through real C-STORE, each
 * step told as it happens, and at the end what the partner received.
 */
import { mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { styleText } from 'node:util';
import * as z from 'zod';
import type { Hub } from '../app.ts';
import type { OutgoingInstance } from '../connectors/c-store/outgoing.ts';
import { sendInstances } from '../connectors/c-store/send.ts';
import { bytesAsSource } from '../core/bytes-as-source.ts';
import { count } from '../core/count.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../core/errors.ts';
import { type Acknowledged, journeyEnd, type JourneyEnd, troubleLines } from '../demo/journey.ts';
import { MR_IMAGE_STORAGE, phantomStudy } from '../demo/phantom/study.ts';
import { STORY_STREAMS, tell } from '../demo/story.ts';
import { readArguments } from './arguments.ts';
import { partnerToken, PLACES, SCANNER, startDemoHub } from './demo-hub.ts';
import { EXIT } from './exit-codes.ts';
import { leftOutLines, openLocalFiles } from './local-files.ts';
import { progressBar } from './progress.ts';
import { interruptible, untilSignal } from './signals.ts';
import { terminal } from './terminal.ts';

const OPTIONS = {
  exit: { type: 'boolean', about: 'end when everything has arrived: 0, or 1 when something has not' },
  data: { type: 'string', value: 'DIR', about: 'keep everything there, not in a new temporary folder' },
} as const;
const SEND_TIMEOUTS = { connectMs: 5_000, associationMs: 10_000, responseMs: 60_000 };
const MOST_NAMED = 12;

type Instance = OutgoingInstance & Acknowledged;

interface Scanned {
  readonly instances: readonly Instance[];
  /** Files that should have gone along, but cannot be read. */
  readonly damaged: number;
}

/** What became of a demo, for the last page. */
interface Outcome {
  /** Answers other than a Success, each with how often it was given. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly end: JourneyEnd;
}

export async function demo(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [path, second] = positionals;
  if (second !== undefined)
    throw new HubError('command.usage', { detail: 'one file or folder, or none for a simulated study' });
  const { instances, damaged } = path === undefined ? simulated() : await fromDisk(path);
  const folder = values.data === undefined ? await mkdtemp(join(tmpdir(), 'hub-demo-')) : resolve(values.data);
  await mkdir(folder, { recursive: true });
  const hub = await startDemoHub(folder);
  try {
    say('hub', `C-STORE on 127.0.0.1:${String(hub.dimsePort)}, HTTP on 127.0.0.1:${String(hub.httpPort)}`);
    const token = await partnerToken(hub);
    const outcome = await interruptible((signal) => travel(hub, instances, signal));
    await showPartner(hub, folder, token);
    const isWhole = showTrouble({ ...outcome, damaged }, folder);
    showFolder(folder);
    if (values.exit === true) return isWhole ? EXIT.done : EXIT.failed;
    invite(hub, token);
    await untilSignal();
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'command.interrupted') {
      showFolder(folder);
      throw error;
    }
    say('stopped', 'before everything had arrived; what was acknowledged is kept', 'trouble');
    showFolder(folder);
    return EXIT.failed;
  } finally {
    await hub.stop();
  }
}

function simulated(): Scanned {
  const study = phantomStudy();
  say(
    'scanner',
    `a simulated mouse head, ${count(study.length, 'slice')} of MR, with invented names all over its header`,
  );
  const instances = study.map(({ bytes, studyInstanceUid, sopInstanceUid }) => ({
    studyInstanceUid,
    sopInstanceUid,
    sopClassUid: MR_IMAGE_STORAGE,
    transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
    open: () => Promise.resolve(bytesAsSource(bytes)),
  }));
  return { instances, damaged: 0 };
}

/** @throws {HubError} `file.failed` when there is nothing to show */
async function fromDisk(path: string): Promise<Scanned> {
  const files = await openLocalFiles(path);
  const { instances, store, damaged } = files;
  for (const line of leftOutLines(files)) terminal.err(`  ${line}`);
  if (instances.length === 0) throw new HubError('file.failed', { detail: `there is no DICOM file in ${path}` });
  const studies = new Set(instances.map(({ studyInstanceUid }) => studyInstanceUid)).size;
  say('scanner', `${count(instances.length, 'instance')} of ${count(studies, 'study', 'studies')} from ${path}`);
  return {
    instances: instances.map((instance) => ({ ...instance, open: () => store.open(instance.blob) })),
    damaged: damaged.length,
  };
}

/** From the scanner to wherever it ends. */
async function travel(hub: Hub, instances: readonly Instance[], signal: AbortSignal): Promise<Outcome> {
  const since = new Date();
  const story = follow(
    hub,
    instances.map(({ studyInstanceUid }) => studyInstanceUid),
  );
  try {
    const { acknowledged, refusals } = await push(hub, instances, signal);
    return { refusals, end: await journeyEnd(hub.ledger, acknowledged, since, signal) };
  } finally {
    await story.stop();
  }
}

/** Pushes as a scanner would. */
async function push(
  hub: Hub,
  instances: readonly Instance[],
  signal: AbortSignal,
): Promise<{ readonly acknowledged: readonly Acknowledged[]; readonly refusals: ReadonlyMap<string, number> }> {
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
  const acknowledged: Acknowledged[] = [];
  const refusals = new Map<string, number>();
  try {
    await sendInstances(peer, instances, signal, ({ instance, outcome, status, detail }) => {
      bar.update((done += 1));
      if (outcome === 'stored') acknowledged.push(instance);
      else {
        const answer = `0x${status.toString(16).toUpperCase().padStart(4, '0')} ${detail ?? outcome}`;
        refusals.set(answer, (refusals.get(answer) ?? 0) + 1);
      }
    });
  } finally {
    bar.stop();
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const receipt = `${count(acknowledged.length, 'instance')} acknowledged in ${seconds} s`;
  say('received', acknowledged.length === 0 ? receipt : `${receipt}; each was on the disk before its Success`);
  for (const [answer, times] of refusals) say('refused', `${count(times, 'instance')}: ${answer}`, 'trouble');
  return { acknowledged, refusals };
}

/** Tells the story from the ledger's log while the studies travel; of several, each line says which. */
function follow(hub: Hub, studyInstanceUids: readonly string[]): { stop(): Promise<void> } {
  const studies = [...new Set(studyInstanceUids)];
  const whose = (key: string) => {
    const index = studies.indexOf(key);
    return studies.length === 1 || index === -1 ? '' : `study ${String(index + 1)}: `;
  };
  let after: number | undefined;
  let reading: Promise<void> = hub.ledger.events.head().then((head) => {
    after = head;
  });
  const read = async (): Promise<void> => {
    for (;;) {
      const events = await hub.ledger.events.read({ streams: STORY_STREAMS, after: after ?? 0, limit: 200 });
      for (const event of events) {
        after = event.position;
        const line = tell(event);
        if (line !== undefined) say(line.step, whose(event.key) + line.sentence, line.isTrouble ? 'trouble' : 'well');
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

const feed = z.object({ events: z.array(z.object({ type: z.string(), subject: z.string() })) });

/** What the other side sees: its feed, its files. */
async function showPartner(hub: Hub, folder: string, token: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${String(hub.httpPort)}/partner/v1/events?limit=100`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { events } = feed.parse(await response.json());
  const root = join(folder, PLACES.partner);
  const files = (await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const pictures = files.filter((file) => file.endsWith('.png')).toSorted();
  const dicom = files.filter((file) => file.endsWith('.dcm')).length;

  heading('The partner sees');
  for (const [subject, ofStudy] of Map.groupBy(events, (event) => event.subject)) {
    terminal.out(`  study    ${subject}`);
    terminal.out(`  events   ${ofStudy.map(({ type }) => type.replace(/^hub\.|\.v\d+$/g, '')).join(' · ')}`);
  }
  terminal.out(
    files.length === 0
      ? '  nothing yet'
      : `  files    ${count(dicom, 'DICOM instance')}, ${count(files.length, 'file')} in all, in ${root}`,
  );
  for (const picture of pictures.slice(0, MOST_NAMED)) terminal.out(`  picture  ${picture}`);
  if (pictures.length > MOST_NAMED) terminal.out(`  …        ${count(pictures.length - MOST_NAMED, 'more picture')}`);
}

/** @returns whether there is none: everything that was sent has arrived */
function showTrouble({ refusals, end, damaged }: Outcome & Pick<Scanned, 'damaged'>, folder: string): boolean {
  const lines = troubleLines(end);
  if (damaged === 0 && refusals.size === 0 && lines.length === 0 && end.delivered > 0) return true;
  heading('Not everything arrived');
  if (damaged > 0) terminal.out(`  not sent     ${count(damaged, 'file')} that cannot be read`);
  for (const [answer, times] of refusals) terminal.out(`  refused      ${count(times, 'instance')}: ${answer}`);
  for (const [line, ask] of lines.slice(0, MOST_NAMED)) {
    terminal.out(`  ${line}`);
    terminal.out(`               npx ${ask} --data ${join(folder, PLACES.data)}`);
  }
  if (lines.length > MOST_NAMED)
    terminal.out(`  …            ${String(lines.length - MOST_NAMED)} more: npx hub quarantine list`);
  return false;
}

function showFolder(folder: string): void {
  heading('Everything of this demo is kept');
  terminal.out(`  log      ${join(folder, PLACES.log)}`);
  terminal.out(`  config   ${join(folder, PLACES.config)}`);
  terminal.out(`  ledger   npx hub studies list --data ${join(folder, PLACES.data)}`);
}

function invite(hub: Hub, token: string): void {
  const url = `http://127.0.0.1:${String(hub.httpPort)}`;
  heading('The hub stays up until Ctrl-C');
  terminal.out(`  feed     curl -H "Authorization: Bearer ${token}" ${url}/partner/v1/events`);
  terminal.out(`  metrics  curl ${url}/metrics`);
}

function heading(text: string): void {
  terminal.out(`\n${styleText('bold', text, { stream: process.stdout })}`);
}

function say(step: string, sentence: string, how: 'well' | 'trouble' = 'well'): void {
  const time = styleText('dim', new Date().toISOString().slice(11, 19), { stream: process.stdout });
  const name = styleText(how === 'well' ? 'cyan' : 'red', step.padEnd(14), { stream: process.stdout });
  terminal.out(`${time}  ${name}${sentence}`);
}
