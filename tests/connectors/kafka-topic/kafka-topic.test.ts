import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloudEvent, Kafka as KafkaBinding, type KafkaMessage } from 'cloudevents';
import { open as openKafkaTopic, probe as probeKafkaTopic } from '../../../connectors/kafka-topic/connector.ts';
import { kafkaTopic } from '../../../connectors/kafka-topic/index.ts';
import type { Connector } from '../../../core/plugins.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { freePort } from '../../support/child-process.ts';
import { adminOf, clientOf, type KafkaPeer, startKafka } from '../../support/kafka.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';

const TOPIC = 'imaging.results';

interface Read {
  readonly partition: number;
  readonly key: string;
  readonly id: string;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Everything in the topic from its beginning, with a client that is not the hub's. */
async function readAll(broker: string, topic: string): Promise<readonly Read[]> {
  const admin = adminOf(broker);
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  let left = ends.reduce((sum, { high }) => sum + Number(high), 0);
  const read: Read[] = [];
  const consumer = clientOf(broker).consumer({ groupId: `test-${String(Math.random())}`, sessionTimeout: 6_000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((done, failed) => {
    if (left === 0) done();
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          const headers = Object.fromEntries(
            Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
          );
          read.push({
            partition,
            key: String(message.key),
            id: headers['ce_id'] ?? '',
            type: headers['ce_type'] ?? '',
            headers,
            data: JSON.parse(String(message.value)) as Record<string, unknown>,
          });
          left -= 1;
          if (left === 0) done();
        },
      })
      .catch(failed);
  });
  await consumer.disconnect();
  return read;
}

describe('the kafka-topic connector', function () {
  this.timeout(60_000);
  let kafka: KafkaPeer;
  const opened: Connector[] = [];
  let topics = 0;
  let topic = '';

  before(async function () {
    this.timeout(300_000);
    kafka = await startKafka();
  });
  after(() => kafka.stop());
  beforeEach(async () => {
    topics += 1;
    topic = `${TOPIC}-${String(topics)}`;
    const admin = adminOf(kafka.broker);
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 4, replicationFactor: 1 }] });
    await admin.disconnect();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((connector) => connector.close()));
  });

  function optionsOf(changes: Readonly<Record<string, unknown>> = {}) {
    return kafkaTopic.options.parse({
      ...{ name: 'kct-topic', type: 'kafka-topic', brokers: [kafka.broker], topic },
      ...changes,
    });
  }
  function open(store: MemoryStore, changes: Readonly<Record<string, unknown>> = {}, secrets = {}): Connector {
    const connector = openKafkaTopic(optionsOf(changes), contextOf(store, secrets));
    opened.push(connector);
    return connector;
  }

  it('tells of each instance and file, then of the study, in order and in one partition, never the bytes', async () => {
    const store = new MemoryStore();
    const items = await Promise.all([1, 2].map((index) => store.instance(mrImage(index))));
    const report = store.artefact('qc/report.json', '{}');
    const order = orderOf([...items, report], { partner: 'kct', revision: 3 });
    const delivered: string[] = [];
    const link = 'https://hub.example.org/partner/v1/studies/{study}/series/{series}/instances/{instance}';

    await open(store, { link, partner: 'kct' }).deliver(order, (uid) => delivered.push(uid));

    const read = await readAll(kafka.broker, topic);
    expect(read.map(({ id, type, key }) => [id, type, key])).to.deep.equal([
      [`${order.deliveryId}.2.25.7000.1.1.1`, 'hub.instance.released.v1', '2.25.7000'],
      [`${order.deliveryId}.2.25.7000.1.1.2`, 'hub.instance.released.v1', '2.25.7000'],
      [`${order.deliveryId}.qc/report.json`, 'hub.file.released.v1', '2.25.7000'],
      [order.deliveryId, 'hub.study.processed.v1', '2.25.7000'],
    ]);
    expect(new Set(read.map(({ partition }) => partition)).size).to.equal(1);
    expect(read[0]?.data).to.deep.equal({
      studyInstanceUid: '2.25.7000',
      revision: 3,
      sizeBytes: items[0]?.sizeBytes,
      sha256: items[0]?.sha256,
      seriesInstanceUid: '2.25.7000.1',
      sopInstanceUid: '2.25.7000.1.1.1',
      sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      url: 'https://hub.example.org/partner/v1/studies/2.25.7000/series/2.25.7000.1/instances/2.25.7000.1.1.1',
    });
    expect(read[3]?.data).to.include({ studyInstanceUid: '2.25.7000', revision: 3, instances: 2, artefacts: 1 });
    expect(JSON.stringify(read)).to.not.contain('Nobody^At All');
    expect(delivered).to.deep.equal(items.map(({ sopInstanceUid }) => sopInstanceUid));
  });

  it("is read by the CloudEvents project's own library", async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);
    await open(store).deliver(order, () => undefined);
    const [message] = await readAll(kafka.broker, topic);

    const event = KafkaBinding.toEvent({
      headers: message?.headers ?? {},
      body: JSON.stringify(message?.data),
      key: message?.key ?? '',
      value: JSON.stringify(message?.data),
    } as unknown as KafkaMessage);

    expect(event).to.be.instanceOf(CloudEvent);
    expect((event as CloudEvent).id).to.equal(message?.id);
    expect((event as CloudEvent).source).to.equal('urn:hub:savilahti');
  });

  it('loses nothing when the broker dies in the middle; what comes twice has the same id', async () => {
    const store = new MemoryStore();
    const items = await Promise.all(Array.from({ length: 1_200 }, (_, index) => store.instance(mrImage(index))));
    const order = orderOf(items);
    const delivered = new Set<string>();
    const connector = open(store);
    let killed: Promise<void> | undefined;

    const error = await thrownBy(
      connector.deliver(order, (uid) => {
        delivered.add(uid);
        killed ??= kafka.kill();
      }),
    );
    await killed;
    await kafka.again();
    const before = delivered.size;
    await connector.deliver({ ...order, attempt: 2, delivered: new Set(delivered) }, (uid) => delivered.add(uid));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.unreachable', 'transient']);
    expect(before).to.be.within(1, 1_199);
    const read = await readAll(kafka.broker, topic);
    const ids = new Set(read.map(({ id }) => id));
    expect(ids.size).to.equal(1_201);
    expect([
      ...items.map(({ sopInstanceUid }) => `${order.deliveryId}.${sopInstanceUid}`),
      order.deliveryId,
    ]).to.have.members([...ids]);
    expect(read.at(-1)?.type).to.equal('hub.study.processed.v1');
    expect(delivered.size).to.equal(1_200);
  });

  it('keeps the revisions of a study apart, though they are delivered at once', async () => {
    const store = new MemoryStore();
    const items = await Promise.all([1, 2, 3].map((index) => store.instance(mrImage(index))));
    const connector = open(store);

    await Promise.all([1, 2, 3].map((revision) => connector.deliver(orderOf(items, { revision }), () => undefined)));

    const revisions = (await readAll(kafka.broker, topic)).map(({ data }) => data['revision']);
    expect(revisions).to.deep.equal([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  });

  it('says what stands in the way: no topic, nobody there, no Kafka', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);

    const [noTopic, nobody] = [
      await thrownBy(open(store, { topic: 'no-such-topic' }).deliver(order, () => undefined)),
      await thrownBy(
        open(store, { brokers: [`127.0.0.1:${String(await freePort())}`] }).deliver(order, () => undefined),
      ),
    ];

    expect([noTopic.code, noTopic.fields['detail']]).to.deep.equal(['partner.refused', 'there is no such topic']);
    expect([nobody.code, nobody.row.retry]).to.deep.equal(['partner.unreachable', 'transient']);
  });

  it('is diagnosed: brokers, topic, a message', async () => {
    const diagnose = async (changes: Readonly<Record<string, unknown>>, sendTest: boolean) => {
      const context = { ...contextOf(new MemoryStore()), sendTest, signal: new AbortController().signal };
      const found = [];
      for await (const { id, verdict } of probeKafkaTopic(optionsOf(changes), context)) found.push(`${id} ${verdict}`);
      return found;
    };

    expect(await diagnose({}, true)).to.deep.equal(['tcp fine', 'topic fine', 'test-object fine']);
    expect(await diagnose({}, false)).to.deep.equal(['tcp fine', 'topic fine', 'test-object skipped']);
    expect(await diagnose({ topic: 'no-such-topic' }, true)).to.deep.equal(['tcp fine', 'topic wrong']);
    expect(await diagnose({ brokers: [`127.0.0.1:${String(await freePort())}`] }, true)).to.deep.equal(['tcp wrong']);
  });

  it('refuses a password in the clear, a link that names no instance, a certificate without its key', () => {
    const mistake = (changes: Readonly<Record<string, unknown>>) => {
      const parsed = kafkaTopic.options.safeParse({
        ...{ name: 'kct-topic', type: 'kafka-topic', brokers: ['kafka:9092'], topic: 'x' },
        ...changes,
      });
      return parsed.success ? '' : (parsed.error.issues[0]?.message ?? '');
    };

    expect(mistake({ sasl: { mechanism: 'plain', username: 'u', password: { env: 'P' } } })).to.contain('in the clear');
    expect(mistake({ link: 'https://x/{study}' })).to.contain('{instance}');
    expect(mistake({ link: 'https://x/{patient}/{instance}' })).to.contain('not a link');
    expect(mistake({ tls: { certificate: { env: 'C' } } })).to.contain('belong together');
    expect(mistake({ topic: '..' })).to.contain('a topic has');
  });
});

describe('the kafka-topic connector, with users and TLS', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  it('comes as a user over TLS, and says so when it may not', async function () {
    this.timeout(300_000);
    const authority = await makeAuthority(folder.path);
    const own = await authority.sign('broker', '/CN=broker');
    const keystore = join(folder.path, 'broker.pem');
    await writeFile(keystore, (await readFile(own.key, 'utf8')) + (await readFile(own.certificate, 'utf8')));
    const kafka = await startKafka({
      users: { admin: 'admin-secret', hub: 'hub-secret' },
      tls: { keystore, truststore: authority.certificate, clientAuth: false },
      properties: { 'auto.create.topics.enable': 'true' },
    });
    try {
      const secrets = {
        CA: await readFile(authority.certificate, 'utf8'),
        ADMIN: 'admin-secret',
        HUB: 'hub-secret',
        WRONG: 'wrong',
      };
      const store = new MemoryStore();
      const order = orderOf([await store.instance(mrImage(1))]);
      const deliver = async (user: string, password: string, tls: unknown = { ca: { env: 'CA' } }) => {
        const options = kafkaTopic.options.parse({
          ...{ name: 'kct-topic', type: 'kafka-topic', brokers: [kafka.broker], topic: 'results', tls },
          sasl: { mechanism: 'scram-sha-256', username: user, password: { env: password } },
        });
        const connector = openKafkaTopic(options, contextOf(store, secrets));
        try {
          await connector.deliver(order, () => undefined);
        } finally {
          await connector.close();
        }
      };
      await made(kafka, authority.certificate);

      await deliver('admin', 'ADMIN');
      const [wrong, unauthorized, untrusted] = [
        await thrownBy(deliver('admin', 'WRONG')),
        await thrownBy(deliver('hub', 'HUB')),
        await thrownBy(deliver('admin', 'ADMIN', {})),
      ];

      expect([wrong, unauthorized, untrusted].map(({ code, fields }) => [code, fields['reason']])).to.deep.equal([
        ['partner.refused', 'bus.credentials'],
        ['partner.refused', 'bus.unauthorized'],
        ['partner.refused', 'bus.certificate'],
      ]);
    } finally {
      await kafka.stop();
    }
  });
});

/** The topic, made by the broker's administrator. */
async function made(kafka: KafkaPeer, ca: string): Promise<void> {
  const { Kafka, logLevel } = await import('kafkajs');
  const admin = new Kafka({
    brokers: [kafka.broker],
    logLevel: logLevel.NOTHING,
    ssl: { ca: [await readFile(ca, 'utf8')] },
    sasl: { mechanism: 'scram-sha-512', username: 'admin', password: 'admin-secret' },
  }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'results', numPartitions: 1, replicationFactor: 1 }] });
  await admin.disconnect();
}
