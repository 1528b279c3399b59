import { join } from 'node:path';
import { expect } from 'chai';
import { filesBelow } from '../support/files-below.ts';
import { ended } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { clientOf, type KafkaPeer, startKafka } from '../support/kafka.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';
import { foundIn, originalUids, PATIENT_VALUES, PLANTED, writeStudy } from './planted-study.ts';
import type { WrittenStudy } from './planted-study.ts';

interface Ready {
  readonly status: string;
  readonly checks: readonly { readonly name: string; readonly problem?: string }[];
}

describe('a hub whose bus is Kafka', function () {
  this.timeout(120_000);
  let kafka: KafkaPeer;
  let hub: HubProcess;
  let study: WrittenStudy;

  before(async () => {
    kafka = await startKafka();
    // Down when the hub starts, on a port that is known.
    await kafka.kill();
    hub = await HubProcess.create({ config: {} });
    await hub.configure({
      bus: { kind: 'kafka', brokers: [kafka.broker], replication: 1 },
      gateway: { dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] } },
      policies: [{ name: 'kct', profile: 'basic' }],
      partners: [{ name: 'kct', kafka: {} }],
      destinations: [{ name: 'kct-archive', type: 'folder', path: join(hub.folder, 'out'), partner: 'kct' }],
      routes: [{ name: 'all', when: { source: 'pv-7t' }, process: [{ deidentify: 'kct' }], deliver: ['kct-archive'] }],
    });
    await hub.start();
    study = await writeStudy(join(hub.folder, 'scan'), { seed: 7, ...PLANTED });
  });
  after(async () => {
    await hub.remove();
    await kafka.stop();
  });

  it('starts and receives while Kafka is down, and says what waits', async () => {
    const sent = await send(hub.dimsePort, study.files);

    expect(sent.accepted).to.have.members(study.files);
    const ready = await waitFor('the probe to say so', async () => {
      const answer = await probe(hub);
      return /\d+ events wait/.test(problemIn(answer, 'bus') ?? '') && answer;
    });
    expect(ready.status).to.equal('degraded');
    expect(problemIn(ready, 'bus')).to.match(/^Kafka cannot be reached: Kafka down, \d+ events wait, oldest \d+ s$/);
    expect((await fetch(`${hub.url}/health/live`)).status).to.equal(200);
    expect(await metric(hub, 'hub_bus_up')).to.equal(0);
  });

  it('delivers what it received once Kafka is there', async () => {
    await kafka.again();

    const delivery = await ended(hub, study.studyInstanceUid, 'kct-archive', { deadlineMs: 90_000 });

    expect(delivery).to.include({ state: 'succeeded', attempts: 1 });
    expect((await filesBelow(join(hub.folder, 'out'))).length).to.be.greaterThan(study.files.length);
    await waitFor('the probe to be content', async () => (await probe(hub)).status === 'ready', 30_000);
    await waitFor('the metric to be content', async () => (await metric(hub, 'hub_bus_up')) === 1, 30_000);
  });

  it('lets the partner read what concerns it, under other names', async () => {
    const messages = await readTopic(kafka.broker, 'partner.kct.v1', 3);

    expect(messages.map(({ headers }) => headers['ce_type'])).to.deep.equal([
      'hub.study.deidentified.v1',
      'hub.study.processed.v1',
      'hub.delivery.succeeded.v1',
    ]);
    const whole = JSON.stringify(messages);
    expect(foundIn(whole, [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
  });

  it('says nothing of a patient on its own topics either', async () => {
    const messages = await readTopic(kafka.broker, 'hub.ingest.v1', study.files.length + 1);

    expect(foundIn(JSON.stringify(messages), PATIENT_VALUES)).to.deep.equal([]);
  });
});

async function probe(hub: HubProcess): Promise<Ready> {
  return (await (await fetch(`${hub.url}/health/ready`)).json()) as Ready;
}

function problemIn({ checks }: Ready, name: string): string | undefined {
  return checks.find((check) => check.name === name)?.problem;
}

async function metric(hub: HubProcess, name: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

async function readTopic(broker: string, topic: string, atLeast: number) {
  const consumer = clientOf(broker).consumer({ groupId: `kct.${topic}` });
  const messages: { key: string; value: string; headers: Record<string, string> }[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
      messages.push({
        key: String(message.key),
        value: String(message.value),
        headers: Object.fromEntries(headers) as Record<string, string>,
      });
      return Promise.resolve();
    },
  });
  await waitFor(`messages of ${topic}`, () => messages.length >= atLeast, 30_000);
  await consumer.disconnect();
  return messages;
}
