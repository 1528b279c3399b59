/** What an independent parser reads in DICOM files: pydicom, by tests/support/planted/dump.py. */
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import * as z from 'zod';
import { type Command, run } from '../child-process.ts';
import type { Dumped } from './expectation.ts';

const line = z.object({
  file: z.string(),
  elements: z.array(z.tuple([z.string(), z.string(), z.string().nullable(), z.string(), z.string().nullable()])),
});

export interface DumpedFile {
  readonly file: string;
  readonly elements: readonly Dumped[];
}

/** @param python - with pydicom */
export async function dumpFiles(python: Command, files: readonly string[]): Promise<readonly DumpedFile[]> {
  const script = join(import.meta.dirname, 'dump.py');
  const { code, stdout, stderr } = await run(python, [script, ...files], { timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`pydicom could not read the files: ${stderr.slice(-2000)}`);
  return stdout
    .trimEnd()
    .split('\n')
    .map((text) => {
      const { file, elements } = line.parse(JSON.parse(text));
      return {
        file,
        elements: elements.map(([path, vr, creator, value, said]) => ({
          path,
          vr,
          creator: creator ?? undefined,
          value,
          text: said ?? undefined,
        })),
      };
    });
}

/** Every byte of a file as a search sees it: as it is, inflated where it is deflated, without the zeros of wide characters. */
export function searchableText(bytes: Uint8Array, isDeflated: boolean): string {
  const buffer = Buffer.from(bytes);
  const dataSet = 144 + buffer.readUInt32LE(140);
  const plain = isDeflated
    ? Buffer.concat([buffer.subarray(0, dataSet), inflateRawSync(buffer.subarray(dataSet))])
    : buffer;
  const text = plain.toString('latin1').toLowerCase();
  return text.includes('\0') ? `${text}\n${text.replaceAll('\0', '')}` : text;
}
