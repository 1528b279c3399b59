/** The ledger that a hub has kept for a configuration: commands that only ask make none, nor a folder for it. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import { HubError } from '../core/errors.ts';
import { type LedgerPlace, openLedgerForReading } from '../platform/ledger/open.ts';
import { ledgerPlace } from '../wiring/ledger-place.ts';
import type { Config } from '../wiring/shapes.ts';

/** @throws {HubError} `resource.not-found` */
export async function requireKeptLedger({ hub: { data } }: Pick<Config, 'hub'>, place: LedgerPlace): Promise<void> {
  if (place.kind === 'postgres') return;
  const isThere = await access(join(data, 'ledger.db')).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  throw new HubError('resource.not-found', {
    detail: `no hub has run on the data folder ${data}; name it with --data, or the configuration with --config`,
  });
}

/** For reading, beside a hub that may be running. @throws {HubError} `resource.not-found`, `ledger.*` */
export async function openKeptLedger(config: Config): ReturnType<typeof openLedgerForReading> {
  const place = ledgerPlace(config, processEnvironment());
  await requireKeptLedger(config, place);
  return await openLedgerForReading(place, join(config.hub.data, 'ledger.db'));
}
