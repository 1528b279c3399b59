/** The shape of a row in the table of errors. */

/** `transient`: try again. `ambiguous`: the other side may have it, repeat only what is idempotent. `permanent`: never. */
type RetryClass = 'transient' | 'ambiguous' | 'permanent';

/** What one failure means to each listener. */
export interface ErrorRow {
  /** Status of a C-STORE-RSP, PS3.4 Table B.2-1 and PS3.7 Annex C. */
  readonly dimse: number;
  readonly http: number;
  readonly retry: RetryClass;
  readonly title: string;
  /** What the reader of the message can do about it. */
  readonly remedy: string;
}
