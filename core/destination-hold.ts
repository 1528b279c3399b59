/** Why nothing goes to a destination now, though it is well. */
export type Hold =
  | { readonly what: 'send-window'; readonly until: Date }
  | { readonly what: 'partner-suspended' | 'partner-ended'; readonly partner: string };
