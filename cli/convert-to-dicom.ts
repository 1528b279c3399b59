/** Instances as DICOM files, a folder a series: those of a DICOM folder as they are, those made of other formats as they were made. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { commandFailure, sentenceOf } from './failure.ts';
import { fileNames } from './file-names.ts';
import { type LocalFiles, seriesName } from './local-files.ts';
import { makeFolder } from './out-folder.ts';
import { progressBar } from './progress.ts';

/** What became of one series or file. */
export interface Conversion {
  /** For the person who asked; stays on this machine. */
  readonly name: string;
  readonly seriesInstanceUid?: string;
  /** Columns, rows, slices, repetitions. */
  readonly dims?: readonly number[];
  readonly files?: readonly string[];
  readonly findings?: readonly string[];
  /** Why it was not converted, or not whole. */
  readonly error?: string;
}

/** NIfTI says too little of a scan for an instance to be made of it, so those files are named and left. */
export async function toDicom(files: LocalFiles, out: string, signal: AbortSignal): Promise<readonly Conversion[]> {
  const conversions: Conversion[] = files.niftiFiles.map((file) => ({
    name: basename(file),
    error: 'NIfTI does not say whose scan it is nor how it was acquired: no DICOM can be made of it',
  }));
  const nameFor = fileNames();
  const bar = progressBar('writing', files.instances.length);
  let done = 0;
  try {
    for (const [seriesInstanceUid, instances] of Map.groupBy(files.instances, (one) => one.seriesInstanceUid)) {
      const name = seriesName(files, seriesInstanceUid);
      const folder = join(out, nameFor(name));
      const written: string[] = [];
      try {
        await makeFolder(folder);
        for (const [index, { blob }] of instances.entries()) {
          signal.throwIfAborted();
          const file = join(folder, `${String(index + 1).padStart(5, '0')}.dcm`);
          const source = await files.store.open(blob);
          try {
            await writeWhole(file, source.stream(), signal);
          } finally {
            await source.close();
          }
          written.push(file);
          bar.update((done += 1));
        }
        conversions.push({ name, seriesInstanceUid, files: written });
      } catch (thrown) {
        signal.throwIfAborted();
        conversions.push({ name, seriesInstanceUid, files: written, error: sentenceOf(commandFailure(thrown)) });
      }
    }
  } finally {
    bar.stop();
  }
  return conversions;
}

/** Under another name until it is whole: a reader, and who finds the folder after Ctrl-C, sees no half file. */
export async function writeWhole(
  file: string,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  ...through: NodeJS.ReadWriteStream[]
): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline([Readable.from(body), ...through, createWriteStream(part)], { signal });
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
