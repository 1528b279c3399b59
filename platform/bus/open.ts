/** The bus of the configuration. */
import type { Ledger } from '../../core/ledger.ts';
import type { Clock, EventBus, Logger, Metrics } from '../../core/ports.ts';
import { type BusReplica, openEmbeddedBus } from './embedded.ts';
import type { BusProblem, KafkaBusOptions } from './kafka/bus.ts';
import { busMetrics, kafkaMetrics } from './metrics.ts';

export type BusChoice =
  | { readonly kind: 'embedded'; readonly replica?: BusReplica }
  | ({ readonly kind: 'kafka' } & Omit<KafkaBusOptions, 'ledger' | 'log' | 'clock' | 'counts' | 'passage'>);

export interface BusPorts {
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** What of a partner's stream may leave on a topic of its own. */
  readonly passage: NonNullable<KafkaBusOptions['passage']>;
}

/** A bus, and what is wrong with it: nothing ever is with one that is part of the ledger. */
export interface OpenedBus {
  readonly bus: EventBus;
  problems(): readonly BusProblem[];
}

export async function openBus(
  choice: BusChoice,
  { ledger, log, clock, metrics, passage }: BusPorts,
): Promise<OpenedBus> {
  switch (choice.kind) {
    case 'embedded': {
      const { kind: _, ...options } = choice;
      const bus = openEmbeddedBus({ ...options, ledger, log, clock });
      busMetrics(metrics, bus);
      return { bus, problems: () => [] };
    }
    case 'kafka': {
      const { kind: _, ...options } = choice;
      // Some megabytes of each thread that a hub on one machine need not spend.
      const { openKafkaBus } = await import('./kafka/bus.ts');
      const kafka = kafkaMetrics(metrics);
      const bus = openKafkaBus({
        ...options,
        passage,
        ledger,
        log: log.child({ bus: 'kafka' }),
        clock,
        counts: kafka.counts,
      });
      kafka.observe(bus);
      busMetrics(metrics, bus);
      return { bus, problems: () => bus.problems() };
    }
    default:
      return choice satisfies never;
  }
}
