/** Who makes the digests that the ledger tells contents by, after the sender has its answer. */
import { type Digested, digested, type Guard, type RecordPlace } from './content.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';

/** A record of the spool. */
export interface ToDigest {
  readonly segment: string;
  readonly place: RecordPlace;
  readonly guard: Guard;
}

export interface Digester {
  /**
   * Reads the records as they lie on the disk.
   *
   * @returns in their order
   * @throws {HubError} `store.failed` when one cannot be read, or whoever reads has died: asked again it may
   */
  digest(records: readonly ToDigest[]): Promise<readonly Digested[]>;
  /** What is under way is given up. Harmless twice. */
  close(): Promise<void>;
}

/** One segment after the other. */
export async function digestAll(
  open: (segment: string) => Promise<Pick<SpoolFile, 'read' | 'close'>>,
  records: readonly ToDigest[],
): Promise<readonly Digested[]> {
  const made: Digested[] = [];
  let current: { readonly segment: string; readonly file: Pick<SpoolFile, 'read' | 'close'> } | undefined;
  try {
    for (const { segment, place, guard } of records) {
      if (current?.segment !== segment) {
        await current?.file.close();
        current = undefined;
        current = { segment, file: await open(segment) };
      }
      made.push(await digested(current.file, place, guard));
    }
    return made;
  } finally {
    await current?.file.close();
  }
}

/** In the thread that asks, for who has no other. */
export function digesterHere(files: Pick<SpoolFiles, 'openForReading'>): Digester {
  return {
    digest: async (records) => digestAll(async (segment) => files.openForReading(segment), records),
    close: () => Promise.resolve(),
  };
}
