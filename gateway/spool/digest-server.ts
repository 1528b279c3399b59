/** The inside of the thread for digests. It reads without the thread pool, whose threads the doors' syncs wait for. */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { packError } from '../../core/packed-error.ts';
import { readBuffer } from './content.ts';
import type { DigestOrder, FromDigestThread, ToDigestThread } from './digest-thread.ts';
import { digestAll } from './digester.ts';
import type { SpoolFile } from './files.ts';
import { storageFailure } from './storage-failure.ts';

/** Answers a list of records; the next is sent when it has its answer. */
export function serveDigests(port: MessagePort, { folder }: DigestOrder): void {
  const buffer = readBuffer();
  port.on('message', (records: ToDigestThread) => {
    const say = (message: FromDigestThread) => port.postMessage(message);
    digestAll(async (segment) => Promise.resolve(opened(join(folder, segment))), records, buffer).then(
      (made) => say({ made }),
      (error: unknown) => say({ error: packError(storageFailure(error)) }),
    );
  });
}

function opened(path: string): Pick<SpoolFile, 'read' | 'close'> {
  const descriptor = openSync(path, 'r');
  return {
    read: (buffer, position) => {
      let done = 0;
      while (done < buffer.length) {
        const bytesRead = readSync(descriptor, buffer, done, buffer.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return Promise.resolve(done);
    },
    close: () => {
      closeSync(descriptor);
      return Promise.resolve();
    },
  };
}
