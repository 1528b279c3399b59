import type { Clock } from '../../../core/ports.ts';
import { openPostgresLedger } from '../../../platform/ledger/postgres/client.ts';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { describeLedger } from '../../contracts/ledger.ts';
import { postgres } from '../../support/postgres.ts';
import { silentLog } from '../../support/silent-log.ts';

describe('the contract of the ledger, on PostgreSQL', () => {
  before(() => postgres());

  describeLedger('PostgreSQL', async (clock) => {
    const server = await (await postgres()).createDatabase();
    let last = await open(server, clock);
    return {
      ledger: last,
      async reopen() {
        await last.close();
        last = await open(server, clock);
        return last;
      },
      remove: () => last.close(),
    };
  });
});

function open(server: PostgresServer, clock: Clock) {
  const onFailure = (error: unknown) => {
    throw error;
  };
  return openPostgresLedger({ server, clock, node: 'test', poolSize: 2, log: silentLog, onFailure });
}
