/**
 * Who the partners are and what they may have now: those of the configuration and those that were made at run time,
 * narrowed by what was granted.
 */
import type { Ledger } from '../../core/ledger.ts';
import {
  knownPartners,
  narrowed,
  type Partner,
  type PartnerGrant,
  type PartnerSettings,
  type RegisteredPartner,
  withheld,
} from '../../core/partners.ts';

/** For so long a grant, or a partner, may be unknown to another process. */
const KNOWN_MS = 1_000;

export interface PartnerDirectory {
  /** Undefined: there is no such partner (any more), so nothing is its. */
  find(name: string): Promise<Partner | undefined>;
  all(): Promise<readonly Partner[]>;
  /** Whether it may have or bring anything then. */
  hasAccess(name: string, at: Date): Promise<boolean>;
  /** What is granted from now on holds here at once. */
  forget(): void;
}

/** What was set at run time. */
interface Rows {
  readonly registered: readonly RegisteredPartner[];
  readonly grants: ReadonlyMap<string, PartnerGrant>;
}

/** @param settings - asked each time, so that a configuration that was read anew holds */
export function createPartnerDirectory(
  ledger: Pick<Ledger, 'partners'>,
  settings: () => readonly PartnerSettings[],
): PartnerDirectory {
  let known: { readonly atMs: number; readonly rows: Promise<Rows> } | undefined;
  const ask = async (): Promise<Rows> => {
    const [grants, registered] = await Promise.all([ledger.partners.grants(), ledger.partners.registered()]);
    return { registered, grants: new Map(grants.map(({ partner, grant }) => [partner, grant])) };
  };
  const rows = (): Promise<Rows> => {
    const nowMs = performance.now();
    if (known !== undefined && nowMs - known.atMs < KNOWN_MS) return known.rows;
    const asked = ask();
    known = { atMs: nowMs, rows: asked };
    // Not known for a second that it could not be asked.
    asked.catch(() => {
      if (known?.rows === asked) known = undefined;
    });
    return asked;
  };
  const find = async (name: string): Promise<Partner | undefined> => {
    const { grants, registered } = await rows();
    const found =
      settings().find((each) => each.name === name) ??
      knownPartners(
        [],
        registered.filter((each) => each.name === name),
      )[0];
    return found === undefined ? undefined : narrowed(found, grants.get(name));
  };
  return {
    find,
    hasAccess: async (name, at) => {
      const partner = await find(name);
      return partner !== undefined && withheld(partner, {}, at.getTime()) === undefined;
    },
    all: async () => {
      const { grants, registered } = await rows();
      return knownPartners(settings(), registered).map((each) => narrowed(each, grants.get(each.name)));
    },
    forget: () => {
      known = undefined;
    },
  };
}
