/**
 * The digester of a running hub: a thread that is started with the first record, at a priority below that of the doors.
 * While a scanner sends faster than two processors can take it, the scanner goes first and the ledger hears a little later.
 */
import { Worker } from 'node:worker_threads';
import { HubError } from '../../core/errors.ts';
import { type PackedError, unpackError } from '../../core/packed-error.ts';
import type { Digested } from './content.ts';
import type { Digester, ToDigest } from './digester.ts';

export interface DigestOrder {
  readonly folder: string;
}

/** Both ends are ours and of one version: a message is what its sender says. */
export type ToDigestThread = readonly ToDigest[];
export type FromDigestThread = { readonly made: readonly Digested[] } | { readonly error: PackedError };

export class DigestThread implements Digester {
  readonly #entry: URL;
  readonly #folder: string;
  #worker: Worker | undefined;
  #isClosed = false;
  /** One list at a time: an answer does not say whose it is. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param entry - of the thread; it calls `serveDigests` */
  constructor(entry: URL, folder: string) {
    this.#entry = entry;
    this.#folder = folder;
  }

  async digest(records: readonly ToDigest[]): Promise<readonly Digested[]> {
    const made = this.#last.then(async () => this.#digest(records));
    this.#last = made.catch(() => undefined);
    return made;
  }

  async #digest(records: readonly ToDigest[]): Promise<readonly Digested[]> {
    if (this.#isClosed) throw new HubError('gateway.stopping');
    const worker = (this.#worker ??= this.#start());
    const answer = await new Promise<FromDigestThread>((resolve, reject) => {
      // Whoever waits for an answer keeps the process; the thread itself does not.
      worker.ref();
      const settle = () => {
        worker.unref();
        worker.off('message', hear);
        worker.off('error', die);
        worker.off('exit', die);
      };
      const hear = (message: FromDigestThread) => {
        settle();
        resolve(message);
      };
      const die = (cause: unknown) => {
        settle();
        reject(new HubError('store.failed', { detail: 'the thread for digests ended' }, cause));
      };
      worker.on('message', hear);
      worker.on('error', die);
      worker.on('exit', die);
      worker.postMessage(records satisfies ToDigestThread);
    });
    if ('error' in answer) throw unpackError(answer.error);
    return answer.made;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const data: DigestOrder = { folder: this.#folder };
    const worker = new Worker(this.#entry, { name: 'digests', workerData: data });
    // Heard by whoever waits for an answer; whatever it died of, the next records get a new one.
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    worker.unref();
    return worker;
  }
}
