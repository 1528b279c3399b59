/** Says in time that the disk is low, so that senders are told to wait before the disk is full. */
import type { Logger } from '../../core/ports.ts';
import type { DiskSpace, SpoolFiles } from './files.ts';

export interface DiskLimits {
  /** 0 … 1; above it nothing is received. */
  readonly maxUsedFraction: number;
  /** Below it nothing is received. */
  readonly minFreeBytes: number;
}

const CHECK_EVERY_MS = 1_000;

/** Asks the file system at most once a second, and never while a sender waits. */
export class DiskGuard {
  readonly #files: SpoolFiles;
  readonly #limits: DiskLimits;
  readonly #log: Logger;
  #isLow = false;
  #checkedAtMs = 0;
  #isChecking = false;

  constructor(files: SpoolFiles, limits: DiskLimits, log: Logger) {
    this.#files = files;
    this.#limits = limits;
    this.#log = log;
  }

  /** The last answer; starts the next question when that one is old. */
  get isLow(): boolean {
    if (!this.#isChecking && performance.now() - this.#checkedAtMs > CHECK_EVERY_MS) {
      this.#isChecking = true;
      this.check().catch((error: unknown) => this.#log.error('disk space unknown', { reason: String(error) }));
    }
    return this.#isLow;
  }

  async check(): Promise<void> {
    try {
      const space = await this.#files.disk();
      const isLow = isDiskLow(space, this.#limits);
      if (isLow !== this.#isLow) {
        this.#log.warn(isLow ? 'disk is low, receiving stops' : 'disk has room again', { ...space });
      }
      this.#isLow = isLow;
    } finally {
      this.#isChecking = false;
      this.#checkedAtMs = performance.now();
    }
  }
}

function isDiskLow(space: DiskSpace, limits: DiskLimits): boolean {
  return space.usedFraction > limits.maxUsedFraction || space.freeBytes < limits.minFreeBytes;
}
