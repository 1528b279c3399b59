/**
 * Packs of received objects in an object store, read as the segments they are copies of: with these, what looks through a
 * spool (export, verify, rebuild) looks through a bucket too.
 */
import { HubError } from '../../core/errors.ts';
import { formatBlobRef, type ObjectStore, type PackShelf } from '../../core/store.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { PACKS, packOrigin } from './pack-name.ts';

/** Read at once: heads and objects lie one after the other, and a request costs more than the bytes it brings too many. */
const WINDOW_BYTES = 8 * 1024 * 1024;

export type ReadSegments = Pick<SpoolFiles, 'list' | 'openForReading'>;

/** Names are those of references without `spool/`: `<node>/<pack>`. The packs are those of the moment `list` is called. */
export function packSegments(objects: Pick<ObjectStore, 'open'>, shelf: Pick<PackShelf, 'list'>): ReadSegments {
  const sizes = new Map<string, number>();
  return {
    list: async () => {
      sizes.clear();
      for await (const { pack, sizeBytes } of shelf.list(PACKS)) {
        if (packOrigin(pack) !== undefined) sizes.set(pack.slice(PACKS.length), sizeBytes);
      }
      return [...sizes.keys()];
    },
    openForReading: (name) => {
      const sizeBytes = sizes.get(name);
      if (sizeBytes === undefined) return Promise.reject(new HubError('store.missing', { segment: name }));
      return Promise.resolve(packFile(objects, name, sizeBytes));
    },
  };
}

/** The packs, and behind them what is still on the local disk: of what stands in both the packs are met first. */
export function withLocal(packs: ReadSegments, local: ReadSegments): ReadSegments {
  return {
    list: async () => [...(await packs.list()), ...(await local.list())],
    openForReading: (name) => (isPack(name) ? packs : local).openForReading(name),
  };
}

/** Whether the name is that of a pack, which is whole from its first byte to its last, and not of a segment on the disk. */
export function isPack(name: string): boolean {
  return name.includes('/');
}

function packFile(objects: Pick<ObjectStore, 'open'>, name: string, sizeBytes: number): SpoolFile {
  const changed = () => new TypeError('a pack is never changed');
  const never = () => Promise.reject(changed());
  let window = { at: 0, bytes: Buffer.alloc(0) };
  const fill = async (at: number, length: number) => {
    const end = Math.min(sizeBytes, at + Math.max(length, WINDOW_BYTES));
    const source = await objects.open(formatBlobRef(`${PACKS}${name}`, at, end - at));
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of source.stream()) chunks.push(chunk);
      window = { at, bytes: Buffer.concat(chunks) };
    } finally {
      await source.close();
    }
  };
  return {
    read: async (buffer, position) => {
      const length = Math.max(0, Math.min(buffer.length, sizeBytes - position));
      if (length === 0) return 0;
      const isInside = position >= window.at && position + length <= window.at + window.bytes.length;
      if (!isInside) await fill(position, length);
      buffer.set(window.bytes.subarray(position - window.at, position - window.at + length));
      return length;
    },
    sizeBytes: () => Promise.resolve(sizeBytes),
    close: () => Promise.resolve(),
    ...{ write: never, sync: never, truncate: never },
    syncHere: () => {
      throw changed();
    },
  };
}
