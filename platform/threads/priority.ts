/** Who waits when the processor is short: never a scanner that wants its acknowledgement. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * Lowers the priority of the calling thread, and of the processes it starts. Where a thread has no priority of its own
 * (anywhere but on Linux) nothing happens.
 *
 * @param niceness - 1 (a little) … 19 (only what nobody else wants)
 */
export function yieldToReceiving(niceness: number): void {
  if (process.platform !== 'linux') return;
  // `PID/task/TID`; read on the calling thread, unlike everything asynchronous.
  const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  if (Number.isInteger(thread)) setPriority(thread, niceness);
}
