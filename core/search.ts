/**
 * What QIDO-RS may ask of the hub's studies, series and instances (PS3.18 Section 10.6), and the port that answers it.
 * A search is checked where it comes in; the port trusts it.
 */
import type { SeriesInstanceUid, SopClassUid, SopInstanceUid, StudyInstanceUid } from './identifiers.ts';
import type { Attributes } from './ledger/common.ts';
import type { BlobRef } from './store.ts';

export type SearchLevel = 'study' | 'series' | 'instance';

/** By keyword, with the level the attribute belongs to: PS3.18 Table 10.6.1-5, and Study, Series Description. */
export const SEARCHABLE = {
  StudyInstanceUID: 'study',
  StudyDate: 'study',
  StudyTime: 'study',
  AccessionNumber: 'study',
  ModalitiesInStudy: 'study',
  ReferringPhysicianName: 'study',
  PatientName: 'study',
  PatientID: 'study',
  PatientBirthDate: 'study',
  StudyID: 'study',
  StudyDescription: 'study',
  SeriesInstanceUID: 'series',
  Modality: 'series',
  SeriesNumber: 'series',
  SeriesDescription: 'series',
  PerformedProcedureStepStartDate: 'series',
  PerformedProcedureStepStartTime: 'series',
  SOPInstanceUID: 'instance',
  SOPClassUID: 'instance',
  InstanceNumber: 'instance',
} as const satisfies Readonly<Record<string, SearchLevel>>;

export type SearchKey = keyof typeof SEARCHABLE;

/** PS3.4 Section C.2.2.2; universal matching is no condition at all. */
export type Match =
  /** Equal to one of them. */
  | { readonly kind: 'any'; readonly values: readonly string[] }
  /** `*` any number of characters, `?` one. */
  | { readonly kind: 'wildcard'; readonly pattern: string }
  /** Both ends belong to it; an end that is not there is open. Dates and times as PS3.5 writes them. */
  | { readonly kind: 'range'; readonly from?: string; readonly to?: string };

export interface Condition {
  readonly key: SearchKey;
  readonly match: Match;
}

export interface Search {
  readonly level: SearchLevel;
  /** All must hold. */
  readonly conditions: readonly Condition[];
  /** Keywords wanted of the headers the hub keeps: those of the study's first series and of the series. */
  readonly studyFields: readonly string[];
  readonly seriesFields: readonly string[];
  readonly offset: number;
  readonly limit: number;
}

export interface Found {
  readonly studyInstanceUid: StudyInstanceUid;
  /** Not of an instance. */
  readonly study?: {
    readonly attributes: Attributes;
    readonly modalities: readonly string[];
    readonly series: number;
    readonly instances: number;
  };
  readonly series?: {
    readonly seriesInstanceUid: SeriesInstanceUid;
    readonly attributes: Attributes;
    readonly instances: number;
  };
  readonly instance?: {
    readonly seriesInstanceUid: SeriesInstanceUid;
    readonly sopInstanceUid: SopInstanceUid;
    readonly sopClassUid: SopClassUid;
    readonly blob: BlobRef;
  };
}

export interface SearchResult {
  /** In the order of arrival: what arrives between two pages stands behind both. */
  readonly found: readonly Found[];
  /** Matches behind these, counted up to `MORE_COUNTED`. */
  readonly more: number;
}

/** To count a million matches would cost more than the page. */
export const MORE_COUNTED = 10_000;

export interface StudySearch {
  /**
   * @param signal - aborted: nobody waits for it any longer
   * @throws {HubError} `request.too-many` when too many wait, `store.failed`; the signal's reason
   */
  find(search: Search, signal?: AbortSignal): Promise<SearchResult>;
  close(): Promise<void>;
}
