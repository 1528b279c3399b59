import { describeEventBus } from '../../../contracts/event-bus.ts';
import { KAFKA_VERSIONS, type KafkaPeer, startKafka } from '../../../support/kafka.ts';
import { busOnKafka } from './bus-on-kafka.ts';

describe('on a real broker', () => {
  for (const version of Object.values(KAFKA_VERSIONS)) {
    describe(`of Kafka ${version}`, () => {
      let kafka: KafkaPeer | undefined;
      before(async function () {
        this.timeout(90_000);
        kafka = await startKafka({ version });
      });
      after(() => kafka?.stop());

      describeEventBus(`through Kafka ${version}`, () => busOnKafka(kafka?.broker ?? ''), { hasReplicas: true });
    });
  }
});
