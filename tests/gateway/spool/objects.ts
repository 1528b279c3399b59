/** Objects in a spool on its own: made, received, and read where their references say. */
import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { openSpoolFolder, type SpoolFiles } from '../../../gateway/spool/files.ts';
import type { Committed, Reception } from '../../../gateway/spool/reception.ts';
import type { Description } from '../../../gateway/spool/record.ts';
import { openSpool, type OpenedSpool } from '../../../gateway/spool/spool.ts';
import { silentLog } from '../../support/silent-log.ts';

export const OPTIONS = {
  disk: { maxUsedFraction: 1, minFreeBytes: 0 },
  segmentBytes: 64 * 1024 * 1024,
  maxInFlightBytes: 64 * 1024 * 1024,
  maxObjectBytes: 64 * 1024 * 1024,
};
export const PREFIX = Buffer.from('the file meta information');
/** Gets a segment of its own. */
export const LARGE = 9 * 1024 * 1024;

export async function opened(
  folder: string,
  wrap?: (real: SpoolFiles) => SpoolFiles,
  options: Partial<typeof OPTIONS> = {},
): Promise<OpenedSpool> {
  const files = await openSpoolFolder(folder);
  return openSpool(wrap?.(files) ?? files, [], { ...OPTIONS, ...options }, silentLog);
}

export async function stored(reception: Reception, content: Buffer, describe = described): Promise<Committed> {
  await pushAll(reception, content);
  await reception.finish();
  return reception.commit(describe(content));
}

export async function pushAll(reception: Reception, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length; at += 100_000) {
    if (!reception.push(content.subarray(at, at + 100_000))) await reception.room();
  }
}

export function described(content: Buffer): Description {
  return {
    kind: 'instance',
    provenance: { door: 'dimse', source: 'pv-7t', associationId: 'a' },
    receivedAt: '2026-11-20T10:00:00.000Z',
    dataSetCrc32: crc32(content),
    studyInstanceUid: '1.2.3',
    seriesInstanceUid: '1.2.3.4',
    sopInstanceUid: '1.2.3.4.5',
    sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    patientDigest: 'f'.repeat(64),
  };
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export function bytes(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, n) => (n * 31 + seed * 101) % 253));
}

/** What lies there now. */
export async function atReference(folder: string, { blob }: Committed): Promise<Buffer> {
  const [, name = '', offset = '', length = ''] = /^spool\/(.*)#(\d+)\+(\d+)$/.exec(blob) ?? [];
  const handle = await open(join(folder, name));
  const buffer = Buffer.alloc(Number(length));
  await handle.read(buffer, 0, buffer.length, Number(offset));
  await handle.close();
  return buffer;
}
