/** Takes one file of a watched folder through `ingest` into the hub. */
import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import { isVanished } from './file-errors.ts';
import { isUnchanged } from './found-file.ts';
import type { FoundFile } from './found.ts';
import { commit, failed, refused, settled, type TakePorts, type Taking } from './outcome.ts';
import { receive, type Received } from './receive.ts';

const CHUNK_BYTES = 256 * 1024;

/** Reads the file to its end. */
export async function take(file: FoundFile, provenance: Provenance, ports: TakePorts): Promise<Taking> {
  try {
    const handle = await openInside(file, ports.realRoot);
    if (handle === undefined) return settled({ kind: 'changed' });
    try {
      const received = await receive(chunksOf(handle, ports), provenance, ports.receive);
      if (received.kind === 'archive') return settled(await ports.takeArchive(file, handle, provenance));
      let isWhole = false;
      try {
        isWhole = await isUnchanged(handle, file);
      } finally {
        // Or the share went away just now: what is not committed must not keep its room in the spool.
        if (!isWhole && received.kind === 'instance') await received.reception.abandon();
      }
      return isWhole ? judge(file, received, ports) : settled({ kind: 'changed' });
    } finally {
      await handle.close();
    }
  } catch (error) {
    return settled(failed(error));
  }
}

function judge(file: FoundFile, received: Exclude<Received, { kind: 'archive' }>, ports: TakePorts): Taking {
  switch (received.kind) {
    case 'instance':
      return { outcome: commit(received, ports) };
    case 'unreadable':
      return settled(refused(received.error));
    case 'other':
      // An archive without its end is one that somebody misses.
      if (/\.zip$/iu.test(file.name)) {
        return settled(refused(new HubError('archive.unreadable', { reason: 'damaged or cut off' })));
      }
      return settled({ kind: 'other' });
    default:
      return received satisfies never;
  }
}

/** Undefined when it went away, or is not the file inside the folder that the walk saw. */
async function openInside(file: FoundFile, realRoot: string): Promise<FileHandle | undefined> {
  // NOFOLLOW: the name may have become a link meanwhile. NONBLOCK: or a pipe, which would keep us waiting for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file.path, flags).catch((error: unknown) => {
    if (isVanished(error) || (error instanceof Error && 'code' in error && error.code === 'ELOOP')) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  // Or a folder on the way to it became a link that leads out.
  const isInside = (await realpath(file.path).catch(() => '')) === join(realRoot, file.name);
  if (isInside && (await isUnchanged(handle, file))) return handle;
  await handle.close();
  return undefined;
}

/** One buffer for all chunks: each is used up before the next. */
async function* chunksOf(handle: FileHandle, ports: TakePorts): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ;) {
    ports.signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, position);
    ports.onProgress();
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}
