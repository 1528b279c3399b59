/** What a consumer group of the hub is told. */
import type { Kafka } from 'kafkajs';
import type { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import type { HubStream } from '../../../core/streams.ts';
import type { ParkedRetry } from '../parked-keys.ts';
import type { Offsets } from './offsets.ts';

/** How fast a member that is gone is noticed. */
export interface GroupTimings {
  readonly sessionMs: number;
  readonly heartbeatMs: number;
  readonly rebalanceMs: number;
  readonly maxWaitMs: number;
  /** Without a fetch or a heartbeat for so long it stands still. */
  readonly stallMs: number;
  /** Between two looks whether the topics are still those it reads. */
  readonly lookMs: number;
}

export const TIMINGS: GroupTimings = {
  sessionMs: 30_000,
  heartbeatMs: 3_000,
  rebalanceMs: 60_000,
  maxWaitMs: 1_000,
  stallMs: 60_000,
  lookMs: 30_000,
};

export interface GroupOptions {
  readonly group: string;
  /** As the brokers know it. */
  readonly groupId: string;
  readonly streams: readonly HubStream[];
  readonly partitions: number;
  readonly hubName: string;
  /** Of the ledger. */
  readonly identity: () => Promise<string>;
  readonly ledger: Pick<Ledger, 'events' | 'groups'>;
  readonly kafka: Kafka;
  readonly offsets: Offsets;
  readonly verify: () => Promise<void>;
  readonly diagnose: (error: HubError) => Promise<HubError>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly retry: ParkedRetry;
  readonly timings: GroupTimings;
  readonly onRestart: () => void;
  readonly onForeign: (stream: HubStream) => void;
}
