/**
 * Ends the inference process with the hub, whatever the network is doing: a pass keeps the main thread busy, so a thread
 * of its own holds the pipe that the hub keeps open. When the hub is killed, or the worker thread that started the
 * process, the pipe closes; nobody else would end a network that computes for minutes.
 */
import { rmdirSync } from 'node:fs';
import { Socket } from 'node:net';

/** The pipe after standard input, output and error. */
const LIFELINE = 3;

new Socket({ fd: LIFELINE }).on('error', end).on('close', end).resume();

function end(): void {
  try {
    // Whoever would have removed it is gone. Only an empty folder: the network had no business to write there.
    rmdirSync(process.cwd());
  } catch {
    // Removed already, or not empty: nothing to add.
  }
  process.kill(process.pid, 'SIGKILL');
}
