/** What the bytes of a record are, and whether they are still those that were received. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { HubError } from '../../core/errors.ts';
import type { SpoolFile } from './files.ts';
import type { Description } from './record.ts';

/** What the passes over it (two digests, a sum) find in the processor's cache. */
const CHUNK_BYTES = 256 * 1024;

/** Where the parts of a record are in its segment. */
export interface RecordPlace {
  /** Of the Part 10 bytes. */
  readonly bodyOffset: number;
  readonly dataSetOffset: number;
  readonly endOffset: number;
}

/** What the record says its data set is: a CRC-32, or the SHA-256 of format 1. */
export type Guard = Pick<Description, 'dataSetCrc32' | 'dataSetSha256'>;

/** Lower-case hex, as the ledger has them. */
export interface ContentDigests {
  /** Of the Part 10 bytes. */
  readonly sha256: string;
  readonly dataSetSha256: string;
  /** CRC-32 of what stands before the data set: with the guard it tells whoever copies the bytes that they are these. */
  readonly prefixCrc32: number;
}

/** The digests of what is on the disk now, and whether the guard holds for it. */
export interface Digested extends ContentDigests {
  readonly isAsReceived: boolean;
}

/** Looks at the bytes of a data set as they go by. */
export class ContentCheck {
  readonly #guard: Guard;
  readonly #sha256 = createHash('sha256');
  #crc32 = 0;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  update(bytes: Uint8Array): void {
    if (this.#guard.dataSetCrc32 === undefined) this.#sha256.update(bytes);
    else this.#crc32 = crc32(bytes, this.#crc32);
  }

  /** After the last byte, once. */
  holds(): boolean {
    const { dataSetCrc32, dataSetSha256 } = this.#guard;
    return dataSetCrc32 === undefined ? this.#sha256.digest('hex') === dataSetSha256 : this.#crc32 === dataSetCrc32;
  }
}

/** Looks at the Part 10 bytes of a record as they go by. */
export class ObjectCheck {
  readonly #dataSet: ContentCheck;
  readonly #prefixCrc32: number;
  #prefixLeft: number;
  #crc32 = 0;

  /** @param prefixBytes - how many of the first bytes are not the data set */
  constructor(prefixBytes: number, guard: Guard, { prefixCrc32 }: Pick<ContentDigests, 'prefixCrc32'>) {
    this.#dataSet = new ContentCheck(guard);
    this.#prefixLeft = prefixBytes;
    this.#prefixCrc32 = prefixCrc32;
  }

  update(bytes: Uint8Array): void {
    const prefix = bytes.subarray(0, this.#prefixLeft);
    this.#crc32 = crc32(prefix, this.#crc32);
    this.#prefixLeft -= prefix.length;
    this.#dataSet.update(bytes.subarray(prefix.length));
  }

  /** After the last byte, once. */
  holds(): boolean {
    return this.#crc32 === this.#prefixCrc32 && this.#dataSet.holds();
  }
}

/** Reads the record's data set and says whether it is what was received. */
export async function isAsReceived(
  file: Pick<SpoolFile, 'read'>,
  { dataSetOffset, endOffset }: RecordPlace,
  guard: Guard,
): Promise<boolean> {
  const check = new ContentCheck(guard);
  for await (const chunk of chunksOf(file, dataSetOffset, endOffset, readBuffer())) check.update(chunk);
  return check.holds();
}

/** What records are read through, one after the other: a buffer of its own for each would be garbage that V8 is slow to see. */
export function readBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

/**
 * Reads the record once and makes all there is to know of its bytes.
 *
 * @param buffer - read into, and not used by anybody else meanwhile
 */
export async function digested(
  file: Pick<SpoolFile, 'read'>,
  { bodyOffset, dataSetOffset, endOffset }: RecordPlace,
  guard: Guard,
  buffer = readBuffer(),
): Promise<Digested> {
  const whole = createHash('sha256');
  const dataSet = createHash('sha256');
  let crc = 0;
  let prefixCrc32 = 0;
  for await (const chunk of chunksOf(file, bodyOffset, dataSetOffset, buffer)) {
    whole.update(chunk);
    prefixCrc32 = crc32(chunk, prefixCrc32);
  }
  for await (const chunk of chunksOf(file, dataSetOffset, endOffset, buffer)) {
    whole.update(chunk);
    dataSet.update(chunk);
    if (guard.dataSetCrc32 !== undefined) crc = crc32(chunk, crc);
  }
  const dataSetSha256 = dataSet.digest('hex');
  const holds = guard.dataSetCrc32 === undefined ? dataSetSha256 === guard.dataSetSha256 : crc === guard.dataSetCrc32;
  return { sha256: whole.digest('hex'), dataSetSha256, prefixCrc32, isAsReceived: holds };
}

/** A chunk is valid until the next is asked for. @throws {HubError} `store.missing` when the file ends before */
async function* chunksOf(
  file: Pick<SpoolFile, 'read'>,
  start: number,
  end: number,
  buffer: Buffer,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += buffer.length) {
    const wanted = buffer.subarray(0, Math.min(buffer.length, end - at));
    if ((await file.read(wanted, at)) < wanted.length)
      throw new HubError('store.missing', { detail: 'the segment ends before its record' });
    yield wanted;
  }
}
