/** Who makes the digests that the ledger tells contents by, after the sender has its answer. */
import { toHubError } from '../../core/errors.ts';
import { type Digested, digested, type Guard, readBuffer, type RecordPlace } from './content.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { errorCode } from './storage-failure.ts';

/** A record of the spool. */
export interface ToDigest {
  readonly segment: string;
  readonly place: RecordPlace;
  readonly guard: Guard;
}

export interface Digester {
  /**
   * Reads the records as they lie on the disk, one list after the other.
   *
   * @returns in their order
   * @throws {HubError} `store.failed` when one cannot be read, or whoever reads has died: asked again it may
   */
  digest(records: readonly ToDigest[]): Promise<readonly Digested[]>;
  /** What is under way is given up. Harmless twice. */
  close(): Promise<void>;
}

/** One segment after the other. @param buffer - read into, and not used by anybody else meanwhile */
export async function digestAll(
  open: (segment: string) => Promise<Pick<SpoolFile, 'read' | 'close'>>,
  records: readonly ToDigest[],
  buffer: Buffer,
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
      made.push(await digestedOrLost(current.file, place, guard, buffer));
    }
    return made;
  } finally {
    await current?.file.close();
  }
}

/**
 * What the disk does not give back any more is not what was received. Asked for it again and again, the pump would keep
 * everything behind it from the ledger.
 */
async function digestedOrLost(
  file: Pick<SpoolFile, 'read'>,
  place: RecordPlace,
  guard: Guard,
  buffer: Buffer,
): Promise<Digested> {
  try {
    return await digested(file, place, guard, buffer);
  } catch (error) {
    if (errorCode(error) !== 'EIO' && toHubError(error).code !== 'store.missing') throw error;
    return { sha256: '', dataSetSha256: '', prefixCrc32: 0, isAsReceived: false };
  }
}

/** In the thread that asks, for who has no other. */
export function digesterHere(files: Pick<SpoolFiles, 'openForReading'>): Digester {
  /** One list at a time, like the thread: who asks first has its answer first. */
  let last: Promise<unknown> = Promise.resolve();
  let buffer: Buffer | undefined;
  return {
    digest: async (records) => {
      const made = last.then(async () =>
        digestAll(async (segment) => files.openForReading(segment), records, (buffer ??= readBuffer())),
      );
      last = made.catch(() => undefined);
      return made;
    },
    close: () => Promise.resolve(),
  };
}
