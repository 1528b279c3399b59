/**
 * One object on its way into the spool. Bytes are pushed as they come; small objects wait in blocks of memory until
 * they are appended whole, large ones go to a segment of their own while they arrive. Nothing is kept of an object that
 * is not committed.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { HubError } from '../../core/errors.ts';
import { formatBlobRef, type BlobRef, type ByteSource } from '../../core/store.ts';
import { BLOCK_BYTES, type BlockPool } from './blocks.ts';
import { blockSource, fileSource } from './byte-sources.ts';
import { OwnSegment } from './own-segment.ts';
import { encodeRecordHead, type Description } from './record.ts';
import type { SegmentLog } from './segment-log.ts';
import { storageFailure } from './storage-failure.ts';

/** Data sets up to here share a segment; larger ones get one of their own. */
const SHARED_SEGMENT_MAX_BYTES = 8 * 1024 * 1024;
/** The same while much memory is taken: eight scanners with large objects would hold 64 MiB before the first byte is written. */
const SHARED_SEGMENT_MAX_BYTES_OF_MANY = 1024 * 1024;

export interface ReceptionPorts {
  readonly pool: BlockPool;
  readonly log: SegmentLog;
  readonly createOwnSegment: () => OwnSegment;
  /** Nothing may be committed any more. */
  readonly isClosed: () => boolean;
  /** Why a large object may not go on; undefined while it may. */
  readonly exhaustion: () => HubError | undefined;
  readonly maxObjectBytes: number;
}

/** An object that is durable. */
export interface Committed {
  readonly segment: string;
  readonly endOffset: number;
  readonly blob: BlobRef;
  /** Of the Part 10 bytes, whose end is that of the record. */
  readonly sizeBytes: number;
  /** How many of the last bytes are the data set. */
  readonly dataSetBytes: number;
}

/** An object with all its bytes, not yet durable. */
export interface ReceivedObject {
  /** Of the Part 10 bytes, prefix included. */
  readonly sizeBytes: number;
  readonly dataSetBytes: number;
  readonly dataSetCrc32: number;
  /** Made when it is asked for: an acknowledgement needs none where there is nothing to compare with. Before `commit`. */
  readonly dataSetSha256: () => Promise<string>;
  /** The Part 10 bytes, until `commit` or `abandon`; so are the bytes that are read from it. */
  readonly source: ByteSource;
}

export class Reception {
  readonly #prefix: Uint8Array;
  readonly #ports: ReceptionPorts;
  #dataSetCrc32 = 0;
  /** The prefix, then the data set. */
  #blocks: Buffer[] = [];
  /** Bytes used of the last block. */
  #used = BLOCK_BYTES;
  #dataSetBytes = 0;
  #own: OwnSegment | undefined;
  #refusal: HubError | undefined;
  #isAbandoned = false;
  /** The prefix is in the blocks. */
  #isBegun = false;

  /**
   * @param refusal - the object is refused before it comes: its bytes are taken from the sender and forgotten
   */
  constructor(prefix: Uint8Array, ports: ReceptionPorts, refusal?: HubError) {
    this.#prefix = prefix;
    this.#ports = ports;
    this.#refusal = refusal;
  }

  /**
   * Takes bytes of the data set; they are copied before it returns.
   *
   * @returns false when the sender should wait for `room`
   */
  push(bytes: Uint8Array): boolean {
    this.#dataSetBytes += bytes.length;
    if (this.#refusal === undefined && this.#dataSetBytes > this.#ports.maxObjectBytes) {
      this.#refuse(new HubError('dataset.too-large', { maxBytes: this.#ports.maxObjectBytes }));
    }
    // It would fill the disk to the last byte, and the ledger could tell nobody what has come.
    const exhaustion = this.#own === undefined ? undefined : this.#ports.exhaustion();
    if (exhaustion !== undefined) this.#refuse(exhaustion);
    if (this.#refusal !== undefined || this.#isAbandoned) return true;
    this.#dataSetCrc32 = crc32(bytes, this.#dataSetCrc32);
    if (!this.#isBegun) this.#copy(this.#prefix);
    this.#isBegun = true;
    this.#copy(bytes);
    if (this.#own !== undefined) this.#handOver(false);
    else if (this.#dataSetBytes > this.#sharedSegmentMaxBytes || this.#isInTheWay) this.#moveToOwnSegment();
    return this.#own === undefined || !(this.#ports.pool.isOver || this.#own.isBehind);
  }

  /** Resolves when `push` may be called again. */
  async room(): Promise<void> {
    // What the disk says about it is said by `finish`.
    await this.#own?.caughtUp().catch(() => undefined);
  }

  /**
   * All bytes are in.
   *
   * @throws {HubError} why the object was refused, or what the disk said while it came
   */
  async finish(): Promise<ReceivedObject> {
    if (this.#refusal !== undefined || this.#isAbandoned) {
      await this.abandon();
      throw this.#refusal ?? new HubError('store.failed', { reason: 'abandoned' });
    }
    const sizeBytes = this.#prefix.length + this.#dataSetBytes;
    if (this.#own !== undefined) {
      this.#handOver(true);
      try {
        await this.#own.caughtUp();
      } catch (error) {
        await this.abandon();
        throw storageFailure(error);
      }
      return this.#received(sizeBytes, fileSource(this.#own.file, this.#own.bodyOffset, sizeBytes));
    }
    return this.#received(sizeBytes, blockSource(this.#contents(), sizeBytes));
  }

  #received(sizeBytes: number, source: ByteSource): ReceivedObject {
    return {
      sizeBytes,
      dataSetBytes: this.#dataSetBytes,
      dataSetCrc32: this.#dataSetCrc32,
      dataSetSha256: async () => digestFrom(source, this.#prefix.length),
      source,
    };
  }

  /**
   * Resolves when the object and its description would survive the power plug.
   *
   * @throws {HubError} `store.full`, `store.failed`, `gateway.stopping`; then nothing is kept
   */
  async commit(description: Description): Promise<Committed> {
    try {
      if (this.#ports.isClosed()) throw new HubError('gateway.stopping');
      return await (this.#own === undefined
        ? this.#commitShared(description)
        : this.#commitOwn(this.#own, description));
    } finally {
      this.#giveBlocks();
    }
  }

  /** Leaves nothing behind. Harmless after `commit`. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    const own = this.#own;
    this.#own = undefined;
    this.#giveBlocks();
    await own?.remove();
  }

  async #commitShared(description: Description): Promise<Committed> {
    const head = encodeRecordHead(description, this.#prefix, this.#dataSetBytes);
    const { segment, offset, endOffset } = await this.#ports.log.append([head, ...this.#contents()]);
    return this.#committed(segment, offset + head.length, endOffset);
  }

  async #commitOwn(own: OwnSegment, description: Description): Promise<Committed> {
    try {
      const head = (reserved: number) => encodeRecordHead(description, this.#prefix, this.#dataSetBytes, reserved);
      await own.commit(head);
    } catch (error) {
      this.#own = undefined;
      await own.remove();
      throw storageFailure(error);
    }
    this.#own = undefined;
    const sizeBytes = this.#prefix.length + this.#dataSetBytes;
    return this.#committed(own.name, own.bodyOffset, own.bodyOffset + sizeBytes);
  }

  #committed(segment: string, bodyOffset: number, endOffset: number): Committed {
    const sizeBytes = this.#prefix.length + this.#dataSetBytes;
    const blob = formatBlobRef(`spool/${segment}`, bodyOffset, sizeBytes);
    return { segment, endOffset, blob, sizeBytes, dataSetBytes: this.#dataSetBytes };
  }

  /** The Part 10 bytes as they lie in memory. */
  #contents(): Uint8Array[] {
    const last = this.#blocks.length - 1;
    if (last === -1) return [this.#prefix];
    return this.#blocks.map((block, n) => (n === last ? block.subarray(0, this.#used) : block));
  }

  /**
   * Memory is short and this object holds full blocks of it. Waiting for others to give theirs back could be for ever:
   * they may all be waiting. The disk always gets on, or says why not.
   */
  get #isInTheWay(): boolean {
    return this.#ports.pool.isOver && this.#blocks.length > 1;
  }

  get #sharedSegmentMaxBytes(): number {
    return this.#ports.pool.isMuch ? SHARED_SEGMENT_MAX_BYTES_OF_MANY : SHARED_SEGMENT_MAX_BYTES;
  }

  #copy(bytes: Uint8Array): void {
    let taken = 0;
    while (taken < bytes.length) {
      if (this.#used === BLOCK_BYTES) {
        this.#blocks.push(this.#ports.pool.take());
        this.#used = 0;
      }
      const block = this.#blocks.at(-1);
      if (block === undefined) throw new Error('a block was pushed and is not there');
      const some = bytes.subarray(taken, taken + BLOCK_BYTES - this.#used);
      block.set(some, this.#used);
      this.#used += some.length;
      taken += some.length;
    }
  }

  #moveToOwnSegment(): void {
    this.#own = this.#ports.createOwnSegment();
    this.#handOver(false);
  }

  /** Gives the segment every full block, and at the end the last one too. */
  #handOver(isAll: boolean): void {
    if (this.#own === undefined) return;
    const isLastFull = this.#used === BLOCK_BYTES;
    const blocks = this.#blocks.splice(0, isAll || isLastFull ? this.#blocks.length : this.#blocks.length - 1);
    if (blocks.length === 0) return;
    const isTail = isAll && !isLastFull;
    const parts = blocks.map((block, n) => (isTail && n === blocks.length - 1 ? block.subarray(0, this.#used) : block));
    if (this.#blocks.length === 0) this.#used = BLOCK_BYTES;
    this.#own.write(parts, () => this.#ports.pool.give(blocks));
  }

  #refuse(error: HubError): void {
    this.#refusal = error;
    this.#giveBlocks();
  }

  #giveBlocks(): void {
    const blocks = this.#blocks;
    this.#blocks = [];
    this.#used = BLOCK_BYTES;
    this.#ports.pool.give(blocks);
  }
}

/** SHA-256 of what stands behind `offset`, as hex. */
export async function digestFrom(source: ByteSource, offset: number): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of source.stream(offset)) digest.update(chunk);
  return digest.digest('hex');
}
