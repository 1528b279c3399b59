import {
  openPostgresLedger,
  type PostgresLedger,
  type PostgresLedgerOptions,
} from '../../../platform/ledger/postgres/client.ts';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { TestClock } from '../../contracts/ledger-facts.ts';
import { silentLog } from '../../support/silent-log.ts';

/** Ledgers on one database, as replicas have them; closed together. */
export class Replicas {
  readonly clock = new TestClock();
  readonly #open: PostgresLedger[] = [];
  readonly #others: (() => Promise<void>)[] = [];

  async open(
    server: PostgresServer,
    { clock = this.clock, ...others }: Partial<PostgresLedgerOptions> = {},
  ): Promise<PostgresLedger> {
    const ledger = await openPostgresLedger({
      ...{ server, clock, log: silentLog },
      node: `node-${String(this.#open.length)}`,
      poolSize: 2,
      onFailure: (error) => {
        throw error;
      },
      ...others,
    });
    this.#open.push(ledger);
    return ledger;
  }

  alsoClose(close: () => Promise<void>): void {
    this.#others.push(close);
  }

  async close(): Promise<void> {
    await Promise.all([
      ...this.#open.splice(0).map((ledger) => ledger.close()),
      ...this.#others.splice(0).map((end) => end()),
    ]);
  }
}
