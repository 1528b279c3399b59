/** All pulls of a process, and what they share. It has to have a gateway: what is fetched goes through its spool. */
import { HubError } from '../../core/errors.ts';
import type { Intake } from '../../core/intake.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock, Logger, Metrics } from '../../core/ports.ts';
import { type PullMetrics, pullMetrics } from './metrics.ts';
import type { Moves } from './moves.ts';
import { loadWays, openSource } from './open-source.ts';
import type { PullOptions } from './options.ts';
import { Puller, PULLER_STATES } from './puller.ts';
import { Slots } from './slots.ts';
import { Throttle } from './throttle.ts';

export interface PullsPorts {
  readonly ledger: Ledger;
  readonly intake: Intake;
  readonly moves: Moves;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** 0 ≤ random < 1, for the jitter of retries. */
  readonly random: () => number;
}

export interface Pulls {
  /** Loads what these need, and does nothing with them. @throws {HubError} `plugin.unusable` */
  prepare(options: readonly PullOptions[]): Promise<void>;
  /** Works these, which were prepared, from now on: what is under way is given back, and taken up where it stood. */
  exchange(options: readonly PullOptions[]): void;
  /** Gives back what is under way. Harmless twice. */
  stop(): Promise<void>;
}

/** Studies at once, of all pulls together. */
const MAX_STUDIES = 16;
const COMMIT_DELAY_MS = 100;
const BACKLOG_STATES = ['found', 'fetching', 'failed'] as const;

/**
 * @param owner - the same after a restart: it has its leases again at once
 * @throws {HubError} `plugin.unusable`
 */
export async function startPulls(options: readonly PullOptions[], ports: PullsPorts, owner: string): Promise<Pulls> {
  const log = ports.log.child({ stage: 'connectors' });
  const metrics = pullMetrics(ports.metrics);
  const slots = new Slots(MAX_STUDIES);
  const open = async (each: PullOptions): Promise<Puller> => {
    const throttle = new Throttle(each.bytesPerSecond);
    const onBytes = (bytes: number) => metrics.bytes.increment({ pull: each.name }, bytes);
    const source = await openSource(each, { intake: ports.intake, moves: ports.moves, throttle, onBytes });
    return new Puller(each, { ...ports, log, metrics, slots, source }, owner);
  };
  const openAll = (all: readonly PullOptions[]) => Promise.all(all.map(open));
  let pullers = await openAll(options);
  /** One after the other: the same pull must not run twice in this process, for both would have its lease. */
  let leaving: Promise<unknown> = Promise.resolve();
  let isStopping = false;
  report(() => pullers, ports.ledger, metrics);
  // Each instance that is recorded is a commit: one look for all of a burst.
  let soon: NodeJS.Timeout | undefined;
  const stopListening = ports.ledger.onCommit(() => {
    soon ??= setTimeout(() => {
      soon = undefined;
      for (const puller of pullers) puller.wake();
    }, COMMIT_DELAY_MS);
  });
  for (const puller of pullers) puller.start();
  return {
    prepare: loadWays,
    exchange: (next) => {
      leaving = leaving.then(async () => {
        await Promise.all(pullers.map((puller) => puller.stop()));
        pullers = isStopping ? [] : await openAll(next);
        for (const puller of pullers) puller.start();
      });
    },
    stop: async () => {
      isStopping = true;
      stopListening();
      clearTimeout(soon);
      await leaving;
      await Promise.all(pullers.map((puller) => puller.stop()));
    },
  };
}

function report(now: () => readonly Puller[], ledger: Ledger, metrics: PullMetrics): void {
  metrics.isWorking.collect(() => {
    metrics.isWorking.reset();
    for (const { name: pull, state: current } of now()) {
      for (const state of PULLER_STATES) metrics.isWorking.set({ pull, state }, state === current ? 1 : 0);
    }
  });
  metrics.backlog.collect(async () => {
    const pullers = now();
    metrics.backlog.reset();
    if (pullers.length === 0) return;
    const backlog = await ledger.pulls.backlog().catch((error: unknown) => {
      // A scrape without the ledger shows what it can.
      if (error instanceof HubError) return [];
      throw error;
    });
    for (const { name: pull } of pullers) {
      for (const state of BACKLOG_STATES) {
        const row = backlog.find((each) => each.pull === pull && each.state === state);
        metrics.backlog.set({ pull, state }, row?.studies ?? 0);
      }
    }
  });
}
