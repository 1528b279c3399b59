/**
 * What the segments hold, read from nothing but themselves and without changing them: for copying out, for looking for
 * damage, and for building a ledger that was lost. The hub may be running: what it still writes is a tail, and left alone.
 *
 * Bound: some 500 bytes of memory a record.
 */
import { HubError } from '../../core/errors.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { SEGMENT_MAGIC, type Description } from './record.ts';
import { placeOf, readHead, type RecordPlace } from './recovery.ts';

export interface CatalogueEntry {
  readonly segment: string;
  /** Of the record's first byte. */
  readonly offset: number;
  readonly place: RecordPlace;
  /** Of the Part 10 bytes. */
  readonly sizeBytes: number;
  /** Undefined when the record's head is damaged: its checksum does not hold. */
  readonly description: Description | undefined;
}

export interface Catalogue {
  /** As they were received; damaged ones, whose time nobody knows, last. */
  readonly entries: readonly CatalogueEntry[];
  readonly segments: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    /** Behind the last record; what follows is unfinished, or no record. */
    readonly endOffset: number;
  }[];
}

type Reading = Pick<SpoolFiles, 'list' | 'openForReading'>;

/** Reads the heads of all records, no data set. @throws {HubError} `store.failed` */
export async function readCatalogue(files: Reading): Promise<Catalogue> {
  const entries: CatalogueEntry[] = [];
  const segments: { name: string; sizeBytes: number; endOffset: number }[] = [];
  for (const name of await files.list()) {
    const file = await openIfThere(files, name);
    if (file === undefined) continue;
    try {
      const sizeBytes = await file.sizeBytes();
      let endOffset = Math.min(SEGMENT_MAGIC.length, sizeBytes);
      for await (const entry of recordsOf(name, file, sizeBytes)) {
        entries.push(entry);
        endOffset = entry.place.endOffset;
      }
      segments.push({ name, sizeBytes, endOffset });
    } finally {
      await file.close();
    }
  }
  // Compaction moves old records behind younger ones: the order is that of their arrival. The sort is stable.
  const at = ({ description }: CatalogueEntry) => description?.receivedAt ?? '~';
  entries.sort((one, other) => (at(one) < at(other) ? -1 : at(one) > at(other) ? 1 : 0));
  return { entries, segments };
}

/** A segment that retention has removed since the folder was read is none any more. */
export async function openIfThere(
  files: Pick<Reading, 'openForReading'>,
  name: string,
): Promise<SpoolFile | undefined> {
  try {
    return await files.openForReading(name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new HubError('store.failed', { segment: name }, error);
  }
}

async function* recordsOf(segment: string, file: SpoolFile, sizeBytes: number): AsyncGenerator<CatalogueEntry> {
  let offset = SEGMENT_MAGIC.length;
  for (;;) {
    const place = await placeOf(file, offset, sizeBytes);
    if (place === undefined) return;
    const description = (await readHead(file, offset, place).catch(() => undefined))?.description;
    // A damaged head is one only when a record follows it; at the end it is one that is still being written.
    if (description === undefined && (await placeOf(file, place.endOffset, sizeBytes)) === undefined) return;
    yield { segment, offset, place, sizeBytes: place.endOffset - place.bodyOffset, description };
    offset = place.endOffset;
  }
}

export type InstanceEntry = CatalogueEntry & { readonly description: Extract<Description, { kind: 'instance' }> };

export function isInstance(entry: CatalogueEntry): entry is InstanceEntry {
  return entry.description?.kind === 'instance';
}

/**
 * The content that each SOP Instance UID stands for now, by the rules of the ledger: the first one stays, unless a later
 * one was let in as its next version.
 *
 * @param entries - as they were received
 * @returns digest of the data set by UID
 */
export function currentContents(entries: readonly CatalogueEntry[]): ReadonlyMap<string, string> {
  const current = new Map<string, { readonly digest: string; readonly series: string; readonly seen: Set<string> }>();
  for (const { description } of entries.filter(isInstance)) {
    const { sopInstanceUid, studyInstanceUid, seriesInstanceUid, dataSetSha256: digest, sameUid } = description;
    const series = `${studyInstanceUid} ${seriesInstanceUid}`;
    const known = current.get(sopInstanceUid);
    if (known === undefined) current.set(sopInstanceUid, { digest, series, seen: new Set([digest]) });
    else if (sameUid === 'keep-both-as-revision' && known.series === series && !known.seen.has(digest)) {
      current.set(sopInstanceUid, { digest, series, seen: known.seen.add(digest) });
    }
  }
  return new Map([...current].map(([uid, { digest }]) => [uid, digest]));
}
