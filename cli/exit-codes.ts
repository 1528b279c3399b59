/** What a command ends with. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** `hub deidentify` only: something was held back. */
  quarantined: 3,
  /** `hub evaluate --require-acceptance` only: the model did not reach what it registered. */
  notAccepted: 4,
  /** EX_CONFIG of sysexits.h. */
  config: 78,
} as const;
