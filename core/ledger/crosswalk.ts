/**
 * What became of which identifier when a study was de-identified, as the ledger keeps it: sealed, and found by keys that
 * say nothing to whoever has not the key of the crosswalk. `processors/crosswalk` seals and opens.
 */

/** What a pseudonymous UID names. `other`: a frame of reference, what an instance refers to. `returned`: a partner's own object. */
export const CROSSWALK_KINDS = ['study', 'series', 'instance', 'other', 'returned'] as const;
export type CrosswalkKind = (typeof CROSSWALK_KINDS)[number];

/** Sealed mappings, and what they are found by. */
export interface CrosswalkPart {
  /** A keyed digest of what it says: the same again is the same part, and is kept once. */
  readonly partKey: string;
  /** Base64. */
  readonly sealed: string;
  readonly keys: readonly { readonly kind: CrosswalkKind; readonly uidKeys: readonly string[] }[];
}

export interface CrosswalkHit {
  readonly uidKey: string;
  readonly kind: CrosswalkKind;
  /** Later ones have higher numbers. */
  readonly part: number;
}

export interface CrosswalkAnswer {
  /** By kind; of one kind the latest first, and a bounded number for each key. */
  readonly hits: readonly CrosswalkHit[];
  /** Those of the hits, each once. */
  readonly parts: readonly { readonly part: number; readonly partKey: string; readonly sealed: string }[];
}

/** Written with the result of the step that made them, see `StepResult`; never changed, never removed. */
export interface CrosswalkLedger {
  /** @param uidKeys - at most 256 */
  find(uidKeys: readonly string[]): Promise<CrosswalkAnswer>;
  /** Those of the UIDs that an instance or a series has which a door took. @param uids - at most 256 */
  received(uids: readonly string[]): Promise<readonly string[]>;
}
