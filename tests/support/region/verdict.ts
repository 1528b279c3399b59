/** What must hold of a region whatever broke: nothing acknowledged is lost, nothing reaches a peer twice that can tell. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { execute } from '../postgres.ts';
import type { Scanner } from './load.ts';
import type { Receivers } from './partner.ts';

export interface Verdict {
  /** Instances that were answered with Success. */
  readonly acknowledged: number;
  /** Each names one that did not arrive everywhere it had to. */
  readonly lost: readonly string[];
  /** Each names one that a peer can tell it had before, or a fact that is stated twice. */
  readonly twice: readonly string[];
  /** What else should not be. */
  readonly wrong: readonly string[];
}

/** Between two looks: what is waited for needs the processor more than who waits. */
const LOOK_MS = 500;
/** A region in which nothing has arrived for so long does not go on by itself: back-offs end after a minute. */
const STALLED_MS = 120_000;
const NAMES_SHOWN = 5;

/**
 * Waits until all that was acknowledged has arrived and the ledger has noted it, or nothing goes on any more: how long
 * that takes is the machine's affair.
 */
export async function settled(
  scanners: readonly Scanner[],
  receivers: Receivers,
  ledger: PostgresServer,
): Promise<{ readonly tookMs: number; readonly isSettled: boolean }> {
  const startedMs = performance.now();
  const sent = [...acknowledgedBy(scanners).keys()];
  let [before, sinceMs] = ['', startedMs];
  for (;;) {
    const archived = await receivers.archivedUids();
    const released = new Set(await receivers.released()).size;
    const left = sent.filter((uid) => !archived.has(uid)).length;
    const hasArrived = left === 0 && released >= sent.length;
    const open = hasArrived ? await openRows(ledger) : NaN;
    if (open === 0) return { tookMs: performance.now() - startedMs, isSettled: true };
    const now = [left, released, open].join();
    if (now !== before) [before, sinceMs] = [now, performance.now()];
    if (performance.now() - sinceMs > STALLED_MS) return { tookMs: performance.now() - startedMs, isSettled: false };
    await delay(LOOK_MS);
  }
}

/** Looks at everything, whether it has settled or not. */
export async function verdictOf(
  scanners: readonly Scanner[],
  receivers: Receivers,
  ledger: PostgresServer,
): Promise<Verdict> {
  const sent = acknowledgedBy(scanners);
  const archived = await receivers.archived();
  const released = await receivers.released();
  // A step that is done again must give an instance the same pseudonym, else the partner would hold it twice.
  const pseudonyms = new Set(released);
  const bodies = new Map<string, Set<string>>();
  for (const { id, body } of receivers.webhook.received) bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
  const hooks = (await rowsOf(ledger, `SELECT delivery_id AS id FROM deliveries WHERE destination = 'kct-hook'`)).map(
    ({ id }) => String(id),
  );
  return {
    acknowledged: sent.size,
    lost: [
      ...[...sent.keys()].filter((uid) => !archived.has(uid)).map((uid) => `not in the archive: ${uid}`),
      ...Array.from({ length: Math.max(0, sent.size - pseudonyms.size) }, () => 'not with the partner'),
      ...hooks.filter((id) => !bodies.has(id)).map((id) => `webhook not received: ${id}`),
      ...texts(
        'not delivered',
        await rowsOf(ledger, `SELECT destination, state, reason FROM deliveries WHERE state <> 'succeeded'`),
      ),
    ],
    twice: [
      ...Array.from({ length: released.length - pseudonyms.size }, () => 'two files of one released instance'),
      ...Array.from({ length: Math.max(0, pseudonyms.size - sent.size) }, () => 'an instance under two names'),
      ...[...bodies].filter(([, each]) => each.size > 1).map(([id]) => `a repeat with another body: ${id}`),
      ...[...bodies.keys()].filter((id) => !hooks.includes(id)).map((id) => `a webhook of no delivery: ${id}`),
      ...texts('a fact stated twice', await rowsOf(ledger, FACTS_TWICE)),
    ],
    wrong: [
      ...[...archived]
        .filter(([uid, digest]) => sent.get(uid) !== digest)
        .map(([uid]) => `archived with other bytes than were sent: ${uid}`),
      ...released.filter((uid) => sent.has(uid)).map((uid) => `released under its own UID: ${uid}`),
      ...(await receivers.leftovers()).map((name) => `part left behind: ${name}`),
      ...receivers.webhook.refused.map((each) => `webhook that could not be verified: ${JSON.stringify(each)}`),
      ...texts('facts of a study out of order', await rowsOf(ledger, OUT_OF_ORDER)),
      ...texts('in quarantine', await rowsOf(ledger, 'SELECT stage, reason, detail FROM quarantine')),
    ],
  };
}

/** @throws {AssertionError} naming some of each kind */
export function expectSound({ lost, twice, wrong }: Verdict): void {
  const some = (all: readonly string[]) => [...new Set(all)].slice(0, NAMES_SHOWN);
  expect({ lost: some(lost), twice: some(twice), wrong: some(wrong) }).to.deep.equal({
    lost: [],
    twice: [],
    wrong: [],
  });
}

async function openRows(ledger: PostgresServer): Promise<number> {
  const [row] = await rowsOf(
    ledger,
    `SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending')
          + (SELECT count(*) FROM runs WHERE state IN ('waiting', 'running'))
          + (SELECT count(*) FROM studies WHERE due_at IS NOT NULL) AS open`,
  );
  return Number(row?.['open'] ?? NaN);
}

/** A server that has just come back may still refuse. */
async function rowsOf(ledger: PostgresServer, sql: string): Promise<readonly Record<string, unknown>[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await execute(ledger, sql);
    } catch (error) {
      if (attempt === 10) throw error;
      await delay(LOOK_MS);
    }
  }
}

function texts(what: string, rows: readonly Record<string, unknown>[]): readonly string[] {
  return rows.map((row) => `${what}: ${JSON.stringify(row)}`);
}

function acknowledgedBy(scanners: readonly Scanner[]): ReadonlyMap<string, string> {
  return new Map(scanners.flatMap(({ studies }) => studies.flatMap(({ acknowledged }) => [...acknowledged])));
}

/** Facts that may be stated once: an instance stored, a revision completed, a route taken, a delivery done. */
const FACTS_TWICE = `
  SELECT type, identity, count(*) AS times FROM (
    SELECT type, CASE type
      WHEN 'instance.stored' THEN data::json ->> 'sopInstanceUid'
      WHEN 'study.completed' THEN key || ' ' || (data::json ->> 'revision')
      WHEN 'study.routed' THEN key || ' ' || (data::json ->> 'revision') || ' ' || (data::json ->> 'route')
      WHEN 'study.processed' THEN data::json ->> 'runId'
      WHEN 'delivery.succeeded' THEN data::json ->> 'deliveryId'
    END AS identity
    FROM events WHERE stream LIKE 'hub.%'
  ) AS facts WHERE identity IS NOT NULL GROUP BY type, identity HAVING count(*) > 1`;

/** A revision is completed after its instances, routed after it is complete, processed after it is routed. */
const OUT_OF_ORDER = `
  SELECT later.type, later.position FROM events AS later
  WHERE later.stream LIKE 'hub.%' AND later.type IN ('study.routed', 'study.processed') AND NOT EXISTS (
    SELECT 1 FROM events AS earlier
    WHERE earlier.key = later.key AND earlier.position < later.position AND earlier.type =
      CASE later.type WHEN 'study.routed' THEN 'study.completed' ELSE 'study.routed' END)`;
