/** The ledger for a command that only asks, beside a hub that may be running: one read-only connection, no lock. */
import type { Ledger } from '../../../core/ledger.ts';
import { openDatabase, translate } from './driver.ts';
import { openLedgerPort } from '../sql/ledger-port.ts';
import { openReads } from '../sql/operations.ts';
import { runAtOnce } from '../sql/script.ts';
import { forScripts } from './scripts.ts';

/** @throws {HubError} `store.failed` when there is no ledger */
export function openSqliteLedgerForReading(
  file: string,
): Pick<Ledger, 'instances' | 'studies' | 'configuration' | 'retention' | 'close'> {
  const db = openDatabase(file, 'read');
  const { instances, studies, configuration, retention } = openLedgerPort({
    clock: { now: () => new Date() },
    reads: openReads(forScripts(db)),
    // An async function turns what a query throws into a rejection.
    read: async (query) => {
      try {
        return await Promise.resolve(runAtOnce(query()));
      } catch (error) {
        throw translate(error);
      }
    },
    call: () => Promise.reject(new TypeError('this ledger is open for reading only')),
  });
  return {
    instances,
    studies,
    configuration,
    retention,
    close: () => {
      db.close();
      return Promise.resolve();
    },
  };
}
