import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock } from '../../../core/ports.ts';
import { attachSqliteLedger, openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { describeLedger } from '../../contracts/ledger.ts';
import { writeEmptyLedger } from '../../support/open-ledger.ts';

describeLedger('SQLite', async (clock) => inFolder(async (file) => openSqliteLedger({ file, clock })));
describeLedger('SQLite, through a port of the thread that owns it', async (clock) =>
  inFolder(async (file) => attached(file, clock)),
);

async function inFolder(openAt: (file: string) => Promise<Ledger>) {
  const folder = await mkdtemp(join(tmpdir(), 'ledger-'));
  const file = join(folder, 'ledger.db');
  await writeEmptyLedger(file);
  const open = () => openAt(file);
  let last = await open();
  return {
    ledger: last,
    async reopen() {
      await last.close();
      last = await open();
      return last;
    },
    async remove() {
      await last.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** What another thread has, with its owner behind it. */
async function attached(file: string, clock: Clock): Promise<Ledger> {
  const owner = await openSqliteLedger({ file, clock });
  const ledger = attachSqliteLedger({ file, clock, port: owner.connect() });
  return {
    ...ledger,
    close: async () => {
      await ledger.close();
      await owner.close();
    },
  };
}
