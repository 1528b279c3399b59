/**
 * Where the spool stands, kept beside it too: a hub that starts while its database is down still knows what to tell it
 * later. The file may be a little behind, which is harmless: what is told twice is known already.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { isLedgerAway } from '../../../core/away.ts';
import { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { SpoolPosition } from '../../../core/ledger/instances.ts';

/** How far behind: nothing that was recorded so shortly before has been removed again by retention. */
const WRITE_MS = 1_000;

/**
 * The ledger, with its `spoolPositions` answered from the file while it is unreachable.
 *
 * @param file - made when it is not there. Without it an unreachable ledger is an error as ever: to tell everything in the
 * spool again could bring back what retention has removed.
 * @param isSpoolEmpty - then it is known without the ledger: nothing was told. A new gateway receives, dies and starts again
 * while the ledger is down all the time
 */
export async function rememberPositions<Opened extends Ledger>(
  ledger: Opened,
  file: string,
  isSpoolEmpty: boolean,
): Promise<Opened> {
  let positions = await readPositions(file);
  if (positions === undefined && isSpoolEmpty) {
    positions = new Map();
    await replace(file, '[]');
  }
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = () => {
    timer = undefined;
    const text = JSON.stringify([...(positions ?? [])].map(([segment, offset]) => ({ segment, offset })));
    // Renamed into place: a crash leaves the one before. No sync, for the same reason that it may be behind; a file that the
    // power cut left empty is none. That its writing fails is no failure of what was recorded.
    writing = writing.then(() => replace(file, text)).catch(() => undefined);
  };
  const changed = () => {
    timer ??= setTimeout(write, WRITE_MS).unref();
  };
  const reached = ({ segment, offset }: SpoolPosition) => {
    positions ??= new Map<string, number>();
    positions.set(segment, Math.max(offset, positions.get(segment) ?? 0));
    changed();
  };

  return {
    ...ledger,
    instances: {
      ...ledger.instances,
      async record(instances, position) {
        const outcomes = await ledger.instances.record(instances, position);
        reached(position);
        return outcomes;
      },
      async spoolPositions() {
        try {
          const known = await ledger.instances.spoolPositions();
          // Emptied, or another one: everything in the spool would be taken for new and delivered again.
          if (known.length === 0 && positions !== undefined && positions.size > 0) {
            throw new HubError('ledger.missing', { segments: positions.size });
          }
          positions = new Map(known.map(({ segment, offset }) => [segment, offset]));
          changed();
          return known;
        } catch (error) {
          if (positions === undefined || !isLedgerAway(error)) throw error;
          return [...positions].map(([segment, offset]) => ({ segment, offset }));
        }
      },
    },
    retention: {
      ...ledger.retention,
      async announce(position) {
        await ledger.retention.announce(position);
        reached(position);
      },
      async forgetSegment(segment) {
        await ledger.retention.forgetSegment(segment);
        positions?.delete(segment);
        changed();
      },
    },
    async close() {
      clearTimeout(timer);
      if (positions !== undefined) write();
      await writing;
      await ledger.close();
    },
  };
}

async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text, { mode: 0o600 });
  await rename(`${file}.tmp`, file);
}

async function readPositions(file: string): Promise<Map<string, number> | undefined> {
  try {
    const found = JSON.parse(await readFile(file, 'utf8')) as readonly SpoolPosition[];
    return new Map(found.map(({ segment, offset }) => [segment, offset]));
  } catch {
    // Not there, or cut off by a power cut: then only the database knows.
    return undefined;
  }
}
