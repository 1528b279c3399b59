/** What a pull asks of its source, whichever way it is spoken with. */
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/identifiers.ts';
import type { FoundStudy, PullRange } from '../../core/ledger/pulls.ts';

/** The answer to a question. */
export interface Found {
  readonly studies: readonly FoundStudy[];
  /** There are more than may be asked for at once; what is here is not all. */
  readonly isCut: boolean;
  /** Matches that are not what was asked for, and are left where they are. */
  readonly strays: number;
  /** Matches that are what was asked for, and cannot be fetched: they have no valid Study Instance UID. */
  readonly nameless: number;
}

/** A series as its source counts it. */
export interface SeriesAtSource {
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly instances: number;
}

/** What is to come: all of the study, a series, or single instances of one. */
export type Scope =
  | { readonly level: 'study' }
  | { readonly level: 'series'; readonly seriesInstanceUid: SeriesInstanceUid }
  | {
      readonly level: 'instances';
      readonly seriesInstanceUid: SeriesInstanceUid;
      readonly sopInstanceUids: readonly SopInstanceUid[];
    };

export interface PullSource {
  /** @throws {HubError} `partner.*`, `pull.keys-ignored` */
  find(range: PullRange, signal: AbortSignal): Promise<Found>;
  /** Empty when it does not know the study. @throws {HubError} `partner.*` */
  series(study: StudyInstanceUid, signal: AbortSignal): Promise<readonly SeriesAtSource[]>;
  instances(
    study: StudyInstanceUid,
    series: SeriesInstanceUid,
    signal: AbortSignal,
  ): Promise<readonly SopInstanceUid[]>;
  /**
   * Has it sent, and takes what comes. What is said of single instances is not believed either way: who asked looks into
   * the ledger.
   *
   * @throws {HubError} `partner.*`; `store.full`, `gateway.stopping` when the hub itself takes nothing
   */
  fetch(study: StudyInstanceUid, scope: Scope, signal: AbortSignal): Promise<void>;
}
