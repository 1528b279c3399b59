/**
 * What `hub doctor` finds out, one thing at a time. Sentences are for a person who reads them at night: what was tried,
 * and where it is not as it should be, why, and what to do. Never a secret, never a patient's value.
 */

/** `wrong`: it does not work. `warning`: it works, but not for long or not for all. `skipped`: not tried. */
export type Verdict = 'fine' | 'warning' | 'wrong' | 'skipped';

export interface Diagnosis {
  /** Stable, for machines: `tcp`, `tls.expiry`. */
  readonly id: string;
  readonly verdict: Verdict;
  readonly what: string;
  readonly why?: string;
  readonly remedy?: string;
}

export function fine(id: string, what: string): Diagnosis {
  return { id, verdict: 'fine', what };
}

export function wrong(id: string, what: string, why: string, remedy: string): Diagnosis {
  return { id, verdict: 'wrong', what, why, remedy };
}

export function warning(id: string, what: string, why: string, remedy: string): Diagnosis {
  return { id, verdict: 'warning', what, why, remedy };
}

export function skipped(id: string, what: string, why: string): Diagnosis {
  return { id, verdict: 'skipped', what, why };
}
