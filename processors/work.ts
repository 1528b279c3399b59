/** The inside of a worker thread: takes one step at a time, lets its plug-in work, makes the results durable, answers. */
import type { MessagePort } from 'node:worker_threads';
import { HubError } from '../core/errors.ts';
import { loadPlugin } from '../core/load-plugin.ts';
import type { CrosswalkLedger } from '../core/ledger/crosswalk.ts';
import { packError, unpackError } from '../core/packed-error.ts';
import type { PastQuestion } from '../core/ledger/qc-history.ts';
import type { ProcessorModule, ProcessorPlugin, ProcessorResult, QualityPast } from '../core/plugins.ts';
import type { LogFields, Logger } from '../core/ports.ts';
import type { ObjectStore, PackWriter } from '../core/store.ts';
import {
  type FromWorker,
  type LedgerAnswers,
  type LedgerQuestion,
  type LogLevel,
  parseAnswer,
  parseToWorker,
  type WorkOrder,
} from './work-messages.ts';

export interface WorkPorts {
  readonly plugins: readonly ProcessorPlugin[];
  readonly store: ObjectStore;
  secret(purpose: string): Promise<Uint8Array>;
}

/** Progress is told at most so often. */
const PROGRESS_MS = 200;

/**
 * Serves the runner until the thread is ended. A worker's entry calls this once, with its `parentPort`.
 */
export function work(port: MessagePort, ports: WorkPorts): void {
  const say = (message: FromWorker) => port.postMessage(message);
  let current: AbortController | undefined;
  const questions = new Questions(say);
  port.on('message', (received: unknown) => {
    const message = parseToWorker(received);
    switch (message.kind) {
      case 'abort':
        current?.abort();
        return;
      case 'work': {
        const abort = new AbortController();
        current = abort;
        perform(message.order, ports, { say, ledger: questions }, abort.signal)
          .then(
            (result) => say({ kind: 'finished', result }),
            (error: unknown) => say({ kind: 'failed', error: packError(error) }),
          )
          .finally(() => {
            current = undefined;
          });
        return;
      }
      case 'load':
        Promise.all(message.processors.map((name) => moduleOf(name, ports))).then(
          () => say({ kind: 'loaded' }),
          (error: unknown) => say({ kind: 'failed', error: packError(error) }),
        );
        return;
      case 'warm':
        void Promise.allSettled(message.processors.map((name) => moduleOf(name, ports)));
        return;
      case 'answer':
        questions.answered(message.id, message.answer);
        return;
      case 'no-answer':
        questions.answered(message.id, unpackError(message.error));
        return;
      default:
        return message satisfies never;
    }
  });
}

async function perform(
  order: WorkOrder,
  ports: WorkPorts,
  { say, ledger }: { readonly say: (message: FromWorker) => void; readonly ledger: CrosswalkLedger & QualityPast },
  signal: AbortSignal,
): Promise<ProcessorResult> {
  const processor = await moduleOf(order.processor, ports);
  const pack = countAppends(await ports.store.createPack(order.packName));
  try {
    const { runId, route, studyInstanceUid, revision, items, options } = order;
    const result = await processor.run({
      options,
      runId,
      route,
      studyInstanceUid,
      revision,
      items,
      store: ports.store,
      pack,
      secret: (purpose) => ports.secret(purpose),
      crosswalk: ledger,
      quality: ledger,
      log: loggerOver(say),
      signal,
      progress: throttle((fraction) => say({ kind: 'progress', fraction })),
    });
    signal.throwIfAborted();
    // Before the answer: the ledger must never hear of bytes that a power cut could still take.
    const isWanted = result.outcome === 'done' || result.kept !== undefined;
    if (isWanted && pack.appends > 0) await pack.commit();
    else await pack.abort();
    return result;
  } catch (error) {
    await pack.abort();
    throw error;
  }
}

/** Loaded with the first step of its kind; from then on it is there. @throws {HubError} `config.invalid`, `plugin.unusable` */
async function moduleOf(processor: string, { plugins }: WorkPorts): Promise<ProcessorModule> {
  const plugin = plugins.find(({ name }) => name === processor);
  if (plugin === undefined) throw new HubError('config.invalid', { detail: `no processor is called ${processor}` });
  return loadPlugin(processor, () => plugin.load());
}

/** What is asked of the ledger, which the runner has. */
class Questions implements CrosswalkLedger, QualityPast {
  readonly #say: (message: FromWorker) => void;
  readonly #open = new Map<number, (answer: unknown) => void>();
  #last = 0;

  constructor(say: (message: FromWorker) => void) {
    this.#say = say;
  }

  find(uidKeys: readonly string[]): Promise<LedgerAnswers['find']> {
    return this.#ask('find', { question: 'find', of: uidKeys });
  }

  received(uids: readonly string[]): Promise<LedgerAnswers['received']> {
    return this.#ask('received', { question: 'received', of: uids });
  }

  past(question: PastQuestion): Promise<LedgerAnswers['past']> {
    return this.#ask('past', { question: 'past', of: question });
  }

  device(): Promise<LedgerAnswers['device']> {
    return this.#ask('device', { question: 'device' });
  }

  /** A thread that is ended has no use for answers; one that goes on gets each of them, once. */
  answered(id: number, answer: unknown): void {
    const settle = this.#open.get(id);
    this.#open.delete(id);
    settle?.(answer);
  }

  #ask<Question extends keyof LedgerAnswers>(
    question: Question,
    ask: LedgerQuestion,
  ): Promise<LedgerAnswers[Question]> {
    return new Promise((resolve, reject) => {
      const id = (this.#last += 1);
      this.#open.set(id, (answer) => {
        if (answer instanceof HubError) reject(answer);
        else resolve(parseAnswer(question, answer));
      });
      this.#say({ kind: 'ask', id, ask });
    });
  }
}

/** A step that wrote nothing leaves no empty pack behind. */
function countAppends(pack: PackWriter): PackWriter & { readonly appends: number } {
  let appends = 0;
  return {
    append: async (body) => {
      const stored = await pack.append(body);
      appends++;
      return stored;
    },
    commit: () => pack.commit(),
    abort: () => pack.abort(),
    get appends() {
      return appends;
    },
  };
}

function throttle(tell: (fraction: number) => void): (fraction: number) => void {
  let last = -Infinity;
  return (fraction) => {
    const now = performance.now();
    if (now - last < PROGRESS_MS && fraction < 1) return;
    last = now;
    tell(Math.min(1, Math.max(0, fraction)));
  };
}

function loggerOver(say: (message: FromWorker) => void, bound: LogFields = {}): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) =>
      say({ kind: 'log', level, message, fields: cloneable({ ...bound, ...fields }) });
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (fields) => loggerOver(say, { ...bound, ...fields }),
  };
}

/** An error as a field keeps its words; a function or a handle in one must not cost the step its life. */
function cloneable(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? value.message : typeof value === 'object' ? JSON.parse(JSON.stringify(value)) : value,
    ]),
  );
}
