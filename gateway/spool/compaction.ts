/**
 * Copies what is still needed of a segment into a new one, so that one old study does not keep a large file for ever.
 *
 * The order, and what a crash leaves behind each step:
 *
 * 1. copy under a name that no start takes for a segment, fdatasync    → a file that is removed
 * 2. tell the ledger that all of the new segment is known               → a position without a file
 * 3. rename, fsync of the folder                                        → a segment that nothing needs, never recorded twice
 * 4. point every row at the new places, in one transaction              → an old segment that nothing needs
 * 5. remove the old one, fsync, forget its position                     → done
 *
 * What nothing needs is removed by the next look. At no moment is there a row whose bytes are not on the disk.
 */
import type { Ledger } from '../../core/ledger.ts';
import { type BlobRef, formatBlobRef } from '../../core/store.ts';
import { isAsReceived, type RecordPlace } from './content.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { SEGMENT_MAGIC } from './record.ts';
import { placeOf, readHead } from './recovery.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface CompactionPorts {
  readonly files: Pick<SpoolFiles, 'openForReading' | 'createUnfinished' | 'finish' | 'removeUnfinished'>;
  readonly retention: Pick<Ledger['retention'], 'needed' | 'announce' | 'move'>;
  /** Never used before. */
  readonly nextName: () => string;
}

interface Needed {
  readonly from: BlobRef;
  /** Of the record's first byte, in the old segment. */
  readonly offset: number;
  readonly place: RecordPlace;
}

/**
 * @returns false when it has to wait: work is under way that may be about to read the old places, or a record is damaged
 *   and must stay where it can be looked at
 */
export async function compactSegment(
  segment: string,
  { files, retention, nextName }: CompactionPorts,
): Promise<boolean> {
  const wanted = new Set((await retention.needed(segment)).map(({ blob }) => blob));
  const source = await files.openForReading(segment);
  try {
    const needed = await recordsOf(segment, source, wanted);
    // Something is pointed at that is no whole record here: moving it would hide what happened.
    if (needed.length < wanted.size) return false;
    const name = nextName();
    const target = await files.createUnfinished(name);
    const moves: { readonly from: BlobRef; readonly to: BlobRef }[] = [];
    let end = SEGMENT_MAGIC.length;
    let isCopied = false;
    try {
      await target.write([SEGMENT_MAGIC], 0);
      for (const record of needed) {
        const { from, offset, place } = record;
        if (!(await copyRecord(source, target, record, end))) return false;
        const to = end + (place.bodyOffset - offset);
        moves.push({ from, to: formatBlobRef(`spool/${name}`, to, place.endOffset - place.bodyOffset) });
        end += place.endOffset - offset;
      }
      await target.sync();
      isCopied = true;
    } finally {
      await target.close();
      if (!isCopied) await files.removeUnfinished(name);
    }
    await retention.announce({ segment: name, offset: end });
    await files.finish(name);
    return await retention.move(moves);
  } finally {
    await source.close();
  }
}

async function recordsOf(segment: string, file: SpoolFile, wanted: ReadonlySet<BlobRef>): Promise<readonly Needed[]> {
  const sizeBytes = await file.sizeBytes();
  const needed: Needed[] = [];
  for (let offset = SEGMENT_MAGIC.length; ;) {
    const place = await placeOf(file, offset, sizeBytes);
    if (place === undefined) return needed;
    const from = formatBlobRef(`spool/${segment}`, place.bodyOffset, place.endOffset - place.bodyOffset);
    if (wanted.has(from)) needed.push({ from, offset, place });
    offset = place.endOffset;
  }
}

/** @returns whether the copy, read back, is what was written when it was received: it is all that is left of it soon */
async function copyRecord(
  source: SpoolFile,
  target: SpoolFile,
  { offset, place }: Needed,
  to: number,
): Promise<boolean> {
  const length = place.endOffset - offset;
  for (let at = 0; at < length; at += CHUNK_BYTES) {
    const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, length - at));
    if ((await source.read(bytes, offset + at)) < bytes.length) return false;
    await target.write([bytes], to + at);
  }
  const copy = await placeOf(target, to, to + length);
  const head = copy === undefined ? undefined : await readHead(target, to, copy);
  if (copy === undefined || head === undefined) return false;
  return isAsReceived(target, copy, head.description);
}
