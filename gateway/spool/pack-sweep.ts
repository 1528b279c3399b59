/**
 * Removes packs of received objects from the object store when nothing needs them any more. A pack is removed whole or
 * not at all: it is 16 MiB at most, or one object, so little that is old stays for little that is not.
 *
 * That no row points at a pack is not enough: the rows may come yet, or have been in a ledger that was lost. It goes only
 * when this very ledger says that it was told of the segment beyond the pack. So whatever points at it is known, and what
 * a restart left of packs is among it: the same records were shipped again under another name. Of packs of other hubs a
 * hub knows nothing.
 */
import type { Ledger } from '../../core/ledger.ts';
import type { PackShelf } from '../../core/store.ts';
import type { SpoolFiles } from './files.ts';
import { PACKS, packOrigin } from './pack-name.ts';

export interface PackSweepPorts {
  readonly shelf: Pick<PackShelf, 'list' | 'remove'>;
  readonly files: Pick<SpoolFiles, 'list'>;
  readonly ledger: Pick<Ledger, 'instances' | 'retention'>;
  readonly node: string;
}

/** @returns how many packs were removed @throws {HubError} what store or ledger say; what was removed by then is */
export async function sweepPacks({ shelf, files, ledger, node }: PackSweepPorts): Promise<number> {
  const positions = await ledger.instances.spoolPositions();
  const told = new Map(positions.map(({ segment, offset }) => [segment, offset]));
  /** Segments, and packs that a rebuilt ledger was told of by name, that must still be known. */
  const kept = new Set<string>();
  let removed = 0;
  for await (const { pack } of shelf.list(`${PACKS}${node}/`)) {
    const origin = packOrigin(pack);
    if (origin === undefined) continue;
    const name = pack.slice(PACKS.length);
    const isTold = (told.get(origin.segment) ?? 0) >= origin.to || told.has(name);
    if (isTold && (await ledger.retention.neededBytes(name)) === 0) {
      await shelf.remove(pack);
      removed += 1;
    } else kept.add(origin.segment).add(name);
  }
  // Only what has neither bytes here nor there: a segment that is there and not known would be told again as new.
  for (const segment of await files.list()) kept.add(segment);
  for (const { segment } of positions) if (!kept.has(segment)) await ledger.retention.forgetSegment(segment);
  return removed;
}
