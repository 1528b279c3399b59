/** The object store of the configuration. No state is shared: each thread opens its own. */
import type { SecretReference } from '../../core/plugins.ts';
import type { ObjectStore, PackShelf, PackUploads } from '../../core/store.ts';
import type { AccessMode } from './file-range.ts';
import { LOCAL_RESULTS, openFileShelf } from './file-shelf.ts';
import { openFileStore } from './file.ts';
import type { StoreClaimant, StoreOwnership } from './owner.ts';
import type { S3Options } from './s3/client.ts';

export type StoreOptions = { readonly kind: 'file' } | ({ readonly kind: 's3' } & S3Options);

export interface OpenStore {
  readonly objects: ObjectStore;
  readonly shelf: PackShelf;
  /** Where `objects` puts packs of results: in front of their names, with its slash. */
  readonly results: string;
  /** Where what was received is copied to; absent where the spool itself is the store. */
  readonly uploads: PackUploads | undefined;
  /** Absent where nobody else can reach the store. */
  readonly ownership?: StoreOwnership;
  close(): Promise<void>;
}

export interface StoreAccess {
  readonly mode?: AccessMode;
  readonly claimant?: StoreClaimant;
}

/**
 * Asks nobody: a store that is down is met by whoever reads or writes.
 *
 * @param dataDir - as `openDataFolder` makes it
 * @param access.mode - how local files are read and written; `at-once` only for a thread that does one thing after the other
 * @param access.claimant - for who writes: a store that others can reach must be this ledger's
 */
export async function openStore(
  options: StoreOptions,
  dataDir: string,
  secret: (reference: SecretReference) => string,
  { mode = 'aside', claimant }: StoreAccess = {},
): Promise<OpenStore> {
  const local = openFileStore(dataDir, mode);
  switch (options.kind) {
    case 'file':
      return {
        objects: local,
        shelf: openFileShelf(dataDir),
        results: LOCAL_RESULTS,
        uploads: undefined,
        close: () => Promise.resolve(),
      };
    case 's3': {
      // A third of a second and 20 MB that a hub on one machine need not spend.
      const { openS3Store, RESULTS } = await import('./s3/store.ts');
      const store = openS3Store(options, local, secret, claimant);
      const { ownership } = store;
      return { objects: store, shelf: store, results: RESULTS, uploads: store, ownership, close: () => store.close() };
    }
    default:
      return options satisfies never;
  }
}
