/** Why somebody lets a held run go on all the same: a closed list, for it goes into events, where nothing that was typed may stand. */
export const OVERRIDE_REASONS = [
  'cannot-be-repeated',
  'accepted-by-owner',
  'finding-is-wrong',
  'limit-does-not-fit',
  'test',
] as const;
export type OverrideReason = (typeof OVERRIDE_REASONS)[number];
