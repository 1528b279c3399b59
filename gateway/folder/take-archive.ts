/**
 * Takes what is in an archive through `ingest` into the hub. Entries stream from the archive into the spool; study folders of a
 * scanner's software, which are read across their files, are unpacked for it and removed again.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, realpath, rm, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import { type Archive, type ArchiveEntry, type ArchiveLimits, openArchive } from './archive.ts';
import { ArchiveTally } from './archive-tally.ts';
import { filesBelow, fingerprintOfStudy, isUnchanged } from './found-file.ts';
import type { FoundFile } from './found.ts';
import { isStudy, type StudyReader } from './found-study.ts';
import type { IsIgnored } from './ignore.ts';
import { commit, failed, type Outcome, refused, settled, type TakePorts, type Taking, watched } from './outcome.ts';
import { receive } from './receive.ts';
import { storageFailure } from '../spool/storage-failure.ts';
import { isRaw, takeStudy, type TakeStudyPorts } from './take-study.ts';
import { take } from './take.ts';
import { unpack } from './unpack.ts';

export interface TakeArchivePorts extends Omit<TakePorts, 'takeArchive'> {
  readonly isIgnored: IsIgnored;
  readonly archives: ArchiveLimits;
  /** Absent: study folders are folders of files like others. */
  readonly studies?: (Pick<TakeStudyPorts, 'log' | 'scans'> & { readonly reader: StudyReader }) | undefined;
  readonly scratch: Scratch;
}

/** Where studies are unpacked to. */
export interface Scratch {
  /** Absolute; emptied when the gateway opens: what a crash left in it is in the archive still. */
  readonly folder: string;
  /** So much may be written there, as far as is known. */
  readonly roomBytes: () => number;
}

/** So many instances of one archive share their syncs. */
const MAX_OUTSTANDING = 8;
const IGNORE_NOTHING: IsIgnored = () => false;
/** What each study folder is called where it is unpacked. */
const STUDY = 'study';

/** An archive is a batch of its own. @throws the disk's errors */
export async function takeArchive(
  file: FoundFile,
  handle: FileHandle,
  { door, source }: Provenance,
  ports: TakeArchivePorts,
): Promise<Outcome> {
  const provenance: Provenance = { door, source, associationId: randomUUID() };
  let isWhole = false;
  try {
    const outcome = await takeAll(file, handle, provenance, ports);
    if (outcome.kind !== 'later' && !(await isUnchanged(handle, file))) return { kind: 'changed' };
    isWhole = outcome.kind === 'taken';
    return outcome;
  } finally {
    ports.onEnded(provenance.associationId, isWhole);
  }
}

async function takeAll(
  file: FoundFile,
  handle: FileHandle,
  provenance: Provenance,
  ports: TakeArchivePorts,
): Promise<Outcome> {
  const archive = await openArchive(handle, ports.archives, ports.isIgnored);
  const tally = new ArchiveTally();
  const studies = await ArchivedStudies.in(archive, file, ports);
  await takeEntries(archive, (entry) => !studies.hold(entry), tally, provenance, ports);
  if (!tally.isOver && studies.areThere) await takeStudies(archive, studies, tally, provenance, ports);
  return tally.outcome;
}

async function takeEntries(
  archive: Archive,
  isApart: (entry: ArchiveEntry) => boolean,
  tally: ArchiveTally,
  provenance: Provenance,
  ports: TakeArchivePorts,
): Promise<void> {
  const pending = new Set<Promise<void>>();
  try {
    for await (const entry of archive.entries()) {
      if (!isApart(entry)) continue;
      ports.signal.throwIfAborted();
      const { outcome } = await takeEntry(entry, provenance, ports);
      const adding: Promise<void> = outcome
        .then((result) => tally.add(result, entry.number))
        .finally(() => pending.delete(adding));
      pending.add(adding);
      if (pending.size >= MAX_OUTSTANDING) await Promise.race(pending);
      if (tally.isOver) break;
    }
  } finally {
    await Promise.all(pending);
  }
}

async function takeEntry(entry: ArchiveEntry, provenance: Provenance, ports: TakeArchivePorts): Promise<Taking> {
  try {
    const received = await receive(watched(entry.body, ports), provenance, ports.receive);
    if (received.kind === 'instance') return { outcome: commit(received, ports) };
    if (received.kind === 'unreadable') return settled(refused(received.error));
    return settled(entry.isArchive ? refused(nested()) : { kind: 'other' });
  } catch (error) {
    // One damaged entry keeps no other from it; a disk that fails concerns the whole file.
    if (error instanceof HubError) return settled(failed(error));
    throw error;
  }
}

async function takeStudies(
  archive: Archive,
  studies: ArchivedStudies,
  tally: ArchiveTally,
  provenance: Provenance,
  ports: TakeArchivePorts,
): Promise<void> {
  const { folder: scratch, roomBytes } = ports.scratch;
  const room = roomBytes();
  if (studies.bytes > room) {
    const error = new HubError('archive.no-room', { bytes: studies.bytes, roomBytes: Math.max(0, Math.floor(room)) });
    // Not `later`: everything else in the folder would wait for this one.
    tally.lacksRoom(error, studies.bytes);
    return;
  }
  const into = join(scratch, randomUUID());
  try {
    await mkdir(into, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw storageFailure(error);
    });
    await unpack(archive, {
      into,
      placeOf: (entry) => studies.placeOf(entry),
      onRefused: ({ number }, error) => tally.add(refused(error), number),
      watched: (body) => watched(body, ports),
    });
    for (const { folder, called } of studies.unpacked)
      await takeUnpacked(join(into, folder), called, tally, provenance, ports);
  } finally {
    // What is left when the process dies here is removed at the next start.
    await rm(into, { recursive: true, force: true });
  }
}

/**
 * @param root - holds the study folder, and nothing else
 * @param called - what that is called in the archive
 */
async function takeUnpacked(
  root: string,
  called: string,
  tally: ArchiveTally,
  provenance: Provenance,
  ports: TakeArchivePorts,
): Promise<void> {
  const { studies } = ports;
  if (studies === undefined) return;
  const inner: TakePorts = {
    ...ports,
    realRoot: await realpath(root),
    takeArchive: (file) => Promise.resolve(/\.zip$/iu.test(file.name) ? refused(nested()) : { kind: 'other' }),
  };
  const found = filesBelow({
    ...{ root, isIgnored: IGNORE_NOTHING, signal: ports.signal },
    studies: {
      ...studies.reader,
      recognise: async (path, names) =>
        studies.reader.recognise(path, names, path === join(root, STUDY) ? called : undefined),
    },
    isExcluded: () => false,
    onProgress: ports.onProgress,
    onDenied: () => undefined,
    onMisnamed: () => tally.add(refused(tooDeep())),
    onEmpty: () => Promise.resolve(),
    onNote: () => Promise.resolve(),
  });
  for await (const file of found) {
    if (tally.isOver) return;
    if (!isStudy(file)) {
      tally.add(await (await take(file, provenance, inner)).outcome);
      continue;
    }
    const look = async (path: string) => fingerprintOfStudy(path, IGNORE_NOTHING, ports.signal);
    tally.addStudy(await takeStudy(file, provenance, { ...inner, log: studies.log, scans: studies.scans, look }));
  }
}

/** Which entries are parts of study folders, told by their names; what they are is looked into when they are unpacked. */
class ArchivedStudies {
  /** Numbers by the folders' names, each with a slash behind it; empty for the archive's own top. */
  readonly #numbers = new Map<string, number>();
  readonly #archiveName: string;
  bytes = 0;

  private constructor(archiveName: string) {
    this.#archiveName = archiveName;
  }

  static async in(archive: Archive, file: FoundFile, { studies }: TakeArchivePorts): Promise<ArchivedStudies> {
    const found = new ArchivedStudies(basename(file.name).replace(/\.zip$/iu, ''));
    if (studies === undefined) return found;
    const roots = new Set<string>();
    for await (const { name } of archive.entries()) {
      const root = studies.reader.rootOf(name);
      if (root !== undefined) roots.add(root === '' ? '' : `${root}/`);
    }
    // A study in a study is a part of it.
    for (const root of [...roots].toSorted((one, other) => one.length - other.length))
      if (found.#rootOf(root) === undefined) found.#numbers.set(root, found.#numbers.size + 1);
    if (found.areThere)
      for await (const entry of archive.entries())
        if (found.placeOf(entry) !== undefined) found.bytes += entry.inflatedBytes;
    return found;
  }

  get areThere(): boolean {
    return this.#numbers.size > 0;
  }

  /** Where they are unpacked to, each in a folder of its own, and what they are called. */
  get unpacked(): readonly { readonly folder: string; readonly called: string }[] {
    return [...this.#numbers].map(([root, number]) => ({
      folder: `study-${String(number)}`,
      called: root === '' ? this.#archiveName : basename(root),
    }));
  }

  hold({ name }: ArchiveEntry): boolean {
    return this.#rootOf(name) !== undefined;
  }

  /** Undefined for what is no part of a study, and for raw data, which nothing is made of. */
  placeOf({ name }: ArchiveEntry): string | undefined {
    const root = this.#rootOf(name);
    if (root === undefined || isRaw(name)) return undefined;
    // Not under the study's own name, which is often a patient's.
    return `study-${String(this.#numbers.get(root))}/${STUDY}/${name.slice(root.length)}`;
  }

  #rootOf(name: string): string | undefined {
    if (this.#numbers.has('')) return '';
    for (let end = name.indexOf('/'); end !== -1; end = name.indexOf('/', end + 1)) {
      const root = name.slice(0, end + 1);
      if (this.#numbers.has(root)) return root;
    }
    return undefined;
  }
}

function nested(): HubError {
  return new HubError('archive.unreadable', { reason: 'an archive inside an archive' });
}

function tooDeep(): HubError {
  return new HubError('archive.unreadable', { reason: 'too many folders inside each other in a study' });
}
