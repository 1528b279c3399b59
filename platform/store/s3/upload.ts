/**
 * One pack on its way into the bucket: a single PUT while it is small, else parts of 8 MiB, of which two are under way
 * while a third one fills. It shows under its name when it is whole, or never.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { HubError } from '../../../core/errors.ts';
import type { Bucket } from './client.ts';
import { mayBeThereAlready, refusal } from './refusal.ts';

export const PART_BYTES = 8 * 1024 * 1024;
const PARTS_UNDER_WAY = 2;
/** For parts on their way when their upload is given up. */
const PARTS_PATIENCE_MS = 5_000;
const FIRST_BUFFER_BYTES = 64 * 1024;
/** Marks whose upload made an object: the answer to a write may get lost, and its repeat meets what it wrote itself. */
const UPLOAD_MARK = 'hub-upload';

export class S3Upload {
  readonly #bucket: Bucket;
  readonly #pack: string;
  readonly #partBytes: number;
  readonly #mark = randomUUID();
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  #buffer = Buffer.alloc(0);
  #filled = 0;
  #sizeBytes = 0;
  /** Of all bytes written so far. */
  #crc = 0;
  #uploadId: string | undefined;
  readonly #parts: CompletedPart[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #failure: Error | undefined;

  /** @param partBytes - up to here it is one PUT */
  constructor(
    bucket: Bucket,
    pack: string,
    { partBytes = PART_BYTES, signal }: { partBytes?: number; signal?: AbortSignal } = {},
  ) {
    this.#bucket = bucket;
    this.#pack = pack;
    this.#partBytes = partBytes;
    this.#signal = signal === undefined ? this.#ending.signal : AbortSignal.any([signal, this.#ending.signal]);
  }

  /** Bytes taken so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Copies the bytes. Waits while as much is under way as may be. One at a time. @throws {HubError} `store.*` */
  async write(bytes: Uint8Array): Promise<void> {
    for (let taken = 0; taken < bytes.byteLength;) {
      if (this.#filled === this.#partBytes) await this.#sendPart();
      const some = bytes.subarray(taken, taken + this.#partBytes - this.#filled);
      this.#makeRoom(this.#filled + some.byteLength);
      this.#buffer.set(some, this.#filled);
      this.#crc = crc32(some, this.#crc);
      this.#filled += some.byteLength;
      this.#sizeBytes += some.byteLength;
      taken += some.byteLength;
    }
  }

  /** The pack is there, whole, and under its name for good. @throws {HubError} `store.*`; `store.failed` when the name is taken */
  async complete(): Promise<void> {
    try {
      const stored = this.#uploadId === undefined ? await this.#put() : await this.#completeParts();
      await this.#verify(stored);
    } catch (error) {
      if (!mayBeThereAlready(error)) throw refusal(error, { pack: this.#pack });
      await this.#verifyOwn();
    } finally {
      this.#buffer = Buffer.alloc(0);
    }
  }

  /** Leaves nothing behind. Harmless twice, and after a failure. @throws {HubError} `store.*`: a sweep removes it later */
  async abort(): Promise<void> {
    // A part that is cut off may still be taken by the server, after the upload it belongs to was given up, and stays.
    await Promise.race([Promise.allSettled(this.#underWay), delay(PARTS_PATIENCE_MS, undefined, { ref: false })]);
    this.#ending.abort();
    await Promise.allSettled(this.#underWay);
    this.#buffer = Buffer.alloc(0);
    const uploadId = this.#uploadId;
    if (uploadId === undefined) return;
    try {
      await this.#bucket.client.send(new AbortMultipartUploadCommand({ ...this.#object, UploadId: uploadId }));
      this.#uploadId = undefined;
    } catch (error) {
      if (!mayBeThereAlready(error)) throw refusal(error, { pack: this.#pack });
    }
  }

  get #object() {
    return { Bucket: this.#bucket.name, Key: this.#bucket.key(this.#pack) };
  }

  #makeRoom(sizeBytes: number): void {
    if (sizeBytes <= this.#buffer.length) return;
    const length = Math.min(this.#partBytes, Math.max(FIRST_BUFFER_BYTES, sizeBytes, this.#buffer.length * 2));
    const larger = Buffer.allocUnsafeSlow(length);
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  async #sendPart(): Promise<void> {
    try {
      while (this.#underWay.size >= PARTS_UNDER_WAY) await Promise.race(this.#underWay);
      if (this.#failure !== undefined) throw this.#failure;
      const body = this.#buffer.subarray(0, this.#filled);
      this.#buffer = Buffer.alloc(0);
      this.#filled = 0;
      const uploadId = (this.#uploadId ??= await this.#begin());
      const number = this.#parts.length + 1;
      const part: CompletedPart = { PartNumber: number, ChecksumCRC32: base64(crc32(body)) };
      this.#parts.push(part);
      const sending = this.#bucket.client
        .send(
          new UploadPartCommand({
            ...this.#object,
            ...{ UploadId: uploadId, PartNumber: number, Body: body, ChecksumCRC32: part.ChecksumCRC32 },
          }),
          { abortSignal: this.#signal },
        )
        .then(
          ({ ETag }) => void (part.ETag = ETag),
          (error: unknown) => void (this.#failure ??= refusal(error, { pack: this.#pack })),
        )
        .finally(() => this.#underWay.delete(sending));
      this.#underWay.add(sending);
    } catch (error) {
      throw refusal(error, { pack: this.#pack });
    }
  }

  async #begin(): Promise<string> {
    const { UploadId } = await this.#bucket.client.send(
      new CreateMultipartUploadCommand({
        ...this.#object,
        ...{ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT', Metadata: { [UPLOAD_MARK]: this.#mark } },
      }),
      { abortSignal: this.#signal },
    );
    if (UploadId === undefined)
      throw new HubError('store.failed', { pack: this.#pack, detail: 'an upload without a name' });
    return UploadId;
  }

  async #put(): Promise<string | undefined> {
    const { ChecksumCRC32 } = await this.#bucket.client.send(
      new PutObjectCommand({
        ...this.#object,
        ...{ Body: this.#buffer.subarray(0, this.#filled), ContentLength: this.#filled, IfNoneMatch: '*' },
        ...{ ChecksumCRC32: base64(this.#crc), Metadata: { [UPLOAD_MARK]: this.#mark } },
      }),
      { abortSignal: this.#signal },
    );
    return ChecksumCRC32;
  }

  async #completeParts(): Promise<string | undefined> {
    if (this.#filled > 0) await this.#sendPart();
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    const { ChecksumCRC32 } = await this.#bucket.client.send(
      new CompleteMultipartUploadCommand({
        ...this.#object,
        ...{ UploadId: this.#uploadId, MultipartUpload: { Parts: this.#parts }, IfNoneMatch: '*' },
        ...{ ChecksumCRC32: base64(this.#crc), ChecksumType: 'FULL_OBJECT', MpuObjectSize: this.#sizeBytes },
      }),
      { abortSignal: this.#signal },
    );
    this.#uploadId = undefined;
    return ChecksumCRC32;
  }

  /** @param stored - the checksum as the server answers it; a server that knows none is asked for the length instead */
  async #verify(stored: string | undefined): Promise<void> {
    if (stored === undefined) await this.#verifyOwn();
    else if (stored !== base64(this.#crc)) throw new HubError('store.corrupted', { pack: this.#pack });
  }

  /** What stands under the name is what this upload wrote. */
  async #verifyOwn(): Promise<void> {
    try {
      const found = await this.#bucket.client.send(
        new HeadObjectCommand({ ...this.#object, ChecksumMode: 'ENABLED' }),
        {
          abortSignal: this.#signal,
        },
      );
      if (found.Metadata?.[UPLOAD_MARK] !== this.#mark) {
        throw new HubError('store.failed', { pack: this.#pack, detail: 'the pack is there already' });
      }
      const isWhole =
        found.ContentLength === this.#sizeBytes && (found.ChecksumCRC32 ?? base64(this.#crc)) === base64(this.#crc);
      if (!isWhole) throw new HubError('store.corrupted', { pack: this.#pack });
      this.#uploadId = undefined;
    } catch (error) {
      throw refusal(error, { pack: this.#pack });
    }
  }
}

/** As the protocol writes a CRC-32: four bytes, the highest first. */
function base64(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
