/**
 * Where bytes live. Everything stored is a range of an append-only file ("pack"): spool segments are packs that the
 * gateway writes, results are packs that a processor writes, one a step. So an instance is written once, and one
 * fdatasync makes any number of objects durable.
 */

import { HubError } from './errors.ts';

declare const refBrand: unique symbol;
/** `<pack>#<offset>+<length>`; opaque to everyone but the store. */
export type BlobRef = string & { readonly [refBrand]: true };

export interface StoredBlob {
  readonly blob: BlobRef;
  readonly sizeBytes: number;
  /** Lower-case hex digest of the bytes. */
  readonly sha256: string;
}

/** Random access to stored bytes, so that a header can be read without the pixels. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** A fresh buffer of `length` bytes from `offset`, shorter only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills `bytes`, all of which the source has, from `offset`. Absent: there are only fresh buffers. */
  readonly readInto?: ((bytes: Uint8Array, offset: number) => Promise<void>) | undefined;
  /** Chunks of at most 1 MiB; each chunk is owned by the reader. */
  stream(offset?: number, length?: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface ObjectStore {
  /** @throws {HubError} `store.missing` */
  open(ref: BlobRef): Promise<ByteSource>;
  /**
   * A new pack, invisible until committed. A name is used once (it carries the job's fence), so a retry never meets
   * the remains of the attempt before it.
   */
  createPack(name: string): Promise<PackWriter>;
}

export interface PackWriter {
  /**
   * Appends one object. Its reference is valid after `commit`. One append at a time. A chunk is done with when the next is
   * asked for: whoever makes them may use the same memory again.
   *
   * @throws {HubError} `store.full`, `store.failed`
   */
  append(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<StoredBlob>;
  /** fdatasync, then the name, then the folder: after it every appended object survives the power plug. */
  commit(): Promise<void>;
  /** Leaves nothing behind. Harmless after `commit`. */
  abort(): Promise<void>;
}

/** A pack as it looks from outside. */
export interface PackEntry {
  /** As in a reference. */
  readonly pack: string;
  readonly sizeBytes: number;
  /** When it was made, or begun; never later than when it became visible. */
  readonly madeAt: Date;
}

/** The packs of a store for whoever removes, verifies and counts them. */
export interface PackShelf {
  /** Committed packs whose names begin so, in the order of their names. @throws {HubError} `store.*` */
  list(prefix: string): AsyncIterable<PackEntry>;
  /** For good. Harmless when it is not there. */
  remove(pack: string): Promise<void>;
  /** Gives up packs that were begun before then and never committed. @returns how many */
  removeUnfinished(before: Date): Promise<number>;
}

/** A store of another machine's that what was received is copied to. */
export interface PackUploads {
  /**
   * A new pack of these bytes, or none: when it resolves, they survive the loss of this machine.
   *
   * @param pack - never used before
   * @param body - of `sizeBytes` bytes; read once for each attempt
   * @throws {HubError} `store.*`; then nothing has that name, or nobody will ever refer to it
   */
  upload(pack: string, sizeBytes: number, body: () => AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
}

/** What one run carries from step to step: the data sets, and the files made from them. */
export type RunItem = InstanceItem | ArtefactItem;

export interface InstanceItem extends StoredBlob {
  readonly kind: 'instance';
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  /** The partner a `deidentify` step released it for. Absent: it must not reach a partner. */
  readonly releasedFor?: string;
  /** The processor that made it; absent for what a device sent. */
  readonly derivedBy?: string;
}

export interface ArtefactItem extends StoredBlob {
  readonly kind: 'artefact';
  /** Relative file name with forward slashes, of UIDs and fixed words only: `qc/<series>/mosaic.png`. */
  readonly name: string;
  readonly mediaType: string;
  readonly seriesInstanceUid?: string;
  readonly releasedFor?: string;
  readonly derivedBy: string;
}

/** Relative to the data folder, of harmless characters only: a reference can never leave the folder. */
const BLOB_REF = /^((?:[A-Za-z0-9_-][A-Za-z0-9_.-]*\/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*)#(\d+)\+(\d+)$/;

export function formatBlobRef(pack: string, offset: number, length: number): BlobRef {
  const ref = `${pack}#${String(offset)}+${String(length)}`;
  parseBlobRef(ref as BlobRef);
  return ref as BlobRef;
}

/** @throws {HubError} `store.missing` when it is not a reference */
export function parseBlobRef(ref: BlobRef): {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
} {
  const [, pack, offset, length] = BLOB_REF.exec(ref) ?? [];
  if (pack === undefined) throw new HubError('store.missing', { ref });
  return { pack, offset: Number(offset), length: Number(length) };
}
