import type { Logger } from '../../core/ports.ts';

/** For tests that do not look at the log. */
export const silentLog: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLog,
};
