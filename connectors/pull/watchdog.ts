/** Ends what makes no progress: a peer may say "pending" for ever. */
import { HubError } from '../../core/errors.ts';

export interface Watchdog {
  /** Aborted when nothing moved for too long, or when what it was made from is. */
  readonly signal: AbortSignal;
  /** Something moved. */
  moved(): void;
  stop(): void;
}

const LOOKS = 10;

/** @param isHeld - while it is so our own side keeps the peer waiting, and no time counts */
export function watchdog(outer: AbortSignal, stallMs: number, isHeld: () => boolean = () => false): Watchdog {
  const stalled = new AbortController();
  let movedMs = performance.now();
  const timer = setInterval(
    () => {
      if (isHeld()) movedMs = performance.now();
      else if (performance.now() - movedMs > stallMs) {
        stalled.abort(new HubError('partner.timeout', { detail: 'nothing came for too long' }));
      }
    },
    Math.max(10, stallMs / LOOKS),
  );
  return {
    signal: AbortSignal.any([outer, stalled.signal]),
    moved: () => {
      movedMs = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}
