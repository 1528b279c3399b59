/** Looks into a hub's ledger file from outside, for what no command shows: whether a fact stands in it once. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface LedgerFile {
  /** Rows of a query. */
  all(sql: string): readonly Readonly<Record<string, unknown>>[];
  /** The single number a query answers. */
  number(sql: string): number;
  close(): void;
}

/** Opens it for reading, beside the hub that may be running. */
export function openLedgerFile(dataFolder: string): LedgerFile {
  const database = new DatabaseSync(join(dataFolder, 'ledger.db'), { readOnly: true, timeout: 5_000 });
  const all = (sql: string) => database.prepare(sql).all();
  return {
    all,
    number: (sql) => Number(Object.values(all(sql)[0] ?? {})[0] ?? Number.NaN),
    close: () => database.close(),
  };
}

/** True when so many instances, or more, are known. */
export function hasInstances(ledger: LedgerFile, instances: number): boolean {
  return ledger.number('SELECT count(*) FROM instances') >= instances;
}

/** True when no study waits for completion, no event for a handler, no run for a step and no delivery for its attempt. */
export function isQuiet(ledger: LedgerFile): boolean {
  return Object.values(OPEN_WORK).every((sql) => ledger.number(sql) === 0);
}

/** What is still open, for the error of a wait that was in vain. */
export function openWork(ledger: LedgerFile): string {
  return Object.entries(OPEN_WORK)
    .map(([what, sql]) => `${ledger.number(sql)} ${what}`)
    .join(', ');
}

const OPEN_WORK = {
  'studies receiving': 'SELECT count(*) FROM studies WHERE due_at IS NOT NULL',
  'studies without a decision': `SELECT count(*) FROM studies WHERE state IN ('receiving', 'completed')`,
  'runs at work': `SELECT count(*) FROM runs WHERE state IN ('waiting', 'running')`,
  'processed runs without their deliveries': `
    SELECT count(*) FROM runs WHERE state = 'processed'
    AND (SELECT count(*) FROM deliveries d WHERE d.run = runs.run) < json_array_length(destinations)`,
  'deliveries pending': `SELECT count(*) FROM deliveries WHERE state = 'pending'`,
} as const;
