/** Reads every byte of the spool again and compares it with the checksums that were written with it. */
import { type Catalogue, type CatalogueEntry, openIfThere } from './catalogue.ts';
import { isAsReceived } from './content.ts';
import type { SpoolFiles } from './files.ts';

export interface Damage {
  readonly segment: string;
  readonly offset: number;
  readonly what: 'data set' | 'description' | 'bytes that are no record';
  readonly studyInstanceUid?: string;
  readonly sopInstanceUid?: string;
}

export interface Verified {
  readonly records: number;
  readonly bytes: number;
  readonly damage: readonly Damage[];
}

/**
 * @param recorded - offset up to which the ledger knows each segment: what is unfinished before it is damage. Without a
 *   ledger a broken tail looks like an object that was still being received.
 */
export async function verifySpool(
  files: Pick<SpoolFiles, 'openForReading'>,
  { entries, segments }: Catalogue,
  recorded: ReadonlyMap<string, number>,
  onProgress: (bytes: number, of: number) => void = () => undefined,
): Promise<Verified> {
  const of = segments.reduce((sum, { endOffset }) => sum + endOffset, 0);
  const damage: Damage[] = [];
  let records = 0;
  let bytes = 0;
  for (const [segment, ofSegment] of Map.groupBy(entries, (entry) => entry.segment)) {
    const file = await openIfThere(files, segment);
    if (file === undefined) continue;
    try {
      for (const entry of ofSegment.toSorted((one, other) => one.offset - other.offset)) {
        const { description } = entry;
        const isWhole = description !== undefined && (await isAsReceived(file, entry.place, description));
        if (!isWhole) damage.push(damageOf(entry));
        records += 1;
        bytes += entry.place.endOffset - entry.offset;
        onProgress(bytes, of);
      }
    } finally {
      await file.close();
    }
  }
  for (const { name, endOffset } of segments) {
    if (endOffset < (recorded.get(name) ?? 0)) {
      damage.push({ segment: name, offset: endOffset, what: 'bytes that are no record' });
    }
  }
  return { records, bytes, damage };
}

function damageOf({ segment, offset, description }: CatalogueEntry): Damage {
  if (description === undefined) return { segment, offset, what: 'description' };
  const { studyInstanceUid, sopInstanceUid } = description;
  return {
    segment,
    offset,
    what: 'data set',
    ...(studyInstanceUid === undefined ? {} : { studyInstanceUid }),
    ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }),
  };
}
