/** Sending with DCMTK's storescu, Nagle's algorithm off: with it on, DCMTK's peers wait 40 ms an instance for an acknowledgement. */
import { join } from 'node:path';
import { run } from '../tests/support/child-process.ts';
import { dcmtk } from '../tests/support/peers.ts';
import type { Receiver } from './receivers.ts';

const TIMEOUT_MS = 1_800_000;

/**
 * Sends the folders 0, 1, 2 … at once, one association each.
 *
 * @returns seconds until the last sender has all its answers
 * @throws {Error} when one instance was not taken
 */
export async function sendFolders(
  folder: string,
  associations: number,
  receiver: Pick<Receiver, 'name' | 'aeTitle' | 'port'>,
): Promise<number> {
  const command = (await dcmtk()).command('storescu');
  const startedMs = performance.now();
  const ends = await Promise.all(
    Array.from({ length: associations }, async (_, n) =>
      run(command, ['-aec', receiver.aeTitle, '+sd', '127.0.0.1', String(receiver.port), join(folder, String(n))], {
        timeoutMs: TIMEOUT_MS,
      }),
    ),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const refused = ends.find(
    ({ code, stdout, stderr }) => code !== 0 || /Refused|Error|Unknown Status/.test(stdout + stderr),
  );
  if (refused !== undefined)
    throw new Error(`${receiver.name} did not take everything:\n${refused.stdout}${refused.stderr}`);
  return seconds;
}
