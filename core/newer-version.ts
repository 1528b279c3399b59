/**
 * Whether work comes of a configuration that this replica has not taken yet. Each replica takes another one when it is
 * told: meanwhile what one has decided by the new one meets others with the old one, who may not know its destinations.
 */
import type { ConfigurationLedger } from './ledger/configuration.ts';
import type { Clock } from './ports.ts';

/** Whether the version came into force after the one that is in force here, and so lately that this replica may still take it. */
export type IsNewerVersion = (version: string | undefined) => Promise<boolean>;

/** For the last of many replicas to be told. */
const PATIENCE_MS = 900_000;

/** @param current - the version in force here */
export function newerVersions(
  {
    ledger,
    clock,
  }: { readonly ledger: { readonly configuration: Pick<ConfigurationLedger, 'lastOf'> }; readonly clock: Clock },
  current: () => string,
): IsNewerVersion {
  return async (version) => {
    const own = current();
    if (version === undefined || version === own) return false;
    const [theirs, ours] = await Promise.all([ledger.configuration.lastOf(version), ledger.configuration.lastOf(own)]);
    if (theirs === undefined || Date.parse(theirs.activatedAt) < clock.now().getTime() - PATIENCE_MS) return false;
    return ours === undefined || theirs.activatedAt > ours.activatedAt;
  };
}
