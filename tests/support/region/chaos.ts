/** A region under load in which one thing breaks, and what is left when it has been mended. */
import { setTimeout as delay } from 'node:timers/promises';
import { execute } from '../postgres.ts';
import { waitFor } from '../wait-for.ts';
import type { Cluster } from './cluster.ts';
import { type Scanner, startScanner } from './load.ts';
import type { Receivers } from './partner.ts';
import type { Breakable, RegionServers } from './servers.ts';
import { arrived, expectSound } from './verdict.ts';

export const BREAKAGES = ['killed', 'frozen', 'cut off'] as const;
export type Breakage = (typeof BREAKAGES)[number];

export interface ChaosOptions {
  readonly cluster: Cluster;
  readonly servers: RegionServers;
  readonly receivers: Receivers;
  readonly breakage: Breakage;
  readonly victim: Breakable;
  readonly forMs: number;
  readonly scanners?: number;
  /** Scanners of the same region before: what they sent is there as well. This one's are added. */
  readonly sent: Scanner[];
}

export interface Outcome {
  readonly instances: number;
  readonly studies: number;
  readonly cutOff: number;
  readonly slowestMs: number;
  /** From the mending until all that was acknowledged by then had arrived. */
  readonly recoveryMs: number;
}

const BEFORE_MS = 3_000;
const RECOVERY_DEADLINE_MS = 240_000;
const INSTANCES = 8;

/** @throws {AssertionError} when something acknowledged is lost or arrives twice */
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
    const studies = scanners.flatMap((scanner) => scanner.studies);
    options.sent.push(...scanners);
    await arrived(options.sent, receivers, RECOVERY_DEADLINE_MS);
    const recoveryMs = performance.now() - mendedMs;
    await settled(servers, receivers);
    await expectSound(options.sent, receivers, servers.database);
    return {
      instances: studies.reduce((all, { acknowledged }) => all + acknowledged.size, 0),
      studies: studies.length,
      cutOff: sum(scanners, ({ cutOff }) => cutOff),
      slowestMs: Math.max(...scanners.map(({ slowestMs }) => slowestMs)),
      recoveryMs,
    };
  } catch (error) {
    throw new Error(`${victim.name} ${breakage}: ${String(error)}\n${cluster.log()}`, { cause: error });
  } finally {
    await Promise.allSettled(scanners.map((scanner) => scanner.stop()));
  }
}

export function described(outcome: Outcome): string {
  const { instances, studies, cutOff, slowestMs, recoveryMs } = outcome;
  return (
    `${String(instances)} instances of ${String(studies)} studies acknowledged, ${String(cutOff)} associations cut off, ` +
    `slowest answer ${(slowestMs / 1000).toFixed(1)} s, all delivered ${(recoveryMs / 1000).toFixed(1)} s after it was mended`
  );
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

/** The last delivery is noted a moment after it arrived. */
async function settled(servers: RegionServers, receivers: Receivers): Promise<void> {
  await waitFor(
    'the ledger to have noted all deliveries',
    async () => {
      const [row] = await execute(
        servers.database,
        `SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending')
              + (SELECT count(*) FROM runs WHERE state IN ('waiting', 'running'))
              + (SELECT count(*) FROM studies WHERE due_at IS NOT NULL) AS open`,
      );
      return Number(row?.['open']) === 0 && receivers.webhook.received.length > 0;
    },
    60_000,
  );
}

function sum(scanners: readonly Scanner[], of: (scanner: Scanner) => number): number {
  return scanners.reduce((all, scanner) => all + of(scanner), 0);
}
