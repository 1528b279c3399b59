import type { Runnable } from 'mocha';

let waiting: () => Runnable | undefined = () => undefined;

/** Tells where to find the hook or test that is running; called once, by what starts the run. */
export function findRunningWith(find: () => Runnable | undefined): void {
  waiting = find;
}

/**
 * Gives the running hook or test more time, once.
 *
 * The first run on a machine fetches its peers inside some `before` hook; that hook is not slow, the network is.
 */
export function allow(timeoutMs: number): void {
  waiting()?.timeout(timeoutMs);
}
