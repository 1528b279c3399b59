/**
 * The object store on the local disk. Any file below the data folder can be read by reference (spool segments are
 * written by the gateway); packs of results are written here. No state is shared: each thread opens its own.
 */
import { createHash } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ErrorFields, HubError } from '../../core/errors.ts';
import {
  type BlobRef,
  type ByteSource,
  formatBlobRef,
  type ObjectStore,
  type PackWriter,
  parseBlobRef,
  type StoredBlob,
} from '../../core/store.ts';
import { type AccessMode, type FileAccess, fileRange, letOthersIn, readerOf, writerOf } from './file-range.ts';
import { PackFiles } from './pack-files.ts';
import { syncFolder } from '../sync-folder.ts';

const PACK_NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;

/**
 * @param dataDir - with its folder `store`, as `openDataFolder` makes it
 * @param mode - `at-once` only for a thread that does one thing after the other
 */
export function openFileStore(dataDir: string, mode: AccessMode = 'aside'): ObjectStore {
  const files = new PackFiles(dataDir);
  return {
    open: (ref) => openBlob(files, ref, mode),
    createPack: (name) => createPack(dataDir, name, mode),
  };
}

async function openBlob(files: PackFiles, ref: BlobRef, mode: AccessMode): Promise<ByteSource> {
  const { pack, offset: start, length: sizeBytes } = parseBlobRef(ref);
  await letOthersIn(mode);
  const file = await files.use(pack);
  try {
    const { size } = mode === 'at-once' ? fstatSync(file.handle.fd) : await file.handle.stat();
    if (size < start + sizeBytes) throw new HubError('store.missing', { ref, detail: 'the pack is shorter than that' });
  } catch (error) {
    await file.release();
    throw error instanceof HubError ? error : failed(error, { ref });
  }

  return fileRange({
    read: readerOf(file.handle, mode),
    start,
    sizeBytes,
    close: () => file.release(),
    failed: (cause) =>
      cause === undefined
        ? new HubError('store.missing', { ref, detail: 'the pack ended early' })
        : failed(cause, { ref }),
  });
}

async function createPack(dataDir: string, name: string, mode: AccessMode): Promise<PackWriter> {
  if (!PACK_NAME.test(name)) throw new HubError('store.failed', { detail: 'not a name for a pack' });
  const pack = `store/${name}.pack`;
  const path = join(dataDir, pack);
  const temporary = `${path}.tmp`;
  try {
    // A committed pack is referred to: another one must never take its place.
    if (await exists(path)) throw new HubError('store.failed', { pack, detail: 'the pack is there already' });
    const handle = await open(temporary, 'wx', 0o600);
    return new FilePack({ pack, path, temporary, handle, write: writerOf(handle, mode) });
  } catch (error) {
    throw failed(error, { pack });
  }
}

interface PackPlace {
  readonly pack: string;
  readonly path: string;
  readonly temporary: string;
  readonly handle: FileHandle;
  readonly write: FileAccess;
}

class FilePack implements PackWriter {
  readonly #place: PackPlace;
  #state: 'open' | 'appending' | 'committed' | 'aborted' = 'open';
  #sizeBytes = 0;

  constructor(place: PackPlace) {
    this.#place = place;
  }

  async append(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    if (this.#state !== 'open') throw new TypeError(`a pack that is ${this.#state} takes no object`);
    this.#state = 'appending';
    try {
      const start = this.#sizeBytes;
      const digest = createHash('sha256');
      let end = start;
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        digest.update(chunk);
        await this.#write(chunk, end);
        end += chunk.byteLength;
      }
      // Not before the object is whole: what a broken body left is overwritten by the next object, or cut off.
      this.#sizeBytes = end;
      const blob = formatBlobRef(this.#place.pack, start, end - start);
      return { blob, sizeBytes: end - start, sha256: digest.digest('hex') };
    } finally {
      this.#state = 'open';
    }
  }

  async commit(): Promise<void> {
    if (this.#state !== 'open') throw new TypeError(`a pack that is ${this.#state} cannot be committed`);
    const { pack, path, temporary, handle } = this.#place;
    try {
      await handle.truncate(this.#sizeBytes);
      // The bytes first, then the name, then the folder that holds the name: a power cut between any two leaves
      // either no pack or a whole one, and after the last the pack stays.
      await handle.datasync();
      await handle.close();
      await rename(temporary, path);
      await syncFolder(dirname(path));
    } catch (error) {
      throw failed(error, { pack });
    }
    this.#state = 'committed';
  }

  async abort(): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    const { pack, temporary, handle } = this.#place;
    try {
      await handle.close();
      await rm(temporary, { force: true });
    } catch (error) {
      throw failed(error, { pack });
    }
  }

  async #write(chunk: Uint8Array, position: number): Promise<void> {
    try {
      let written = 0;
      while (written < chunk.byteLength) {
        written += await this.#place.write(chunk, written, chunk.byteLength - written, position + written);
      }
    } catch (error) {
      throw failed(error, { pack: this.#place.pack });
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** What a failed system call on a pack means to the hub. */
function failed(error: unknown, fields: ErrorFields): HubError {
  if (error instanceof HubError) return error;
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return new HubError('store.full', fields, error);
  return new HubError('store.failed', { ...fields, systemCode: code }, error);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
