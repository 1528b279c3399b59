/** What a command ends with. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** `hub deidentify` only: something was held back. */
  quarantined: 3,
  /** EX_CONFIG of sysexits.h. */
  config: 78,
} as const;
