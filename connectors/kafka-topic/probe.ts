/** Tries the way to a topic: each broker's name and port, then the topic as our user sees it, then a message. */
import { type Diagnosis, fine, skipped, warning, wrong } from '../../core/diagnosis.ts';
import { type HubError, toHubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import type { TopicBrokers, TopicWriter } from '../../core/topics.ts';
import { probeReach } from '../probe/reach.ts';

const CONNECT_MS = 5_000;

/** @param brokersOf - throws `config.invalid` when a secret cannot be had */
export async function* probeKafkaTopic(
  given: { readonly topic: string },
  brokersOf: () => TopicBrokers,
  context: ProbeContext,
): AsyncGenerator<Diagnosis> {
  const brokers = readBrokers(brokersOf);
  if ('verdict' in brokers) {
    yield brokers;
    return;
  }
  let reached = 0;
  for (const broker of brokers.brokers) {
    const colon = broker.lastIndexOf(':');
    const host = broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    const port = Number(broker.slice(colon + 1));
    if ((yield* probeReach({ host, port, timeoutMs: CONNECT_MS, signal: context.signal })) !== undefined) reached += 1;
  }
  if (reached === 0) return;
  const writer = await context.openTopics(brokers);
  try {
    const found = await lookAtTopic(writer, given.topic);
    yield found;
    if (found.verdict === 'wrong') return;
    yield context.sendTest
      ? await sendTest(writer, given.topic, context.hubName)
      : skipped('test-object', 'A test message was not written', 'Only with --send-test: consumers would see it.');
  } finally {
    await writer.close();
  }
}

function readBrokers(brokersOf: () => TopicBrokers): TopicBrokers | Diagnosis {
  try {
    return brokersOf();
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'A certificate, key or password cannot be read',
      `${String(failure.fields['detail'])}.`,
      "Set the variable or make the file readable in the hub's own environment, which need not be this terminal's.",
    );
  }
}

async function lookAtTopic(writer: TopicWriter, topic: string): Promise<Diagnosis> {
  try {
    const partitions = await writer.partitions(topic);
    return partitions === 0
      ? warning('topic', `The topic ${topic} has no partitions`, 'It may be about to be made.', 'Look again.')
      : fine('topic', `The topic ${topic} is there, with ${String(partitions)} partitions`);
  } catch (error) {
    return failed('topic', `The topic ${topic} cannot be used`, toHubError(error));
  }
}

async function sendTest(writer: TopicWriter, topic: string, hubName: string): Promise<Diagnosis> {
  try {
    await writer.write(topic, [
      {
        key: 'hub-doctor-test',
        value: '{}',
        headers: {
          'content-type': 'application/json',
          ce_specversion: '1.0',
          ce_id: 'hub-doctor-test',
          ce_source: `urn:hub:${hubName}`,
          ce_type: 'hub.connection.tested.v1',
        },
      },
    ]);
    return fine('test-object', 'A test message (hub.connection.tested.v1) was taken by all replicas');
  } catch (error) {
    return failed('test-object', 'A test message is not taken', toHubError(error));
  }
}

function failed(id: string, what: string, error: HubError): Diagnosis {
  const { advice, detail } = error.fields;
  return wrong(id, what, `${error.row.title}: ${String(advice ?? detail)}.`, error.row.remedy);
}
