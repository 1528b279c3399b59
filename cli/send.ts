/** `hub send PATH... --to AET@HOST:PORT [--from AET]`: sends DICOM files with C-STORE and counts what became of them. */
import type { Peer } from '../peers/dimse/connection.ts';
import type { OutgoingInstance } from '../connectors/c-store/outgoing.ts';
import { sendInstances, type SendResult } from '../connectors/c-store/send.ts';
import { ERRORS, HubError } from '../core/errors.ts';
import { type AeTitle, parseAeTitle } from '../core/identifiers.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { commandFailure, remedyOf, sentenceOf } from './failure.ts';
import { leftOutLines, type LocalFiles, openLocalFiles } from './local-files.ts';
import { progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const TIMEOUTS = { connectMs: 10_000, associationMs: 30_000, responseMs: 120_000 };
const DEFAULT_AE_TITLE = 'HUB';
const OPTIONS = {
  to: { type: 'string', value: 'AET@HOST:PORT', about: 'the peer (needed)' },
  from: { type: 'string', value: 'AET', about: `our own AE title (${DEFAULT_AE_TITLE})` },
  json: JSON_OPTION,
} as const;

/** 0 when every DICOM file was stored, 1 when one was not or there was none. */
export async function send(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (positionals.length === 0) throw new HubError('command.usage', { detail: 'send which files or folders?' });
  const peer = parsePeer(values.to, values.from);

  const folders: LocalFiles[] = [];
  for (const path of positionals) folders.push(await openLocalFiles(path));
  const instances = folders.flatMap(({ instances, store }) =>
    instances.map((instance) => ({ ...instance, open: () => store.open(instance.blob) })),
  );
  const leftOut = {
    damaged: folders.flatMap(({ damaged }) => damaged),
    remarks: folders.flatMap(({ remarks }) => remarks),
    otherFiles: folders.flatMap(({ otherFiles, niftiFiles }) => [...otherFiles, ...niftiFiles]),
  };
  for (const line of leftOutLines(leftOut)) to.err(line);
  const summary = new Summary(instances.length, leftOut.damaged.length, leftOut.otherFiles.length);
  const failure = instances.length === 0 ? undefined : await sendAll(peer, instances, summary);

  if (values.json === true) to.out(json(summary.report(failure)));
  else for (const line of summary.lines(failure)) to.out(line);
  return failure === undefined && summary.isWhole ? EXIT.done : EXIT.failed;
}

async function sendAll(
  peer: Peer,
  instances: readonly OutgoingInstance[],
  summary: Summary,
): Promise<HubError | undefined> {
  const bar = progressBar('sending', instances.length);
  try {
    await interruptible((signal) =>
      sendInstances(peer, instances, signal, (result) => {
        summary.add(result);
        bar.update(summary.done, `${String(summary.done - summary.stored)} refused`);
      }),
    );
    return undefined;
  } catch (error) {
    return commandFailure(error);
  } finally {
    bar.stop();
  }
}

/** Counts by what the peer answered. */
class Summary {
  done = 0;
  stored = 0;
  readonly #byAnswer = new Map<string, number>();
  readonly #total: number;
  readonly #damaged: number;
  readonly #skipped: number;

  constructor(total: number, damaged: number, skipped: number) {
    this.#total = total;
    this.#damaged = damaged;
    this.#skipped = skipped;
  }

  /** Everything that was there to be sent is stored. */
  get isWhole(): boolean {
    return this.#total > 0 && this.stored === this.#total && this.#damaged === 0;
  }

  add({ outcome, status, detail }: SendResult<OutgoingInstance>): void {
    this.done += 1;
    // The peer has a duplicate already, which is what was wanted.
    if (outcome === 'stored' || outcome === 'duplicate') this.stored += 1;
    const answer = `0x${status.toString(16).toUpperCase().padStart(4, '0')} ${detail ?? WORDS[outcome]}`;
    this.#byAnswer.set(answer, (this.#byAnswer.get(answer) ?? 0) + 1);
  }

  report(failure: HubError | undefined): Readonly<Record<string, unknown>> {
    return {
      instances: this.#total,
      stored: this.stored,
      notSent: this.#total - this.done,
      damagedFiles: this.#damaged,
      skippedFiles: this.#skipped,
      answers: Object.fromEntries(this.#byAnswer),
      ...(failure === undefined ? {} : { error: failure.code, detail: sentenceOf(failure) }),
    };
  }

  lines(failure: HubError | undefined): readonly string[] {
    const row = (number: number, what: string) => (number === 0 ? [] : [`${String(number).padStart(6)}  ${what}`]);
    return [
      ...[...this.#byAnswer].flatMap(([answer, number]) => row(number, answer)),
      ...row(this.#total - this.done, 'not sent'),
      ...row(this.#damaged, 'files could not be taken'),
      ...row(this.#skipped, 'files skipped: not DICOM'),
      ...(failure === undefined ? [] : [`stopped: ${sentenceOf(failure)}`, remedyOf(failure) ?? '']).filter(
        (line) => line !== '',
      ),
      this.#total === 0 ? 'no DICOM file to send' : `${this.stored} of ${this.#total} instances stored`,
    ];
  }
}

const WORDS = {
  stored: 'stored',
  duplicate: 'was there already',
  busy: 'refused: out of resources',
  refused: 'refused',
  aborted: 'refused: the peer hung up',
} as const;

/** @throws {HubError} `command.usage` */
function parsePeer(to: string | undefined, from: string | undefined): Peer {
  const [, called, host, port] = /^([^@]{1,16})@(.+):(\d{1,5})$/.exec(to ?? '') ?? [];
  if (called === undefined || host === undefined || port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    const given = to === undefined ? 'to whom?' : `${to} is no peer:`;
    throw new HubError('command.usage', { detail: `${given} --to AET@HOST:PORT` });
  }
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    calledAeTitle: aeTitle(called),
    callingAeTitle: aeTitle(from ?? DEFAULT_AE_TITLE),
    timeouts: TIMEOUTS,
  };
}

function aeTitle(text: string): AeTitle {
  try {
    return parseAeTitle(text);
  } catch (error) {
    const { remedy } = ERRORS['ae-title.invalid'];
    throw new HubError('command.usage', { detail: `${text} is no AE title: ${remedy}` }, error);
  }
}
