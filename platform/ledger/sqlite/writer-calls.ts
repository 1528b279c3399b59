/** Calls to the writer's thread and their answers, over one port. */
import type { MessagePort, Worker } from 'node:worker_threads';
import type { HubError } from '../../../core/errors.ts';
import { unpackError } from '../../../core/packed-error.ts';
import { type FromWriter, type ToWriter } from './wire.ts';

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Of the writer, as the one thread sees it that listens here. */
type CallPort = Pick<Worker, 'postMessage'> & Pick<MessagePort, 'on'>;

export class WriterCalls {
  readonly #port: CallPort | Worker;
  readonly #pending = new Map<number, Pending>();
  #onNews: () => void = () => undefined;
  #lastId = 0;
  #ended: HubError | undefined;

  constructor(port: CallPort | Worker) {
    this.#port = port;
    port.on('message', (message: FromWriter) => this.#receive(message));
  }

  /** Called when another thread's commit may have made work here. */
  onNews(listener: () => void): void {
    this.#onNews = listener;
  }

  /** Resolves when the commit has been through fsync. @throws {HubError} what the operation threw, or why there is no writer */
  call(group: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = (this.#lastId += 1);
      this.#port.postMessage({ kind: 'call', call: { id, group, method, args } } satisfies ToWriter);
      this.#pending.set(id, { resolve, reject });
    });
  }

  /** No call is made any more, and those without an answer fail. */
  end(error: HubError): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #receive(message: FromWriter): void {
    if (message.kind === 'news') this.#onNews();
    if (message.kind !== 'committed') return;
    for (const reply of message.replies) {
      const pending = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if (reply.ok) pending?.resolve(reply.value);
      else pending?.reject(unpackError(reply.error));
    }
  }
}
