/** A copy of the ledger at one moment, taken beside the hub that writes it. */
import { openDatabase } from './driver.ts';

/**
 * Reads in one transaction: the writer goes on, and its log grows until this has ended.
 *
 * @param to - must not be there
 * @throws {HubError} `store.failed`, `store.full`
 */
export function copySqliteLedger(file: string, to: string): void {
  const db = openDatabase(file, 'read');
  try {
    db.exec(`VACUUM INTO '${to.replaceAll("'", "''")}'`);
  } finally {
    db.close();
  }
}
