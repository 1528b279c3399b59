/** Says in time that the disk is low, so that senders are told to wait before the disk is full. */
import { HubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import type { DiskSpace, SpoolFiles } from './files.ts';

export interface DiskLimits {
  /** 0 … 1; above it nothing is received. */
  readonly maxUsedFraction: number;
  /** Below it nothing is received. */
  readonly minFreeBytes: number;
}

/** A question costs one system call; between two, at most a second's worth of bytes comes in. */
const CHECK_EVERY_MS = 1_000;
/**
 * Receiving begins again a little above the limits: what the hub itself writes meanwhile must not close the doors again
 * with each instance.
 */
const RECOVERED_FREE = 1.1;
const RECOVERED_USED = 0.01;
/** Of the space to keep free, what is left to the hub's own writes: ledger, results. A large object under way ends there. */
const RESERVED_FREE = 0.5;

/** Asks the file system once a second by itself, so that no sender waits for it and none hears an old answer. */
export class DiskGuard {
  readonly #files: Pick<SpoolFiles, 'disk'>;
  readonly #limits: DiskLimits;
  readonly #log: Logger;
  #isLow = false;
  #space: DiskSpace | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  #isUnknown = false;

  constructor(files: Pick<SpoolFiles, 'disk'>, limits: DiskLimits, log: Logger) {
    this.#files = files;
    this.#limits = limits;
    this.#log = log;
  }

  /** Looks once, says what it found, and goes on looking. @throws what the file system says */
  async start(): Promise<void> {
    await this.check();
    this.#timer ??= setInterval(() => {
      if (!this.#isChecking) this.check().catch((error: unknown) => this.#lost(error));
    }, CHECK_EVERY_MS).unref();
    if (!this.#isLow) this.#log.info('disk has room', this.#fields());
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The last answer. */
  get isLow(): boolean {
    return this.#isLow;
  }

  /** As last seen, with the limits; undefined before the first look. */
  get measured(): (DiskSpace & DiskLimits & { readonly isLow: boolean }) | undefined {
    return this.#space === undefined ? undefined : { ...this.#space, ...this.#limits, isLow: this.#isLow };
  }

  /** What a sender and an operator are told; undefined while there is room. */
  get refusal(): HubError | undefined {
    if (!this.#isLow || this.#space === undefined) return undefined;
    return new HubError('store.full', { ...this.#fields(), advice: this.#advice(this.#space) });
  }

  /** Why not even what has begun may go on; undefined while it may. */
  get exhaustion(): HubError | undefined {
    const isExhausted = this.#space !== undefined && this.#space.freeBytes < this.#limits.minFreeBytes * RESERVED_FREE;
    return isExhausted ? this.refusal : undefined;
  }

  async check(): Promise<void> {
    this.#isChecking = true;
    try {
      const space = await this.#files.disk();
      const isLow = this.#isLow ? !hasRecovered(space, this.#limits) : isDiskLow(space, this.#limits);
      const hasChanged = isLow !== this.#isLow;
      this.#space = space;
      this.#isLow = isLow;
      this.#isUnknown = false;
      if (hasChanged && isLow) {
        this.#log.error('disk is low: nothing is received until there is room', {
          ...this.#fields(),
          advice: this.#advice(space),
        });
      } else if (hasChanged) this.#log.warn('disk has room again: receiving goes on', this.#fields());
    } finally {
      this.#isChecking = false;
    }
  }

  /** Once, not each second. */
  #lost(error: unknown): void {
    if (!this.#isUnknown) this.#log.error('disk space unknown', { reason: String(error) });
    this.#isUnknown = true;
  }

  #fields(): Readonly<Record<string, number>> {
    return {
      usedPercent: Math.round((this.#space?.usedFraction ?? 0) * 1000) / 10,
      maxUsedPercent: this.#limits.maxUsedFraction * 100,
      freeBytes: this.#space?.freeBytes ?? 0,
      minFreeBytes: this.#limits.minFreeBytes,
    };
  }

  #advice({ usedFraction, freeBytes }: DiskSpace): string {
    const { maxUsedFraction, minFreeBytes } = this.#limits;
    return (
      `${percent(usedFraction)} of the disk is used and ${gigabytes(freeBytes)} are free; receiving needs at most ` +
      `${percent(maxUsedFraction)} used and at least ${gigabytes(minFreeBytes)} free. Free some, see hub store usage and ` +
      'gateway.retention, or change gateway.disk.maxUsedPercent or minFree; receiving goes on by itself.'
    );
  }
}

/** How much may be written until receiving ends, as last seen; whatever is asked for where nothing was seen yet. */
export function roomAbove(disk: DiskGuard['measured']): number {
  if (disk === undefined) return Number.MAX_SAFE_INTEGER;
  const { usedFraction, freeBytes, maxUsedFraction, minFreeBytes } = disk;
  const total = usedFraction < 1 ? freeBytes / (1 - usedFraction) : 0;
  return Math.max(0, Math.min(freeBytes - minFreeBytes, (maxUsedFraction - usedFraction) * total));
}

/** Whichever limit is met first counts. */
function isDiskLow(space: DiskSpace, limits: DiskLimits): boolean {
  return space.usedFraction > limits.maxUsedFraction || space.freeBytes < limits.minFreeBytes;
}

function hasRecovered(space: DiskSpace, { maxUsedFraction, minFreeBytes }: DiskLimits): boolean {
  // Nothing is used more than whole: a limit of 100 % has no room above it to wait for.
  const wantedUsed = maxUsedFraction >= 1 ? 1 : maxUsedFraction - RECOVERED_USED;
  return space.usedFraction <= wantedUsed && space.freeBytes >= minFreeBytes * RECOVERED_FREE;
}

const percent = (fraction: number): string => `${String(Math.round(fraction * 1000) / 10)} %`;
const gigabytes = (bytes: number): string => `${String(Math.round(bytes / 1e7) / 100)} GB`;
