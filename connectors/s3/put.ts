/** One file as one object: a single PUT, or parts where it is larger than one; checked by the store against a checksum. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { crc32 } from 'node:zlib';
import { HubError } from '../../core/errors.ts';
import type { ObjectStore, RunItem } from '../../core/store.ts';
import { base64, type Bucket, DELIVERY_MARK, DIGEST_MARK } from './bucket.ts';

export type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string };

interface File {
  readonly key: string;
  readonly item: RunItem;
  readonly condition: Condition;
  readonly partSize: number;
}

/** Of Amazon S3; a file of more parts has larger ones. */
const MAX_PARTS = 10_000;

/** Holds one part in memory. It is there, whole, or it is not. @throws what the client throws */
export async function putFile(
  bucket: Bucket,
  store: ObjectStore,
  file: File,
  deliveryId: string,
  signal: AbortSignal,
): Promise<void> {
  const { item, key, condition } = file;
  const source = await store.open(item.blob);
  try {
    const described = {
      ...bucket.object(key),
      ContentType: item.kind === 'instance' ? 'application/dicom' : item.mediaType,
      Metadata: { [DELIVERY_MARK]: deliveryId, [DIGEST_MARK]: item.sha256 },
    };
    if (item.sizeBytes > file.partSize) {
      const partBytes = Math.max(file.partSize, Math.ceil(item.sizeBytes / MAX_PARTS));
      const parts = partsOf(source.stream(), Math.min(partBytes, item.sizeBytes));
      await putParts(bucket, described, condition, parts, item.sizeBytes, signal);
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of partsOf(source.stream(), item.sizeBytes)) parts.push(part);
    const [body = Buffer.alloc(0)] = parts;
    requireSize(body.byteLength, item.sizeBytes);
    await bucket.client.send(
      new PutObjectCommand({
        ...described,
        ...condition,
        ...{ Body: body, ContentLength: body.byteLength, ChecksumSHA256: base64(item.sha256) },
      }),
      { abortSignal: signal },
    );
  } finally {
    await source.close();
  }
}

/** Of parts there is no SHA-256 of the whole: the store compares a CRC-32 of all bytes, of the parts and of the object. */
async function putParts(
  bucket: Bucket,
  described: ReturnType<Bucket['object']> & { readonly Metadata: Record<string, string>; readonly ContentType: string },
  condition: Condition,
  parts: AsyncIterable<Buffer>,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const { Bucket: name, Key } = described;
  const { UploadId } = await bucket.client.send(
    new CreateMultipartUploadCommand({ ...described, ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
    { abortSignal: signal },
  );
  try {
    const done: CompletedPart[] = [];
    let [crc, sent] = [0, 0];
    for await (const body of parts) {
      crc = crc32(body, crc);
      sent += body.byteLength;
      const part = { PartNumber: done.length + 1, ChecksumCRC32: crcText(crc32(body)) };
      const { ETag } = await bucket.client.send(
        new UploadPartCommand({ ...{ Bucket: name, Key, UploadId }, ...part, Body: body }),
        { abortSignal: signal },
      );
      done.push({ ...part, ETag });
    }
    requireSize(sent, sizeBytes);
    await bucket.client.send(
      new CompleteMultipartUploadCommand({
        ...{ Bucket: name, Key, UploadId, MultipartUpload: { Parts: done } },
        ...{ ChecksumCRC32: crcText(crc), ChecksumType: 'FULL_OBJECT', MpuObjectSize: sizeBytes },
        ...condition,
      }),
      { abortSignal: signal },
    );
  } catch (error) {
    // The first failure is the one to report; a bucket's own rules remove uploads that nobody ended.
    await bucket.client.send(new AbortMultipartUploadCommand({ Bucket: name, Key, UploadId })).catch(() => undefined);
    throw error;
  }
}

/** Buffers of exactly `partBytes`, the last one shorter. */
async function* partsOf(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer> {
  let buffer = Buffer.allocUnsafe(partBytes);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.byteLength;) {
      if (filled === partBytes) {
        yield buffer;
        buffer = Buffer.allocUnsafe(partBytes);
        filled = 0;
      }
      const some = chunk.subarray(taken, taken + partBytes - filled);
      buffer.set(some, filled);
      filled += some.byteLength;
      taken += some.byteLength;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

function requireSize(found: number, expected: number): void {
  if (found !== expected) throw new HubError('store.missing', { detail: 'not as long as the ledger says' });
}

/** As the protocol writes a CRC-32: four bytes, the highest first. */
function crcText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
