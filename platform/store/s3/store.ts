/**
 * The object store in a bucket: each pack is one object. What was received lies in `spool/<node>/`, results in
 * `results/`. References of before the bucket (`spool/<segment>`, `store/<pack>`) are read from the data folder, where
 * they lie: a hub that moves to a bucket keeps what it has.
 */
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { HubError } from '../../../core/errors.ts';
import type { SecretReference } from '../../../core/plugins.ts';
import {
  type BlobRef,
  formatBlobRef,
  type ObjectStore,
  type PackEntry,
  type PackShelf,
  type PackUploads,
  type PackWriter,
  parseBlobRef,
  type StoredBlob,
} from '../../../core/store.ts';
import type { StoreClaimant, StoreOwnership } from '../owner.ts';
import { type Bucket, openBucket, type S3Options } from './client.ts';
import { openOwnership } from './owner.ts';
import { openS3Blob } from './reading.ts';
import { mayBeThereAlready, refusal } from './refusal.ts';
import { PART_BYTES, S3Upload } from './upload.ts';

/** Packs of results. */
export const RESULTS = 'results/';
const PACK_NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;
/** Up to here a pack of known length is one PUT: a round trip instead of four. */
const WHOLE_BYTES = 2 * PART_BYTES + 1024 * 1024;

export interface S3Store extends ObjectStore, PackShelf, PackUploads {
  readonly ownership: StoreOwnership;
  /** Lets go of its connections. */
  close(): Promise<void>;
}

/**
 * @param local - where references of before the bucket are read
 * @param claimant - whose the bucket must be before anything is written or removed; absent: it is not asked
 */
export function openS3Store(
  options: S3Options,
  local: Pick<ObjectStore, 'open'>,
  secret: (reference: SecretReference) => string,
  claimant?: StoreClaimant,
): S3Store {
  const bucket = openBucket(options, secret);
  const ownership = openOwnership(bucket, claimant);
  return {
    ownership,
    open: async (ref) => (isLocal(ref) ? local.open(ref) : openS3Blob(bucket, ref)),
    createPack: async (name) => {
      if (!PACK_NAME.test(name)) throw new HubError('store.failed', { detail: 'not a name for a pack' });
      await ownership.require();
      return new S3Pack(bucket, `${RESULTS}${name}.pack`);
    },
    list: (prefix) => listPacks(bucket, prefix),
    remove: async (pack) => {
      await ownership.require();
      await removePack(bucket, pack);
    },
    removeUnfinished: async (before) => {
      await ownership.require();
      return removeUnfinished(bucket, before);
    },
    upload: async (pack, sizeBytes, body, signal) => {
      await ownership.require();
      await upload(bucket, pack, sizeBytes, body, signal);
    },
    close: () => {
      bucket.client.destroy();
      return Promise.resolve();
    },
  };
}

function isLocal(ref: BlobRef): boolean {
  return /^(spool\/[^/]+|store\/.*)$/.test(parseBlobRef(ref).pack);
}

class S3Pack implements PackWriter {
  readonly #pack: string;
  readonly #upload: S3Upload;
  #state: 'open' | 'appending' | 'committed' | 'aborted' = 'open';

  constructor(bucket: Bucket, pack: string) {
    this.#pack = pack;
    this.#upload = new S3Upload(bucket, pack);
  }

  /** What a broken body left stays in the pack as bytes that no reference names: parts that were sent cannot be taken back. */
  async append(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    if (this.#state !== 'open') throw new TypeError(`a pack that is ${this.#state} takes no object`);
    this.#state = 'appending';
    try {
      const start = this.#upload.sizeBytes;
      const digest = createHash('sha256');
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        digest.update(chunk);
        await this.#upload.write(chunk);
      }
      const sizeBytes = this.#upload.sizeBytes - start;
      return { blob: formatBlobRef(this.#pack, start, sizeBytes), sizeBytes, sha256: digest.digest('hex') };
    } finally {
      this.#state = 'open';
    }
  }

  async commit(): Promise<void> {
    if (this.#state !== 'open') throw new TypeError(`a pack that is ${this.#state} cannot be committed`);
    await this.#upload.complete();
    this.#state = 'committed';
  }

  async abort(): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    await this.#upload.abort();
  }
}

async function upload(
  bucket: Bucket,
  pack: string,
  sizeBytes: number,
  body: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const partBytes = sizeBytes <= WHOLE_BYTES ? Math.max(1, sizeBytes) : PART_BYTES;
  const one = new S3Upload(bucket, pack, { partBytes, signal });
  try {
    for await (const chunk of body()) await one.write(chunk);
    if (one.sizeBytes !== sizeBytes) throw new HubError('store.failed', { pack, detail: 'not as long as it was said' });
    await one.complete();
  } catch (error) {
    // The first failure is the one to report; an upload that stays is swept.
    await one.abort().catch(() => undefined);
    throw refusal(error, { pack });
  }
}

async function* listPacks(bucket: Bucket, prefix: string): AsyncGenerator<PackEntry> {
  let token: string | undefined;
  do {
    const page = await bucket.client
      .send(
        new ListObjectsV2Command({
          ...{ Bucket: bucket.name, Prefix: bucket.key(prefix) },
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      )
      .catch((error: unknown) => {
        throw refusal(error, { prefix });
      });
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      if (Key === undefined) continue;
      yield { pack: bucket.packOf(Key), sizeBytes: Size ?? 0, madeAt: LastModified ?? new Date() };
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

async function removePack(bucket: Bucket, pack: string): Promise<void> {
  try {
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: bucket.key(pack) }));
  } catch (error) {
    const failure = refusal(error, { pack });
    if (failure.code !== 'store.missing') throw failure;
  }
}

async function removeUnfinished(bucket: Bucket, before: Date): Promise<number> {
  let removed = 0;
  let marker: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined;
  try {
    do {
      const page = await bucket.client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: bucket.key(''), ...marker }),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || Initiated === undefined || Initiated >= before) continue;
        await bucket.client
          .send(new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId }))
          .catch((error: unknown) => {
            if (!mayBeThereAlready(error)) throw error; // Ended meanwhile.
          });
        removed += 1;
      }
      marker =
        page.IsTruncated === true && page.NextKeyMarker !== undefined && page.NextUploadIdMarker !== undefined
          ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
          : undefined;
    } while (marker !== undefined);
    return removed;
  } catch (error) {
    throw refusal(error, {});
  }
}
