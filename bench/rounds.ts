/** Interleaved rounds and what is said of them: ratios to a peer of the same round, never absolute promises. */
import { run } from '../tests/support/child-process.ts';

/** Figures of one contestant, one a round. */
export type Figures = ReadonlyMap<string, readonly number[]>;

/**
 * Lets every contestant do the same work in each round. Who is first meets a colder cache, so the order turns with the
 * rounds; what the one before has left unwritten goes to the disk before the next begins.
 *
 * @param prepare - once a round, not measured
 * @param measure - answers the figure of one contestant in this round
 */
export async function interleaved<Contestant extends { readonly name: string }>(
  contestants: readonly Contestant[],
  rounds: number,
  prepare: (round: number) => Promise<void>,
  measure: (contestant: Contestant) => Promise<number>,
): Promise<Figures> {
  const figures = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    await prepare(round);
    const first = round % contestants.length;
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      await settle();
      figures.get(contestant.name)?.push(await measure(contestant));
    }
  }
  return figures;
}

/** Everything written so far is on the disk: nobody pays for another's dirty pages. */
export async function settle(): Promise<void> {
  await run({ path: 'sync', env: {} }, [], { timeoutMs: 300_000 });
}

/** One line a contestant: how many times the baseline of the same round, median [least–most]. */
export function reportRatios(title: string, figures: Figures, baselines: readonly string[]): void {
  console.log(`\n${title}`);
  for (const [name, values] of figures) {
    const ratios = baselines
      .filter((baseline) => baseline !== name)
      .map((baseline) => `${ratioText(values, figures.get(baseline) ?? [])} × ${baseline}`);
    console.log(`  ${name.padEnd(10)} ${ratios.join('   ')}`);
  }
}

/** `1.62 [1.50–1.71]` */
export function ratioText(values: readonly number[], baseline: readonly number[]): string {
  return spreadText(values.map((value, round) => value / (baseline[round] ?? Number.NaN)));
}

/** Median [least–most]. */
export function spreadText(values: readonly number[], digits = 2): string {
  const [least, middle, most] = [Math.min(...values), median(values), Math.max(...values)];
  return `${middle.toFixed(digits)} [${least.toFixed(digits)}–${most.toFixed(digits)}]`;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
