// A pixel worker that works as many milliseconds as its frame has columns, and says which thread it is.
import { parentPort, threadId } from 'node:worker_threads';
import { parseToPixelWorker, type FromPixelWorker } from '../../pixels/jobs.ts';

parentPort?.on('message', (message: unknown) => {
  const { description } = parseToPixelWorker(message);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, description.columns);
  const answer: FromPixelWorker = {
    kind: 'done',
    result: { bytes: new Uint8Array(1), photometricInterpretation: String(threadId) },
  };
  parentPort?.postMessage(answer);
});
