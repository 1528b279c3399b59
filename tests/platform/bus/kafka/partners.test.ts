import { expect } from 'chai';
import type { KafkaPartner } from '../../../../config/bus.ts';
import { aclArguments } from '../../../../cli/partners-acls.ts';
import { topicPassage } from '../../../../connectors/feed/topic-passage.ts';
import type { Ledger } from '../../../../core/ledger.ts';
import type { NewEvent } from '../../../../core/ledger/common.ts';
import { DEFAULT_QUOTAS, narrowed, type PartnerGrant, type PartnerSettings } from '../../../../core/partners.ts';
import { openKafkaBus } from '../../../../platform/bus/kafka/bus.ts';
import { audited } from '../../../contracts/ledger-facts.ts';
import { clientOf, type KafkaPeer, startKafka } from '../../../support/kafka.ts';
import { openTestLedger } from '../../../support/open-ledger.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { busOptions } from './bus-on-kafka.ts';

const USERS = { admin: 'admin-secret', ann: 'ann-secret', bob: 'bob-secret' };
const CLOCK = { now: () => new Date() };
const grants = new Map<string, PartnerGrant>();
const settings = (name: string): PartnerSettings => ({
  name,
  entitlements: {},
  quotas: DEFAULT_QUOTAS,
  webhookHosts: [],
});
const partner = (name: string): KafkaPartner => ({
  partner: name,
  topic: `partner.${name}.v1`,
  user: name,
  groupPrefix: `${name}.`,
});

describe('partners on Kafka, with the rules that hub partners acls prints', () => {
  let kafka: KafkaPeer | undefined;
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let stop: () => Promise<void>;

  before(async function () {
    this.timeout(120_000);
    kafka = await startKafka({ users: USERS });
    ({ ledger, remove } = await openTestLedger());
    const connection = {
      clientId: 'hub',
      brokers: [kafka.broker],
      sasl: { mechanism: 'scram-sha-512', username: 'admin', password: USERS.admin } as const,
    };
    const bus = openKafkaBus(
      busOptions(ledger, kafka.broker, {
        ...{ connection, partners: ['ann', 'bob', 'cat'] },
        passage: topicPassage({ find: (name) => Promise.resolve(narrowed(settings(name), grants.get(name))) }, CLOCK),
      }),
    );
    stop = () => bus.stop();
    await ledger.events.append([delivered('ann'), delivered('bob'), audited('somebody')]);
    await waitFor('the events', async () => (await bus.waiting()).every(({ events }) => events === 0));
    for (const name of ['ann', 'bob']) await applyRules(kafka, partner(name));
  });
  after(async () => {
    await stop();
    await remove();
    await kafka?.stop();
  });

  const read = (user: 'ann' | 'bob', topic: string, group: string) => readOne(kafka?.broker ?? '', user, topic, group);

  it('reads its own topic, in a group of its own', async () => {
    const { key, headers } = await read('ann', 'partner.ann.v1', 'ann.archive');

    expect(key).to.equal('2.25.1');
    expect(headers).to.include({ ce_type: 'hub.delivery.succeeded.v1', ce_source: 'urn:hub:test' });
    expect(headers).to.not.have.any.keys('ce_ledgerposition', 'ce_correlationid');
  });

  for (const [what, topic, group, refusal] of [
    ["another partner's topic", 'partner.bob.v1', 'ann.archive', 'TopicAuthorizationException'],
    ["the hub's own topics", 'hub.audit.v1', 'ann.archive', 'TopicAuthorizationException'],
    ["another partner's groups", 'partner.ann.v1', 'bob.archive', 'GroupAuthorizationException'],
    ["the hub's groups", 'partner.ann.v1', 'hub.test.router', 'GroupAuthorizationException'],
  ] as const) {
    it(`is refused ${what}`, async function () {
      this.timeout(60_000);
      const args = ['--topic', topic, '--group', group, '--from-beginning', '--timeout-ms', '10000'];

      // Kafka's own client, which says by what it was refused.
      const outcome = await kafka?.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', args, 'ann');

      expect((outcome?.stderr ?? '') + (outcome?.stdout ?? '')).to.contain(refusal);
      expect(outcome?.stdout).to.not.contain('studyInstanceUid');
    });
  }

  it('gets in its topic what it is entitled to when it goes there: the rest never, or when access is granted again', async () => {
    const admin = clientOf(kafka?.broker ?? '', { username: 'admin', password: USERS.admin });
    const read: string[] = [];
    grants.set('cat', { suspended: true, routes: ['rat-brain'] });
    await ledger.events.append([
      delivered('cat', 'rat-brain'),
      delivered('cat', 'mouse'),
      delivered('cat', 'rat-brain'),
    ]);
    const offsets = admin.admin();
    await offsets.connect();
    const inTopic = async () =>
      (await offsets.fetchTopicOffsets('partner.cat.v1')).reduce((sum, { offset }) => sum + Number(offset), 0);
    // It is there from the start, and stays empty: a later event of another partner has long arrived.
    await ledger.events.append([delivered('ann', 'rat-brain')]);
    await waitFor('what is the other one’s', async () => {
      const of = await offsets.fetchTopicOffsets('partner.ann.v1');
      return of.reduce((sum, { offset }) => sum + Number(offset), 0) === 2;
    });
    const whileSuspended = await inTopic();

    grants.set('cat', { routes: ['rat-brain'] });
    await waitFor('what is let through', async () => (await inTopic()) === 2);
    await ledger.events.append([delivered('cat', 'rat-brain', 'last')]);
    const consumer = admin.consumer({ groupId: 'cat.test' });
    await consumer.connect();
    await consumer.subscribe({ topics: ['partner.cat.v1'], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        read.push((JSON.parse(String(message.value)) as { destination: string }).destination);
        return Promise.resolve();
      },
    });
    await waitFor('all of it', () => Promise.resolve(read.includes('last')));

    expect([whileSuspended, read]).to.deep.equal([0, ['of rat-brain', 'of rat-brain', 'last']]);
    await consumer.disconnect();
    await offsets.disconnect();
  });

  it('is refused to write its own topic', async () => {
    const producer = clientOf(kafka?.broker ?? '', { username: 'ann', password: USERS.ann }).producer();
    await producer.connect();

    const outcome = await producer
      .send({ topic: 'partner.ann.v1', messages: [{ key: 'a', value: '{}' }] })
      .catch((error: unknown) => error);

    expect(typesIn(outcome)).to.include('TOPIC_AUTHORIZATION_FAILED');
    await producer.disconnect();
  });
});

/** By Kafka's own tool, as an administrator would. */
async function applyRules(kafka: KafkaPeer, who: KafkaPartner): Promise<void> {
  for (const args of aclArguments(who)) {
    const { code, stdout, stderr } = await kafka.tool('org.apache.kafka.tools.AclCommand', args);
    expect(code, stdout + stderr).to.equal(0);
  }
}

async function readOne(broker: string, user: 'ann' | 'bob', topic: string, groupId: string) {
  const consumer = clientOf(broker, { username: user, password: USERS[user] }).consumer({
    groupId,
    retry: { retries: 0, restartOnFailure: () => Promise.resolve(false) },
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    return await new Promise<{ key: string; headers: Record<string, string> }>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      consumer
        .run({
          eachMessage: ({ message }) => {
            const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
            resolve({ key: String(message.key), headers: Object.fromEntries(headers) as Record<string, string> });
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}

/** The protocol's names of what went wrong, in an error and what caused it. */
function typesIn(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return ['nothing went wrong'];
  const type = 'type' in error ? [error.type] : [];
  return [...type, ...(error.cause === undefined ? [] : typesIn(error.cause))];
}

function delivered(name: string, route = 'rat-brain', destination = `of ${route}`): NewEvent {
  return {
    type: 'delivery.succeeded',
    stream: `partner.${name}.v1`,
    key: '2.25.1',
    route,
    data: {
      studyInstanceUid: '2.25.1',
      revision: 1,
      deliveryId: '5dd7dd7f-1083-8068-a03f-a276163c72b2',
      destination,
      instances: 3,
      attempts: 1,
    },
  } satisfies Omit<NewEvent, 'data'> & { readonly data: unknown } as NewEvent;
}
