import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { freePort, run, startServer, type Command, type Finished, type RunningServer } from './child-process.ts';
import { mavenLibraries } from './maven.ts';
import { PeerUnavailable } from './peer-unavailable.ts';

const HOST = '127.0.0.1';
const START_MS = 60_000;

/** The versions the hub is held against: the last one with ZooKeeper's heritage, and a current one. */
export const KAFKA_VERSIONS = { three: '3.9.1', four: '4.1.1' } as const;
export type KafkaVersion = (typeof KAFKA_VERSIONS)[keyof typeof KAFKA_VERSIONS];

/** A broker of one node, with its controller in it. */
export interface KafkaPeer {
  readonly version: KafkaVersion;
  readonly broker: string;
  pid(): number;
  log(): string;
  /** As the power plug would. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and folder. */
  again(): Promise<void>;
  /** Runs a tool of Kafka's own by its main class, as the user `admin` or another, where there are users. */
  tool(mainClass: string, args: readonly string[], user?: string): Promise<Finished>;
  stop(): Promise<void>;
}

export interface KafkaPeerOptions {
  readonly version?: KafkaVersion;
  /** Where it listens; a free one unless given. */
  readonly port?: number;
  /** More of `server.properties`; these win. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Users with a password each: clients must then authenticate (SCRAM-SHA-512), and `admin` among them may do everything. */
  readonly users?: Readonly<Record<string, string>>;
  /** Certificate files: clients then come by TLS. */
  readonly tls?: { readonly keystore: string; readonly truststore: string; readonly clientAuth: boolean };
}

/** The libraries of a version; the first to ask fetches them. */
async function libraries(version: KafkaVersion): Promise<string> {
  try {
    const artifacts = ['kafka_2.13', 'kafka-tools'].map((name) => `org.apache.kafka:${name}:${version}`);
    // 3.9 brings one; without any, what goes wrong is said to nobody.
    const logging = version.startsWith('3.') ? [] : ['org.slf4j:slf4j-simple:1.7.36'];
    const folder = await mavenLibraries([...artifacts, ...logging]);
    const { code } = await run({ path: 'java', env: {} }, ['-version']);
    if (code !== 0) throw new Error('java does not run');
    return folder;
  } catch (error) {
    throw new PeerUnavailable(`Kafka ${version}`, error instanceof Error ? error.message : String(error), error);
  }
}

/** Starts a broker on free loopback ports, with a folder of its own that `stop` removes. */
export async function startKafka(options: KafkaPeerOptions = {}): Promise<KafkaPeer> {
  const version = options.version ?? KAFKA_VERSIONS.four;
  const classpath = `${await libraries(version)}/*`;
  const folder = await mkdtemp(join(tmpdir(), 'hub-kafka-'));
  const [port, controller] = [options.port ?? (await freePort()), await freePort()];
  const broker = `${HOST}:${port}`;
  const file = join(folder, 'server.properties');
  await writeFile(file, text({ ...propertiesFor(options, port, controller, folder), ...options.properties }));
  const java = (...args: readonly string[]): Promise<Finished> =>
    run(JAVA, [...JVM, '-Xmx256m', '-cp', classpath, ...args], { timeoutMs: START_MS });
  const scram = Object.entries(options.users ?? {}).flatMap(([name, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((kind) => [
      '--add-scram',
      `${kind}=[name=${name},password=${password}]`,
    ]),
  );
  const id = randomBytes(16).toString('base64url');
  const formatted = await java(
    'kafka.tools.StorageTool',
    'format',
    '--standalone',
    `--cluster-id=${id}`,
    '-c',
    file,
    ...scram,
  );
  if (formatted.code !== 0) throw new Error(`Kafka's storage cannot be made:\n${formatted.stdout}${formatted.stderr}`);
  const start = () => {
    const args = [...JVM, '-Xms128m', '-Xmx512m', '-cp', classpath, 'kafka.Kafka', file];
    return startServer(JAVA, args, () => isUp(broker, options, port), { deadlineMs: START_MS });
  };
  let server: RunningServer = await start();
  return {
    version,
    broker,
    pid: () => server.pid,
    log: () => server.log(),
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
    },
    again: async () => {
      server = await start();
    },
    tool: async (mainClass, args, user = 'admin') => {
      const config = join(folder, `${user}.properties`);
      await writeFile(config, text(clientProperties(options, user)));
      // Not all of them call it the same.
      const named = mainClass.endsWith('ConsoleConsumer') ? '--consumer.config' : '--command-config';
      return java(mainClass, '--bootstrap-server', broker, named, config, ...args);
    },
    stop: async () => {
      // It flushes for seconds what is thrown away.
      await killed(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const JAVA: Command = { path: 'java', env: {} };
// It lives for a minute: time to start counts, not speed later.
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];

async function killed(server: RunningServer): Promise<void> {
  try {
    process.kill(server.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
  await server.stop();
}

async function isUp(broker: string, { users, tls }: KafkaPeerOptions, port: number): Promise<boolean> {
  // With TLS a client needs certificates that are the test's business: the port says enough.
  if (tls !== undefined)
    return (await run({ path: 'bash', env: {} }, ['-c', `echo > /dev/tcp/${HOST}/${port}`])).code === 0;
  const admin = adminOf(broker, users);
  try {
    await admin.connect();
    // There is a controller, and a broker that is not fenced.
    await admin.listTopics();
    return (await admin.describeCluster()).brokers.length === 1;
  } catch {
    // Not yet.
    return false;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** An administrator's client. */
export function adminOf(broker: string, users: Readonly<Record<string, string>> = {}) {
  return clientOf(
    broker,
    users['admin'] === undefined ? undefined : { username: 'admin', password: users['admin'] },
  ).admin({ retry: { retries: 1 } });
}

/** A client that is not the hub's. */
export function clientOf(broker: string, user?: { readonly username: string; readonly password: string }): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: [broker],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    requestTimeout: 5000,
    retry: { retries: 2 },
    ...(user === undefined ? {} : { sasl: { mechanism: 'scram-sha-512', ...user } }),
  });
}

function propertiesFor(options: KafkaPeerOptions, port: number, controller: number, folder: string) {
  const { users, tls } = options;
  const protocol = `${users === undefined ? '' : 'SASL_'}${tls === undefined ? 'PLAINTEXT' : 'SSL'}`;
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.bootstrap.servers': `${HOST}:${controller}`,
    listeners: `CLIENT://${HOST}:${port},CONTROLLER://${HOST}:${controller}`,
    'advertised.listeners': `CLIENT://${HOST}:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'CLIENT',
    'listener.security.protocol.map': `CLIENT:${protocol},CONTROLLER:PLAINTEXT`,
    'log.dirs': join(folder, 'logs'),
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '500',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'log.cleaner.dedupe.buffer.size': '16777216',
    'num.io.threads': '2',
    'num.network.threads': '2',
    ...(users === undefined
      ? {}
      : {
          'sasl.enabled.mechanisms': 'SCRAM-SHA-512,SCRAM-SHA-256,PLAIN',
          'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
          'listener.name.client.scram-sha-512.sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="${users['admin'] ?? ''}";`,
          'listener.name.client.scram-sha-256.sasl.jaas.config':
            'org.apache.kafka.common.security.scram.ScramLoginModule required;',
          'listener.name.client.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${Object.entries(
            users,
          )
            .map(([name, password]) => `user_${name}="${password}"`)
            .join(' ')};`,
          'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'super.users': 'User:admin;User:ANONYMOUS',
        }),
    ...(tls === undefined
      ? {}
      : {
          'ssl.keystore.type': 'PEM',
          'ssl.keystore.location': tls.keystore,
          'ssl.truststore.type': 'PEM',
          'ssl.truststore.location': tls.truststore,
          'ssl.client.auth': tls.clientAuth ? 'required' : 'none',
        }),
  };
}

function clientProperties({ users }: KafkaPeerOptions, user: string): Readonly<Record<string, string>> {
  if (users === undefined) return {};
  return {
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${users[user] ?? ''}";`,
  };
}

function text(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
