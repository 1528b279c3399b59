/** Instances as one zip archive of Part 10 files, for people without a DICOMweb client; written as it is sent. */
import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';

export interface ArchivedFile {
  readonly name: string;
  readonly body: () => AsyncIterable<Uint8Array>;
}

/** Stored, not compressed: pixel data hardly gets smaller, and the thread that sends also receives. */
export async function* zipArchive(files: Iterable<ArchivedFile>): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile();
  const output = Readable.from(zip.outputStream, { highWaterMark: 1 }); // one chunk, of a MiB, not sixteen
  let current: Readable | undefined;
  zip.on('error', (error: Error) => output.destroy(error));
  for (const { name, body } of files) {
    // Each file is opened when its turn comes.
    zip.addReadStreamLazy(name, { compress: false, mtime: EPOCH }, (opened) => {
      current = Readable.from(body(), { objectMode: false });
      current.on('error', (error) => output.destroy(error));
      opened(null, current);
    });
  }
  zip.end();
  try {
    for await (const chunk of output) if (chunk instanceof Uint8Array) yield chunk;
  } finally {
    // Whoever hangs up leaves a file half read: the archive does not close what it no longer reads.
    current?.destroy();
  }
}

/** The same instances give the same archive: zip's own earliest time. */
const EPOCH = new Date(1980, 0, 1);
