/** Tells a topic of anybody's Kafka what was released: a message an instance and a file, and one that the study is there. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type KafkaTopicOptions, options } from './options.ts';

export const kafkaTopic: ConnectorPlugin<KafkaTopicOptions> = {
  type: 'kafka-topic',
  options,
  load: () => import('./connector.ts'),
};
