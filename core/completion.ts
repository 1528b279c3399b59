/** What is known of a study that is still being received, and what its completion is explained with. */
/** From the strongest to the weakest. */
export const COMPLETION_SIGNALS = [
  'manual',
  'commitment',
  'source-count',
  'header-count',
  'release',
  'quiet',
  'force',
] as const;
export type CompletionSignal = (typeof COMPLETION_SIGNALS)[number];

/** What an entry of the evidence is about. */
export const COMPLETION_EVIDENCE = [
  'received',
  'silence',
  'commitment',
  'source-count',
  'header-count',
  'release',
  'required-series',
  'force',
] as const;

/** One thing that was known when a study was completed; identifiers, numbers, names of the configuration. */
export interface CompletionEvidence {
  readonly what: (typeof COMPLETION_EVIDENCE)[number];
  readonly held?: number;
  readonly expected?: number;
  readonly series?: number;
  readonly ms?: number;
  readonly failures?: number;
  /** Of the hub's table of errors. */
  readonly code?: string;
  readonly route?: string;
  readonly seriesInstanceUid?: string;
  /** Of the association, the request or the storage commitment transaction. */
  readonly id?: string;
}

/** The newest storage commitment request that names something of the study. */
export interface CommittedList {
  readonly transactionUid: string;
  readonly named: number;
  /** Of those named. */
  readonly held: number;
  /** All named are held, and nothing came that it does not name. */
  readonly isWhole: boolean;
}

/** The source's last answer to how much it has, or how it failed to give one. */
export interface SourceAnswer {
  /** The timer's version when it was asked. */
  readonly version: number;
  readonly atMs: number;
  /** Questions since the last arrival. */
  readonly attempts: number;
  readonly instances?: number;
  /** Code of the error. */
  readonly failure?: string;
}

/** One rule of a route's list of required series. */
export interface RequiredSeries {
  readonly route: string;
  readonly met: boolean;
}

/** What the routes that would take a study ask of its completion; one entry a route, undefined where it leaves it to the source. */
export interface RoutePatience {
  readonly quietMs: readonly (number | undefined)[];
  readonly forceMs: readonly (number | undefined)[];
  readonly required: readonly RequiredSeries[];
  readonly whenMissing: 'proceed' | 'hold';
}

/** What is waited for; identifiers and numbers, and names of the configuration. */
export type WaitReason =
  | { readonly what: 'required-series'; readonly route: string; readonly met: number; readonly required: number }
  | { readonly what: 'source-count'; readonly held: number; readonly expected: number }
  | { readonly what: 'header-count'; readonly series: number; readonly ofSeries: number }
  | { readonly what: 'commitment'; readonly held: number; readonly expected: number }
  | { readonly what: 'association' }
  | { readonly what: 'source-answer'; readonly failures: number }
  | { readonly what: 'release' | 'quiet' | 'force'; readonly untilMs: number };
