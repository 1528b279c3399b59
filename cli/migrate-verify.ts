/** Whether every object that the ledger needs can be read where `hub migrate` has put it. */
import { createHash } from 'node:crypto';
import { HubError } from '../core/errors.ts';
import type { BlobRef, ObjectStore } from '../core/store.ts';
import { PACKS } from '../gateway/spool/pack-name.ts';
import { MOVED_TABLES, type RowSide, rowsOf } from '../platform/ledger/move/tables.ts';
import type { BytesPlan } from './migrate-bytes.ts';
import { eachOf } from '../core/several-at-once.ts';

/** Objects read at once. */
const READERS = 8;
const MAX_SAID = 20;

interface Stored {
  readonly before: BlobRef;
  /** Undefined where the ledger has none: then the bytes are compared with those that were moved. */
  readonly sha256: string | undefined;
}

export interface Verified {
  readonly read: number;
  /** Objects whose bytes were not as they were received before the move, or gone: references of before. */
  readonly damagedBefore: readonly string[];
  readonly damaged: number;
}

/**
 * Reads objects at their new places.
 *
 * @param every - 1: all of them; n: each n-th
 * @throws {HubError} `move.differs` when the bytes there are not those here
 */
export async function verifyBytes(
  rows: RowSide,
  { mapRef, before, after }: { mapRef: BytesPlan['mapRef']; before: ObjectStore; after: ObjectStore },
  every: number,
  signal: AbortSignal,
  onRead: () => void,
): Promise<Verified> {
  const damagedBefore: string[] = [];
  let damaged = 0;
  let read = 0;
  const check = async ({ before: ref, sha256 }: Stored) => {
    signal.throwIfAborted();
    const place = mapRef(ref);
    const found = await digestOf(after, place);
    if (found === undefined || found !== sha256) {
      // Moved as it was found, whatever it was.
      const own = place === ref ? found : await digestOf(before, ref);
      if (own !== found) throw new HubError('move.differs', { detail: `the bytes of ${ref}` });
      if (sha256 !== undefined || own === undefined) {
        damaged += 1;
        if (damagedBefore.length < MAX_SAID) damagedBefore.push(ref);
      }
    }
    read += 1;
    onRead();
  };
  let batch: Stored[] = [];
  let n = 0;
  for await (const stored of storedOf(rows)) {
    n += 1;
    if ((n - 1) % every !== 0) continue;
    batch.push(stored);
    if (batch.length < READERS * 4) continue;
    await eachOf(batch, READERS, check);
    batch = [];
  }
  await eachOf(batch, READERS, check);
  return { read, damagedBefore, damaged };
}

/** What the ledger needs: of working sets only results, since what was received stands in tables of its own. */
export async function* storedOf(rows: RowSide): AsyncGenerator<Stored> {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  for (const name of ['instances', 'superseded_instances', 'quarantine_items', 'run_items']) {
    const table = MOVED_TABLES.find((each) => each.name === name);
    if (table === undefined) continue;
    for await (const row of rowsOf(rows, table)) {
      const items: unknown = name === 'run_items' ? JSON.parse(text(row['items']) ?? '[]') : [row];
      for (const item of Array.isArray(items) ? (items as readonly Readonly<Record<string, unknown>>[]) : []) {
        const ref = text(item['blob']);
        if (ref === undefined || (name === 'run_items' && ref.startsWith(PACKS))) continue;
        yield { before: ref as BlobRef, sha256: text(item['sha256']) };
      }
    }
  }
}

/** Undefined when the store says that it is not there. */
async function digestOf(objects: Pick<ObjectStore, 'open'>, ref: BlobRef): Promise<string | undefined> {
  try {
    const source = await objects.open(ref);
    try {
      const hash = createHash('sha256');
      for await (const chunk of source.stream()) hash.update(chunk);
      return hash.digest('hex');
    } finally {
      await source.close();
    }
  } catch (error) {
    if (error instanceof HubError && error.code === 'store.missing') return undefined;
    throw error;
  }
}
