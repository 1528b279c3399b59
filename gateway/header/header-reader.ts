/**
 * Reads the headers of received objects without keeping the doors waiting: an ordinary header at once, a large or
 * deflated one in a thread that is there only while there is something for it. A header of 64 MiB takes a second.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { HubError } from '../../core/errors.ts';
import { packError, unpackError } from '../../core/packed-error.ts';
import type { ByteSource } from '../../core/store.ts';
import { describe, type Examined, TooMuchHere } from './describe.ts';
import type { FromHeaderWorker, ToHeaderWorker } from './wire.ts';

/** Read here: some milliseconds at most, and only for a header made to be slow. */
const MAX_BYTES_HERE = 256 * 1024;
/** Fragments of encapsulated pixel data that are counted here. */
const MAX_READS_HERE = 2_000;
/** After so long without work the thread ends, and its memory is given back. */
const IDLE_MS = 10_000;
/** Four million elements, the most a header may have, need some 600 MB. */
const WORKER_HEAP_MB = 768;

export class HeaderReader {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** One object at a time in the other thread: a bound on its memory. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param deflatedFrom - where the deflated data set begins; undefined when it is not deflated
   * @throws {HubError} `dataset.*`
   */
  async read(source: ByteSource, deflatedFrom: number | undefined): Promise<Examined> {
    if (deflatedFrom === undefined) {
      try {
        return await describe(bounded(source));
      } catch (error) {
        if (!(error instanceof TooMuchHere)) throw error;
      }
    }
    const described = this.#last.then(async () => this.#elsewhere(source, deflatedFrom));
    this.#last = described.catch(() => undefined);
    return described;
  }

  async #elsewhere(source: ByteSource, deflatedFrom: number | undefined): Promise<Examined> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= start());
    worker.ref();
    try {
      return await converse(worker, source, deflatedFrom);
    } catch (error) {
      // Whatever it died of, the next object gets a new one.
      if (!(error instanceof HubError) || error.fields['detail'] === DIED) this.#end(worker);
      throw error;
    } finally {
      worker.unref();
      this.#idle = setTimeout(() => this.#end(worker), IDLE_MS).unref();
    }
  }

  #end(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
    void worker.terminate();
  }
}

const DIED = 'the reader of large headers ended over it';

function start(): Worker {
  const worker = new Worker(new URL(`./header-worker${extname(import.meta.filename)}`, import.meta.url), {
    name: 'header-reader',
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
  });
  // Heard by whoever waits for an answer; without one there is nothing to tell.
  worker.on('error', () => undefined);
  return worker;
}

/** Gives the thread an object and the ranges it asks for, until it has said what the object is. */
async function converse(worker: Worker, source: ByteSource, deflatedFrom: number | undefined): Promise<Examined> {
  const tell = (message: ToHeaderWorker) => worker.postMessage(message);
  return new Promise<Examined>((resolve, reject) => {
    const settle = () => {
      worker.off('message', hear);
      worker.off('error', die);
      worker.off('exit', die);
    };
    const hear = (message: FromHeaderWorker): void => {
      switch (message.kind) {
        case 'read':
          source.read(message.offset, message.length).then(
            // Its own: what is sent of a larger buffer takes all of that along.
            (bytes) => tell({ kind: 'bytes', bytes: bytes.slice() }),
            (error: unknown) => tell({ kind: 'unreadable', error: packError(error) }),
          );
          return;
        case 'described':
          settle();
          resolve(message.examined);
          return;
        case 'refused':
          settle();
          reject(unpackError(message.error));
          return;
        default:
          message satisfies never;
      }
    };
    const die = (cause: unknown): void => {
      settle();
      reject(new HubError('dataset.unreadable', { detail: DIED }, cause));
    };
    worker.on('message', hear);
    worker.on('error', die);
    worker.on('exit', die);
    tell({
      kind: 'object',
      sizeBytes: source.sizeBytes,
      ...(deflatedFrom === undefined ? {} : { deflatedFrom }),
    });
  });
}

/** The source, as long as little is asked of it. */
function bounded(source: ByteSource): ByteSource {
  let reads = 0;
  return {
    ...source,
    read: (offset, length) => {
      const isTooMuch = length > MAX_BYTES_HERE || (reads += 1) > MAX_READS_HERE;
      return isTooMuch ? Promise.reject(new TooMuchHere()) : source.read(offset, length);
    },
  };
}
