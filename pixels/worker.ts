/** The inside of a pixel worker: one job after the other. It has no store, no ledger, no key: bytes in, bytes out. */
import type { MessagePort } from 'node:worker_threads';
import { packError } from '../core/packed-error.ts';
import { decodeFrame } from './decode.ts';
import { type FromPixelWorker, type PixelJob, type PixelResult, parseToPixelWorker } from './jobs.ts';
import { pictureFile } from './picture-file.ts';
import { renderFrame } from './render.ts';
import { fit } from './viewport.ts';

/** @param port - of the thread, to the one that asks */
export function servePixels(port: MessagePort): void {
  port.on('message', (message: unknown) => void serve(parseToPixelWorker(message), port));
}

async function serve(job: PixelJob, port: MessagePort): Promise<void> {
  try {
    const result = await work(job);
    const done: FromPixelWorker = { kind: 'done', result };
    const { buffer } = result.bytes;
    port.postMessage(done, buffer instanceof ArrayBuffer ? [buffer] : []);
  } catch (error) {
    const failed: FromPixelWorker = { kind: 'failed', error: packError(error) };
    port.postMessage(failed);
  }
}

async function work(job: PixelJob): Promise<PixelResult> {
  const { description, transferSyntaxUid } = job;
  const frame = await decodeFrame(job.stored, transferSyntaxUid, description);
  const { photometricInterpretation } = frame;
  switch (job.kind) {
    case 'decode':
      // A view of a pooled buffer cannot be transferred.
      return { bytes: Uint8Array.from(frame.samples), photometricInterpretation };
    case 'render': {
      const picture = fit(renderFrame(frame, description, job.presentation, job.window), job.viewport);
      return { bytes: Uint8Array.from(await pictureFile(picture, job.type, job.quality)), photometricInterpretation };
    }
    default:
      return job satisfies never;
  }
}
