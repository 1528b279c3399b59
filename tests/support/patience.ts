import type { Runnable } from 'mocha';

let waiting: () => Runnable | undefined = () => undefined;

/** Tells where to find the hook or test that is running; called once, by what starts the run. */
export function findRunningWith(find: () => Runnable | undefined): void {
  waiting = find;
}

/**
 * Gives the running hook or test more time, once; never less than it has.
 *
 * The first run on a machine fetches its peers inside some `before` hook; that hook is not slow, the network is.
 */
export function allow(timeoutMs: number): void {
  const running = waiting();
  // 0: as long as it takes.
  if (running === undefined || running.timeout() === 0) return;
  running.timeout(Math.max(running.timeout(), timeoutMs));
}
