/** What is held, and why. */
import type { StudyInstanceUid } from '../identifiers.ts';
import type { BlobRef } from '../store.ts';
import type { Page } from './common.ts';
import type { Provenance } from './instances.ts';
import type { Override } from './overrides.ts';

export interface NewQuarantine {
  readonly quarantineId: string;
  readonly stage: 'gateway' | 'routers' | 'processors';
  readonly reason: string;
  /** Never a patient value. */
  readonly detail: string;
  readonly studyInstanceUid?: StudyInstanceUid;
  readonly runId?: string;
  readonly items: readonly {
    readonly blob: BlobRef;
    readonly sizeBytes: number;
    readonly sopInstanceUid?: string;
    /** Where it is known: the same content, refused for the same reason, is held once. */
    readonly dataSetSha256?: string;
  }[];
  readonly provenance?: Provenance;
  /** The whole study waits until this entry is released. */
  readonly holdsStudy: boolean;
}

export interface QuarantineRow extends NewQuarantine {
  readonly state: 'held' | 'released' | 'replayed';
  readonly createdAt: string;
  /** Copies of what it holds that came again and were not kept once more; absent when none did. */
  readonly repeats?: number;
  readonly repeatedAt?: string;
  /** A run that may go on all the same, while it is held. */
  readonly isOverridable?: true;
  /** Somebody said that it goes on all the same. */
  readonly override?: Override & { readonly at: string };
}

/** A copy that was refused. */
export interface RefusedCopy {
  readonly reason: string;
  readonly dataSetSha256: string;
  readonly sopInstanceUid?: string | undefined;
}

export interface QuarantineLedger {
  /** Content refused at the door: row and `study.quarantined`; of one object that is held already, one repeat more. */
  hold(entry: NewQuarantine): Promise<void>;
  /** Counts a copy where the same is held for the same reason. False: it is not, and has to be kept. */
  repeated(copy: RefusedCopy): Promise<boolean>;
  list(page: Page & { readonly state?: QuarantineRow['state'] }): Promise<readonly QuarantineRow[]>;
  get(quarantineId: string): Promise<QuarantineRow | undefined>;
  /** Gives up the hold; a held study gets its completion timer back, a quarantined run is replayed. False: not held. */
  release(quarantineId: string): Promise<boolean>;
}
