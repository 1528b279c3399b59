/** Files that are either not there or whole, also after a power cut. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';

/**
 * Writes beside the place, syncs, then renames: a crash at any point leaves the old file or the new one, never a part.
 * The name itself is durable after `syncFolder`.
 *
 * @param token - of harmless characters, the same for each try, so that a retry writes over what a killed one left
 */
export async function writeAtomically(
  path: string,
  token: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${token}.part`);
  const file = await open(temporary, 'w', 0o640);
  try {
    try {
      for await (const chunk of body) await writeWhole(file, chunk);
      // Survives the power plug: a rename that is durable before the bytes are would leave an empty file under the real name.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** True when the file is there with these very bytes. */
export async function hasContent(path: string, sizeBytes: number, sha256: string): Promise<boolean> {
  const known = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (known?.size !== sizeBytes) return false;
  const hash = createHash('sha256');
  const chunks: AsyncIterable<Buffer> = createReadStream(path);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex') === sha256;
}

async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.byteLength;) {
    written += (await file.write(chunk, written)).bytesWritten;
  }
}
