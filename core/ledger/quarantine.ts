/** What is held, and why. */
import type { StudyInstanceUid } from '../identifiers.ts';
import type { BlobRef } from '../store.ts';
import type { Page } from './common.ts';
import type { Provenance } from './instances.ts';

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
  }[];
  readonly provenance?: Provenance;
  /** The whole study waits until this entry is released. */
  readonly holdsStudy: boolean;
}

export interface QuarantineRow extends NewQuarantine {
  readonly state: 'held' | 'released' | 'replayed';
  readonly createdAt: string;
}

export interface QuarantineLedger {
  /** Content refused at the door: row and `study.quarantined`. */
  hold(entry: NewQuarantine): Promise<void>;
  list(page: Page & { readonly state?: QuarantineRow['state'] }): Promise<readonly QuarantineRow[]>;
  get(quarantineId: string): Promise<QuarantineRow | undefined>;
  /** Gives up the hold; a held study gets its completion timer back, a quarantined run is replayed. False: not held. */
  release(quarantineId: string): Promise<boolean>;
}
