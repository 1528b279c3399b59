/** Where `hub store` reads what was received: segments in the data folder, packs in a bucket. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import { HubError } from '../core/errors.ts';
import { openSpoolFolder } from '../gateway/spool/files.ts';
import { packSegments, type ReadSegments, withLocal } from '../gateway/spool/pack-segments.ts';
import { openHubStore } from '../wiring/hub-store.ts';
import type { StoreOwner } from '../platform/store/owner.ts';
import type { Config } from '../wiring/shapes.ts';

export interface ReceivedSegments {
  /** All that hubs have received into the store, and what this machine's has not copied there yet. */
  readonly all: ReadSegments;
  /** Only what is in the store for good. */
  readonly stored: ReadSegments;
  /** Makes the store nobody's, for the hub that starts next to take. @returns whose it was; undefined where it is nobody's, or this machine's */
  giveUp(): Promise<StoreOwner | undefined>;
  /** Packs of results and their sizes. */
  results(): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  close(): Promise<void>;
}

/** @throws {HubError} `resource.not-found` where no hub has received anything; a command that looks makes no folder */
export async function openReceivedSegments(config: Config): Promise<ReceivedSegments> {
  const folder = config.hub.data;
  const path = join(folder, 'spool');
  const hasSpool = await access(path).then(
    () => true,
    () => false,
  );
  if (!hasSpool && config.store.kind === 'file') {
    throw new HubError('resource.not-found', { detail: `no hub has received anything in ${folder}` });
  }
  const store = await openHubStore(config.store, processEnvironment(), folder);
  const local: ReadSegments = hasSpool ? await openSpoolFolder(path) : NOTHING;
  const packs = store.uploads === undefined ? undefined : packSegments(store.objects, store.shelf);
  return {
    all: packs === undefined ? local : withLocal(packs, local),
    stored: packs ?? local,
    results: async () => {
      const found: { name: string; bytes: number }[] = [];
      for await (const { pack, sizeBytes } of store.shelf.list(store.results)) {
        found.push({ name: pack, bytes: sizeBytes });
      }
      return found;
    },
    giveUp: () => store.ownership?.giveUp() ?? Promise.resolve(undefined),
    close: () => store.close(),
  };
}

const NOTHING: ReadSegments = {
  list: () => Promise.resolve([]),
  openForReading: (segment) => Promise.reject(new HubError('store.missing', { segment })),
};
