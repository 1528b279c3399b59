/**
 * Tells a new ledger everything that the segments still know: instances with their studies, series and provenance, and
 * what was refused. What only the lost ledger knew, nobody can tell: what was delivered, decided and released.
 */
import { headerAttributes } from '../../core/dicom/attributes.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { ERRORS, HubError } from '../../core/errors.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { CompletionRule, SameUidRule, StoredInstance } from '../../core/ledger/instances.ts';
import { damagedDescription, quarantineIdOf } from '../quarantine.ts';
import { fileSource } from './byte-sources.ts';
import { digested } from './content.ts';
import { type Catalogue, type CatalogueEntry, openIfThere } from './catalogue.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { quarantineEntry, storedInstance } from './ledger-entries.ts';
import { SEGMENT_MAGIC } from './record.ts';
import { spooled } from './recovery.ts';

export interface RebuildPorts {
  readonly files: Pick<SpoolFiles, 'openForReading'>;
  /** New and empty. */
  readonly ledger: Pick<Ledger, 'instances' | 'quarantine'>;
  readonly completionOf: (source: string) => CompletionRule;
  /** The ledger's clock: rows bear the time they were received, not that of the rebuilding. */
  readonly setNow: (now: Date) => void;
}

export interface Rebuilt {
  readonly instances: number;
  readonly studies: number;
  /** Refused at the door, or by the ledger: quarantine entries. */
  readonly quarantined: number;
  readonly repeats: number;
  readonly damaged: number;
}

interface Row {
  readonly instance: StoredInstance;
  readonly completion: CompletionRule;
  readonly sameUid: SameUidRule;
}

const MAX_BATCH = 200;

/**
 * @param isRouted - studies go their way again when the hub starts, to every destination; otherwise each is held until
 *   somebody releases it, because what was delivered before is not known
 */
export async function rebuildLedger(
  ports: RebuildPorts,
  { entries, segments }: Catalogue,
  isRouted: boolean,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<Rebuilt> {
  const { ledger, setNow } = ports;
  const counts = { instances: 0, quarantined: 0, repeats: 0, damaged: 0 };
  const studies = new Set<string>();
  const reader = new SegmentReader(ports.files);
  let batch: Row[] = [];
  const flush = async (segment: string) => {
    if (batch.length === 0) return;
    setNow(new Date(batch.at(-1)?.instance.receivedAt ?? 0));
    // Where the segment begins: how far it was read is told at the end, because records come in another order here.
    const outcomes = await ledger.instances.record(batch, { segment, offset: SEGMENT_MAGIC.length });
    for (const [n, outcome] of outcomes.entries()) {
      const study = batch[n]?.instance.studyInstanceUid;
      if (study !== undefined && outcome !== 'conflict') studies.add(study);
      if (outcome === 'same') counts.repeats += 1;
      else if (outcome === 'stored' || outcome === 'revised') counts.instances += 1;
      else counts.quarantined += 1;
    }
    batch = [];
  };
  try {
    for (const [n, entry] of entries.entries()) {
      const read = await readEntry(await reader.of(entry.segment), entry);
      if (read.description.kind === 'instance') {
        const { source } = read.description.provenance;
        batch.push({
          instance: storedInstance(read, read.description, read.digests, read.attributes),
          completion: ports.completionOf(source),
          sameUid: read.description.sameUid ?? 'quarantine',
        });
        if (batch.length >= MAX_BATCH) await flush(entry.segment);
      } else {
        // In the order they came: an entry may hold a study that nothing of was stored yet.
        await flush(entry.segment);
        setNow(new Date(read.description.receivedAt));
        await ledger.quarantine.hold(quarantineEntry(read, read.description));
        counts[read.isDamaged ? 'damaged' : 'quarantined'] += 1;
      }
      onProgress(n + 1, entries.length);
    }
    await flush(segments[0]?.name ?? '');
  } finally {
    await reader.close();
  }
  setNow(new Date());
  if (!isRouted) for (const study of studies) await ledger.quarantine.hold(heldStudy(study));
  // Last: a segment without its position is read again from the beginning by the next start.
  // Of packs it says that this ledger knows them. The segments they came from get none: a hub that still has some on its
  // disk ships and tells them again, which changes nothing but that what only the disk has is not passed over.
  for (const { name, endOffset } of segments) await ledger.instances.record([], { segment: name, offset: endOffset });
  return { ...counts, studies: studies.size };
}

function heldStudy(study: string) {
  return {
    quarantineId: quarantineIdOf(`ledger rebuilt ${study}`),
    stage: 'gateway' as const,
    reason: 'ledger.rebuilt' as const,
    detail: `${ERRORS['ledger.rebuilt'].title}: ${ERRORS['ledger.rebuilt'].remedy}`,
    studyInstanceUid: parseStudyInstanceUid(study),
    items: [],
    holdsStudy: true,
  };
}

async function readEntry(file: SpoolFile, entry: CatalogueEntry) {
  const { segment, offset, place, description } = entry;
  const digests = await digested(file, place, description ?? {});
  if (description === undefined || !digests.isAsReceived) {
    const error = new HubError('store.missing', { detail: 'changed on the disk' });
    const damaged = damagedDescription(`${segment}#${String(offset)}`, error, digests.dataSetSha256, description);
    return {
      ...spooled(segment, place, damaged, digests),
      digests,
      description: damaged,
      attributes: {},
      isDamaged: true,
    };
  }
  const attributes =
    description.kind === 'instance'
      ? headerAttributes((await readHeader(fileSource(file, place.bodyOffset, entry.sizeBytes))).dataSet)
      : {};
  return { ...spooled(segment, place, description, digests), digests, description, attributes, isDamaged: false };
}

/** One segment open at a time; records of one lie together nearly always. */
class SegmentReader {
  readonly #files: RebuildPorts['files'];
  #open: { readonly name: string; readonly file: SpoolFile } | undefined;

  constructor(files: RebuildPorts['files']) {
    this.#files = files;
  }

  async of(name: string): Promise<SpoolFile> {
    if (this.#open?.name === name) return this.#open.file;
    await this.close();
    const file = await openIfThere(this.#files, name);
    if (file === undefined) throw new HubError('store.missing', { segment: name });
    this.#open = { name, file };
    return file;
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
    this.#open = undefined;
  }
}
