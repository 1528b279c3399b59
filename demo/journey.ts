/** How far the studies of a demo have come, asked of the ledger. */
import { HubError } from '../core/errors.ts';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { DeliveryRow } from '../core/ledger/deliveries.ts';
import type { QuarantineRow } from '../core/ledger/quarantine.ts';

/** One instance that got a Success. */
export interface Acknowledged {
  readonly studyInstanceUid: string;
  readonly sopInstanceUid: string;
}

/** Where everything stands when nothing is on its way any longer. */
export interface JourneyEnd {
  readonly delivered: number;
  /** What was held since the demo began, at the door or later. */
  readonly held: readonly QuarantineRow[];
  readonly dead: readonly DeliveryRow[];
  /** Studies that no route took. */
  readonly unrouted: readonly string[];
}

/** Without any news for so long, something is stuck; a step of a large study may take its time. */
const PATIENCE_MS = 10 * 60_000;
/** News wakes the waiting; this is for what makes none. */
const LOOK_AGAIN_MS = 1_000;
const MOST_ROWS = 1_000;

/**
 * Waits until nothing of what was acknowledged is still on its way.
 *
 * @param since - when the demo began
 * @throws {HubError} `processor.timeout` when ten minutes bring no news; the signal's reason
 */
export async function journeyEnd(
  ledger: Ledger,
  acknowledged: readonly Acknowledged[],
  since: Date,
  signal: AbortSignal,
): Promise<JourneyEnd> {
  const waiting = [...acknowledged];
  let head = -1;
  let deadline = 0;
  for (;;) {
    signal.throwIfAborted();
    const news = await ledger.events.head();
    if (news !== head) deadline = Date.now() + PATIENCE_MS;
    head = news;
    if (Date.now() > deadline) throw new HubError('processor.timeout', { detail: 'no news for ten minutes' });
    const end = (await areRecorded(ledger, waiting)) ? await look(ledger, acknowledged, since) : undefined;
    if (end !== undefined) return end;
    await untilNews(ledger, signal);
  }
}

/** What is not whole, in a line each, with the command that says more. */
export function troubleLines({ held, dead, unrouted }: JourneyEnd): readonly (readonly [line: string, ask: string])[] {
  return [
    ...held.map(
      ({ reason, detail, quarantineId }) =>
        [`held         ${reason}: ${detail}`, `hub quarantine show ${quarantineId}`] as const,
    ),
    ...dead.map(
      ({ destination, reason, deliveryId }) =>
        [`dead letter  ${destination}: ${reason ?? 'no reason given'}`, `hub dead-letters show ${deliveryId}`] as const,
    ),
    ...unrouted.map((study) => [`unrouted     no route takes study ${study}`, `hub studies show ${study}`] as const),
  ];
}

/** Takes those off the list that the ledger knows: what is acknowledged lies in the spool first. */
async function areRecorded(ledger: Ledger, waiting: Acknowledged[]): Promise<boolean> {
  for (let next = waiting.at(-1); next !== undefined; next = waiting.at(-1)) {
    const known = await ledger.instances.known(
      parseSopInstanceUid(next.sopInstanceUid),
      parseStudyInstanceUid(next.studyInstanceUid),
    );
    if (known.dataSetSha256 === undefined) return false;
    waiting.pop();
  }
  return true;
}

/** Undefined while something is still on its way: in a quiet period, in a step, in a delivery. */
async function look(
  ledger: Ledger,
  acknowledged: readonly Acknowledged[],
  since: Date,
): Promise<JourneyEnd | undefined> {
  const dead: DeliveryRow[] = [];
  const unrouted: string[] = [];
  let delivered = 0;
  for (const uid of new Set(acknowledged.map(({ studyInstanceUid }) => studyInstanceUid))) {
    const study = await ledger.studies.get(parseStudyInstanceUid(uid));
    if (study === undefined) return undefined;
    if (study.held) continue;
    if (study.state === 'unrouted') {
      unrouted.push(uid);
      continue;
    }
    const runs = await ledger.runs.ofStudy(study.studyInstanceUid);
    const isUnderWay = runs.some(({ state }) => state === 'waiting' || state === 'running');
    if (study.state !== 'routed' || isUnderWay) return undefined;
    const deliveries = await ledger.deliveries.list({ limit: MOST_ROWS, study: uid });
    const expected = runs.reduce((sum, run) => sum + (run.state === 'processed' ? run.destinations.length : 0), 0);
    if (deliveries.length < expected || deliveries.some(({ state }) => state === 'pending')) return undefined;
    delivered += deliveries.filter(({ state }) => state === 'succeeded').length;
    dead.push(...deliveries.filter(({ state }) => state === 'dead'));
  }
  const entries = await ledger.quarantine.list({ limit: MOST_ROWS, state: 'held' });
  const held = entries.filter(({ createdAt }) => new Date(createdAt) >= since).toReversed();
  return { delivered, held, dead, unrouted };
}

async function untilNews(ledger: Ledger, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resume) => {
    const timer = setTimeout(done, LOOK_AGAIN_MS);
    const forget = ledger.onCommit(done);
    signal.addEventListener('abort', done);
    function done(): void {
      clearTimeout(timer);
      forget();
      signal.removeEventListener('abort', done);
      resume();
    }
  });
}
