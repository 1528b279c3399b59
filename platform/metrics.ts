/** Metrics for Prometheus, in a registry of their own. */
import assert from 'node:assert/strict';
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Counter as PortCounter, Labels, Logger, MetricDefinition, Metrics } from '../core/ports.ts';

export interface MetricsOptions {
  readonly log?: Logger;
  /** Label sets a metric may have; what comes after goes under `other`. */
  readonly maxLabelSets?: number;
  /** The process's own metrics too: in one thread of a process, no more. Default true. */
  readonly withProcess?: boolean;
}

/** What a registry holds, as plain data that may cross between threads. */
export type MetricValues = readonly object[];

export interface MetricsRegistry extends Metrics {
  values(): Promise<MetricValues>;
  /** @param others - of the process's other threads; what several of them count is added up */
  render(others?: readonly MetricValues[]): Promise<RenderedMetrics>;
}

export interface RenderedMetrics {
  readonly contentType: string;
  readonly body: string;
}

/** Prometheus keeps a time series for each label set, for months: a label that grows without end takes it down. */
const MAX_LABEL_SETS = 1_000;
const OTHER = 'other';

/** A stage that runs nowhere can be missed: by whoever watches all processes. @param stages - of this one */
export function stageMetrics(metrics: Metrics, stages: Iterable<string>): void {
  const running = metrics.gauge({
    name: 'hub_stage_running',
    help: 'Stages of this process: 1 for each.',
    labels: ['stage'],
  });
  for (const stage of stages) running.set({ stage }, 1);
}

export function createMetrics(options: MetricsOptions = {}): MetricsRegistry {
  const { log, maxLabelSets = MAX_LABEL_SETS, withProcess = true } = options;
  const registry = new Registry();
  if (withProcess) collectDefaultMetrics({ register: registry });
  const counters = new Map<MetricDefinition, PortCounter<string>>();
  const define = <Label extends string>({ name, help, labels }: MetricDefinition<Label>) => {
    assert.match(name, /^hub_[a-z][a-z0-9_]*[a-z0-9]$/, `${name} is not a name for a metric of the hub`);
    assert.ok(registry.getSingleMetric(name) === undefined, `${name} is defined twice`);
    assert.ok(help !== '', `${name} lacks a help text`);
    for (const label of labels) assert.match(label, /^[a-z][a-z_]*$/, `${name} has the label ${label}`);
    return { name, help, labelNames: [...labels], registers: [registry] };
  };

  return {
    counter(definition) {
      assert.match(definition.name, /_total$/, 'a counter ends in _total');
      const known = counters.get(definition);
      if (known !== undefined) return known;
      const counter = new Counter(define(definition));
      const budget = new LabelBudget<string>(definition, maxLabelSets, log);
      const made: PortCounter<string> = { increment: (labels, by = 1) => counter.inc(budget.admit(labels), by) };
      counters.set(definition, made);
      return made;
    },
    gauge(definition) {
      const updates: (() => void | Promise<void>)[] = [];
      const gauge = new Gauge({
        ...define(definition),
        async collect() {
          for (const update of updates) {
            try {
              await update();
            } catch (error) {
              // One value that cannot be had must not take all the others from whoever watches.
              log?.warn('metric could not be collected', { metric: definition.name, error });
            }
          }
        },
      });
      const budget = new LabelBudget(definition, maxLabelSets, log);
      return {
        set: (labels, value) => gauge.set(budget.admit(labels), value),
        collect: (update) => void updates.push(update),
        reset() {
          gauge.reset();
          budget.reset();
        },
      };
    },
    histogram(definition) {
      const { buckets } = definition;
      assert.ok(
        buckets.every((bound, index) => bound > (buckets[index - 1] ?? -Infinity)),
        `${definition.name}: bucket bounds grow`,
      );
      const histogram = new Histogram({ ...define(definition), buckets: [...buckets] });
      const budget = new LabelBudget(definition, maxLabelSets, log);
      return { observe: (labels, value) => histogram.observe(budget.admit(labels), value) };
    },
    values: async () => registry.getMetricsAsJSON(),
    render: async (others = []) => {
      const { contentType } = registry;
      if (others.length === 0) return { contentType, body: await registry.metrics() };
      const all = AggregatorRegistry.aggregate([await registry.getMetricsAsJSON(), ...others]);
      return { contentType, body: await all.metrics() };
    },
  };
}

/** The label sets a metric has, up to its bound. */
class LabelBudget<Label extends string> {
  readonly #definition: MetricDefinition<Label>;
  readonly #max: number;
  readonly #log: Logger | undefined;
  readonly #seen = new Set<string>();
  #isWarned = false;

  constructor(definition: MetricDefinition<Label>, max: number, log: Logger | undefined) {
    this.#definition = definition;
    this.#max = max;
    this.#log = log;
  }

  admit(labels: Labels<Label>): Partial<Record<Label, string>> {
    const key = JSON.stringify(this.#definition.labels.map((label) => labels[label]));
    if (this.#seen.has(key)) return { ...labels };
    if (this.#seen.size < this.#max) {
      this.#seen.add(key);
      return { ...labels };
    }
    if (!this.#isWarned) {
      this.#isWarned = true;
      this.#log?.warn('metric has too many label sets', { metric: this.#definition.name, maxLabelSets: this.#max });
    }
    const others: Partial<Record<Label, string>> = {};
    for (const label of this.#definition.labels) others[label] = OTHER;
    return others;
  }

  reset(): void {
    this.#seen.clear();
  }
}
