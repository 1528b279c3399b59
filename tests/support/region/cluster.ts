/** Replicas of the hub on shared servers, each stage as often as asked, in processes of their own. */
import { HubProcess, type Section } from '../hub-process.ts';
import type { Breakable, SharedServers } from './servers.ts';
import { frozen } from './servers.ts';

export type StageSet = 'gateway' | 'routers' | 'processors' | 'connectors' | 'routers,processors,connectors';

export interface Replica extends Breakable {
  readonly stages: StageSet;
  readonly hub: HubProcess;
  /** Asks it to stop, waits for its end, and starts it again: what a rolling restart does. */
  restart(): Promise<void>;
}

export interface Cluster {
  readonly replicas: readonly Replica[];
  of(stages: StageSet): readonly Replica[];
  /** What all of them have printed, the last lines of each. */
  log(): string;
  /** Makes one more replica and starts it. */
  add(stages: StageSet): Promise<Replica>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly servers: Pick<SharedServers, 'config' | 'env'>;
  readonly stages: readonly StageSet[];
  /** Routes, destinations and what else they all have. */
  readonly config: Section;
  readonly env?: Readonly<Record<string, string>>;
}

/** The keys that replicas must have in common. Of the tests, and nobody else's. */
export const REGION_KEYS = Object.fromEntries(
  ['DEIDENTIFY', 'FEED', 'REPORT_SIGNING', 'CROSSWALK', 'WEBHOOKS'].map((purpose, n) => [
    `HUB_${purpose}_KEY`,
    String(n + 1).repeat(64),
  ]),
);
const LOG_TAIL = 3_000;

/** All are started, one after the other, and ready. */
export async function startCluster({ servers, stages, config, env = {} }: ClusterOptions): Promise<Cluster> {
  const replicas: Replica[] = [];
  const add = async (set: StageSet): Promise<Replica> => {
    const node = `${set.replaceAll(',', '-')}-${String(replicas.length)}`;
    const own = { ...servers.config, ...config };
    const hub = await HubProcess.create({
      config: own,
      env: { ...servers.env, ...REGION_KEYS, ...env },
      args: ['--stages', set],
    });
    await hub.configure({ ...own, hub: { name: 'region', node, data: hub.dataFolder } });
    const replica: Replica = {
      name: node,
      stages: set,
      hub,
      kill: () => hub.kill(),
      again: () => hub.start(),
      restart: async () => {
        const code = await hub.stop();
        if (code !== 0) throw new Error(`${node} ended with ${String(code)} when it was asked to stop:\n${hub.log()}`);
        await hub.start();
      },
      ...frozen(() => hub.pid),
    };
    replicas.push(replica);
    await hub.start();
    return replica;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(
      replicas.map(async (replica) => {
        await replica.thaw().catch(() => undefined); // Not running.
        await replica.hub.remove();
      }),
    );
  };
  try {
    for (const set of stages) await add(set);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    replicas,
    of: (set) => replicas.filter((replica) => replica.stages === set),
    log: () => replicas.map(({ name, hub }) => `--- ${name}\n${hub.log().slice(-LOG_TAIL)}`).join('\n'),
    add,
    stop,
  };
}
