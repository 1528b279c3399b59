import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { describeLedger } from '../../contracts/ledger.ts';

describeLedger('SQLite', async (clock) => {
  const folder = await mkdtemp(join(tmpdir(), 'ledger-'));
  const open = () => openSqliteLedger({ file: join(folder, 'ledger.db'), clock });
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
});
