/** The inside of a thread that runs stages of the hub: starts them, speaks for them, stops them. */
import type { MessagePort } from 'node:worker_threads';
import { packError } from '../../core/packed-error.ts';
import type { LogFields, Logger } from '../../core/ports.ts';
import { loggable, loggableText } from '../log-fields.ts';
import type { MetricValues } from '../metrics.ts';
import { type FromThread, type LogLevel, parseToThread } from './messages.ts';

/** What runs in the thread. */
export interface ThreadStages {
  metrics(): Promise<MetricValues>;
  stop(graceMs: number): Promise<void>;
}

/** Starts the stages, tells the main thread, and serves it until it says stop. A thread's entry calls this once, with its `parentPort`. */
export async function runInThread(port: MessagePort, start: (log: Logger) => Promise<ThreadStages>): Promise<void> {
  const say = (message: FromThread) => port.postMessage(message);
  let stages: ThreadStages;
  try {
    stages = await start(threadLogger(say));
  } catch (error) {
    say({ kind: 'refused', error: packError(error) });
    port.close();
    return;
  }
  port.on('message', (received: unknown) => {
    const message = parseToThread(received);
    switch (message.kind) {
      case 'metrics':
        void stages.metrics().then((values) => say({ kind: 'metrics', id: message.id, values }));
        return;
      case 'stop':
        void stages.stop(message.graceMs).then(() => {
          say({ kind: 'stopped' });
          port.close();
        });
        return;
      default:
        return message satisfies never;
    }
  });
  say({ kind: 'started' });
}

/** Lines are written by the main thread; an error is made plain here, where its class is still known. */
function threadLogger(say: (message: FromThread) => void): Logger {
  const bind = (bound: LogFields): Logger => {
    const write = (level: LogLevel) => (message: string, fields?: LogFields) =>
      say({
        kind: 'log',
        level,
        message: loggableText(message),
        fields: loggable({ ...bound, ...fields }, level === 'error'),
      });
    return {
      error: write('error'),
      warn: write('warn'),
      info: write('info'),
      debug: write('debug'),
      child: (fields) => bind({ ...bound, ...fields }),
    };
  };
  return bind({});
}
