/**
 * The spool: where received bytes become durable, and where they stay. A segment is a pack of the object store, so
 * there is no second copy, and the records in it are the outbox the pump works from.
 */
import type { HubError } from '../../core/errors.ts';
import type { SpoolPosition } from '../../core/ledger/instances.ts';
import type { Logger } from '../../core/ports.ts';
import { BlockPool } from './blocks.ts';
import { DiskGuard, type DiskLimits } from './disk-guard.ts';
import type { SpoolFiles } from './files.ts';
import { OwnSegment } from './own-segment.ts';
import { Reception } from './reception.ts';
import { recoverSpool, type SpooledRecord } from './recovery.ts';
import { SegmentLog } from './segment-log.ts';

export interface SpoolOptions {
  readonly disk: DiskLimits;
  /** A segment is closed when it is larger. */
  readonly segmentBytes: number;
  /** Memory for objects under way, all doors together. */
  readonly maxInFlightBytes: number;
  readonly maxObjectBytes: number;
  /** New segments have a higher number than this, and than all that are known; 0 unless said otherwise. */
  readonly firstSequence?: number;
}

export interface OpenedSpool {
  readonly spool: Spool;
  /** What the ledger was not told of before the hub stopped. */
  readonly unrecorded: readonly SpooledRecord[];
}

export class Spool {
  readonly #disk: DiskGuard;
  readonly #log: SegmentLog;
  readonly #ports: ConstructorParameters<typeof Reception>[1];
  /** A name for a segment, never used before. */
  readonly nextName: () => string;
  #isClosed = false;

  constructor(files: SpoolFiles, lastSequence: number, options: SpoolOptions, log: Logger) {
    let sequence = lastSequence;
    const nextName = () => segmentName(++sequence);
    this.nextName = nextName;
    this.#disk = new DiskGuard(files, options.disk, log);
    const pool = new BlockPool(options.maxInFlightBytes);
    const areOthersUnderWay = () => pool.isShared;
    this.#log = new SegmentLog(files, { nextName, segmentBytes: options.segmentBytes, areOthersUnderWay, log });
    this.#ports = {
      pool,
      log: this.#log,
      createOwnSegment: () => new OwnSegment(files, nextName(), log),
      isClosed: () => this.#isClosed,
      exhaustion: () => this.#disk.exhaustion,
      maxObjectBytes: options.maxObjectBytes,
    };
  }

  /**
   * An object begins.
   *
   * @param prefix - preamble and file meta information that stand before the data set
   * @returns a reception that refuses when the disk is low; its sender hears it from `finish`
   */
  receive(prefix: Uint8Array): Reception {
    return new Reception(prefix, this.#ports, this.#disk.refusal);
  }

  get isFull(): boolean {
    return this.#disk.isLow;
  }

  /** How full the disk is, and where receiving ends; undefined before the first look. */
  get disk(): DiskGuard['measured'] {
    return this.#disk.measured;
  }

  /** Why nothing is received; undefined while the disk has room. */
  get refusal(): HubError | undefined {
    return this.#disk.refusal;
  }

  /** Small objects are still appended to it. */
  isOpen(segment: string): boolean {
    return this.#log.openName === segment;
  }

  /** Looks at the disk from now on. */
  async watchDisk(): Promise<void> {
    await this.#disk.start();
  }

  /** Waits for what is being written. Receptions that go on afterwards fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#disk.stop();
    await this.#log.close();
  }
}

/** Mends what a crash left and opens the spool behind it. */
export async function openSpool(
  files: SpoolFiles,
  positions: readonly SpoolPosition[],
  options: SpoolOptions,
  log: Logger,
): Promise<OpenedSpool> {
  // The number of a removed or forgotten segment must not come again: the ledger may still hold its position.
  const names = [...(await files.list()), ...positions.map(({ segment }) => segment)];
  const unrecorded = await recoverSpool(files, positions, log);
  const known = names.reduce((last, name) => Math.max(last, Number.parseInt(name, 10) || 0), 0);
  const lastSequence = Math.max(known, options.firstSequence ?? 0);
  const spool = new Spool(files, lastSequence, options, log);
  await spool.watchDisk();
  return { spool, unrecorded };
}

function segmentName(sequence: number): string {
  return `${String(sequence).padStart(10, '0')}.seg`;
}
