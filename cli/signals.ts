/** Ending a command from outside: a hub that runs until then, and work that is given up in good order. */
import { HubError } from '../core/errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Resolves at the first signal or abort. A second signal ends the process at once: the data folder is safe at any moment. */
export async function untilSignal(aborted?: AbortSignal): Promise<void> {
  await new Promise<void>((stop) => {
    const onSignal = (): void => {
      stop();
      for (const signal of SIGNALS) process.once(signal, () => process.exit(1));
    };
    for (const signal of SIGNALS) process.once(signal, onSignal);
    aborted?.addEventListener('abort', () => stop(), { once: true });
  });
}

/**
 * Runs work whose signal is aborted by Ctrl-C, so that it can stop between two instances and clean up.
 * A second Ctrl-C ends the process at once.
 */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interruption = new AbortController();
  const onSignal = (): void => {
    if (interruption.signal.aborted) process.exit(1);
    interruption.abort(new HubError('command.interrupted'));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(interruption.signal);
  } catch (error) {
    // What breaks because it was interrupted is not what went wrong.
    throw interruption.signal.aborted ? new HubError('command.interrupted', {}, error) : error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
