/** What a region stands on, each behind a proxy: Kafka, PostgreSQL and S3, to be killed, frozen and cut off. */
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

export interface RegionServers {
  readonly kafka: Breakable;
  readonly postgres: Breakable;
  readonly s3: Breakable;
  /** The sections `bus`, `ledger` and `store` of every replica. */
  readonly config: Section;
  readonly env: Readonly<Record<string, string>>;
  readonly broker: string;
  /** The ledger past its proxy, for a test's own questions. */
  readonly database: PostgresServer;
  stop(): Promise<void>;
}

export async function startRegionServers({ partitions = 4 } = {}): Promise<RegionServers> {
  const port = await freePort();
  const kafkaProxy = await TcpProxy.start(port);
  // Clients are told to come by the proxy: a broker says itself where it is.
  const advertised = `CLIENT://127.0.0.1:${kafkaProxy.port}`;
  const [kafka, postgres, s3] = await Promise.all([
    startKafka({ port, properties: { 'advertised.listeners': advertised, 'log.flush.interval.messages': '1' } }),
    startPostgres(),
    startS3Server(),
  ]);
  const database = await postgres.createDatabase({ isEmpty: true });
  const bucket = await s3.bucket();
  const postgresProxy = await TcpProxy.start(postgres.port);
  const s3Proxy = await TcpProxy.start(s3.port);
  return {
    kafka: {
      name: 'Kafka',
      proxy: kafkaProxy,
      kill: () => kafka.kill(),
      again: () => kafka.again(),
      ...frozen(() => kafka.pid()),
    },
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
      bus: { kind: 'kafka', brokers: [`127.0.0.1:${kafkaProxy.port}`], partitions, replication: 1 },
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
    broker: `127.0.0.1:${kafkaProxy.port}`,
    database,
    stop: async () => {
      bucket.client.destroy();
      await Promise.all([kafka.stop(), postgres.stop(), s3.stop()]);
      await Promise.all([kafkaProxy.stop(), postgresProxy.stop(), s3Proxy.stop()]);
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
