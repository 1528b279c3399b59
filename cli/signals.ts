/** Waiting for the operator to end a command. */

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
