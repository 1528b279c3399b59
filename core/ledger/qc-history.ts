/**
 * What quality control measured in earlier scans of the same scanner and protocol, and which of them a new one is held
 * against. Rows hold keyed digests, numbers and UIDs: no name, no date of a patient, no text of a header.
 */
/** One scan as the step that measured it writes it down, with its result; see `StepResult`. */
export interface QcScan {
  /** The same scan measured again, by another route or after a retry, has the same one. */
  readonly scanKey: string;
  /** Of scanner and protocol: scans with the same one are compared. */
  readonly protocolKey: string;
  readonly scannerKey: string;
  /** As the step saw it. */
  readonly seriesInstanceUid: string;
  readonly kind: string;
  readonly verdict: string;
  /** Until a person decides otherwise. */
  readonly accepted: boolean;
  readonly measures: Readonly<Record<string, number | null>>;
  /** What the scan was set to, by keyword. */
  readonly parameters: Readonly<Record<string, number | string>>;
}

/** An accepted scan, as a new one is held against it. */
export type PastScan = Pick<QcScan, 'measures' | 'parameters'> & { readonly recordedAt: string };

export interface QcHistoryRow extends QcScan {
  readonly qualityId: string;
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly recordedAt: string;
  /** When a person accepted or rejected it. */
  readonly decidedAt?: string;
}

/** Whose past is asked for. */
export interface PastQuestion {
  readonly protocolKey: string;
  /** Itself, measured before: no past of its own. */
  readonly exceptScan: string;
  readonly limit: number;
}

export interface QcHistoryLedger {
  /** Accepted scans, newest first, each in its latest revision. */
  past(question: PastQuestion): Promise<readonly PastScan[]>;
  list(page: {
    readonly limit: number;
    /** `qualityId` of the last row of the page before. */
    readonly before?: string;
    readonly accepted?: boolean;
    readonly verdict?: string;
    readonly study?: string;
    readonly protocol?: string;
    readonly scanner?: string;
  }): Promise<readonly QcHistoryRow[]>;
  get(qualityId: string): Promise<QcHistoryRow | undefined>;
  /** A person's decision: whether later scans are held against this one. False: there is no such scan. */
  decide(qualityId: string, accepted: boolean): Promise<boolean>;
}
