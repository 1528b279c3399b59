/**
 * Removes packs of received objects from the object store when nothing needs them any more. A pack is removed whole or
 * not at all: it is 16 MiB at most, or one object, so little that is old stays for little that is not.
 *
 * A pack that no row points at may be one that is about to be told to the ledger. Of this hub's own it is not when its
 * segment has left the local disk, or the ledger knows the segment beyond it: a segment goes only after all of it was
 * told, and what was copied before a restart is copied again under another name.
 */
import type { Ledger } from '../../core/ledger.ts';
import type { Clock } from '../../core/ports.ts';
import type { PackEntry, PackShelf } from '../../core/store.ts';
import type { SpoolFiles } from './files.ts';
import { PACKS, packOrigin, type PackOrigin } from './pack-name.ts';

/** Looked at together: the local disk and the positions are asked once for so many. */
const PACKS_AT_ONCE = 500;
/** Of another hub's packs it is only known how old they are: no hub holds on to one for so long without telling the ledger. */
const FOREIGN_MS = 30 * 86_400_000;

export interface PackSweepPorts {
  readonly shelf: Pick<PackShelf, 'list' | 'remove'>;
  readonly files: Pick<SpoolFiles, 'list'>;
  readonly ledger: Pick<Ledger, 'instances' | 'retention'>;
  readonly clock: Clock;
  readonly node: string;
}

/** @returns how many packs were removed @throws {HubError} what store or ledger say; what was removed by then is */
export async function sweepPacks(ports: PackSweepPorts): Promise<number> {
  let removed = 0;
  let some: (PackEntry & { readonly origin: PackOrigin })[] = [];
  for await (const entry of ports.shelf.list(PACKS)) {
    const origin = packOrigin(entry.pack);
    if (origin === undefined) continue;
    some.push({ ...entry, origin });
    if (some.length < PACKS_AT_ONCE) continue;
    removed += await sweepSome(some, ports);
    some = [];
  }
  return removed + (await sweepSome(some, ports));
}

async function sweepSome(
  packs: readonly (PackEntry & { readonly origin: PackOrigin })[],
  { shelf, files, ledger, clock, node }: PackSweepPorts,
): Promise<number> {
  if (packs.length === 0) return 0;
  // After the packs were seen: a segment whose pack is there and not told yet is still on the disk now.
  const local = new Set(await files.list());
  const recorded = new Map((await ledger.instances.spoolPositions()).map(({ segment, offset }) => [segment, offset]));
  const foreignBefore = clock.now().getTime() - FOREIGN_MS;
  let removed = 0;
  for (const { pack, madeAt, origin } of packs) {
    const isTold =
      origin.node === node
        ? !local.has(origin.segment) || (recorded.get(origin.segment) ?? 0) >= origin.to
        : madeAt.getTime() < foreignBefore;
    if (!isTold || (await ledger.retention.neededBytes(pack.slice(PACKS.length))) > 0) continue;
    await shelf.remove(pack);
    removed += 1;
  }
  return removed;
}
