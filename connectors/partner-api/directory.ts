/** Who the partners are and what they may have now: the configuration, narrowed by what was granted at run time. */
import type { Ledger } from '../../core/ledger.ts';
import { narrowed, type Partner, type PartnerGrant, type PartnerSettings, withheld } from '../../core/partners.ts';

/** For so long a grant may be unknown to another process. */
const KNOWN_MS = 1_000;

export interface PartnerDirectory {
  /** Undefined: the configuration has no such partner (any more), so nothing is its. */
  find(name: string): Promise<Partner | undefined>;
  all(): Promise<readonly Partner[]>;
  /** Whether it may have or bring anything then. */
  hasAccess(name: string, at: Date): Promise<boolean>;
  /** What is granted from now on holds here at once. */
  forget(): void;
}

/** @param settings - asked each time, so that a configuration that was read anew holds */
export function createPartnerDirectory(
  ledger: Pick<Ledger, 'partners'>,
  settings: () => readonly PartnerSettings[],
): PartnerDirectory {
  let known: { readonly atMs: number; readonly grants: Promise<ReadonlyMap<string, PartnerGrant>> } | undefined;
  const grants = (): Promise<ReadonlyMap<string, PartnerGrant>> => {
    const nowMs = performance.now();
    if (known !== undefined && nowMs - known.atMs < KNOWN_MS) return known.grants;
    const asked = ledger.partners.grants().then((rows) => new Map(rows.map(({ partner, grant }) => [partner, grant])));
    known = { atMs: nowMs, grants: asked };
    // Not known for a second that it could not be asked.
    asked.catch(() => {
      if (known?.grants === asked) known = undefined;
    });
    return asked;
  };
  const find = async (name: string): Promise<Partner | undefined> => {
    const found = settings().find((each) => each.name === name);
    return found === undefined ? undefined : narrowed(found, (await grants()).get(name));
  };
  return {
    find,
    hasAccess: async (name, at) => {
      const partner = await find(name);
      return partner !== undefined && withheld(partner, {}, at.getTime()) === undefined;
    },
    all: async () => {
      const granted = await grants();
      return settings().map((each) => narrowed(each, granted.get(each.name)));
    },
    forget: () => {
      known = undefined;
    },
  };
}
