/** Removes packs of results that nobody will ever ask for. */
import type { PackShelf } from '../../core/store.ts';

const PACK = '.pack';
/** The ledger answers for so many at once, then others have their turn. */
const PACKS_AT_ONCE = 500;

/**
 * @param folder - where packs of results lie, with its slash
 * @param orphansOf - of names of packs, those that nothing refers to
 * @param before - only those made before then; all by default
 * @returns how many
 */
export async function removeResultPacks(
  shelf: Pick<PackShelf, 'list' | 'remove'>,
  folder: string,
  orphansOf: (names: readonly string[]) => Promise<readonly string[]>,
  before?: Date,
): Promise<number> {
  let removed = 0;
  const names: string[] = [];
  const sweep = async () => {
    for (const name of await orphansOf(names.splice(0))) {
      await shelf.remove(`${folder}${name}${PACK}`);
      removed += 1;
    }
  };
  for await (const { pack, madeAt } of shelf.list(folder)) {
    if (!pack.endsWith(PACK) || (before !== undefined && madeAt >= before)) continue;
    names.push(pack.slice(folder.length, -PACK.length));
    if (names.length >= PACKS_AT_ONCE) await sweep();
  }
  if (names.length > 0) await sweep();
  return removed;
}
