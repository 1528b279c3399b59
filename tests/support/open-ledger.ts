import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
  const file = join(folder, 'ledger.db');
  await writeEmptyLedger(file);
  const ledger = await openSqliteLedger({ file, ...(clock === undefined ? {} : { clock }) });
  return {
    ledger,
    remove: async () => {
      await ledger.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

let empty: Promise<Buffer> | undefined;

/** What opening a ledger makes, without the migrations one by one: hundreds of tests begin with it. */
export async function writeEmptyLedger(file: string): Promise<void> {
  empty ??= makeEmptyLedger();
  await writeFile(file, await empty);
}

async function makeEmptyLedger(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-ledger-'));
  const file = join(folder, 'ledger.db');
  const ledger = await openSqliteLedger({ file });
  await ledger.close();
  const bytes = await readFile(file);
  await rm(folder, { recursive: true });
  return bytes;
}
