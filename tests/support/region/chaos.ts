/** A region under load in which one thing breaks, and what is left when it has been mended. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { startScanner } from './load.ts';
import type { Receivers } from './partner.ts';
import type { Breakable, SharedServers } from './servers.ts';
import { expectSound, settled, type Verdict, verdictOf } from './verdict.ts';

export const BREAKAGES = ['killed', 'frozen', 'cut off'] as const;
export type Breakage = (typeof BREAKAGES)[number];

export interface ChaosOptions {
  readonly cluster: Cluster;
  readonly servers: Pick<SharedServers, 'database'>;
  readonly receivers: Receivers;
  readonly breakage: Breakage;
  readonly victim: Breakable;
  readonly forMs: number;
  readonly scanners?: number;
}

export interface Outcome extends Verdict {
  readonly studies: number;
  readonly cutOff: number;
  readonly slowestMs: number;
  /** From the mending until all that was acknowledged by then had arrived; undefined: it never did. */
  readonly recoveryMs: number | undefined;
  /** What the replicas have said last. */
  readonly log: string;
}

const BEFORE_MS = 3_000;
const INSTANCES = 8;

export async function breakUnderLoad(options: ChaosOptions): Promise<Outcome> {
  const { cluster, servers, receivers, breakage, victim, forMs } = options;
  const gateways = cluster.of('gateway').map(({ hub }) => hub.dimsePort);
  const scanners = Array.from({ length: options.scanners ?? 4 }, (_, n) =>
    startScanner({
      calling: `MR${String((n % 4) + 1)}`,
      // Each begins at another door.
      ports: [...gateways.slice(n % gateways.length), ...gateways.slice(0, n % gateways.length)],
      instances: INSTANCES,
      pauseMs: 1_500,
    }),
  );
  try {
    await delay(BEFORE_MS);
    await broken(breakage, victim, () => delay(forMs));
    const mendedMs = performance.now();
    await Promise.all(scanners.map((scanner) => scanner.stop()));
    const { isSettled } = await settled(scanners, receivers, servers.database);
    const recoveryMs = performance.now() - mendedMs;
    return {
      ...(await verdictOf(scanners, receivers, servers.database)),
      studies: scanners.reduce((all, { studies }) => all + studies.length, 0),
      cutOff: scanners.reduce((all, each) => all + each.cutOff, 0),
      slowestMs: Math.max(...scanners.map(({ slowestMs }) => slowestMs)),
      recoveryMs: isSettled ? recoveryMs : undefined,
      log: cluster.log(),
    };
  } catch (error) {
    throw new Error(`${victim.name} ${breakage}: ${String(error)}\n${cluster.log()}`, { cause: error });
  } finally {
    await Promise.allSettled(scanners.map((scanner) => scanner.stop()));
  }
}

/** One line. */
export function described({ acknowledged, lost, twice, wrong, ...outcome }: Outcome): string {
  const { studies, cutOff, slowestMs, recoveryMs } = outcome;
  return (
    `${String(acknowledged)} instances of ${String(studies)} studies acknowledged, ${String(lost.length)} lost, ${String(twice.length)} twice, ` +
    (wrong.length === 0 ? '' : `${String(wrong.length)} otherwise wrong, `) +
    (recoveryMs === undefined
      ? 'NEVER all delivered, '
      : `all delivered ${seconds(recoveryMs)} after it was mended, `) +
    `slowest answer ${seconds(slowestMs)}, ${String(cutOff)} associations cut off`
  );
}

/** @throws {Error} with what the replicas said last */
export function requireSound(outcome: Outcome): void {
  try {
    expectSound(outcome);
  } catch (error) {
    throw new Error(`${String(error)}\n${outcome.log}`, { cause: error });
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function broken(breakage: Breakage, victim: Breakable, during: () => Promise<void>): Promise<void> {
  switch (breakage) {
    case 'killed':
      await victim.kill();
      await during();
      await victim.again();
      return;
    case 'frozen':
      await victim.freeze();
      try {
        await during();
      } finally {
        await victim.thaw();
      }
      return;
    case 'cut off': {
      const { proxy } = victim;
      if (proxy === undefined) throw new TypeError(`nothing connects to ${victim.name}`);
      // Half of the time nothing passes and nobody is told, as behind a dead switch; then connections are refused.
      proxy.stall();
      await during();
      await proxy.down();
      await during();
      await proxy.restore();
      return;
    }
    default:
      breakage satisfies never;
  }
}
