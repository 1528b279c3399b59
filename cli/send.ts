/** `hub send PATH... --to AET@HOST:PORT [--from AET]`: sends DICOM files with C-STORE and counts what became of them. */
import cliProgress from 'cli-progress';
import { openLocalFiles, type LocalFiles } from './local-files.ts';
import type { Peer } from '../connectors/c-store/association.ts';
import { type OutgoingInstance, sendInstances, type SendResult } from '../connectors/c-store/send.ts';
import { HubError, toHubError } from '../core/errors.ts';
import { parseAeTitle } from '../core/identifiers.ts';
import { readArguments, type Terminal, terminal } from './configuration.ts';

const TIMEOUTS = { connectMs: 10_000, associationMs: 30_000, responseMs: 120_000 };
const DEFAULT_AE_TITLE = 'HUB';

/** 0 when every DICOM file was stored, 1 when one was not or there was none. */
export async function send(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    to: { type: 'string' },
    from: { type: 'string' },
    json: { type: 'boolean' },
  });
  if (positionals.length === 0) throw new HubError('command.usage', { detail: 'send which files or folders?' });
  const peer = parsePeer(values.to, values.from);

  const folders: LocalFiles[] = [];
  for (const path of positionals) folders.push(await openLocalFiles(path));
  const instances = folders.flatMap(({ items, store }) =>
    items.map((item) => ({ ...item, open: () => store.open(item.blob) })),
  );
  const skipped = folders.reduce((sum, { otherFiles, niftiFiles }) => sum + otherFiles.length + niftiFiles.length, 0);
  const summary = new Summary(instances.length, skipped);
  const failure = instances.length === 0 ? undefined : await sendAll(peer, instances, summary, values.json !== true);

  if (values.json === true) to.out(JSON.stringify(summary.report(failure), undefined, 2));
  else for (const line of summary.lines(failure)) to.out(line);
  return failure === undefined && instances.length > 0 && summary.stored === instances.length ? 0 : 1;
}

async function sendAll(
  peer: Peer,
  instances: readonly OutgoingInstance[],
  summary: Summary,
  isProgressWanted: boolean,
): Promise<HubError | undefined> {
  const stop = new AbortController();
  const onSignal = () => stop.abort(new HubError('gateway.stopping', { detail: 'interrupted' }));
  process.once('SIGINT', onSignal);
  const bar = new cliProgress.SingleBar({
    format: '{bar} {value}/{total} instances  {stored} stored  {refused} refused  {duration_formatted}',
    stream: process.stderr,
    // Without a terminal no bar: a log full of bars helps nobody.
    noTTYOutput: false,
    clearOnComplete: true,
  });
  if (isProgressWanted) bar.start(instances.length, 0, { stored: 0, refused: 0 });
  try {
    await sendInstances(peer, instances, stop.signal, (result) => {
      summary.add(result);
      if (isProgressWanted)
        bar.update(summary.done, { stored: summary.stored, refused: summary.done - summary.stored });
    });
    return undefined;
  } catch (error) {
    return toHubError(error);
  } finally {
    bar.stop();
    process.off('SIGINT', onSignal);
  }
}

/** Counts by what the peer answered. */
class Summary {
  done = 0;
  stored = 0;
  readonly #byAnswer = new Map<string, number>();
  readonly #total: number;
  readonly #skipped: number;

  constructor(total: number, skipped: number) {
    this.#total = total;
    this.#skipped = skipped;
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
      skippedFiles: this.#skipped,
      answers: Object.fromEntries(this.#byAnswer),
      ...(failure === undefined ? {} : { error: failure.code, detail: failure.message }),
    };
  }

  lines(failure: HubError | undefined): readonly string[] {
    const notSent = this.#total - this.done;
    return [
      ...[...this.#byAnswer].map(([answer, count]) => `${String(count).padStart(6)}  ${answer}`),
      ...(notSent === 0 ? [] : [`${String(notSent).padStart(6)}  not sent`]),
      ...(this.#skipped === 0 ? [] : [`${String(this.#skipped).padStart(6)}  files skipped: not DICOM`]),
      ...(failure === undefined ? [] : [`stopped: ${failure.message}`, failure.row.remedy]),
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
    throw new HubError('command.usage', { detail: '--to AET@HOST:PORT' });
  }
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    calledAeTitle: parseAeTitle(called),
    callingAeTitle: parseAeTitle(from ?? DEFAULT_AE_TITLE),
    timeouts: TIMEOUTS,
  };
}
