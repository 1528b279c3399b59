/** Takes one file of a watched folder, or all instances of an archive, through `ingest` into the hub. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Ingested } from '../ingest.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { archiveEntries, type ArchiveEntry, type ArchiveLimits } from './archive.ts';
import { noteLines } from './error-note.ts';
import { isDenied, isOfTheSystem, isVanished } from './file-errors.ts';
import { fingerprintOf } from './found-file.ts';
import type { FoundFile } from './found.ts';
import type { IsIgnored } from './ignore.ts';
import { receive, type Received } from './receive.ts';

export interface TakePorts {
  readonly receive: (prefix: Uint8Array) => Reception;
  /** Resolves when the object is durable. @throws {HubError} */
  readonly store: (reception: Reception, offer: Offer) => Promise<Ingested>;
  /** What came under this id is all there, or what is missing will come under another. */
  readonly onEnded: (associationId: string, isWhole: boolean) => void;
  /** A part of it was read: the file system answers. */
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
  readonly realRoot: string;
  readonly isIgnored: IsIgnored;
  readonly archives: ArchiveLimits;
}

export type Outcome =
  /** Durable in the hub, all of it. */
  | { readonly kind: 'taken'; readonly instances: number }
  /** No instance in it. */
  | { readonly kind: 'other' }
  | {
      readonly kind: 'refused';
      readonly error: HubError;
      readonly lines: readonly string[];
      /** Of a study: what is wrong with each scan, for a note beside its folder. */
      readonly scans?: ReadonlyMap<string, readonly string[]>;
    }
  /** It changed or went away while it was read: it begins anew. */
  | { readonly kind: 'changed' }
  /** The hub may not read it, or the disk cannot. */
  | { readonly kind: 'unreadable-now'; readonly error: unknown }
  /** The hub itself takes nothing now. */
  | { readonly kind: 'later'; readonly error: HubError };

/** What the disk settles after the file was read. It never rejects. */
export interface Taking {
  readonly outcome: Promise<Outcome>;
}

const CHUNK_BYTES = 256 * 1024;
/** So many instances of one archive share their syncs. */
const MAX_OUTSTANDING = 8;
const MAX_LISTED = 20;

/** Reads the file to its end. */
export async function take(file: FoundFile, provenance: Provenance, ports: TakePorts): Promise<Taking> {
  try {
    const handle = await openInside(file, ports.realRoot);
    if (handle === undefined) return settled({ kind: 'changed' });
    try {
      const received = await receive(chunksOf(handle, ports), provenance, ports.receive);
      if (received.kind === 'archive') return settled(await takeArchive(file, handle, provenance, ports));
      let isWhole = false;
      try {
        isWhole = await isUnchanged(handle, file);
      } finally {
        // Or the share went away just now: what is not committed must not keep its room in the spool.
        if (!isWhole && received.kind === 'instance') await received.reception.abandon();
      }
      return isWhole ? judge(file, received, ports) : settled({ kind: 'changed' });
    } finally {
      await handle.close();
    }
  } catch (error) {
    return settled(failed(error));
  }
}

function judge(file: FoundFile, received: Exclude<Received, { kind: 'archive' }>, ports: TakePorts): Taking {
  switch (received.kind) {
    case 'instance':
      return { outcome: commit(received, ports) };
    case 'unreadable':
      return settled(refused(received.error));
    case 'other':
      // An archive without its end is one that somebody misses.
      if (/\.zip$/iu.test(file.name)) {
        return settled(refused(new HubError('archive.unreadable', { reason: 'damaged or cut off' })));
      }
      return settled({ kind: 'other' });
    default:
      return received satisfies never;
  }
}

/** Makes what was received durable. It never rejects. */
export async function commit(received: Extract<Received, { kind: 'instance' }>, ports: TakePorts): Promise<Outcome> {
  try {
    await ports.store(received.reception, received.offer);
    return { kind: 'taken', instances: 1 };
  } catch (error) {
    return failed(error);
  }
}

/** An archive is a batch of its own. @throws the disk's errors */
async function takeArchive(
  file: FoundFile,
  handle: FileHandle,
  { door, source }: Provenance,
  ports: TakePorts,
): Promise<Outcome> {
  const provenance: Provenance = { door, source, associationId: randomUUID() };
  let isWhole = false;
  try {
    const outcome = await takeEntries(handle, provenance, ports);
    if (outcome.kind !== 'later' && !(await isUnchanged(handle, file))) return { kind: 'changed' };
    isWhole = outcome.kind === 'taken';
    return outcome;
  } finally {
    ports.onEnded(provenance.associationId, isWhole);
  }
}

async function takeEntries(handle: FileHandle, provenance: Provenance, ports: TakePorts): Promise<Outcome> {
  const tally = new ArchiveTally();
  const pending = new Set<Promise<void>>();
  try {
    for await (const entry of archiveEntries(handle, ports.archives, ports.isIgnored)) {
      ports.signal.throwIfAborted();
      const adding: Promise<void> = tally
        .add(entry.number, await takeEntry(entry, provenance, ports))
        .finally(() => pending.delete(adding));
      pending.add(adding);
      if (pending.size >= MAX_OUTSTANDING) await Promise.race(pending);
      if (tally.isOver) break;
    }
  } finally {
    await Promise.all(pending);
  }
  return tally.outcome;
}

async function takeEntry(entry: ArchiveEntry, provenance: Provenance, ports: TakePorts): Promise<Taking> {
  try {
    const received = await receive(watched(entry.body, ports), provenance, ports.receive);
    if (received.kind === 'instance') return { outcome: commit(received, ports) };
    if (received.kind === 'unreadable') return settled(refused(received.error));
    if (!entry.isArchive) return settled({ kind: 'other' });
    return settled(refused(new HubError('archive.unreadable', { reason: 'an archive inside an archive' })));
  } catch (error) {
    // One damaged entry keeps no other from it; a disk that fails concerns the whole file.
    if (error instanceof HubError) return settled(failed(error));
    throw error;
  }
}

/** What became of an archive's entries. */
class ArchiveTally {
  #later: HubError | undefined;
  #instances = 0;
  #refused = 0;
  #first: HubError | undefined;
  readonly #entries = new Map<number, HubError>();

  async add(number: number, { outcome }: Taking): Promise<void> {
    const result = await outcome;
    if (result.kind === 'taken') this.#instances += 1;
    else if (result.kind === 'later') this.#later ??= result.error;
    else if (result.kind === 'refused') {
      this.#refused += 1;
      this.#first ??= result.error;
      if (this.#refused <= MAX_LISTED) this.#entries.set(number, result.error);
    }
  }

  /** The hub takes nothing now: the rest would only be read in vain. */
  get isOver(): boolean {
    return this.#later !== undefined;
  }

  get outcome(): Outcome {
    if (this.#later !== undefined) return { kind: 'later', error: this.#later };
    if (this.#first === undefined) {
      return this.#instances === 0 ? { kind: 'other' } : { kind: 'taken', instances: this.#instances };
    }
    const more = this.#refused - this.#entries.size;
    // Their commits end in any order.
    const entries = [...this.#entries].toSorted(([one], [other]) => one - other);
    const lines = [
      ...noteLines(this.#first),
      `instances of this archive that are in the hub: ${String(this.#instances)}`,
      `entries that were not taken: ${String(this.#refused)}`,
      ...entries.map(([number, error]) => `entry ${String(number)}: ${error.message}`),
      ...(more > 0 ? [`and ${String(more)} more`] : []),
    ];
    return { kind: 'refused', error: this.#first, lines };
  }
}

/** Undefined when it went away, or is not the file inside the folder that the walk saw. */
async function openInside(file: FoundFile, realRoot: string): Promise<FileHandle | undefined> {
  // NOFOLLOW: the name may have become a link meanwhile. NONBLOCK: or a pipe, which would keep us waiting for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file.path, flags).catch((error: unknown) => {
    if (isVanished(error) || (error instanceof Error && 'code' in error && error.code === 'ELOOP')) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  // Or a folder on the way to it became a link that leads out.
  const isInside = (await realpath(file.path).catch(() => '')) === join(realRoot, file.name);
  if (isInside && (await isUnchanged(handle, file))) return handle;
  await handle.close();
  return undefined;
}

async function isUnchanged(handle: FileHandle, file: FoundFile): Promise<boolean> {
  const { size, mtimeMs, ctimeMs } = await handle.stat();
  return fingerprintOf(size, mtimeMs, ctimeMs) === file.fingerprint;
}

/** One buffer for all chunks: each is used up before the next. */
async function* chunksOf(handle: FileHandle, ports: TakePorts): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ;) {
    ports.signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, position);
    ports.onProgress();
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** Tells of each chunk, and ends with the door. */
export async function* watched(body: AsyncIterable<Uint8Array>, ports: TakePorts): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    ports.signal.throwIfAborted();
    ports.onProgress();
    yield chunk;
  }
}

/** What a failure means to the file it was met in. */
export function failed(error: unknown): Outcome {
  if (isVanished(error)) return { kind: 'changed' };
  if (isDenied(error) || isOfTheSystem(error)) return { kind: 'unreadable-now', error };
  const failure = toHubError(error);
  // The hub's own trouble says nothing about the file.
  const isOurs = failure.code.startsWith('store.') || failure.code.startsWith('gateway.');
  return isOurs || isAbort(error) ? { kind: 'later', error: failure } : refused(failure);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function refused(error: HubError): Outcome {
  return { kind: 'refused', error, lines: noteLines(error) };
}

function settled(outcome: Outcome): Taking {
  return { outcome: Promise.resolve(outcome) };
}
