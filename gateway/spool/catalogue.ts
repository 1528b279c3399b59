/**
 * What the segments hold, read from nothing but themselves and without changing them: for copying out, for looking for
 * damage, and for building a ledger that was lost. The hub may be running: what it still writes is a tail, and left alone.
 *
 * Bound: some 500 bytes of memory a record.
 */
import { HubError } from '../../core/errors.ts';
import { digested, type RecordPlace } from './content.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { SEGMENT_MAGIC, type Description } from './record.ts';
import { placeOf, readHead } from './recovery.ts';

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

/** SHA-256 of an entry's data set, read once; of one whose segment is gone, nothing. */
export type DigestOf = (entry: InstanceEntry) => Promise<string>;

export function digestReader(files: Pick<Reading, 'openForReading'>): DigestOf {
  const known = new Map<InstanceEntry, string>();
  return async (entry) => {
    const digest = known.get(entry) ?? entry.description.dataSetSha256 ?? (await readDigest(files, entry));
    known.set(entry, digest);
    return digest;
  };
}

async function readDigest(files: Pick<Reading, 'openForReading'>, entry: InstanceEntry): Promise<string> {
  const file = await openIfThere(files, entry.segment);
  try {
    return file === undefined ? '' : (await digested(file, entry.place, entry.description)).dataSetSha256;
  } finally {
    await file?.close();
  }
}

export function isInstance(entry: CatalogueEntry): entry is InstanceEntry {
  return entry.description?.kind === 'instance';
}

/**
 * The content that a SOP Instance UID stands for now where several records have it, by the rules of the ledger: the first
 * one stays, unless a later one was let in as its next version.
 *
 * @param entries - as they were received
 * @returns digest of the data set by UID; a UID that is not there has one record
 */
export async function currentContents(
  entries: readonly CatalogueEntry[],
  digestOf: DigestOf,
): Promise<ReadonlyMap<string, string>> {
  const current = new Map<string, { readonly digest: string; readonly series: string; readonly seen: Set<string> }>();
  const byUid = Map.groupBy(entries.filter(isInstance), ({ description }) => description.sopInstanceUid);
  const several = [...byUid.values()].filter((some) => some.length > 1).flat();
  for (const entry of several) {
    const { sopInstanceUid, studyInstanceUid, seriesInstanceUid, sameUid } = entry.description;
    const digest = await digestOf(entry);
    const series = `${studyInstanceUid} ${seriesInstanceUid}`;
    const known = current.get(sopInstanceUid);
    if (known === undefined) current.set(sopInstanceUid, { digest, series, seen: new Set([digest]) });
    else if (sameUid === 'keep-both-as-revision' && known.series === series && !known.seen.has(digest)) {
      current.set(sopInstanceUid, { digest, series, seen: known.seen.add(digest) });
    }
  }
  return new Map([...current].map(([uid, { digest }]) => [uid, digest]));
}
