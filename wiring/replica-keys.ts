/** Keys that all replicas of a hub must have alike, and what of them the ledger may know. */
import { createHash } from 'node:crypto';
import { WEBHOOKS_PURPOSE } from '../connectors/webhook/key-box.ts';
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
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

/** @throws {HubError} `config.invalid` when another replica of the hub has another key */
export async function requireSameKeys(
  dataFolder: Pick<DataFolder, 'secret'>,
  ledger: Pick<Ledger, 'keys'>,
  stages: ReadonlySet<Stage>,
): Promise<void> {
  for (const purpose of purposesOf(stages)) {
    if (await ledger.keys.agree(purpose, fingerprint(purpose, await dataFolder.secret(purpose)))) continue;
    const variable = `HUB_${purpose.toUpperCase().replaceAll('-', '_')}_KEY`;
    const detail =
      `the key ${purpose} is not the one that the hub's other replicas have: give all of them the same ${variable}, ` +
      `or the same file keys/${purpose}.key in their data folders`;
    throw new HubError('config.invalid', { detail });
  }
}

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
