/** What must hold when a hub has been killed many times: nothing acknowledged is lost, nothing happened twice. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { expect } from 'chai';
import { openLedgerFile, type LedgerFile } from './crash-ledger.ts';
import { dataSetDigest, type Sample } from './crash-samples.ts';
import type { CrashOutcome } from './crash-scenario.ts';
import { pathsBelow } from './files-below.ts';

/** @throws {AssertionError} that names the seed */
export async function expectNothingLost(outcome: CrashOutcome, seed: number): Promise<void> {
  const note = `seed ${seed}`;
  expect(outcome.cutOff, `${note}: no kill ever cut an association off, so nothing was tried`).to.be.greaterThan(0);
  const partnerUids = new Set(outcome.forPartner.map(({ sopInstanceUid }) => sopInstanceUid));
  const asItIs = outcome.acknowledged.filter(({ sopInstanceUid }) => !partnerUids.has(sopInstanceUid));
  expect(asItIs.length, note).to.be.greaterThan(0);
  expect(partnerUids.size, note).to.be.greaterThan(0);

  const ledger = openLedgerFile(outcome.hub.dataFolder);
  try {
    expectFactsOnce(ledger, outcome, note);
    expectWebhooksOnce(ledger, outcome, note);
  } finally {
    ledger.close();
  }
  await expectFolderByteIdentical(outcome, asItIs, note);
  expectOriginHasEach(outcome, asItIs, note);
  await expectPartnerHasEachOnce(outcome, note);
}

async function expectFolderByteIdentical(
  outcome: CrashOutcome,
  asItIs: readonly Sample[],
  note: string,
): Promise<void> {
  const files = await pathsBelow(outcome.identityFolder);
  const found = new Map<string, string>();
  for (const file of files.filter((name) => name.endsWith('.dcm'))) {
    found.set(basename(file, '.dcm'), dataSetDigest(await readFile(file)));
  }
  const lost = asItIs.filter((sample) => !found.has(sample.sopInstanceUid)).map(({ sopInstanceUid }) => sopInstanceUid);
  expect(lost, `${note}: acknowledged and not delivered`).to.deep.equal([]);
  const offered = new Map(outcome.offered.map((sample) => [sample.sopInstanceUid, sample.dataSetSha256]));
  const changed = [...found].filter(([sopInstanceUid, digest]) => offered.get(sopInstanceUid) !== digest);
  expect(changed, `${note}: delivered with other bytes than were sent`).to.deep.equal([]);
  expect(
    files.filter((name) => name.endsWith('.part')),
    `${note}: parts left behind`,
  ).to.deep.equal([]);
}

function expectOriginHasEach({ origin, offered }: CrashOutcome, asItIs: readonly Sample[], note: string): void {
  const lost = asItIs.filter((sample) => !origin.copies.has(sample.sopInstanceUid));
  expect(lost, `${note}: not at the origin server`).to.deep.equal([]);
  const digests = new Map(offered.map((sample) => [sample.sopInstanceUid, sample.dataSetSha256]));
  // A repeat has the same identity and the same bytes, so a server that knows SOP Instance UIDs holds it once.
  const changed = [...origin.copies].filter(([uid, copies]) => copies.some((copy) => copy !== digests.get(uid)));
  expect(changed, `${note}: other bytes under the same SOP Instance UID`).to.deep.equal([]);
}

async function expectPartnerHasEachOnce(outcome: CrashOutcome, note: string): Promise<void> {
  const files = await pathsBelow(outcome.partnerFolder);
  const released = files.filter((name) => name.endsWith('.dcm')).map((name) => basename(name, '.dcm'));
  // A repeated step must give an instance the same pseudonym again, else the partner would hold it twice.
  expect(new Set(released).size, `${note}: one instance under two names`).to.equal(released.length);
  expect(released.length, `${note}: released instances`).to.equal(outcome.forPartner.length);
  const originals = new Set(outcome.offered.map(({ sopInstanceUid }) => sopInstanceUid));
  expect(
    released.filter((uid) => originals.has(uid)),
    `${note}: released under its own UID`,
  ).to.deep.equal([]);
}

function expectFactsOnce(ledger: LedgerFile, outcome: CrashOutcome, note: string): void {
  const rows = new Set(ledger.all('SELECT sop_instance_uid FROM instances').map((row) => row['sop_instance_uid']));
  const missing = outcome.acknowledged.filter(({ sopInstanceUid }) => !rows.has(sopInstanceUid));
  expect(missing, `${note}: acknowledged and not in the ledger`).to.deep.equal([]);
  expect(rows.size, `${note}: ledger rows`).to.equal(ledger.number('SELECT count(*) FROM instances'));
  expect(ledger.all(EVENTS_TWICE), `${note}: a fact stated twice`).to.deep.equal([]);
  const stored = ledger.number(`SELECT count(*) FROM events WHERE type = 'instance.stored'`);
  expect(stored, `${note}: instance.stored events`).to.equal(rows.size);
  const held = ledger.all('SELECT stage, reason, detail FROM quarantine');
  expect(held, `${note}: quarantine entries`).to.deep.equal([]);
  expect(
    ledger.number(`SELECT count(*) FROM deliveries WHERE state <> 'succeeded'`),
    `${note}: not delivered`,
  ).to.equal(0);
}

/** Facts that may be stated once: an instance stored, a revision completed, a route taken, a delivery done. */
const EVENTS_TWICE = `
  SELECT type, identity, count(*) AS times FROM (
    SELECT type, CASE type
      WHEN 'instance.stored' THEN json_extract(data, '$.sopInstanceUid')
      WHEN 'study.completed' THEN key || ' ' || json_extract(data, '$.revision')
      WHEN 'study.routed' THEN key || ' ' || json_extract(data, '$.revision') || ' ' || json_extract(data, '$.route')
      WHEN 'study.processed' THEN json_extract(data, '$.runId')
      WHEN 'delivery.succeeded' THEN json_extract(data, '$.deliveryId')
    END AS identity
    FROM events WHERE stream LIKE 'hub.%'
  ) WHERE identity IS NOT NULL GROUP BY type, identity HAVING count(*) > 1`;

function expectWebhooksOnce(ledger: LedgerFile, { receiver }: CrashOutcome, note: string): void {
  expect(receiver.refused, `${note}: webhooks that could not be verified`).to.deep.equal([]);
  const bodies = new Map<string, Set<string>>();
  for (const { id, body } of receiver.received) bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
  const deliveries = ledger.all(`SELECT delivery_id FROM deliveries WHERE destination = 'partner-hook'`);
  const ids = deliveries.map((row) => String(row['delivery_id']));
  expect([...bodies.keys()].toSorted(), `${note}: webhook-ids`).to.deep.equal(ids.toSorted());
  const differing = [...bodies].filter(([, texts]) => texts.size > 1).map(([id]) => id);
  expect(differing, `${note}: a repeat with another body`).to.deep.equal([]);
}
