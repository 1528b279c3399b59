/**
 * Removes what is delivered and old enough. The ledger decides and gives up its rows first; then files go that no row
 * points at any more. So whatever a crash interrupts, the next look finds files that nothing needs, and never a row
 * without its bytes.
 */
import type { StudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Expired } from '../core/ledger/retention.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { compactSegment } from './spool/compaction.ts';
import type { SpoolFiles } from './spool/files.ts';
import { SEGMENT_MAGIC } from './spool/record.ts';

export interface RetentionOptions {
  /** Undefined is for ever. */
  readonly receivedMs?: number | undefined;
  readonly resultsMs?: number | undefined;
  readonly quarantineMs?: number | undefined;
  readonly everyMs: number;
  /** A segment with less of it still needed is copied together; 0 never copies. */
  readonly compactBelowFraction: number;
}

export interface RetentionPorts {
  readonly ledger: Pick<Ledger, 'instances' | 'retention'>;
  readonly files: SpoolFiles;
  readonly log: Logger;
  readonly clock: Clock;
  /** Never used before. */
  readonly nextName: () => string;
  /** Objects are still appended to the segment: it may be whole in the ledger, and grow in the next moment. */
  readonly isOpen: (segment: string) => boolean;
  /** Of the replicas of the hub this one gives up what is old enough: it is the same ledger. Each has a spool of its own. */
  readonly isCaretaker?: () => boolean;
  /** Packs of results that were given up. @returns how many */
  readonly removeResults: () => Promise<number>;
  /** Packs of received objects in an object store of another machine's that nothing needs. @returns how many */
  readonly sweepPacks?: () => Promise<number>;
}

/** The hub has enough to do when it begins. */
const FIRST_LOOK_MS = 60_000;
const NONE: Expired = { studies: [], runs: 0, quarantineEntries: 0 };
const NOTHING = { removed: 0, compacted: 0 };

export class Retention {
  readonly #ports: RetentionPorts;
  readonly #options: RetentionOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(ports: RetentionPorts, options: RetentionOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  start(): void {
    this.#wakeIn(Math.min(FIRST_LOOK_MS, this.#options.everyMs));
  }

  /** Waits for the file under way. Harmless twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** One look. @throws {HubError} what ledger or disk say; what was done by then stands */
  async look(): Promise<void> {
    const isCaretaker = this.#ports.isCaretaker?.() ?? true;
    const expired = isCaretaker ? await this.#expire() : NONE;
    const isForEver = this.#options.receivedMs === undefined && this.#options.quarantineMs === undefined;
    const { removed, compacted } = isForEver ? NOTHING : await this.#removeSegments();
    // Last: a store that is down must not keep the local disk full.
    const results = isCaretaker ? await this.#ports.removeResults() : 0;
    const packs = (await this.#ports.sweepPacks?.()) ?? 0;
    if (removed + compacted + results + packs + expired.studies.length + expired.runs + expired.quarantineEntries === 0)
      return;
    this.#ports.log.info('what was delivered and old enough was removed', {
      studies: expired.studies.length,
      runs: expired.runs,
      quarantineEntries: expired.quarantineEntries,
      segmentsRemoved: removed,
      segmentsCompacted: compacted,
      resultPacksRemoved: results,
      ...(packs === 0 ? {} : { packsRemoved: packs }),
    });
  }

  #wakeIn(ms: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.look()
        .catch((error: unknown) => this.#ports.log.error('retention could not end its look', { reason: String(error) }))
        .finally(() => this.#wakeIn(this.#options.everyMs));
    }, ms).unref();
  }

  async #expire(): Promise<Expired> {
    const { ledger, clock, log } = this.#ports;
    const { receivedMs, resultsMs, quarantineMs } = this.#options;
    const before = (ms: number | undefined) => (ms === undefined ? undefined : new Date(clock.now().getTime() - ms));
    const [receivedBefore, resultsBefore, quarantineBefore] = [receivedMs, resultsMs, quarantineMs].map(before);
    const rules = {
      ...(receivedBefore === undefined ? {} : { receivedBefore }),
      ...(resultsBefore === undefined ? {} : { resultsBefore }),
      ...(quarantineBefore === undefined ? {} : { quarantineBefore }),
    };
    const studies: StudyInstanceUid[] = [];
    let [runs, quarantineEntries] = [0, 0];
    while (!this.#isStopped) {
      const some = await ledger.retention.expire(rules);
      for (const studyInstanceUid of some.studies) log.info('study removed after delivery', { studyInstanceUid });
      studies.push(...some.studies);
      runs += some.runs;
      quarantineEntries += some.quarantineEntries;
      if (some.studies.length + some.runs + some.quarantineEntries === 0) break;
    }
    return { studies, runs, quarantineEntries };
  }

  /** Only segments that are closed, whose every record the ledger has been told of. */
  async #removeSegments(): Promise<{ readonly removed: number; readonly compacted: number }> {
    const { files, ledger, log } = this.#ports;
    for (const name of await files.listUnfinished()) await files.removeUnfinished(name);
    const recorded = new Map((await ledger.instances.spoolPositions()).map(({ segment, offset }) => [segment, offset]));
    const names = await files.list();
    const counts = { removed: 0, compacted: 0 };
    for (const name of names) {
      if (this.#isStopped) break;
      if (this.#ports.isOpen(name)) continue;
      const sizeBytes = await sizeOf(files, name);
      // Not everything is recorded, or it is being written, or something follows the last record: it stays.
      if (sizeBytes === undefined || sizeBytes <= SEGMENT_MAGIC.length || recorded.get(name) !== sizeBytes) continue;
      const neededBytes = await ledger.retention.neededBytes(name);
      // All of it is in the object store: it leaves the disk by itself, and its position stays for the packs.
      if (neededBytes === 0 && this.#ports.sweepPacks !== undefined) continue;
      if (neededBytes > 0 && neededBytes >= sizeBytes * this.#options.compactBelowFraction) continue;
      if (neededBytes > 0) {
        const { nextName } = this.#ports;
        if (!(await compactSegment(name, { files, retention: ledger.retention, nextName }))) continue;
        // A version that was replaced meanwhile, or a release: asked again, because the file goes for good.
        if ((await ledger.retention.neededBytes(name)) > 0) continue;
        counts.compacted += 1;
        log.info('segment copied together', { segment: name, sizeBytes, neededBytes });
      }
      await files.remove(name);
      // The name has to be gone for good before its position is: a segment without one would be recorded again.
      await files.syncFolder();
      await ledger.retention.forgetSegment(name);
      counts.removed += 1;
    }
    return counts;
  }
}

async function sizeOf(files: SpoolFiles, name: string): Promise<number | undefined> {
  const file = await files.openForReading(name);
  try {
    return await file.sizeBytes();
  } finally {
    await file.close();
  }
}
