/** The lease of a delivery under way: renewed in time, and given up in time when it cannot be. */
import { toHubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import type { LeasedDelivery } from '../core/ledger/deliveries.ts';
import type { Clock, Logger } from '../core/ports.ts';

/** So many renewals a lease: one that is slow or fails does not lose it. */
const RENEWALS = 3;
/**
 * Of a lease that cannot be renewed, work goes on for so long: two thirds of what is left when the first renewal failed.
 * Another process takes the delivery when the lease runs out, and two senders at once are what the rest is to prevent: the
 * connector has it to end what it is doing.
 */
const SAFE_PART = 7 / 9;

export interface Lease {
  /** Aborted when somebody else has the delivery, or may soon have it. */
  readonly lost: AbortSignal;
  /** The ledger said that another has it: nothing is left to be told to it. */
  readonly isTaken: () => boolean;
  /** Of `performance.now()`. */
  readonly heldUntilMs: () => number;
  stop(): void;
}

interface LeasePorts {
  readonly ledger: Pick<Ledger, 'deliveries'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** @param leasedAtMs - of `performance.now()`, before the ledger was asked for the delivery */
export function keepLease(
  { ledger, clock, log }: LeasePorts,
  { deliveryId, fence }: LeasedDelivery,
  leaseMs: number,
  leasedAtMs: number,
): Lease {
  const lost = new AbortController();
  let heldUntilMs = leasedAtMs + leaseMs;
  let isTaken = false;
  let deadline: NodeJS.Timeout | undefined;

  const watch = (fromMs: number): void => {
    clearTimeout(deadline);
    deadline = setTimeout(() => lost.abort(), Math.max(0, fromMs + leaseMs * SAFE_PART - performance.now()));
  };
  const renew = async (): Promise<void> => {
    // From before the call: the ledger may take its time, and counts from when it was asked.
    const fromMs = performance.now();
    const now = clock.now();
    try {
      if (await ledger.deliveries.renew(deliveryId, fence, leaseMs, now)) {
        heldUntilMs = fromMs + leaseMs;
        if (!lost.signal.aborted) watch(fromMs);
        return;
      }
      isTaken = true;
      lost.abort();
    } catch (error) {
      log.warn('lease could not be renewed', { error: toHubError(error).message });
    }
  };
  watch(leasedAtMs);
  const renewals = setInterval(() => void renew(), leaseMs / RENEWALS);
  return {
    lost: lost.signal,
    isTaken: () => isTaken,
    heldUntilMs: () => heldUntilMs,
    stop: () => {
      clearInterval(renewals);
      clearTimeout(deadline);
    },
  };
}
