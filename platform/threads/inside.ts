/** The inside of a thread that runs stages of the hub: starts them, speaks for them, stops them. */
import type { MessagePort } from 'node:worker_threads';
import type { HubError } from '../../core/errors.ts';
import { packError } from '../../core/packed-error.ts';
import type { LogFields, Logger } from '../../core/ports.ts';
import { loggable, loggableText } from '../log-fields.ts';
import type { MetricValues } from '../metrics.ts';
import { giveBackMemory } from './give-back.ts';
import { type Condition, type FromThread, type LogLevel, parseToThread } from './messages.ts';

/** What runs in the thread. */
export interface ThreadStages {
  metrics(): Promise<MetricValues>;
  /** What is not as it should be, now. Asked for every second. */
  conditions?(): readonly StageCondition[];
  /** Gets ready for what it is told while it runs. @throws {HubError} nothing has changed */
  prepare?(data: unknown): Promise<PreparedChange>;
  stop(graceMs: number): Promise<void>;
}

/** One of the two is called, once. */
export interface PreparedChange {
  /** Within one turn of the thread: nothing sees half of it. */
  commit(): void;
  discard(): void;
}

/** As a stage knows it. */
export interface StageCondition extends Omit<Condition, 'error'> {
  readonly error: HubError;
}

const CONDITIONS_EVERY_MS = 1_000;

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
  const asking = reportConditions(stages, say);
  let prepared: PreparedChange | undefined;
  const discard = (): void => {
    prepared?.discard();
    prepared = undefined;
  };
  const prepare = async (data: unknown): Promise<void> => {
    discard();
    if (stages.prepare === undefined) throw new TypeError('these stages take nothing while they run');
    prepared = await stages.prepare(data);
  };
  port.on('message', (received: unknown) => {
    const message = parseToThread(received);
    switch (message.kind) {
      case 'metrics':
        void stages.metrics().then((values) => say({ kind: 'metrics', id: message.id, values }));
        return;
      case 'prepare':
        void prepare(message.data).then(
          () => say({ kind: 'prepared', id: message.id }),
          (error: unknown) => say({ kind: 'prepared', id: message.id, error: packError(error) }),
        );
        return;
      case 'commit':
        prepared?.commit();
        prepared = undefined;
        return;
      case 'discard':
        discard();
        return;
      case 'stop':
        clearInterval(asking);
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
  giveBackMemory();
}

/** Said when it changes: a probe must not wait for a thread that is busy. */
function reportConditions(stages: ThreadStages, say: (message: FromThread) => void): NodeJS.Timeout | undefined {
  if (stages.conditions === undefined) return undefined;
  const look = stages.conditions.bind(stages);
  let last = '[]';
  return setInterval(() => {
    const conditions = look().map((each) => ({ ...each, error: packError(each.error) }));
    const now = JSON.stringify(conditions);
    if (now !== last) say({ kind: 'conditions', conditions });
    last = now;
  }, CONDITIONS_EVERY_MS);
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
