/** multipart/related of Part 10 files (PS3.18 Section 8.6.1.2), streamed from the store, its length known beforehand. */
import { randomBytes } from 'node:crypto';
import type { InstanceItem, ObjectStore } from '../../core/store.ts';

export interface MultipartBody {
  readonly contentType: string;
  /** Made anew for each try. */
  readonly body: () => { readonly sizeBytes: number; readonly chunks: AsyncIterable<Uint8Array> };
}

export function multipartOf(instances: readonly InstanceItem[], store: ObjectStore): MultipartBody {
  // 128 random bits do not occur in the files by chance.
  const boundary = `hub-${randomBytes(16).toString('hex')}`;
  const head = Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
  const tail = Buffer.from('\r\n');
  const end = Buffer.from(`--${boundary}--\r\n`);

  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const { blob } of instances) {
      yield head;
      const source = await store.open(blob);
      try {
        yield* source.stream();
      } finally {
        await source.close();
      }
      yield tail;
    }
    yield end;
  }

  const framing = instances.length * (head.byteLength + tail.byteLength) + end.byteLength;
  const sizeBytes = instances.reduce((sum, item) => sum + item.sizeBytes, framing);
  return {
    contentType: `multipart/related; type="application/dicom"; boundary=${boundary}`,
    body: () => ({ sizeBytes, chunks: chunks() }),
  };
}
