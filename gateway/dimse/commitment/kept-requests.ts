/**
 * Requests for storage commitments that came while the ledger could not be told of them: on the disk before their source
 * hears Success, for it asks no more. One file each, removed when the ledger has it; a crash between the two tells the
 * ledger once more, under the same id, which changes nothing.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { HubError } from '../../../core/errors.ts';
import type { CommitmentOutcome, CommitmentRequest } from '../../../core/ledger/commitments.ts';
import type { Logger } from '../../../core/ports.ts';
import { syncFolder } from '../../spool/files.ts';
import { errorCode, storageFailure } from '../../spool/storage-failure.ts';

export interface KeptRequests {
  readonly count: number;
  /**
   * Resolves when the request would survive the power plug.
   *
   * @throws {HubError} `store.full` when too many are kept, `store.failed`
   */
  keep(request: CommitmentRequest): Promise<CommitmentOutcome>;
  /** The longest kept first. */
  list(): Promise<readonly CommitmentRequest[]>;
  forget(commitmentId: string): Promise<void>;
}

/** A day of a busy site. */
const MAX_KEPT = 10_000;
const UNFINISHED = '.part';
const FILE = /^([0-9a-f-]{36})\.json$/;

const schema = z.strictObject({
  commitmentId: z.string(),
  transactionUid: z.string(),
  source: z.string(),
  callingAeTitle: z.string(),
  calledAeTitle: z.string(),
  associationId: z.string(),
  items: z.array(z.strictObject({ sopClassUid: z.string(), sopInstanceUid: z.string() })),
});

/** @param folder - made when it is needed */
export async function openKeptRequests(folder: string, log: Logger): Promise<KeptRequests> {
  /** Known by what a source calls it, so that one that asks twice is kept once. */
  const kept = new Map<string, CommitmentRequest>();
  const fileOf = (commitmentId: string) => join(folder, `${commitmentId}.json`);
  for (const name of await readdir(folder).catch(() => [])) {
    // What a crash left of one whose source heard nothing.
    if (name.endsWith(UNFINISHED)) await rm(join(folder, name), { force: true });
    if (!FILE.test(name)) continue;
    try {
      const request = schema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')));
      kept.set(keyOf(request), request);
    } catch (error) {
      // Written whole, so the disk has changed it. It stays, for somebody to look at; its source has to ask again.
      log.error('a storage commitment that was kept for the ledger cannot be read', {
        file: name,
        reason: errorCode(error),
      });
    }
  }
  const write = async (request: CommitmentRequest): Promise<void> => {
    try {
      if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(dirname(folder));
      const part = `${fileOf(request.commitmentId)}${UNFINISHED}`;
      const file = await open(part, 'w', 0o600);
      try {
        await file.writeFile(JSON.stringify(request));
        await file.sync();
      } finally {
        await file.close();
      }
      // Whole or not there: a start that met half of it could not be told from a start without it.
      await rename(part, fileOf(request.commitmentId));
      await syncFolder(folder);
    } catch (error) {
      throw storageFailure(error);
    }
  };
  return {
    get count() {
      return kept.size;
    },
    async keep(request) {
      const before = kept.get(keyOf(request));
      if (before !== undefined && JSON.stringify(before.items) !== JSON.stringify(request.items))
        return { outcome: 'conflict', commitmentId: before.commitmentId };
      if (before === undefined && kept.size >= MAX_KEPT)
        throw new HubError('store.full', { detail: 'too many storage commitments wait for the ledger' });
      // Its source has another association now.
      const commitmentId = before?.commitmentId ?? request.commitmentId;
      const now = { ...request, commitmentId };
      kept.set(keyOf(now), now);
      try {
        await write(now);
      } catch (error) {
        if (before === undefined) kept.delete(keyOf(now));
        throw error;
      }
      return { outcome: before === undefined ? 'recorded' : 'repeated', commitmentId };
    },
    // UUIDv7: by the time they were made.
    list: () =>
      Promise.resolve([...kept.values()].toSorted((one, other) => (one.commitmentId < other.commitmentId ? -1 : 1))),
    async forget(commitmentId) {
      await rm(fileOf(commitmentId), { force: true });
      for (const [key, request] of kept) if (request.commitmentId === commitmentId) kept.delete(key);
    },
  };
}

function keyOf({ source, callingAeTitle, transactionUid }: CommitmentRequest): string {
  return JSON.stringify([source, callingAeTitle, transactionUid]);
}
