/** A pull as the composition root hands it over: names looked up, secrets read when they are needed. */
import type { RetryPolicy } from '../../core/retry.ts';
import type { Priority } from '../../peers/dimse/command-set.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import type { WebOrigin } from '../../peers/dicomweb/get.ts';

export interface PullOptions {
  readonly name: string;
  /** For node-cron; absent: only by hand. */
  readonly schedule?: string | undefined;
  /** IANA; absent: the machine's. */
  readonly timeZone?: string | undefined;
  /** None: always. */
  readonly windows: readonly DayWindow[];
  readonly from: PullFrom;
  readonly query: PullQuery;
  readonly priority: Priority;
  /** Studies at once. */
  readonly concurrency: number;
  readonly bytesPerSecond?: number | undefined;
  /** Longest answer to one question. */
  readonly maxMatches: number;
  readonly timeouts: PullTimeouts;
  readonly retry: RetryPolicy;
}

export interface PullTimeouts {
  readonly answerMs: number;
  /** Longest time without progress while a study comes. */
  readonly stallMs: number;
  /** Until everything that came is in the ledger. */
  readonly settleMs: number;
}

/** Minutes of the day; one that ends before it begins goes on over midnight. */
export interface DayWindow {
  readonly fromMinute: number;
  readonly toMinute: number;
}

export type PullFrom =
  | { readonly kind: 'c-move'; readonly peer: () => Peer; readonly moveTo: string }
  | { readonly kind: 'c-get'; readonly peer: () => Peer }
  | { readonly kind: 'dicomweb'; readonly origin: WebOrigin };

export interface PullQuery {
  readonly modality?: readonly string[] | undefined;
  readonly studyDate?:
    { readonly lastDays: number } | { readonly from: string; readonly to?: string | undefined } | undefined;
  readonly studyDescription?: string | undefined;
  readonly stationName?: string | undefined;
  readonly accessions?: { readonly file: string; readonly column?: string | undefined } | undefined;
  /** Any other key by keyword. */
  readonly match?: Readonly<Record<string, string>> | undefined;
}
