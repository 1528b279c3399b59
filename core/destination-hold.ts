/** Why nothing goes to a destination now. */
export type Hold =
  | { readonly what: 'send-window'; readonly until: Date }
  /** It failed, and is left alone. @see BreakerRow */
  | { readonly what: 'breaker'; readonly until: Date; readonly reason: string }
  | { readonly what: 'partner-suspended' | 'partner-ended'; readonly partner: string };
