/** A study's objects in a bucket: created under a condition, compared where one is there already, the manifest last. */
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { HubError } from '../../core/errors.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import { eachOf } from '../../core/several-at-once.ts';
import type { ObjectStore } from '../../core/store.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { layOut, nameOf, type StudyFile } from '../file-layout.ts';
import { DUPLICATE_SOP_INSTANCE, type Rejection, rejectionOf } from '../rejections.ts';
import {
  extendManifest,
  formatManifest,
  MANIFEST,
  type Manifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from '../study-manifest.ts';
import { type Bucket, DELIVERY_MARK, hasDigest, isConflict, isMissing, refusal } from './bucket.ts';
import { type Condition, putFile } from './put.ts';

interface Layout {
  readonly layout: string;
  readonly partSize: number;
  readonly parallel: number;
}

/** Others may extend the manifest between our reading and writing it; more often than this they do not by chance. */
const MANIFEST_ATTEMPTS = 10;

export async function deliverStudy(
  bucket: Bucket,
  store: ObjectStore,
  { layout, partSize, parallel }: Layout,
  order: DeliveryOrder,
  onDelivered: (sopInstanceUid: string) => void,
): Promise<void> {
  const { folder, files } = layOut(order, layout);
  const rejections: Rejection[] = [];
  const waiting = files.filter(({ item }) => item.kind !== 'instance' || !order.delivered.has(item.sopInstanceUid));
  attemptNotes()?.asked(`PUT to the bucket ${bucket.name}, ${String(waiting.length)} objects`);
  try {
    await eachOf(waiting, parallel, async ({ item, path }) => {
      order.signal.throwIfAborted();
      const key = `${folder}/${path}`;
      const put = (condition: Condition) =>
        putFile(bucket, store, { key, item, condition, partSize }, order.deliveryId, order.signal);
      const isThere = await place(bucket, { item, path: key }, order, put);
      if (item.kind !== 'instance') {
        if (!isThere) throw new HubError('partner.refused', { detail: 'another object has the key of a file' });
      } else if (isThere) onDelivered(item.sopInstanceUid);
      else {
        const detail = 'another object has its key';
        rejections.push({ sopInstanceUid: item.sopInstanceUid, status: DUPLICATE_SOP_INSTANCE, detail });
      }
    });
    if (rejections.length > 0) throw rejectionOf(rejections);
    await commit(bucket, `${folder}/${MANIFEST}`, order, files);
    attemptNotes()?.answered(`${String(waiting.length)} objects and their manifest are there`);
  } catch (error) {
    throw refusal(error, order.signal);
  }
}

/** HEAD of each object: its length, and the digest that the store counted or was told. */
export async function reconcileStudy(
  bucket: Bucket,
  { layout, parallel }: Layout,
  order: DeliveryOrder,
): Promise<Reconciliation> {
  const { folder, files } = layOut(order, layout);
  attemptNotes()?.asked(`HEAD to the bucket ${bucket.name}, ${String(files.length)} objects`);
  const missing: string[] = [];
  try {
    await eachOf(files, parallel, async ({ item, path }) => {
      order.signal.throwIfAborted();
      const head = await headOf(bucket, `${folder}/${path}`, order.signal);
      if (head === undefined || hasDigest(head, item) !== true) missing.push(nameOf(item));
    });
  } catch (error) {
    throw refusal(error, order.signal);
  }
  attemptNotes()?.answered(`${String(files.length - missing.length)} are whole`);
  return { missing, detail: 'HEAD: length and SHA-256 of each object' };
}

/** @returns false when an object of somebody else's has the key */
async function place(
  bucket: Bucket,
  { item, path }: StudyFile,
  order: DeliveryOrder,
  put: (condition: Condition) => Promise<void>,
): Promise<boolean> {
  try {
    await put({ IfNoneMatch: '*' });
    return true;
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
  const head = await headOf(bucket, path, order.signal);
  // Removed in between: the next attempt creates it.
  if (head === undefined) throw new HubError('partner.busy', { detail: 'an object went away while it was compared' });
  if (hasDigest(head, item) ?? (await sameBytes(bucket, path, item.sha256, order.signal))) return true;
  const isOurs = head.Metadata?.[DELIVERY_MARK] !== undefined;
  const isKnown = item.kind === 'instance' && order.revised.has(item.sopInstanceUid);
  if (!isOurs && !isKnown) return false;
  if (head.ETag === undefined) throw new HubError('partner.refused', { detail: 'an object without an ETag' });
  try {
    await put({ IfMatch: head.ETag });
  } catch (error) {
    if (!isConflict(error)) throw error;
    throw new HubError('partner.busy', { detail: 'somebody else wrote an object while it was replaced' }, error);
  }
  return true;
}

async function headOf(bucket: Bucket, key: string, signal: AbortSignal) {
  try {
    return await bucket.client.send(new HeadObjectCommand({ ...bucket.object(key), ChecksumMode: 'ENABLED' }), {
      abortSignal: signal,
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function sameBytes(bucket: Bucket, key: string, sha256: string, signal: AbortSignal): Promise<boolean> {
  const { Body } = await bucket.client.send(new GetObjectCommand(bucket.object(key)), { abortSignal: signal });
  const digest = createHash('sha256');
  for await (const chunk of bodyOf(Body)) digest.update(chunk);
  return digest.digest('hex') === sha256;
}

/** Read, extended and written under the condition that nobody else did so in between: two replicas lose nothing of each other. */
async function commit(bucket: Bucket, key: string, order: DeliveryOrder, files: readonly StudyFile[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await readManifest(bucket, key, order.signal);
    const body = formatManifest(extendManifest(before?.manifest, order, files));
    try {
      await bucket.client.send(
        new PutObjectCommand({
          ...bucket.object(key),
          ...{ Body: body, ContentLength: body.byteLength, ContentType: 'application/json' },
          ChecksumSHA256: createHash('sha256').update(body).digest('base64'),
          Metadata: { [DELIVERY_MARK]: order.deliveryId },
          ...(before === undefined ? { IfNoneMatch: '*' } : { IfMatch: before.etag }),
        }),
        { abortSignal: order.signal },
      );
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (attempt === MANIFEST_ATTEMPTS)
        throw new HubError('partner.busy', { detail: 'others write the manifest all the time' }, error);
    }
  }
}

async function readManifest(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly manifest: Manifest; readonly etag: string } | undefined> {
  try {
    const answer = await bucket.client.send(new GetObjectCommand(bucket.object(key)), { abortSignal: signal });
    if ((answer.ContentLength ?? 0) > MAX_MANIFEST_BYTES)
      throw new HubError('partner.refused', { detail: `${MANIFEST} in the bucket is too long` });
    const parts: Uint8Array[] = [];
    for await (const chunk of bodyOf(answer.Body)) parts.push(chunk);
    return { manifest: parseManifest(Buffer.concat(parts).toString('utf8')), etag: answer.ETag ?? '' };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** In Node a body is a stream of buffers; the SDK's type covers browsers too. */
function bodyOf(body: unknown): AsyncIterable<Uint8Array> {
  return body as AsyncIterable<Uint8Array>;
}
