/**
 * A watched folder: a door for everything that can only write files. It looks into the folder again and again (a
 * network share tells nobody of a change), takes what has not changed for a while, and puts it away once it is durable.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { toHubError } from '../../core/errors.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { waited } from '../../core/waited.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { errorCode } from '../spool/storage-failure.ts';
import type { ArchiveLimits } from './archive.ts';
import { FolderBatch } from './batch.ts';
import { EmptiedFolders } from './emptied-folders.ts';
import { isNoted, notedFingerprint, removeNote, removeOrphanNote } from './error-note.ts';
import { FileMemory } from './file-memory.ts';
import { filesBelow, fingerprintOfStudy } from './found-file.ts';
import type { FoundFile } from './found.ts';
import { isStudy, type StudyReader } from './found-study.ts';
import { ignoring } from './ignore.ts';
import { LookTally, type FolderCounts } from './look-tally.ts';
import { checkPlaces, problemOf } from './places.ts';
import { writeNotes } from './refusal-notes.ts';
import { PuttingAway, type WhenStudyTaken, type WhenTaken } from './put-away.ts';
import type { Outcome, TakePorts } from './outcome.ts';
import { type Scratch, takeArchive } from './take-archive.ts';
import { takeStudy } from './take-study.ts';
import { take } from './take.ts';

export interface WatchedFolderOptions {
  /** The source of what comes from here. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly scanMs: number;
  readonly minAgeMs: number;
  /** Folders that the hub emptied are removed when they stay so for so long; undefined: never. */
  readonly removeEmptyMs?: number | undefined;
  readonly whenTaken: WhenTaken;
  /** Undefined: study folders are folders of files like others. */
  readonly studies?: WhenStudyTaken | undefined;
  readonly ignore: readonly string[];
  readonly archives: ArchiveLimits;
  /** What was begun ends when nothing was taken for so long, whatever else waits. */
  readonly batchIdleMs?: number;
}

export interface WatchedFolderPorts extends Pick<TakePorts, 'receive' | 'store' | 'onEnded'> {
  /** False while the hub takes nothing: files wait where they are. */
  readonly canTake: () => boolean;
  /** Of the gateways that are configured with the folder this one looks into it. */
  readonly mayWatch?: (folder: string) => boolean;
  readonly onSeen: (source: string) => void;
  /** Who knows the study folders of a scanner's software, and what counts their scans. */
  readonly studies?: { readonly reader: StudyReader; readonly scans: GatewayMetrics['folderScans'] } | undefined;
  /** Where studies in archives are unpacked to. */
  readonly scratch: Scratch;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Instances whose commits share a sync. */
const MAX_OUTSTANDING = 8;
/** Taken, and not to be moved: with more of them the folder is not used as it should be, and nothing more is taken. */
const MAX_STUCK = 1_000;
/** Files the disk cannot read, in a row, until it is taken for gone. */
const MAX_FAILURES = 10;
/** So long they are not tried again: bad files must not keep those behind them from being taken. */
const REST_MS = 60_000;
/** A share that does not answer keeps its question open for minutes; so long we believe that it will. */
const STALLED_AFTER_MS = 60_000;
const LONGEST_PAUSE_MS = 60_000;

export class WatchedFolder {
  readonly #options: WatchedFolderOptions;
  readonly #ports: WatchedFolderPorts;
  readonly #log: Logger;
  readonly #memory: FileMemory;
  readonly #emptied: EmptiedFolders;
  readonly #puttingAway: PuttingAway;
  readonly #isIgnored: ReturnType<typeof ignoring>;
  readonly #stopping = new AbortController();
  readonly #lookAtStudy = async (path: string) => fingerprintOfStudy(path, this.#isIgnored, this.#stopping.signal);
  #running: Promise<void> = Promise.resolve();
  #counts: FolderCounts = { waiting: 0, refused: 0, other: 0, stuck: 0 };
  #problem: string | undefined;
  #failedLooks = 0;
  #progressAtMs = Infinity;
  readonly #progress = () => void (this.#progressAtMs = performance.now());
  #batch: FolderBatch | undefined;
  #isPaused = false;
  #lastFailure: unknown;

  constructor(options: WatchedFolderOptions, ports: WatchedFolderPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#log = ports.log.child({ door: 'folder', source: options.name });
    this.#memory = new FileMemory(options.minAgeMs);
    this.#emptied = new EmptiedFolders(options.removeEmptyMs, options.whenTaken);
    const { whenTaken, studies } = options;
    this.#puttingAway = new PuttingAway({ whenTaken, studies, look: this.#lookAtStudy });
    this.#isIgnored = ignoring(options.ignore);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Of the last look. */
  get counts(): FolderCounts {
    return this.#counts;
  }

  /** Why the folder does not do what it is for; undefined when it does. No path, no file name. */
  get problem(): string | undefined {
    if (performance.now() - this.#progressAtMs > STALLED_AFTER_MS) return 'the share does not answer';
    return this.#problem;
  }

  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  /** Waits for what is being made durable, no longer than the deadline: a dead share may never answer. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    const deadline = new AbortController();
    const late = delay(deadlineMs, undefined, { signal: deadline.signal, ref: false }).catch(() => undefined);
    await Promise.race([this.#running, late]);
    deadline.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#progressAtMs = performance.now();
        if (this.#ports.mayWatch?.(this.#options.name) ?? true) this.#tell(await this.#look(signal));
        else this.#stepBack();
        this.#failedLooks = 0;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#failedLooks += 1;
        this.#tell(problemOf(error));
        if (toHubError(error).code === 'internal.unexpected' && errorCode(error) === 'unknown') {
          this.#log.error('a look into a watched folder failed', { reason: String(error) });
        }
      } finally {
        this.#progressAtMs = Infinity;
      }
      const pauseMs = Math.min(LONGEST_PAUSE_MS, this.#options.scanMs * 2 ** Math.min(this.#failedLooks, 10));
      await waited(Math.max(pauseMs, this.#options.scanMs), signal);
    }
  }

  /** Another gateway looks: what was begun here has ended, and the counts are told there. */
  #stepBack(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#counts = { waiting: 0, refused: 0, other: 0, stuck: 0 };
    if (batch !== undefined) this.#ports.onEnded(batch.associationId, false);
  }

  /** @returns what is wrong although the folder can be read */
  async #look(signal: AbortSignal): Promise<string | undefined> {
    const { path, whenTaken, studies } = this.#options;
    const keptIn = new Set([whenTaken, studies].flatMap((when) => (when?.kind === 'keep' ? [when.folder] : [])));
    const tally = new LookTally();
    const pending = new Set<Promise<void>>();
    this.#isPaused = false;
    const plain = {
      ...this.#ports,
      onProgress: this.#progress,
      realRoot: await checkPlaces(path, whenTaken),
      signal,
    };
    const known = studies === undefined ? undefined : this.#ports.studies;
    const archivePorts = {
      ...{ ...plain, archives: this.#options.archives, isIgnored: this.#isIgnored },
      studies: known === undefined ? undefined : { ...known, log: this.#log },
    };
    const ports: TakePorts = {
      ...plain,
      takeArchive: async (file, handle, provenance) => takeArchive(file, handle, provenance, archivePorts),
    };
    try {
      const found = filesBelow({
        root: path,
        isIgnored: this.#isIgnored,
        isExcluded: (folder) => keptIn.has(folder),
        signal,
        onProgress: this.#progress,
        onDenied: () => void (tally.denied += 1),
        onMisnamed: () => void (tally.misnamed += 1),
        onEmpty: async (name, folder) => this.#emptied.seen(name, folder),
        onNote: async (note) => removeOrphanNote(note).catch(() => void (tally.denied += 1)),
        studies: known?.reader,
      });
      for await (const file of found) await this.#visit(file, tally, ports, pending);
    } finally {
      await Promise.all(pending);
    }
    this.#memory.endLook();
    this.#emptied.endLook();
    this.#endLook(tally);
    return tally.problem;
  }

  async #visit(file: FoundFile, tally: LookTally, ports: TakePorts, pending: Set<Promise<void>>): Promise<void> {
    const { roomBytes } = this.#ports.scratch;
    const state = this.#memory.observe(file.name, file.fingerprint, performance.now(), roomBytes);
    switch (state) {
      case 'waiting':
      case 'other':
        tally[state] += 1;
        return;
      case 'refused':
      case 'unnoted':
        tally.refused += 1;
        if (state === 'refused' && !(await isNoted(file.path))) this.#memory.forget(file.name);
        return;
      case 'resting':
        tally.failed(this.#lastFailure, false);
        return;
      case 'left':
        return;
      case 'taken':
      case 'kept':
        await this.#leave(file, tally, state === 'kept');
        return;
      case 'still':
        if (this.#isPaused || tally.stuck >= MAX_STUCK || !this.#ports.canTake()) {
          tally.waiting += 1;
          return;
        }
        break;
      default:
        return state satisfies never;
    }
    if ((await notedFingerprint(file.path).catch(() => undefined)) === file.fingerprint) {
      this.#memory.settle(file.name, file.fingerprint, 'refused');
      tally.refused += 1;
      return;
    }
    this.#batch ??= new FolderBatch(this.#options.batchIdleMs);
    const { associationId } = this.#batch;
    const provenance = { door: 'folder', source: this.#options.name, associationId } as const;
    const scans = this.#ports.studies?.scans;
    const { outcome } =
      isStudy(file) && scans !== undefined
        ? { outcome: takeStudy(file, provenance, { ...ports, log: this.#log, look: this.#lookAtStudy, scans }) }
        : await take(file, provenance, ports);
    const settling: Promise<void> = outcome
      .then(async (result) => this.#settle(file, result, tally))
      .finally(() => pending.delete(settling));
    pending.add(settling);
    if (pending.size >= MAX_OUTSTANDING) await Promise.race(pending);
    if (tally.failuresInARow >= MAX_FAILURES) throw tally.lastFailure;
  }

  async #settle(file: FoundFile, outcome: Outcome, tally: LookTally): Promise<void> {
    this.#progress();
    const { name, fingerprint } = file;
    if (outcome.kind !== 'unreadable-now') tally.failuresInARow = 0;
    switch (outcome.kind) {
      case 'taken':
        this.#ports.onSeen(this.#options.name);
        this.#batch?.taken(outcome.instances);
        await this.#leave(file, tally, outcome.holdsStudies);
        return;
      case 'other':
        this.#memory.settle(name, fingerprint, 'other');
        tally.other += 1;
        return;
      case 'refused':
        await this.#refuse(file, outcome, tally);
        return;
      case 'changed':
        this.#memory.forget(name);
        tally.waiting += 1;
        return;
      case 'unreadable-now':
        this.#lastFailure = outcome.error;
        this.#memory.rest(name, performance.now() + REST_MS);
        tally.failed(outcome.error);
        return;
      case 'later':
        // Said once where it arose; the files wait for the next look.
        this.#isPaused = true;
        tally.waiting += 1;
        return;
      default:
        return outcome satisfies never;
    }
  }

  /** Its bytes are durable: only now may the file go. */
  async #leave(file: FoundFile, tally: LookTally, holdsStudies = false): Promise<void> {
    try {
      const put = await this.#puttingAway.put(file, this.#ports.clock.now(), holdsStudies);
      if (put === 'stays') this.#memory.settle(file.name, file.fingerprint, 'left');
      else this.#memory.forget(file.name);
      this.#emptied.took(file.name);
      if (put === 'changed') tally.waiting += 1;
      else await removeNote(file.path);
    } catch (error) {
      this.#memory.settle(file.name, file.fingerprint, holdsStudies ? 'kept' : 'taken');
      tally.cannotPutAway(error);
    }
  }

  async #refuse(file: FoundFile, refusal: Extract<Outcome, { kind: 'refused' }>, tally: LookTally): Promise<void> {
    const { error, needsBytes } = refusal;
    const { code } = error;
    tally.refused += 1;
    this.#batch?.refused();
    this.#memory.settle(file.name, file.fingerprint, 'refused', needsBytes);
    this.#log.warn(
      isStudy(file) ? 'study not taken whole, notes say why' : 'file not taken, a note beside it says why',
      { code, ...error.fields },
    );
    const isDefect = code === 'internal.unexpected';
    if (isDefect) this.#log.error('unexpected failure', { reason: String(error.cause) });
    // A defect of the hub says nothing about the file, nor does its disk: another version may take it, or another day.
    const fingerprint = isDefect || needsBytes !== undefined ? undefined : file.fingerprint;
    await writeNotes(file, refusal, fingerprint, this.#ports.clock.now()).catch(() => {
      tally.denied += 1;
      this.#memory.settle(file.name, file.fingerprint, 'unnoted', needsBytes);
    });
  }

  #endLook(tally: LookTally): void {
    if (tally.other > this.#counts.other) {
      this.#log.info('files that are no instances are left in the folder', { files: tally.other });
    }
    this.#counts = tally.counts;
    const ended = this.#batch?.endedBy(tally);
    if (ended === undefined) return;
    this.#batch = undefined;
    const { associationId, instances, refused, isWhole } = ended;
    this.#ports.onEnded(associationId, isWhole);
    if (instances > 0) this.#log.info('folder batch ended', { associationId, instances, refused });
  }

  #tell(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem === undefined) this.#log.info('watched folder is in order again');
    else this.#log.warn('watched folder cannot be used as it should', { reason: problem });
  }
}
