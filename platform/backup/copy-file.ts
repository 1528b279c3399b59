/** A copy that would survive the power plug, and what it is made of. */
import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

const CHUNK_BYTES = 1024 * 1024;

export interface Copied {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * @param to - must not be there
 * @param sizeBytes - no more than so much: a segment grows while it is copied
 */
export async function copyFile(
  from: string,
  to: string,
  { sizeBytes, onBytes, signal }: { sizeBytes: number; onBytes: (bytes: number) => void; signal: AbortSignal },
): Promise<Copied> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      let at = 0;
      while (at < sizeBytes) {
        signal.throwIfAborted();
        const { bytesRead } = await source.read(buffer, 0, Math.min(CHUNK_BYTES, sizeBytes - at), at);
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        hash.update(chunk);
        await target.write(chunk, 0, bytesRead, at);
        at += bytesRead;
        onBytes(bytesRead);
      }
      await target.sync();
      return { sizeBytes: at, sha256: hash.digest('hex') };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Of a file that is there, which is synced too. */
export async function digestFile(path: string, signal: AbortSignal): Promise<Copied> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: CHUNK_BYTES, signal })) {
      hash.update(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
    }
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}
