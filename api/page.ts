/** Pages of lists: what the ledger is asked for, and the cursor of the next page. */
import type { Page } from '../core/ledger/common.ts';

export function pageOf({ limit, before }: { readonly limit: number; readonly before?: string | undefined }): Page {
  return { limit, ...(before === undefined ? {} : { before }) };
}

/** A page that is not full is the last one. */
export function listPage<Row>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => string,
): { items: Row[]; cursor?: string } {
  const last = rows.at(-1);
  return { items: [...rows], ...(rows.length < limit || last === undefined ? {} : { cursor: keyOf(last) }) };
}
