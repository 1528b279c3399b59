import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock } from '../../core/ports.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';

/** A SQLite ledger in a folder of its own, gone with `remove`. */
export async function openTestLedger(
  clock?: Clock,
): Promise<{ readonly ledger: Ledger; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-ledger-'));
  const ledger = await openSqliteLedger({ file: join(folder, 'ledger.db'), ...(clock === undefined ? {} : { clock }) });
  return {
    ledger,
    remove: async () => {
      await ledger.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
