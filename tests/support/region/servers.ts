/** What replicas stand on, each behind a proxy: Kafka, PostgreSQL and S3, to be killed, frozen and cut off. */
import { readdir, readFile } from 'node:fs/promises';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { freePort } from '../child-process.ts';
import type { Section } from '../hub-process.ts';
import { startKafka } from '../kafka.ts';
import { startPostgres } from '../postgres.ts';
import { S3_SECRETS, startS3Server } from '../s3-server.ts';
import { TcpProxy } from '../tcp-proxy.ts';

/** Something that can break in the three ways things break. */
export interface Breakable {
  readonly name: string;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again after `kill`. */
  again(): Promise<void>;
  /** SIGSTOP: it neither answers nor closes. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** The network between the hub and it. Absent: nothing connects to it. */
  readonly proxy?: TcpProxy;
}

/** PostgreSQL and S3: enough for replicas. */
export interface SharedServers {
  readonly postgres: Breakable;
  readonly s3: Breakable;
  /** The sections `ledger` and `store` of every replica, and `bus` where there is one. */
  readonly config: Section;
  readonly env: Readonly<Record<string, string>>;
  /** The ledger past its proxy, for a test's own questions. */
  readonly database: PostgresServer;
  stop(): Promise<void>;
}

export interface RegionServers extends SharedServers {
  readonly kafka: Breakable;
  readonly broker: string;
}

export async function startRegionServers({ partitions = 4 } = {}): Promise<RegionServers> {
  const [kafka, shared] = await Promise.all([startBroker(), startSharedServers()]);
  const { broker } = kafka;
  return {
    ...shared,
    ...{ kafka, broker },
    config: { ...shared.config, bus: { kind: 'kafka', brokers: [broker], partitions, replication: 1 } },
    stop: async () => {
      await Promise.all([shared.stop(), kafka.stop()]);
    },
  };
}

async function startBroker(): Promise<Breakable & { readonly broker: string; readonly stop: () => Promise<void> }> {
  const port = await freePort();
  const proxy = await TcpProxy.start(port);
  const broker = `127.0.0.1:${proxy.port}`;
  const kafka = await startKafka({
    port,
    // Clients are told to come by the proxy: a broker says itself where it is.
    properties: { 'advertised.listeners': `CLIENT://${broker}`, 'log.flush.interval.messages': '1' },
  });
  return {
    ...{ name: 'Kafka', proxy, broker },
    kill: () => kafka.kill(),
    again: () => kafka.again(),
    ...frozen(() => kafka.pid()),
    stop: async () => {
      await kafka.stop();
      await proxy.stop();
    },
  };
}

export async function startSharedServers(): Promise<SharedServers> {
  const [postgres, s3] = await Promise.all([startPostgres(), startS3Server()]);
  const database = await postgres.createDatabase({ isEmpty: true });
  const bucket = await s3.bucket();
  const postgresProxy = await TcpProxy.start(postgres.port);
  const s3Proxy = await TcpProxy.start(s3.port);
  return {
    postgres: {
      name: 'PostgreSQL',
      proxy: postgresProxy,
      kill: () => postgres.kill(),
      again: () => postgres.restart(),
      ...frozen(() => postgres.pid()),
    },
    s3: {
      name: 'S3',
      proxy: s3Proxy,
      kill: () => s3.kill(),
      again: () => s3.again(),
      ...frozen(() => s3.pid),
    },
    config: {
      ledger: {
        kind: 'postgres',
        host: '127.0.0.1',
        port: postgresProxy.port,
        database: database.database,
        user: database.user,
        password: { env: 'LEDGER_PASSWORD' },
      },
      store: {
        ...bucket.config,
        endpoint: `http://127.0.0.1:${s3Proxy.port}`,
        timeouts: { connect: '2s', idle: '5s' },
      },
    },
    env: { ...S3_SECRETS, LEDGER_PASSWORD: database.password ?? '' },
    database,
    stop: async () => {
      bucket.client.destroy();
      await Promise.all([postgres.stop(), s3.stop()]);
      await Promise.all([postgresProxy.stop(), s3Proxy.stop()]);
    },
  };
}

/** Of a process and all that it has begun. */
export function frozen(pid: () => number): Pick<Breakable, 'freeze' | 'thaw'> {
  const signal = async (name: NodeJS.Signals): Promise<void> => {
    for (const each of await family(pid())) {
      try {
        process.kill(each, name);
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  return { freeze: () => signal('SIGSTOP'), thaw: () => signal('SIGCONT') };
}

/** A process and its children's children; parents first, so that a frozen one begins no others. */
async function family(root: number): Promise<readonly number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined);
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1]; // proc_pid_stat(5): state, ppid
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const found = [root];
  for (const each of found) for (const [child, parent] of parents) if (parent === each) found.push(child);
  return found;
}
