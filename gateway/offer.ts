/** What a door says of an instance it has not read. */
import type { HubError } from '../core/errors.ts';
import type { Provenance } from '../core/ledger/instances.ts';

/** What the sender announced before the bytes came; absent is not announced. */
export interface Expected {
  readonly transferSyntaxUid: string;
  readonly sopClassUid?: string | undefined;
  readonly sopInstanceUid?: string | undefined;
  readonly studyInstanceUid?: string | undefined;
}

export interface Offer {
  readonly provenance: Provenance;
  readonly expected: Expected;
  /** The door's own reason to refuse; the bytes still go to quarantine. */
  readonly refusal?: HubError | undefined;
  /** What is refused because it cannot be read stays with its sender, who is told why: no copy goes to quarantine. */
  readonly isKeptBySender?: true;
}
