/** What must hold of a region whatever broke: nothing acknowledged is lost, nothing reaches a peer twice that can tell. */
import { expect } from 'chai';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { execute } from '../postgres.ts';
import { waitFor } from '../wait-for.ts';
import type { Scanner } from './load.ts';
import type { Receivers } from './partner.ts';

/** Waits until all that was acknowledged has arrived. @returns milliseconds it took */
export async function arrived(scanners: readonly Scanner[], receivers: Receivers, deadlineMs: number): Promise<number> {
  const startedMs = performance.now();
  const sent = acknowledgedBy(scanners);
  let missing = '';
  await waitFor(
    'all that was acknowledged to arrive',
    async () => {
      const [archived, released] = [await receivers.archived(), await receivers.released()];
      const left = [...sent.keys()].filter((uid) => !archived.has(uid));
      missing = `${left.length} of ${sent.size} not in the archive, ${sent.size - released.length} not with the partner`;
      return left.length === 0 && new Set(released).size >= sent.size;
    },
    deadlineMs,
  ).catch((error: unknown) => {
    throw new Error(`${missing}: ${String(error)}`, { cause: error });
  });
  return performance.now() - startedMs;
}

/** @throws {AssertionError} */
export async function expectSound(
  scanners: readonly Scanner[],
  receivers: Receivers,
  ledger: PostgresServer,
): Promise<void> {
  const sent = acknowledgedBy(scanners);
  const archived = await receivers.archived();
  const changed = [...archived].filter(([uid, digest]) => sent.get(uid) !== digest).map(([uid]) => uid);
  expect(changed, 'archived with other bytes than were sent').to.deep.equal([]);
  const released = await receivers.released();
  // A step that is done again must give an instance the same pseudonym, else the partner would hold it twice.
  expect(released.length, 'released instances').to.equal(sent.size);
  expect(new Set(released).size, 'one instance under two names').to.equal(released.length);
  expect(
    released.filter((uid) => sent.has(uid)),
    'released under its own UID',
  ).to.deep.equal([]);
  expect(await receivers.leftovers(), 'parts left behind').to.deep.equal([]);

  expect(receivers.webhook.refused, 'webhooks that could not be verified').to.deep.equal([]);
  const bodies = new Map<string, Set<string>>();
  for (const { id, body } of receivers.webhook.received) bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
  const ids = await execute(ledger, `SELECT delivery_id AS id FROM deliveries WHERE destination = 'kct-hook'`);
  expect([...bodies.keys()].toSorted(), 'webhook-ids').to.deep.equal(ids.map((row) => String(row['id'])).toSorted());
  expect(
    [...bodies].filter(([, texts]) => texts.size > 1).map(([id]) => id),
    'a repeat with another body',
  ).to.deep.equal([]);

  expect(await execute(ledger, FACTS_TWICE), 'a fact stated twice').to.deep.equal([]);
  expect(await execute(ledger, OUT_OF_ORDER), 'facts of a study out of order').to.deep.equal([]);
  expect(await execute(ledger, 'SELECT stage, reason, detail FROM quarantine'), 'in quarantine').to.deep.equal([]);
  expect(
    await execute(ledger, `SELECT destination, state, reason FROM deliveries WHERE state <> 'succeeded'`),
    'not delivered',
  ).to.deep.equal([]);
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
