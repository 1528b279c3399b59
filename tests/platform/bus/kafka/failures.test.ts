import { expect } from 'chai';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import kafkajs from 'kafkajs';
import type { ErrorCode } from '../../../../core/errors.ts';
import type { Ledger } from '../../../../core/ledger.ts';
import type { Clock, Logger } from '../../../../core/ports.ts';
import { STREAMS } from '../../../../core/streams.ts';
import {
  type BusProblem,
  type KafkaBus,
  type KafkaBusOptions,
  openKafkaBus,
} from '../../../../platform/bus/kafka/bus.ts';
import { audited } from '../../../contracts/ledger-facts.ts';
import { makeAuthority } from '../../../support/certificates.ts';
import { freePort } from '../../../support/child-process.ts';
import { adminOf, clientOf, type KafkaPeer, startKafka } from '../../../support/kafka.ts';
import { openTestLedger } from '../../../support/open-ledger.ts';
import { silentLog } from '../../../support/silent-log.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { busOptions, PARTITIONS, removeEverything } from './bus-on-kafka.ts';

const USERS = { admin: 'admin-secret', nobody: 'nobody-secret', hub: 'hub-secret' };
const FROM_START = { group: 'router', streams: ['hub.audit.v1'], from: 'earliest' } as const;
const sasl = (username: keyof typeof USERS, password: string = USERS[username]) =>
  ({ mechanism: 'scram-sha-512', username, password }) as const;

// Not among the names that an import finds in a CommonJS package.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ConfigResourceTypes, ResourcePatternTypes } = kafkajs;

describe('a bus through Kafka when something is wrong', () => {
  let kafka: KafkaPeer | undefined;
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let bus: KafkaBus | undefined;
  const broker = () => kafka?.broker ?? '';
  const connection = (changes: Partial<KafkaBusOptions['connection']> = {}) => ({
    clientId: 'hub-test',
    brokers: [broker()],
    sasl: sasl('admin'),
    ...changes,
  });
  const open = (changes: Partial<KafkaBusOptions> = {}): KafkaBus => {
    bus = openKafkaBus(busOptions(ledger, broker(), { connection: connection(), ...changes }));
    return bus;
  };

  before(async function () {
    this.timeout(90_000);
    kafka = await startKafka({ users: USERS });
  });
  after(() => kafka?.stop());
  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger());
  });
  afterEach(async function () {
    this.timeout(60_000);
    await bus?.stop();
    await remove();
    await removeEverything(broker(), USERS);
  });

  it('starts without brokers, takes facts, and says what waits', async () => {
    const nowhere = `127.0.0.1:${String(await freePort())}`;
    const opened = open({ connection: connection({ brokers: [nowhere] }) });

    await opened.subscribe(FROM_START, async () => undefined);
    await ledger.events.append([audited('a', '1'), audited('a', '2')]);

    const problem = await problemOf(opened, 'bus.unreachable', /2 events wait/);
    expect(problem.severity).to.equal('degraded');
    expect(problem.error.fields['advice']).to.match(/^Kafka down, 2 events wait, oldest \d+ s$/);
    expect((await opened.lag())[0]).to.include({ group: 'router', events: 2 });
  });

  it('says that nothing waits where nothing does, and says it now and then, not at each attempt', async () => {
    const nowhere = `127.0.0.1:${String(await freePort())}`;
    const attempts: number[] = [];
    const said: unknown[] = [];
    const log: Logger = {
      ...silentLog,
      child: () => log,
      warn: (_message, fields) => void attempts.push(Number(fields?.['attempt'])),
      error: (message, fields) => void said.push({ message, times: fields?.['times'], events: fields?.['events'] }),
    };
    let asked = 0;
    const clock: Clock = {
      now: () => {
        asked += 1; // Before each attempt, for the lease.
        return new Date();
      },
    };

    const opened = open({ connection: connection({ brokers: [nowhere] }), log, clock });

    const { error } = await problemOf(opened, 'bus.unreachable', /no event waits$/);
    await waitFor('more attempts', () => asked > 3);
    expect(error.fields['advice']).to.equal('Kafka down, no event waits');
    expect(attempts).to.deep.equal([1]);
    expect(said).to.deep.equal([{ message: 'Kafka cannot be used, and no event waits for it', times: 1, events: 0 }]);
  });

  it('says that a web server is no Kafka', async () => {
    const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const other = open({ connection: { clientId: 'hub-test', brokers: [addressOf(server)] } });

    const { error } = await problemOf(other, 'bus.not-kafka');

    expect(error.fields['advice']).to.contain('something else than a Kafka broker');
    server.close();
  });

  it('says that a port wants TLS', async function () {
    this.timeout(30_000);
    const authority = await makeAuthority(folder.path);
    const files = await authority.sign('broker', '/CN=broker');
    const server = createTlsServer({ cert: await readFile(files.certificate), key: await readFile(files.key) });
    server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const other = open({ connection: { clientId: 'hub-test', brokers: [addressOf(server)] } });

    const { error } = await problemOf(other, 'bus.not-kafka');

    expect(error.fields['advice']).to.contain('speaks TLS: set bus.tls');
    server.close();
  });

  it('says that the credentials are wrong, without saying them', async () => {
    const { error } = await problemOf(
      open({ connection: connection({ sasl: sasl('admin', 'a wrong secret') }) }),
      'bus.credentials',
    );

    expect(JSON.stringify([error.message, error.fields, String(error.cause)])).to.not.contain('a wrong secret');
  });

  it('says that its user may not do this', async () => {
    await problemOf(open({ connection: connection({ sasl: sasl('nobody') }) }), 'bus.unauthorized');
  });

  it('goes on by itself once its user may: topics, groups, idempotent writes are all it needs', async function () {
    this.timeout(40_000);
    const opened = open({ connection: connection({ sasl: sasl('hub') }) });
    const seen: string[] = [];
    await opened.subscribe(FROM_START, async ({ key }) => void seen.push(key));
    await ledger.events.append([audited('a')]);
    await problemOf(opened, 'bus.unauthorized');

    await allowHub(broker());

    await waitFor('the fact', () => seen.length > 0, 20_000);
    await waitFor('no problem', () => opened.problems().length === 0, 20_000);
  });

  for (const mechanism of ['scram-sha-256', 'plain'] as const) {
    it(`is let in by ${mechanism}`, async () => {
      const opened = open({ connection: connection({ sasl: { ...sasl('admin'), mechanism } }) });
      await ledger.events.append([audited('a')]);

      await waitFor('the fact in Kafka', async () => (await opened.waiting())[0]?.events === 0);

      expect(opened.problems()).to.deep.equal([]);
    });
  }

  it('names the topics that are missing when it may not create them, and goes on when somebody has', async function () {
    this.timeout(30_000);
    const opened = open({ topics: { partitions: PARTITIONS, replication: 1, mayCreate: false } });
    await ledger.events.append([audited('a')]);
    const { error } = await problemOf(opened, 'bus.topic-missing');
    expect(error.fields['topics']).to.deep.equal([...STREAMS]);

    await createTopics(PARTITIONS);

    await waitFor('the fact in Kafka', async () => (await opened.waiting())[0]?.events === 0);
    await waitFor('no problem', () => opened.problems().length === 0);
  });

  for (const [title, partitions] of [
    ['fewer', PARTITIONS - 1],
    ['more', PARTITIONS + 1],
  ] as const) {
    it(`neither reads nor writes topics of ${title} partitions than configured`, async function () {
      this.timeout(30_000);
      await createTopics(partitions);
      const opened = open();
      let calls = 0;
      await opened.subscribe(FROM_START, async () => void (calls += 1));
      await ledger.events.append([audited('a')]);

      const { error } = await problemOf(opened, 'bus.topic-partitions', /1 event waits/);

      const says = `has ${String(partitions)} partitions, bus.partitions says ${String(PARTITIONS)}`;
      expect(error.fields['advice']).to.contain(says);
      expect(calls).to.equal(0);
      expect(await written('hub.audit.v1')).to.equal(0);
    });
  }

  it('keeps an event that a topic does not take, in its order, until it does', async function () {
    this.timeout(40_000);
    await createTopics(PARTITIONS, [{ name: 'max.message.bytes', value: '2000' }]);
    const opened = open();
    const seen: number[] = [];
    await opened.subscribe(FROM_START, async ({ position }) => void seen.push(position));
    await ledger.events.append([audited('a', '1'), audited('a', 'x'.repeat(5_000)), audited('a', '3')]);

    await problemOf(opened, 'bus.message-too-large', /2 events wait/);
    expect(await written('hub.audit.v1')).to.equal(1);
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: 'hub.audit.v1',
            configEntries: [{ name: 'max.message.bytes', value: '128000' }],
          },
        ],
      }),
    );

    await waitFor('all facts in Kafka', async () => (await opened.waiting())[0]?.events === 0, 20_000);
    await waitFor('all facts', () => seen.length === 3);
    expect(seen).to.deep.equal([1, 2, 3]);
  });

  it('makes topics anew that were deleted under it, and hands over what was lost with them', async function () {
    this.timeout(60_000);
    const opened = open();
    const seen: number[] = [];
    let isHeld = true;
    await opened.subscribe(FROM_START, async ({ position, key }) => {
      if (isHeld && key === 'b') throw new Error('not now');
      seen.push(position);
    });
    await ledger.events.append([audited('a'), audited('b'), audited('c')]);
    await waitFor('the first facts', () => seen.length === 2);

    await withAdmin((admin) => admin.deleteTopics({ topics: ['hub.audit.v1'] }));
    await ledger.events.append([audited('a'), audited('b'), audited('c')]);
    isHeld = false;

    await waitFor('everything', () => new Set(seen).size === 6, 40_000);
    await waitFor('no problem', () => opened.problems().length === 0, 20_000);
    await ledger.events.append([audited('a')]);
    await waitFor('what comes then', () => seen.includes(7), 20_000);
  });

  it('takes nothing that a ledger before this one sent for its own', async function () {
    this.timeout(40_000);
    const before = await openTestLedger();
    const earlier = openKafkaBus(busOptions(before.ledger, broker(), { connection: connection() }));
    await before.ledger.events.append([audited('a', 'old'), audited('a', 'old'), audited('a', 'old')]);
    await waitFor('the old facts in Kafka', async () => (await earlier.waiting())[0]?.events === 0);
    await earlier.stop();
    await before.remove();
    const opened = open();
    const seen: unknown[] = [];

    await opened.subscribe(
      FROM_START,
      async ({ data }) => void seen.push('subject' in data ? data.subject : undefined),
    );
    await ledger.events.append([audited('a', '1'), audited('a', '2')]);

    await waitFor('the facts', () => seen.length === 2);
    await waitFor('no lag', async () => (await opened.lag())[0]?.events === 0);
    await ledger.events.append([audited('a', '3')]);
    await waitFor('the next fact', () => seen.length === 3);
    expect(seen).to.deep.equal(['1', '2', '3']);
  });

  it('leaves out what somebody else wrote into its topics, and goes on', async () => {
    const foreign: string[] = [];
    const opened = open({
      counts: { sent: () => undefined, restarted: () => undefined, foreign: (stream) => foreign.push(stream) },
    });
    const seen: number[] = [];
    await opened.subscribe(FROM_START, async ({ position }) => void seen.push(position));
    await ledger.events.append([audited('a')]);
    await waitFor('the first fact', () => seen.length === 1);

    const [{ id: ledgerId } = { id: '' }] = await ledger.events.read({ streams: STREAMS, after: 0, limit: 1 });
    await produceForeign(broker(), ledgerId);
    await ledger.events.append([audited('a')]);

    await waitFor('the next fact', () => seen.length === 2);
    await waitFor('the strangers', () => foreign.length === 2);
    expect(seen).to.deep.equal([1, 2]);
  });

  const folder = temporaryFolder();

  async function createTopics(
    partitions: number,
    configEntries: { name: string; value: string }[] = [],
  ): Promise<void> {
    const topics = STREAMS.map((topic) => ({ topic, numPartitions: partitions, replicationFactor: 1, configEntries }));
    await withAdmin(async (admin) => {
      expect(await admin.createTopics({ waitForLeaders: false, topics })).to.equal(true);
      await waitFor('the topics', async () => {
        const known = await admin.fetchTopicMetadata({ topics: [...STREAMS] }).catch(() => undefined);
        return known?.topics.every(({ partitions: made }) => made.length === partitions);
      });
    });
  }

  async function written(topic: string): Promise<number> {
    // A topic that was just made has no leader yet.
    const offsets = await waitFor('the offsets', () =>
      withAdmin((admin) => admin.fetchTopicOffsets(topic)).catch(() => undefined),
    );
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  }

  async function withAdmin<T>(work: (admin: ReturnType<typeof adminOf>) => Promise<T>): Promise<T> {
    const admin = adminOf(broker(), USERS);
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
});

async function problemOf(bus: Pick<KafkaBus, 'problems'>, code: ErrorCode, advice = /./): Promise<BusProblem> {
  const isMeant = ({ error }: BusProblem) => error.code === code && advice.test(String(error.fields['advice'] ?? 'x'));
  try {
    return await waitFor(code, () => bus.problems().find(isMeant), 15_000);
  } catch (error) {
    throw new Error(
      `not ${code} but: ${bus
        .problems()
        .map((each) => each.error.message)
        .join('; ')}`,
      { cause: error },
    );
  }
}

function addressOf(server: Pick<Server, 'address'>): string {
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

/** What docs/operations.md says the hub's user needs. */
async function allowHub(broker: string): Promise<void> {
  const allow = { principal: 'User:hub', host: '*', permissionType: AclPermissionTypes.ALLOW };
  const prefixed = { resourcePatternType: ResourcePatternTypes.PREFIXED };
  const topic = { ...allow, ...prefixed, resourceType: AclResourceTypes.TOPIC, resourceName: 'hub.' };
  const admin = adminOf(broker, USERS);
  await admin.connect();
  await admin.createAcls({
    acl: [
      ...[AclOperationTypes.READ, AclOperationTypes.WRITE, AclOperationTypes.CREATE, AclOperationTypes.DESCRIBE].map(
        (operation) => ({ ...topic, operation }),
      ),
      {
        ...allow,
        ...prefixed,
        resourceType: AclResourceTypes.GROUP,
        resourceName: 'hub.test.',
        operation: AclOperationTypes.READ,
      },
      {
        ...allow,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        resourceType: AclResourceTypes.CLUSTER,
        resourceName: 'kafka-cluster',
        operation: AclOperationTypes.IDEMPOTENT_WRITE,
      },
    ],
  });
  await admin.disconnect();
}

/** A stranger's message, and one that claims a place the ledger has not reached. */
async function produceForeign(broker: string, ledgerId: string): Promise<void> {
  const producer = clientOf(broker, { username: 'admin', password: USERS.admin }).producer();
  await producer.connect();
  const headers = {
    ce_specversion: '1.0',
    ce_id: '1',
    ce_source: 'urn:hub:test',
    ce_type: 'hub.action.audited.v1',
    ce_time: new Date().toISOString(),
    ce_ledgerposition: '1000000',
    ce_ledgerid: ledgerId,
  };
  await producer.send({
    topic: 'hub.audit.v1',
    messages: [
      { key: 'a', value: 'hello' },
      { key: 'a', value: '{}', headers },
    ],
  });
  await producer.disconnect();
}
