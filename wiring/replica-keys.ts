/** Keys that all replicas of a hub must have alike, and what of them the ledger may know. */
import { createHash } from 'node:crypto';
import { WEBHOOKS_PURPOSE } from '../connectors/webhook/key-box.ts';
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Logger } from '../core/ports.ts';
import type { DataFolder } from '../platform/data-folder.ts';
import { CROSSWALK_PURPOSE } from '../processors/crosswalk/codec.ts';
import { SIGNING_PURPOSE } from '../processors/deidentify/signature.ts';
import type { Stage } from './shapes.ts';

/** Signs the places in the feeds of partners: a place that one gateway gave is asked for at another. */
export const FEED_PURPOSE = 'feed';
/** Makes the pseudonyms: two keys would give one patient two of them. */
const DEIDENTIFY_PURPOSE = 'deidentify';
/** Nobody else's: what a data folder is known by. */
const REPLICA_PURPOSE = 'replica';

/** The same after each start; no other data folder has it. */
export async function identityOf(dataFolder: Pick<DataFolder, 'secret'>): Promise<string> {
  return fingerprint(REPLICA_PURPOSE, await dataFolder.secret(REPLICA_PURPOSE));
}

/**
 * What was made with a key is of no use with another one: pseudonyms that partners have, the crosswalk, reports that were
 * signed. A folder `keys` that was lost or not restored is made anew without a word, so the ledger knows what it was.
 *
 * @param accepted - purposes whose key is meant to be another one from now on
 * @throws {HubError} `config.invalid` when it is not the key that the ledger was kept with
 */
export async function requireSameKeys(
  dataFolder: Pick<DataFolder, 'secret'>,
  ledger: Pick<Ledger, 'keys'>,
  stages: ReadonlySet<Stage>,
  accepted: { readonly purposes: ReadonlySet<string>; readonly log: Logger },
): Promise<void> {
  for (const purpose of purposesOf(stages)) {
    const mine = fingerprint(purpose, await dataFolder.secret(purpose));
    const known = await ledger.keys.agree(purpose, mine);
    if (known === mine) continue;
    const fields = { purpose, fingerprint: shortened(mine), before: shortened(known) };
    if (!accepted.purposes.has(purpose)) throw otherKey(fields);
    await ledger.keys.replace(purpose, mine);
    accepted.log.warn('another key is used from now on', fields);
  }
}

function otherKey({ purpose, fingerprint: mine, before }: Readonly<Record<string, string>> & { purpose: string }) {
  const variable = `HUB_${purpose.toUpperCase().replaceAll('-', '_')}_KEY`;
  const detail =
    `the key ${purpose} (fingerprint ${mine}) is not the one that this hub and its other replicas have had so far ` +
    `(fingerprint ${before}): ${LOST_WITH[purpose] ?? 'what was made with it is lost'}. Give all of them the same ` +
    `${variable}, or the same file keys/${purpose}.key in their data folders; if it is gone for good, say so: ` +
    `hub start --accept-key ${purpose}`;
  return new HubError('config.invalid', { detail });
}

/** What another key takes away: the sentence of whoever has to decide. */
const LOST_WITH: Readonly<Record<string, string>> = {
  [FEED_PURPOSE]: 'partners would lose their places in the feed',
  [DEIDENTIFY_PURPOSE]: 'later studies of a patient would get other pseudonyms than earlier ones',
  [SIGNING_PURPOSE]: 'partners could not verify reports with the public key they have',
  [CROSSWALK_PURPOSE]: 'nothing that was released before could be led back',
  [WEBHOOKS_PURPOSE]: 'the secrets of webhooks could not be read',
};

/** The purposes whose keys a hub is known by. */
export const KEY_PURPOSES: readonly string[] = Object.keys(LOST_WITH);

function purposesOf(stages: ReadonlySet<Stage>): readonly string[] {
  const ofGateway = stages.has('gateway') ? [FEED_PURPOSE, SIGNING_PURPOSE, CROSSWALK_PURPOSE, WEBHOOKS_PURPOSE] : [];
  const ofProcessors = stages.has('processors') ? [DEIDENTIFY_PURPOSE, SIGNING_PURPOSE, CROSSWALK_PURPOSE] : [];
  const ofConnectors = stages.has('connectors') ? [WEBHOOKS_PURPOSE] : [];
  return [...new Set([...ofGateway, ...ofProcessors, ...ofConnectors])];
}

/** 256 random bits cannot be guessed from it; the purpose keeps one key in two places from being seen as such. */
function fingerprint(purpose: string, key: Uint8Array): string {
  return createHash('sha256').update(`hub ${purpose} fingerprint\0`).update(key).digest('hex');
}

/** As much of it as people compare. */
function shortened(whole: string): string {
  return whole.slice(0, 12);
}
