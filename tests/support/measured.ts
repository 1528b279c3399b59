import type { Metrics } from '../../core/ports.ts';

/** Metrics that a test can read: sums by name and label values. */
export function measuredMetrics(): Metrics & {
  valueOf(name: string, ...labels: readonly string[]): number | undefined;
  scrape(): Promise<void>;
} {
  const values = new Map<string, number>();
  const updates: (() => void | Promise<void>)[] = [];
  const key = (name: string, labels: Readonly<Record<string, string>>) => [name, ...Object.values(labels)].join(' ');
  return {
    counter: ({ name }) => ({
      increment: (labels, by = 1) => void values.set(key(name, labels), (values.get(key(name, labels)) ?? 0) + by),
    }),
    gauge: ({ name }) => ({
      set: (labels, value) => void values.set(key(name, labels), value),
      collect: (update) => void updates.push(update),
      reset: () => {
        for (const each of values.keys()) if (each.startsWith(`${name} `)) values.delete(each);
      },
    }),
    histogram: ({ name }) => ({
      observe: (labels) => void values.set(key(name, labels), (values.get(key(name, labels)) ?? 0) + 1),
    }),
    valueOf: (name, ...labels) => values.get([name, ...labels].join(' ')),
    scrape: async () => {
      for (const update of updates) await update();
    },
  };
}
