/**
 * Between what fetches studies and the gateway: the way into the hub for what comes back on our own connection, and what
 * the DIMSE door is told of the C-STOREs that a peer sends because we asked it to move something.
 */
import type { HubError } from './errors.ts';
import type { StudyInstanceUid } from './identifiers.ts';
import type { Provenance } from './ledger/instances.ts';

/** What is being fetched, and by whom. */
export interface Fetching {
  readonly provenance: Provenance;
  /** An instance of another study is refused; its bytes go to quarantine. */
  readonly studyInstanceUid: StudyInstanceUid;
}

/** Of the file meta information. */
export interface AnnouncedInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

export interface Intake {
  /** Nothing can be taken now: the disk is low, or the hub opens or stops. */
  readonly isClosed: boolean;
  /**
   * A data set without file meta information, as C-GET brings it.
   *
   * @returns when it is durable: its sender may be told Success
   * @throws {HubError} why not; or what reading the body throws, and nothing of it stays
   */
  takeDataSet(body: AsyncIterable<Uint8Array>, announced: AnnouncedInstance, fetching: Fetching): Promise<void>;
  /**
   * A Part 10 file, as WADO-RS brings it.
   *
   * @returns when it is read; `durable` resolves when it is durable, to why it is not taken, and never rejects
   */
  takePart10(
    body: AsyncIterable<Uint8Array>,
    fetching: Fetching,
  ): Promise<{ readonly durable: Promise<HubError | undefined> }>;
  /** Nothing more comes under this id; whole: everything that was asked for came. */
  ended(associationId: string, isWhole: boolean): void;
}

/** A C-STORE-RQ that came in. PS3.7 Section 9.1.1.1: a peer that sends it for a C-MOVE says whose, if it likes. */
export interface IncomingStore {
  readonly source: string;
  readonly callingAeTitle: string;
  readonly originator?: { readonly aeTitle: string; readonly messageId: number };
}

/** What the hub knows of it. */
export interface MoveOrigin {
  /** In place of the one that the association is of. */
  readonly source: string;
  readonly studyInstanceUid?: StudyInstanceUid;
  /** Nobody asked for it. */
  readonly refusal?: HubError;
  readonly onStored?: (sizeBytes: number) => void;
}

export interface MoveOrigins {
  /** Undefined: it was not asked for, and need not be. */
  originOf(store: IncomingStore): MoveOrigin | undefined;
}
