/** What became of a file of a watched folder, and what taking one needs of the door. */
import type { FileHandle } from 'node:fs/promises';
import { type HubError, toHubError } from '../../core/errors.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Ingested } from '../ingest.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { noteLines } from './error-note.ts';
import { isDenied, isOfTheSystem, isVanished } from './file-errors.ts';
import type { FoundFile } from './found.ts';
import type { Received } from './receive.ts';

/** @param handle - of the archive; stays the caller's @throws the disk's errors */
export type TakeArchive = (archive: FoundFile, handle: FileHandle, provenance: Provenance) => Promise<Outcome>;

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
  /** What is in an archive. */
  readonly takeArchive: TakeArchive;
}

export type Outcome =
  /** Durable in the hub, all of it. */
  | {
      readonly kind: 'taken';
      readonly instances: number;
      /** An archive with raw data in it that is nowhere else. */
      readonly holdsStudies?: boolean;
    }
  /** No instance in it. */
  | { readonly kind: 'other' }
  | {
      readonly kind: 'refused';
      readonly error: HubError;
      readonly lines: readonly string[];
      /** Of a study: what is wrong with each scan, for a note beside its folder. */
      readonly scans?: ReadonlyMap<string, readonly string[]>;
      /** Of a study: the objects of it that are in the hub, and the files, apart from scans, that are not. */
      readonly instances?: number;
      readonly files?: number;
      /** It was only for want of so much room on the disk of the data folder: it is tried again when there is as much. */
      readonly needsBytes?: number | undefined;
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

/** Makes what was received durable. It never rejects. */
export async function commit(
  received: Extract<Received, { kind: 'instance' }>,
  ports: Pick<TakePorts, 'store'>,
): Promise<Outcome> {
  try {
    await ports.store(received.reception, received.offer);
    return { kind: 'taken', instances: 1 };
  } catch (error) {
    return failed(error);
  }
}

/** Tells of each chunk, and ends with the door. */
export async function* watched(
  body: AsyncIterable<Uint8Array>,
  ports: Pick<TakePorts, 'signal' | 'onProgress'>,
): AsyncGenerator<Uint8Array> {
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

/** It was looked into, and is not to be taken. */
export function refused(error: HubError): Outcome {
  return { kind: 'refused', error, lines: noteLines(error) };
}

export function settled(outcome: Outcome): Taking {
  return { outcome: Promise.resolve(outcome) };
}
